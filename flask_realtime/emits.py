"""What an application calls: events to send, questions about presence, connections to end.

Written once: `Realtime` has these as methods, and the package has them as functions on the current application.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from flask_realtime.backends.base import PresenceEntry
from flask_realtime.contract.events import RESERVED_NAMES
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.payloads import UserStatus
from flask_realtime.features import messages, notifications
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.effects import Send
from flask_realtime.features.presence import Presence


class Target(Protocol):
    """What the calls act on: a server, or the bus alone."""

    @property
    def presence(self) -> Presence:
        """Who is online."""

    @property
    def conversations(self) -> Conversations:
        """Who has joined which conversation."""

    def send(self, send: Send, *, skip_sender: bool) -> bool:
        """Send an event, and say whether it is on its way to all servers."""

    def disconnect_user(self, user_id: str, reason: str | None) -> int:
        """End a user's connections, and say how many there were."""

    def disconnect_token(self, jti: str, reason: str | None) -> int:
        """End the connections opened with a token, and say how many of them were on this server."""

    def remove_from_conversation(self, conversation_id: str, user_id: str) -> None:
        """Take a user's connections out of a conversation."""


class Emits(ABC):
    """The calls of one application.

    Those that send return whether the event is on its way to all servers. False means that the message queue cannot be reached now:
    the connections of this server have the event, the other servers get it when the queue is back, if that is soon enough; the log
    says so too. Without a message queue it is always True.

    Wherever one takes `skip_sender`, True leaves out the connection that the current request names in its `X-Socket-ID` header, or,
    in a hook or an event handler, the connection that it was called for. Payloads may hold whatever the application's JSON provider
    can serialise; `PayloadNotSerializable` is raised for anything else. Ids are strings or integers; `InvalidId` is raised for
    anything else.
    """

    @abstractmethod
    def _target(self) -> Target:
        """Return what to act on."""

    def emit_new_message(self, conversation_id: WireId, message: Any, *, skip_sender: bool = False) -> bool:
        """Send `message:new` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message: The message, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(messages.new_message(conversation_id, message), skip_sender=skip_sender)

    def emit_message_read(
        self,
        conversation_id: WireId,
        message_ids: Iterable[WireId],
        user_id: WireId | None = None,
        *,
        skip_sender: bool = False,
    ) -> bool:
        """Send `messages:read` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_ids: The messages that were read.
            user_id: Who read them, where that is to be known.
            skip_sender: Whether to leave out the sender's connection.
        """
        reader = None if user_id is None else parse_id(user_id, "user_id")
        return self._send(messages.messages_read(conversation_id, message_ids, reader), skip_sender=skip_sender)

    def emit_message_deleted(self, conversation_id: WireId, message_id: WireId, *, skip_sender: bool = False) -> bool:
        """Send `message:deleted` to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            message_id: The message that was deleted.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(messages.message_deleted(conversation_id, message_id), skip_sender=skip_sender)

    def emit_notification_to_user(self, user_id: WireId, notification: Any, *, skip_sender: bool = False) -> bool:
        """Send `notification:new` to all of a user's connections.

        Args:
            user_id: The user.
            notification: The notification, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(notifications.new_notification(parse_id(user_id, "user_id"), notification), skip_sender=skip_sender)

    def emit_order_update(self, user_id: WireId, order: Any, *, skip_sender: bool = False) -> bool:
        """Send `order:update` to all of a user's connections.

        Args:
            user_id: The user whose order it is.
            order: The order, as the clients are to see it.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(notifications.order_update(parse_id(user_id, "user_id"), order), skip_sender=skip_sender)

    def send_to_user(self, user_id: WireId, event: str, *args: Any, skip_sender: bool = False) -> bool:
        """Send an event of the application's own to all of a user's connections.

        Args:
            user_id: The user.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(notifications.to_user(parse_id(user_id, "user_id"), _sendable(event), *args), skip_sender=skip_sender)

    def send_to_conversation(self, conversation_id: WireId, event: str, *args: Any, skip_sender: bool = False) -> bool:
        """Send an event of the application's own to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        text = parse_id(conversation_id, "conversation_id")
        return self._send(Conversations.custom(text, _sendable(event), args), skip_sender=skip_sender)

    def broadcast_to_all(self, event: str, *args: Any, skip_sender: bool = False) -> bool:
        """Send an event of the application's own to every connection.

        Args:
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
        """
        return self._send(Send(_sendable(event), args, rooms=None), skip_sender=skip_sender)

    def is_user_online(self, user_id: WireId) -> bool:
        """Say whether a user has a connection."""
        return self._target().presence.is_online(parse_id(user_id, "user_id"))

    def get_user_status(self, user_id: WireId) -> UserStatus:
        """Return a user's status, as `user:get-status` answers it."""
        return self._target().presence.status(parse_id(user_id, "user_id"))

    def get_online_users_count(self) -> int:
        """Return how many users have a connection."""
        return self._target().presence.count()

    def get_online_users(self, conversation_id: WireId | None = None) -> list[str]:
        """Return the ids of the users who have a connection.

        Args:
            conversation_id: Only those with a connection joined to this conversation; None for all.
        """
        target = self._target()
        if conversation_id is None:
            return target.presence.users()
        return target.conversations.online_users(parse_id(conversation_id, "conversation_id"))

    def get_user_connections(self, user_id: WireId) -> list[PresenceEntry]:
        """Return a user's connections on all servers: the id of each, its server, since when it is there, and on what device."""
        return self._target().presence.connections(parse_id(user_id, "user_id"))

    def disconnect_user(self, user_id: WireId, reason: str | None = None) -> int:
        """End all of a user's connections. Their clients do not come back by themselves.

        Args:
            user_id: The user.
            reason: What the `on_disconnect` hooks and the log are told.

        Returns:
            How many connections there were.
        """
        return self._target().disconnect_user(parse_id(user_id, "user_id"), reason)

    def disconnect_token(self, jti: str, reason: str | None = None) -> int:
        """End the connections that were opened with an access token, which a log-out wants.

        Args:
            jti: The token's `jti` claim.
            reason: What the `on_disconnect` hooks and the log are told.

        Returns:
            How many connections there were on this server; those on others end too.
        """
        return self._target().disconnect_token(jti, reason)

    def remove_from_conversation(self, conversation_id: WireId, user_id: WireId) -> None:
        """Take all of a user's connections out of a conversation, which a lost membership wants.

        Args:
            conversation_id: The conversation.
            user_id: The user.
        """
        self._target().remove_from_conversation(parse_id(conversation_id, "conversation_id"), parse_id(user_id, "user_id"))

    def _send(self, send: Send, *, skip_sender: bool) -> bool:
        return self._target().send(send, skip_sender=skip_sender)


def _sendable(event: object) -> str:
    if not isinstance(event, str) or not event or event in RESERVED_NAMES:
        msg = f"{event!r} is no event that can be sent: it must be a non-empty string, and not one of Socket.IO's own"
        raise ValueError(msg)
    return event
