"""python-socketio's room manager, mended in three places.

- A connection is in no room until it is admitted. What is sent to it while the application's connect hook runs waits, and follows
  the CONNECT packet that clients expect first.
- A reverse index says which rooms a connection is in, so that leaving does not look through every room there is.
- A payload that is not JSON is an error for whoever sends it, whether or not anybody is there to receive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engineio import packet as eio
from socketio import packet as sio
from socketio.manager import Manager

from flask_realtime.gateway.packets import DEFAULT_NAMESPACE


@dataclass
class _Pending:
    engine_id: str
    rooms: set[str | None]
    held: list[Callable[[], None]] = field(default_factory=list)

    def is_in(self, room: str | Iterable[str] | None) -> bool:
        if room is None or isinstance(room, str):
            return room in self.rooms
        return not self.rooms.isdisjoint(room)


class RoomManager(Manager):  # type: ignore[misc]  # python-socketio has no types
    """The rooms of one server.

    Args:
        on_disconnected: Told the id of each connection that leaves the default namespace, whoever made it leave.
    """

    def __init__(self, on_disconnected: Callable[[str], None]) -> None:
        super().__init__()
        self._on_disconnected = on_disconnected
        self._pending: dict[str, _Pending] = {}
        self._leaving: dict[str, str] = {}
        self._rooms_of: dict[tuple[str, str], dict[str | None, None]] = {}

    # Admission ----------------------------------------------------------------------------------------------------------------

    def reserve(self, engine_id: str, *rooms: str) -> str:
        """Make an id for a connection that may be admitted to the default namespace, and hold what is sent to it.

        Args:
            engine_id: The engine session that carries it.
            rooms: Rooms that it enters when it is admitted.
        """
        sid: str = self.server.eio.generate_id()
        self._pending[sid] = _Pending(engine_id, {None, sid, *rooms})
        return sid

    def discard(self, sid: str) -> None:
        """Forget a connection that is not admitted, and what was held for it."""
        self._pending.pop(sid, None)

    def admit(self, sid: str) -> None:
        """Let a connection into its rooms, and send what was held for it."""
        pending = self._pending.pop(sid)
        for room in (None, sid, *(pending.rooms - {None, sid})):
            self.basic_enter_room(sid, DEFAULT_NAMESPACE, room, eio_sid=pending.engine_id)
        for send in pending.held:
            send()

    @contextmanager
    def resolving(self, sid: str, engine_id: str) -> Iterator[None]:
        """Let the engine session of a connection that is gone be found while the context lasts."""
        self._leaving[sid] = engine_id
        try:
            yield
        finally:
            del self._leaving[sid]

    # Sending ------------------------------------------------------------------------------------------------------------------

    def emit(  # noqa: PLR0913, PLR0917 - python-socketio's signature
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to a room, to some, or to everyone in the namespace."""
        room = to or room
        skipped = {skip_sid} if skip_sid is None or isinstance(skip_sid, str) else set(skip_sid)
        waiting = self._waiting(room, skipped) if namespace == DEFAULT_NAMESPACE else []
        if callback is not None:
            for sid, pending in waiting:
                pending.held.append(partial(self.emit, event, data, namespace, room=sid, callback=callback))
            super().emit(event, data, namespace, room=room, skip_sid=list(skipped), callback=callback, **kwargs)
            return
        packets = self._encode(event, data, namespace)
        for _, pending in waiting:
            pending.held.append(partial(self._send, pending.engine_id, packets))
        for sid, engine_id in self.get_participants(namespace, room):
            if sid not in skipped:
                self._send(engine_id, packets)

    def _waiting(self, room: Any, skipped: set[str | None]) -> list[tuple[str, _Pending]]:
        return [(sid, pending) for sid, pending in list(self._pending.items()) if sid not in skipped and pending.is_in(room)]

    def _encode(self, event: str, data: Any, namespace: str) -> list[eio.Packet]:
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        encoded = self.server.packet_class(sio.EVENT, namespace=namespace, data=[event, *args]).encode()
        return [eio.Packet(eio.MESSAGE, part) for part in (encoded if isinstance(encoded, list) else [encoded])]

    def _send(self, engine_id: str, packets: list[eio.Packet]) -> None:
        for packet in packets:
            self.server._send_eio_packet(engine_id, packet)  # noqa: SLF001 - python-socketio's own seam for tests and managers

    # Rooms --------------------------------------------------------------------------------------------------------------------

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """Return the engine session of a connection, one that is still being admitted too."""
        pending = self._pending.get(sid) if namespace == DEFAULT_NAMESPACE else None
        if pending is not None:
            return pending.engine_id
        engine_id: str | None = super().eio_sid_from_sid(sid, namespace)
        return engine_id or self._leaving.get(sid)

    def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        """Enter a room; a connection that is still being admitted enters it then."""
        pending = self._pending.get(sid) if namespace == DEFAULT_NAMESPACE else None
        if pending is not None:
            pending.rooms.add(room)
        else:
            super().enter_room(sid, namespace, room, eio_sid=eio_sid)

    def leave_room(self, sid: str, namespace: str, room: str) -> None:
        """Leave a room."""
        pending = self._pending.get(sid) if namespace == DEFAULT_NAMESPACE else None
        if pending is not None:
            pending.rooms.discard(room)
        else:
            super().leave_room(sid, namespace, room)

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Enter a room, and note it in the reverse index."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), {})[room] = None

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """Leave a room, and note it in the reverse index."""
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of.get((namespace, sid), {})
        rooms.pop(room, None)
        if not rooms:
            self._rooms_of.pop((namespace, sid), None)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms that a connection is in."""
        return [room for room in self._rooms_of.get((namespace, sid), ()) if room is not None]

    def basic_disconnect(self, sid: str, namespace: str, **_kwargs: Any) -> None:
        """Take a connection out of its rooms."""
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for waiting in (self.pending_connect, self.pending_disconnect):
            if sid in waiting.get(namespace, ()):
                waiting[namespace].remove(sid)
                if not waiting[namespace]:
                    del waiting[namespace]

    def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Take a connection out of its rooms, and say so."""
        super().disconnect(sid, namespace, **kwargs)
        if namespace == DEFAULT_NAMESPACE:
            self._on_disconnected(sid)
