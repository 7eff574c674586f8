"""Joining and leaving conversations: the rooms, the features and the application's hooks kept in step."""

from __future__ import annotations

from flask_realtime.contract import events
from flask_realtime.contract.rooms import conversation_room
from flask_realtime.errors import EventError, Forbidden, TooManyRooms
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.parts import Parts
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Membership:
    """Which connections are in which conversations.

    Args:
        parts: The gateway's parts.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._has_told = False

    def authorize(self, connection: Connection, conversation_id: str, event: str) -> None:
        """Ask the application whether a user may see a conversation.

        Raises:
            Forbidden: It said no, or there is nobody to ask.
            EventError: The hook raised it, or failed.
        """
        application = self._parts.application
        hook = application.hooks.authorize_join
        args = (connection.identity, conversation_id)
        if hook is None:
            self._tell_of_missing_hook()
        elif application.decide(hook, *args, connection=connection, event=event, default=False):
            return
        msg = "You may not join this conversation"
        raise Forbidden(msg)

    def _tell_of_missing_hook(self) -> None:
        if not self._has_told:
            self._has_told = True
            logger.warning(
                "There is no authorize_join hook, so that every join is refused; register one with @realtime.authorize_join."
            )

    def join(self, connection: Connection, conversation_id: str) -> None:
        """Let a connection join.

        Raises:
            TooManyRooms: The connection has joined as many as it may.
            EventError: The application refused, or a hook failed; the connection is not joined then.
        """
        self._require_room(connection, conversation_id)
        try:
            self.authorize(connection, conversation_id, events.JOIN_CONVERSATION)
            if self._enter(connection, conversation_id):
                self._tell_joined(connection, conversation_id)
        except EventError:
            self.leave(connection, conversation_id)
            raise

    def _require_room(self, connection: Connection, conversation_id: str) -> None:
        conversations, most = self._parts.features.conversations, self._parts.config.max_rooms
        if conversations.count_joined(connection.id) >= most and not conversations.is_joined(connection.id, conversation_id):
            msg = f"You have joined {most} conversations, as many as one connection may; leave one first"
            raise TooManyRooms(msg)

    def _enter(self, connection: Connection, conversation_id: str) -> bool:
        with connection.lock:
            if connection.closed:
                return False
            self._parts.server.enter(connection.id, conversation_room(conversation_id))
            joined = self._parts.features.conversations.join(connection.id, conversation_id)
        if joined:
            self._parts.features.conversations.share_join(connection.id, connection.user_id, conversation_id)
        return joined

    def _tell_joined(self, connection: Connection, conversation_id: str) -> None:
        application = self._parts.application
        for hook in application.hooks.on_join:
            application.call(hook, connection.identity, conversation_id, connection=connection, event=events.JOIN_CONVERSATION)

    def leave(self, connection: Connection, conversation_id: str) -> None:
        """Let a connection leave; if it was joined, end its typing there and tell the application."""
        features, server = self._parts.features, self._parts.server
        with connection.lock:
            server.leave(connection.id, conversation_room(conversation_id))
            left = features.conversations.leave(connection.id, conversation_id)
            ended = features.typing.left(connection.id, conversation_id)
        for send in ended:
            self._parts.delivery.send(send)
        if left:
            features.conversations.share_leave(connection.id, conversation_id)
            self._tell_left(connection, conversation_id)

    def disconnected(self, connection: Connection) -> list[str]:
        """Take a connection that is gone out of its conversations, and return these; `tell_left_all` is still to come."""
        features = self._parts.features
        for send in features.typing.disconnected(connection.id):
            self._parts.delivery.send(send)
        return features.conversations.disconnected(connection.id)

    def tell_left_all(self, connection: Connection, conversation_ids: list[str]) -> None:
        """Tell the application which conversations a connection that is gone was joined to."""
        for conversation_id in conversation_ids:
            self._tell_left(connection, conversation_id)

    def _tell_left(self, connection: Connection, conversation_id: str) -> None:
        application = self._parts.application
        application.announce(list(application.hooks.on_leave), connection.identity, conversation_id, connection=connection)
