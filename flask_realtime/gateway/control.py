"""What the application asks of all servers at once: to send, to end connections, to end memberships."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from flask import has_request_context, request
from flask_jwt_extended import get_jwt_identity

from flask_realtime.backends.bus import Envelope
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.effects import Send
from flask_realtime.features.presence import Presence
from flask_realtime.gateway.connection import Connection, current
from flask_realtime.gateway.lifecycle import SERVER_DISCONNECT, Lifecycle
from flask_realtime.gateway.membership import Membership
from flask_realtime.gateway.parts import Parts

COMMAND: Final = "command"
"""The kind of envelope that carries something for the other servers to do."""

SENDER_HEADER: Final = "X-Socket-ID"


class Control:
    """Does what the application asks, here and on the other servers.

    Args:
        parts: The gateway's parts.
        lifecycle: Ends connections.
        membership: Ends memberships.
        publish: Sends something to the other servers.
    """

    def __init__(self, parts: Parts, lifecycle: Lifecycle, membership: Membership, publish: Callable[[Envelope], bool]) -> None:
        self._parts = parts
        self._lifecycle = lifecycle
        self._membership = membership
        self._publish = publish
        self._commands: dict[str, Callable[..., object]] = {
            "disconnect_user": self._disconnect_user,
            "disconnect_token": self._disconnect_token,
            "remove_from_conversation": self._remove_from_conversation,
        }

    @property
    def presence(self) -> Presence:
        """Who is online."""
        return self._parts.features.presence

    @property
    def conversations(self) -> Conversations:
        """Who has joined which conversation."""
        return self._parts.features.conversations

    def send(self, send: Send, *, skip_sender: bool) -> bool:
        """Send an event; see `Delivery.send`.

        Args:
            send: The event.
            skip_sender: Whether to leave out the connection on whose behalf the caller works.
        """
        return self._parts.delivery.send(replace(send, skip_connection=self._sender()) if skip_sender else send)

    def disconnect_user(self, user_id: str, reason: str | None) -> int:
        """End a user's connections on every server, and say how many there were."""
        elsewhere = sum(self._parts.registry.get(entry.connection_id) is None for entry in self.presence.connections(user_id))
        return self._everywhere("disconnect_user", user_id, reason) + elsewhere

    def disconnect_token(self, jti: str, reason: str | None) -> int:
        """End the connections opened with a token on every server, and say how many there were on this one."""
        return self._everywhere("disconnect_token", jti, reason)

    def remove_from_conversation(self, conversation_id: str, user_id: str) -> None:
        """Take a user's connections out of a conversation, on every server."""
        self._everywhere("remove_from_conversation", conversation_id, user_id)

    def perform(self, envelope: Envelope) -> None:
        """Do what another server was asked for."""
        self._commands[envelope.header["command"]](*envelope.header["args"])

    def _everywhere(self, command: str, *args: Any) -> int:
        self._publish(command_envelope(command, *args))
        done = self._commands[command](*args)
        return done if isinstance(done, int) else 0

    def _disconnect_user(self, user_id: str, reason: str | None) -> int:
        return self._disconnect(self._parts.registry.of_user(user_id), reason)

    def _disconnect_token(self, jti: str, reason: str | None) -> int:
        return self._disconnect(self._parts.registry.with_token(jti), reason)

    def _disconnect(self, connections: Iterable[Connection], reason: str | None) -> int:
        ended = 0
        for connection in connections:
            self._lifecycle.disconnect(connection, reason or SERVER_DISCONNECT)
            ended += 1
        return ended

    def _remove_from_conversation(self, conversation_id: str, user_id: str) -> None:
        for connection in self._parts.registry.of_user(user_id):
            self._membership.leave(connection, conversation_id)

    def _sender(self) -> str | None:
        connection = current.get(None)
        if connection is not None:
            return connection.id
        named = request.headers.get(SENDER_HEADER) if has_request_context() else None
        return named if named is not None and self._may_name(named) else None

    def _may_name(self, connection_id: str) -> bool:
        """Say whether a request may name a connection: nobody can keep an event from another user by naming one of theirs."""
        try:
            user_id = str(get_jwt_identity())
        except RuntimeError:
            return True  # The view does not use tokens; then there is nothing to compare with.
        connection = self._parts.registry.get(connection_id)
        if connection is not None:
            return connection.user_id == user_id
        return any(entry.connection_id == connection_id for entry in self.presence.connections(user_id))


def command_envelope(command: str, *args: Any) -> Envelope:
    """Return what tells the other servers to do something.

    Args:
        command: What they are to do.
        args: The arguments of that, as JSON has them.
    """
    return Envelope(COMMAND, {"command": command, "args": args})
