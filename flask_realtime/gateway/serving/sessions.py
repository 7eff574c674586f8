"""Engine sessions by id: their transport, their messages, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.server import EngineServer
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.delivery.members import Receiver
from flask_realtime.gateway.dispatch.mailbox import Mailbox, Task


class EngineSessions:
    """The sessions of the Engine.IO server.

    Args:
        server: The Socket.IO server that they belong to.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._engine = server.eio

    def receiver(self, eio_sid: str) -> Receiver:
        """Return a session as rooms send to it.

        Raises:
            ConnectionRefused: It has ended.
        """
        if isinstance(self._engine, EngineServer):
            receiver: Receiver | None = self._engine.sockets.get(eio_sid)
            if receiver is None:
                msg = "The client has left"
                raise ConnectionRefused(msg)
            return receiver
        return _StockSession(eio_sid, self._engine.sockets)

    def transport(self, eio_sid: str) -> str:
        """Return the transport that a session uses now."""
        socket = self._engine.sockets.get(eio_sid)
        return "websocket" if socket is not None and socket.upgraded else "polling"

    def count(self) -> tuple[int, int]:
        """Return the number of sessions, and of those that use long polling now."""
        sockets = list(self._engine.sockets.values())
        return len(sockets), sum(not socket.upgraded for socket in sockets)

    def id_of(self, receiver: Any) -> str:
        """Return the id of a session that `receiver` returned."""
        return str(receiver.sid if isinstance(self._engine, EngineServer) else receiver.eio_sid)

    def handle_with(self, eio_sid: str, on_message: Callable[[object], None]) -> None:
        """Set the function that handles the messages of an open session; with python-engineio's sessions, `on_message` does it."""
        socket = self._engine.sockets.get(eio_sid)
        if isinstance(self._engine, EngineServer) and socket is not None and not socket.closed:
            socket.on_message = on_message

    def forget(self, eio_sid: str) -> None:
        """Forget the data of a closed session."""
        self._server.environ.pop(eio_sid, None)

    def post(self, eio_sid: str, mailbox: Mailbox, task: Task) -> None:
        """Post a session's message to its mailbox, and pause reading from it while that is full."""
        mailbox.post(task)
        if not mailbox.is_full:
            return
        socket = self._engine.sockets.get(eio_sid)
        if isinstance(self._engine, EngineServer) and socket is not None:
            socket.pause_reading(mailbox.on_drain, mailbox.wait_for_space)
        else:
            mailbox.wait_for_space()

    def close(self, eio_sid: str) -> None:
        """Close a session."""
        socket = self._engine.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            # The default, to wait, would last until a long-polling client's next request.
            socket.close(wait=False, reason=self._server.reason.SERVER_DISCONNECT)

    def close_in_turn(self, eio_sid: str, delay: float) -> None:
        """Close a session after its pending data: at once on WebSocket, after a delay if a client has to fetch it."""
        if self.transport(eio_sid) == "websocket":
            self.close(eio_sid)
        else:
            self.close_later(eio_sid, delay)

    def close_later(self, eio_sid: str, delay: float) -> None:
        """Close a session after a delay in seconds, in which a long-polling client can fetch its pending data."""

        def close() -> None:
            self._server.sleep(delay)
            self.close(eio_sid)

        self._server.start_background_task(close)


@dataclass(slots=True)
class _StockSession:
    """A session of python-engineio's own, which gets messages packet by packet, and knows nothing of their arrival."""

    eio_sid: str
    sockets: Mapping[str, Any]
    takes_offsets: bool = False
    acknowledged_at: float = 0.0

    @property
    def user_session(self) -> Any:
        socket = self.sockets.get(self.eio_sid)
        return None if socket is None else socket.session.get("/")

    @user_session.setter
    def user_session(self, value: Any) -> None:
        socket = self.sockets.get(self.eio_sid)
        if socket is not None:
            socket.session["/"] = value

    def deliver(self, message: OutboundMessage) -> None:
        is_longer = self.takes_offsets and message.offset is not None
        socket = self.sockets.get(self.eio_sid)
        if socket is not None and not socket.closed:
            for packet in message.packets_with_offset if is_longer else message.packets:
                socket.queue.put(packet)  # `send` may close the session, which takes locks that its caller must not wait for.
