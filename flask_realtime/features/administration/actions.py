"""Actions of administrators on the connections of this server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from flask_realtime.contract.rooms import conversation_of, is_user_room
from flask_realtime.errors import BadRequest
from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.administration.events import DISCONNECT, EMIT, JOIN, LEAVE, Action
from flask_realtime.features.conversations import conversations

REASON: Final = "administrator"
"""The reason for which administrators end connections."""


def check(action: Action) -> None:
    """Check that an action is possible.

    Raises:
        BadRequest: It would give a connection the events of another user, or take its own from it.
    """
    if action.kind in {JOIN, LEAVE} and is_user_room(action.args[0]):
        msg = "A user's room is entered and left with the connection alone"
        raise BadRequest(msg)


class Actions:
    """Performs actions here.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._server = context.server
        self._disconnect = context.disconnect
        self._conversations = context.state_of(conversations)

    def perform(self, action: Action) -> None:
        """Perform an action on the connections of this server that it is about."""
        if action.kind == EMIT:
            event, *args = action.args
            self._server.send(action.namespace, action.room, event, args)
            return
        for connection in self._server.connections(action.namespace, action.room):
            with suppress(ValueError):  # It has just ended, or the room is another connection's own.
                self._perform_on(connection, action)

    def _perform_on(self, connection: Any, action: Action) -> None:
        if action.kind == JOIN:
            self._server.enter(connection, action.args[0])
        elif action.kind == LEAVE:
            self._leave(connection, action.args[0])
        elif action.kind == DISCONNECT and action.args[0]:
            self._server.end_session(connection, REASON)
        elif action.kind == DISCONNECT:
            self._disconnect(connection, REASON)

    def _leave(self, connection: ServedConnection, room: str) -> None:
        conversation_id = conversation_of(room)
        if conversation_id is not None and connection.user_id:
            self._conversations.membership.leave(connection, conversation_id)  # The hooks and other features learn of it.
        else:
            self._server.leave(connection, room)
