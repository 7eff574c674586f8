"""Socket.IO connections by id: admission, rooms, and the packets for one client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from socketio import packet as sio

from flask_realtime.contract.answers import Refusal
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.server import EngineServer
from flask_realtime.gateway.delivery.manager import RoomManager
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.recovery.leases import Lease

PacketText = Callable[[int, Any, "int | None", "str | None"], "str | None"]


class SocketIOConnections:
    """The connections of the Socket.IO server.

    Args:
        server: The server.
        rooms: Its rooms.
        packet_text: Encodes a packet, or returns None if the server's own class has to.
    """

    def __init__(self, server: Any, rooms: RoomManager, packet_text: PacketText) -> None:
        self._packet_text = packet_text
        self._server = server
        self._engine = server.eio
        self._rooms = rooms

    def reserve(self, eio_sid: str, namespace: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted; see `Rooms.reserve`."""
        return self._rooms.of(namespace).reserve(eio_sid, *rooms)

    def discard(self, connection_id: str, namespace: str) -> None:
        """Forget a connection that is not admitted."""
        self._rooms.of(namespace).discard(connection_id)

    def admit(self, eio_sid: str, namespace: str, connection_id: str) -> None:
        """Tell a client that it is connected, and enter it in its rooms."""
        if isinstance(self._engine, EngineServer):
            self._engine.mark_connected(eio_sid)
        self._send_packet(eio_sid, sio.CONNECT, {"sid": connection_id}, namespace=namespace)
        self._rooms.of(namespace).admit(connection_id)

    def reserve_again(self, eio_sid: str, lease: Lease) -> None:
        """Prepare for the return of a connection; see `Rooms.reserve_again`."""
        self._rooms.reserve_again(eio_sid, lease)

    def reserved_at(self, connection_id: str) -> tuple[int, str]:
        """Return the position at which a connection was reserved; see `Rooms.reserved_at`."""
        return self._rooms.reserved_at(connection_id)

    def admit_with_lease(self, eio_sid: str, lease: Lease, greeting: OutboundMessage) -> None:
        """Admit a client that has recovery to the default namespace; the greeting says that it is connected."""
        if isinstance(self._engine, EngineServer):
            self._engine.mark_connected(eio_sid)
        self._rooms.admit_with_lease(lease.sid, lease, greeting)

    def hand_over(self, connection_id: str) -> None:
        """Remove a connection from all rooms, whose place a new one takes."""
        self._rooms.forget(connection_id)

    def await_connect(self, eio_sid: str) -> None:
        """Restart the connect time-out of a session that has no connection left."""
        if isinstance(self._engine, EngineServer):
            self._engine.mark_disconnected(eio_sid)

    def refuse(self, eio_sid: str, namespace: str, refusal: Refusal | Mapping[str, str]) -> None:
        """Tell a client that it may not connect to a namespace."""
        self._send_packet(eio_sid, sio.CONNECT_ERROR, refusal, namespace=namespace)

    def reply(self, eio_sid: str, packet_id: int, args: list[Any], namespace: str | None = None) -> None:
        """Answer an event's callback.

        Raises:
            PayloadNotSerializable: The arguments are not JSON.
        """
        self._send_packet(eio_sid, sio.ACK, args, packet_id, namespace)

    def send_disconnect(self, eio_sid: str, namespace: str) -> None:
        """Tell a client that the server disconnected it; it does not reconnect by itself then."""
        self._send_packet(eio_sid, sio.DISCONNECT, None, namespace=namespace)

    def remove(self, connection_id: str, namespace: str) -> None:
        """Remove a connection from all rooms."""
        self._rooms.forget(connection_id, namespace)

    def send_to(self, connection_id: str, namespace: str, event: str, *args: Any) -> None:
        """Send an event to one connection, in whatever namespace it is."""
        self._rooms.emit(event, args, namespace, room=connection_id)

    def enter(self, connection_id: str, room: str) -> None:
        """Add a connection to a room."""
        self._rooms.enter_room(connection_id, DEFAULT_NAMESPACE, room)

    def rooms_of(self, connection_id: str, namespace: str = DEFAULT_NAMESPACE) -> list[str]:
        """Return the rooms that a connection is in, its own too."""
        return self._rooms.of(namespace).rooms_of(connection_id)

    def ids_in(self, room: str) -> list[str]:
        """Return the connections of the default namespace that are in a room."""
        return list(self._rooms.receivers(room))

    def leave(self, connection_id: str, room: str) -> None:
        """Remove a connection from a room."""
        self._rooms.leave_room(connection_id, DEFAULT_NAMESPACE, room)

    def take_callback(self, connection_id: str, packet_id: int | None) -> Callable[..., None] | None:
        """Take out what waits for a client's acknowledgement of an event that the application sent, or return None."""
        return self._rooms.take_callback(connection_id, packet_id)

    def acknowledge(self, callback: Callable[..., None], args: list[Any]) -> None:
        """Pass on a client's acknowledgement."""
        # Not in the mailbox, where a handler may be blocked in `call`, waiting for this acknowledgement.
        self._server.start_background_task(callback, *args)

    def _send_packet(
        self,
        eio_sid: str,
        packet_type: int,
        data: Any,
        id: int | None = None,  # noqa: A002 - python-socketio's name
        namespace: str | None = None,
    ) -> None:
        # python-socketio's own way takes four times as long, which is a tenth of the cost of a call.
        socket = self._engine.sockets.get(eio_sid) if isinstance(self._engine, EngineServer) else None
        text = None if socket is None else self._packet_text(packet_type, data, id, namespace)
        if socket is not None and text is not None:
            socket.send_text(text)
            return
        packet = self._server.packet_class(packet_type, data=data, id=id, namespace=namespace)
        self._server._send_packet(eio_sid, packet)  # noqa: SLF001
