"""A Flask-SocketIO object that an application has already: whether it can be taken over, and the handlers registered through it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from flask_socketio import SocketIO
from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError as SocketIOConnectionRefused
from socketio.manager import Manager

from flask_realtime.errors import ConfigError, ConnectionRefused
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE


def check_existing(server: Any) -> None:
    """Check that a Socket.IO server can be taken over.

    Raises:
        ConfigError: It cannot.
    """
    if server.packet_class is not sio.Packet:
        msg = "The SocketIO object has a serializer of its own; flask_realtime speaks Socket.IO's default one only."
        raise ConfigError(msg)
    if type(server.manager) is not Manager:
        msg = "The SocketIO object has a message queue or a client manager; flask_realtime needs one without."
        raise ConfigError(msg)


class ExistingHandlers:
    """Calls the handlers that an application registered through Flask-SocketIO itself.

    Args:
        socketio: The Flask-SocketIO object, initialised.
        rooms: The rooms of its connections.
    """

    def __init__(self, socketio: SocketIO, rooms: RoomManager) -> None:
        self._server = socketio.server
        self._rooms = rooms
        self._connecting: ContextVar[bool] = ContextVar("connecting", default=False)
        socketio.exception_handlers = _HandlersExceptWhileConnecting(socketio.exception_handlers, self._connecting)

    @property
    def is_empty(self) -> bool:
        """True if there are none."""
        return not self._server.handlers and not self._server.namespace_handlers

    def has_namespace(self, namespace: str) -> bool:
        """Return whether the application's own handlers serve a namespace."""
        server = self._server
        return namespace in server.handlers or namespace in server.namespace_handlers or namespace in server.namespaces

    @property
    def namespaces(self) -> set[str]:
        """The namespaces that have them, as far as they are known by name."""
        server = self._server
        return {*server.handlers, *server.namespace_handlers, *server.namespaces} - {"*"}

    def has_socketio_handler(self, event: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Return whether the application handles an event of a namespace through Flask-SocketIO itself."""
        return not self.is_empty and (
            self._server._get_event_handler(event, namespace, ())[0] is not None  # noqa: SLF001
            or namespace in self._server.namespace_handlers
        )

    def names(self, event: str, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Return whether one of these handlers is for that event alone, unlike one for whatever is sent."""
        handlers = self._server.namespace_handlers.get(namespace)
        return event in self._server.handlers.get(namespace, {}) or hasattr(handlers, f"on_{event}")

    def call_socketio_handler(self, event: str, namespace: str, connection_id: str, *args: Any) -> Any:
        """Call the application's own handler of an event."""
        return self._server._trigger_event(event, namespace, connection_id, *args)  # noqa: SLF001

    def call_socketio_connect_handler(self, eio_sid: str, namespace: str, connection_id: str, auth: object) -> None:
        """Call the application's own connect handler.

        Raises:
            ConnectionRefused: It refused.
        """
        token = self._connecting.set(True)
        try:
            accepted = self.call_socketio_handler("connect", namespace, connection_id, self._server.environ[eio_sid], auth)
        except (SocketIOConnectionRefused, ConnectionRefusedError) as error:
            raise ConnectionRefused(*(str(argument) for argument in error.args[:1])) from error
        finally:
            self._connecting.reset(token)
        if accepted is False:
            raise ConnectionRefused

    def call_socketio_disconnect_handler(self, eio_sid: str, namespace: str, connection_id: str, reason: str) -> None:
        """Call the application's own disconnect handler, which may still ask for the connection's session."""
        with self._rooms.of(namespace).resolving(connection_id, eio_sid):
            self.call_socketio_handler("disconnect", namespace, connection_id, reason)


class _HandlersExceptWhileConnecting(dict[str, Any]):
    """Flask-SocketIO's error handlers, absent while a connect handler runs.

    They would turn its exception into a return value, and any value but False admits the client.
    """

    def __init__(self, handlers: Mapping[str, Any], connecting: ContextVar[bool]) -> None:
        super().__init__(handlers)
        self._connecting = connecting

    def get(self, key: str, default: Any = None) -> Any:
        return None if self._connecting.get() else super().get(key, default)
