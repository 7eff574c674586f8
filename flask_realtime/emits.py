"""What an application calls: events to send, questions about presence, connections to end.

Written once: `Realtime` has these as methods, and the package has them as functions on the current application.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flask import has_request_context, request
from flask_jwt_extended import get_jwt_identity

from flask_realtime.contract.events import RESERVED_NAMES
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.payloads import UserStatus
from flask_realtime.features import messages, notifications
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.effects import Send
from flask_realtime.gateway.connection import current
from flask_realtime.gateway.gateway import Gateway

SENDER_HEADER = "X-Socket-ID"


class Emits(ABC):
    """The calls of one application.

    Wherever one takes `skip_sender`, True leaves out the connection that the current request names in its `X-Socket-ID` header, or,
    in a hook or an event handler, the connection that it was called for. Payloads may hold whatever the application's JSON provider
    can serialise; `PayloadNotSerializable` is raised for anything else. Ids are strings or integers; `InvalidId` is raised for
    anything else.
    """

    @abstractmethod
    def _gateway(self) -> Gateway:
        """Return the gateway to act on."""

    def emit_new_message(self, conversation_id: WireId, message: Any, *, skip_sender: bool = False) -> None:
        """Send `message:new` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message: The message, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(messages.new_message(conversation_id, message), skip_sender=skip_sender)

    def emit_message_read(
        self,
        conversation_id: WireId,
        message_ids: Iterable[WireId],
        user_id: WireId | None = None,
        *,
        skip_sender: bool = False,
    ) -> None:
        """Send `messages:read` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_ids: The messages that were read.
            user_id: Who read them, where that is to be known.
            skip_sender: Whether to leave out the sender's connection.
        """
        reader = None if user_id is None else parse_id(user_id, "user_id")
        self._send(messages.messages_read(conversation_id, message_ids, reader), skip_sender=skip_sender)

    def emit_message_deleted(self, conversation_id: WireId, message_id: WireId, *, skip_sender: bool = False) -> None:
        """Send `message:deleted` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_id: The message that was deleted.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(messages.message_deleted(conversation_id, message_id), skip_sender=skip_sender)

    def emit_notification_to_user(self, user_id: WireId, notification: Any, *, skip_sender: bool = False) -> None:
        """Send `notification:new` to all of a user's connections.

        Args:
            user_id: The user.
            notification: The notification, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(notifications.new_notification(parse_id(user_id, "user_id"), notification), skip_sender=skip_sender)

    def emit_order_update(self, user_id: WireId, order: Any, *, skip_sender: bool = False) -> None:
        """Send `order:update` to all of a user's connections.

        Args:
            user_id: The user whose order it is.
            order: The order, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(notifications.order_update(parse_id(user_id, "user_id"), order), skip_sender=skip_sender)

    def send_to_user(self, user_id: WireId, event: str, *args: Any, skip_sender: bool = False) -> None:
        """Send an event of the application's own to all of a user's connections.

        Args:
            user_id: The user.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(notifications.to_user(parse_id(user_id, "user_id"), _sendable(event), *args), skip_sender=skip_sender)

    def send_to_conversation(self, conversation_id: WireId, event: str, *args: Any, skip_sender: bool = False) -> None:
        """Send an event of the application's own to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        text = parse_id(conversation_id, "conversation_id")
        self._send(Conversations.custom(text, _sendable(event), args), skip_sender=skip_sender)

    def broadcast_to_all(self, event: str, *args: Any, skip_sender: bool = False) -> None:
        """Send an event of the application's own to every connection.

        Args:
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        self._send(Send(_sendable(event), args, rooms=None), skip_sender=skip_sender)

    def is_user_online(self, user_id: WireId) -> bool:
        """Say whether a user has a connection."""
        return self._gateway().parts.features.presence.is_online(parse_id(user_id, "user_id"))

    def get_user_status(self, user_id: WireId) -> UserStatus:
        """Return a user's status, as `user:get-status` answers it."""
        return self._gateway().parts.features.presence.status(parse_id(user_id, "user_id"))

    def get_online_users_count(self) -> int:
        """Return how many users have a connection."""
        return self._gateway().parts.features.presence.count()

    def get_online_users(self, conversation_id: WireId | None = None) -> list[str]:
        """Return the ids of the users who have a connection.

        Args:
            conversation_id: Only those with a connection joined to this conversation; None for all.
        """
        features = self._gateway().parts.features
        if conversation_id is None:
            return features.presence.users()
        return features.conversations.online_users(parse_id(conversation_id, "conversation_id"))

    def disconnect_user(self, user_id: WireId, reason: str | None = None) -> int:
        """End all of a user's connections. Their clients do not come back by themselves.

        Args:
            user_id: The user.
            reason: What the `on_disconnect` hooks and the log are told.

        Returns:
            How many connections there were.
        """
        gateway = self._gateway()
        return _disconnect(gateway, gateway.parts.registry.of_user(parse_id(user_id, "user_id")), reason)

    def disconnect_token(self, jti: str, reason: str | None = None) -> int:
        """End the connections that were opened with an access token, which a log-out wants.

        Args:
            jti: The token's `jti` claim.
            reason: What the `on_disconnect` hooks and the log are told.

        Returns:
            How many connections there were.
        """
        gateway = self._gateway()
        return _disconnect(gateway, gateway.parts.registry.with_token(jti), reason)

    def remove_from_conversation(self, conversation_id: WireId, user_id: WireId) -> None:
        """Take all of a user's connections out of a conversation, which a lost membership wants.

        Args:
            conversation_id: The conversation.
            user_id: The user.
        """
        gateway, text = self._gateway(), parse_id(conversation_id, "conversation_id")
        for connection in gateway.parts.registry.of_user(parse_id(user_id, "user_id")):
            gateway.membership.leave(connection, text)

    def _send(self, send: Send, *, skip_sender: bool) -> None:
        gateway = self._gateway()
        gateway.parts.server.send(replace(send, skip_connection=_sender(gateway)) if skip_sender else send)


def _disconnect(gateway: Gateway, connections: list[Any], reason: str | None) -> int:
    for connection in connections:
        gateway.lifecycle.disconnect(connection, reason or "server disconnect")
    return len(connections)


def _sendable(event: object) -> str:
    if not isinstance(event, str) or not event or event in RESERVED_NAMES:
        msg = f"{event!r} is no event that can be sent: it must be a non-empty string, and not one of Socket.IO's own"
        raise ValueError(msg)
    return event


def _sender(gateway: Gateway) -> str | None:
    connection = current.get(None)
    if connection is not None:
        return connection.id
    named = request.headers.get(SENDER_HEADER) if has_request_context() else None
    named_connection = None if named is None else gateway.parts.registry.get(named)
    if named_connection is not None and _is_somebody_elses(named_connection.user_id):
        return None  # Nobody, least of all an anonymous client, can keep an event from another user by naming a connection.
    return named


def _is_somebody_elses(user_id: str) -> bool:
    try:
        identity = get_jwt_identity()
    except RuntimeError:
        return False  # The view does not use tokens; then there is nothing to compare with.
    return str(identity) != user_id
