"""Hooks of connections: `on_connect`, `on_disconnect`, and the handlers of both registered through Flask-SocketIO."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from flask_realtime.contract.effects import Announce
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.serving.existing import ExistingHandlers
from flask_realtime.hooks import ON_CONNECT, ON_DISCONNECT

CONNECT: Final = "connect"
_DISCONNECT: Final = "disconnect"


class ConnectionHooks:
    """Calls the application's hooks of connections.

    Args:
        application: Calls the application's code.
        existing: The handlers that it registered through Flask-SocketIO.
    """

    def __init__(self, application: Application, existing: ExistingHandlers) -> None:
        self._application = application
        self._functions = application.hooks.functions
        self._existing = existing

    def authorize(self, connection: Connection, auth: object) -> None:
        """Ask the application whether an authenticated client may connect.

        Raises:
            ConnectionRefused: A hook or handler refused.
            EventError: One raised it, or failed.
        """
        for hook in self._functions(ON_CONNECT) if connection.user_id else ():
            if not self._application.decide(hook, connection.identity, connection=connection, event=CONNECT, default=True):
                raise ConnectionRefused
        if self._existing.has_socketio_handler(CONNECT, connection.namespace):
            handler = self._existing.call_socketio_connect_handler
            where = (connection.session.id, connection.namespace, connection.id)
            self._application.call(handler, *where, auth, connection=connection, event=CONNECT)

    def disconnected(self, connection: Connection, reason: str, announcements: Iterable[Announce] = ()) -> None:
        """Notify the hooks of a closed connection, after those of features' announcements."""
        for announcement in announcements:
            self._application.announce(self._functions(announcement.hook), *announcement.args, connection=connection)
        hooks = self._functions(ON_DISCONNECT) if connection.user_id else []
        self._application.announce(hooks, connection.identity, reason, connection=connection)

    def post_disconnected(
        self, connection: Connection, reason: str, announcements: Iterable[Announce], *, socketio_handler_called: bool
    ) -> None:
        """Notify the hooks of a closed connection in its mailbox, after the events that it sent before.

        Args:
            connection: The connection.
            reason: The reason for its end.
            announcements: The features' announcements.
            socketio_handler_called: Whether python-socketio has called the handler itself.
        """
        has_handler = not socketio_handler_called and self._existing.has_socketio_handler(_DISCONNECT, connection.namespace)
        if has_handler or self._functions(ON_DISCONNECT) or announcements:
            notify = self._disconnected_with_handler if has_handler else self.disconnected
            connection.session.mailbox.post(partial(notify, connection, reason, announcements))

    def _disconnected_with_handler(self, connection: Connection, reason: str, announcements: Iterable[Announce]) -> None:
        where = (connection.session.id, connection.namespace, connection.id)
        handler = self._existing.call_socketio_disconnect_handler
        self._application.announce([handler], *where, reason, connection=connection)
        self.disconnected(connection, reason, announcements)
