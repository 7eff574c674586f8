"""Recovery: leases for the clients that have it, and the missed events for those that come back.

::

    CONNECT ─► Recovery.request ─► none: as ever │ a lease that still holds │ a new lease
                                                   │                         └─► CONNECT {sid, pid}, realtime:ready
                                                   └─► missed events, CONNECT {sid, pid}, realtime:ready

A client without recovery never notices any of this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from socketio import packet as sio

from flask_realtime.contract.answers import READY_EVENT, ready
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.recovery.clients import has_recovery
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease


class Comeback(NamedTuple):
    """A client's claim to a connection that it lost.

    Args:
        lease: Its lease.
        pid: The secret of that.
        number: The last event that it has.
    """

    lease: Lease
    pid: str
    number: int


class Request(NamedTuple):
    """A request of a client that has recovery, made when it connects.

    Args:
        comeback: Its claim to a lost connection; None if it needs a new one.
        is_asked: Whether it asked to recover one.
    """

    comeback: Comeback | None
    is_asked: bool


class Recovery:
    """The recovery of connections to one server.

    Args:
        clients: The clients that have it without asking: `REALTIME_RECOVERY_CLIENTS`.
        journal: The events, and the leases.
        max_missed: Maximum bytes of the events that a client is sent when it comes back.
        wake: Called when a lease has got an end.
    """

    def __init__(self, clients: str, journal: Journal, max_missed: int, wake: Callable[[], None]) -> None:
        self._clients = clients
        self._journal = journal
        self._leases = journal.leases
        self._max_missed = max_missed
        self._wake = wake
        self.turn: AbstractContextManager[Any] = journal.turn
        """Held from the choice of the missed events until their client is in its rooms; see `Journal.turn`."""

    def request(self, session: Session, user_id: str, auth: object) -> Request | None:
        """Return what a client asks for, or None if it has no recovery.

        Args:
            session: Its session.
            user_id: Its user.
            auth: The payload of its CONNECT packet; anything.
        """
        given = auth if isinstance(auth, Mapping) else {}
        if not has_recovery(self._clients, auth, browser=session.is_browser):
            return None
        pid = given.get("pid")
        number = self._journal.offsets.number(given.get("offset"))
        with self.turn:
            lease = self._leases.find(pid, user_id)
            if lease is None or number is None or not self._is_whole(lease, number):
                return Request(None, is_asked=pid is not None)
            return Request(Comeback(lease, str(pid), number), is_asked=True)

    def open(self, connection: Connection, since: int, *, is_asked: bool) -> tuple[Lease, OutboundMessage]:
        """Make the lease of a new connection, and what its client is told.

        Args:
            connection: The connection.
            since: The last event before it was reserved.
            is_asked: Whether its client asked to recover another one, which is not possible.
        """
        lease, pid = self._leases.open(connection.id, connection.user_id, since)
        lease.connection = connection
        connection.lease = lease
        return lease, OutboundMessage(tuple(self._greeting(lease.sid, pid, since, recovered=False, gap=is_asked)))

    def resume(self, connection: Connection, comeback: Comeback) -> OutboundMessage | None:
        """Return what the client of a connection that is back has missed and is told; None if not all of it is kept.

        Args:
            connection: The connection that takes the place of the lost one.
            comeback: Its client's claim.
        """
        lease, pid, number = comeback
        if lease.is_over or not self._is_whole(lease, number):
            return None
        missed = list(self._missed(lease, number))
        if sum(map(len, missed)) > self._max_missed:
            return None
        self._leases.resume(lease, connection)
        told = self._greeting(lease.sid, pid, self._journal.last, recovered=True, gap=False)
        return OutboundMessage((*missed, *told))

    def lost(self, connection: Connection) -> None:
        """Let a connection that is lost be recovered for a while; `told` has to follow."""
        lease = connection.lease
        if lease is not None:
            with self.turn:
                lease.is_changing = True
                self._leases.lose(lease, connection.identity.claims.get("jti"))
            self._wake()

    @staticmethod
    def told(connection: Connection) -> None:
        """Record that all servers know of a lost connection, so that it may come back."""
        if connection.lease is not None:
            connection.lease.is_changing = False

    def ended(self, connection: Connection) -> None:
        """Withdraw the lease of a connection that ended for good."""
        if connection.lease is not None:
            with self.turn:
                self._leases.forget(connection.lease)
                self._journal.tidy()

    def lost_connections(self, user_id: str | None = None) -> list[Lease]:
        """Return the leases of a user's lost connections, or of everybody's."""
        with self.turn:
            return self._leases.lost(user_id)

    def _is_whole(self, lease: Lease, number: int) -> bool:
        return self._journal.history.is_complete_since(number, lease.arrived_at())

    def _missed(self, lease: Lease, number: int) -> Iterator[str | bytes]:
        for entry in self._journal.history.since(number):
            if lease.gets(entry):
                message = OutboundMessage(entry.parts)
                message.offset = self._journal.offsets.text(entry.number)
                yield from message.parts_with_offset

    def _greeting(self, sid: str, pid: str, number: int, *, recovered: bool, gap: bool) -> Iterator[str]:
        yield f"{sio.CONNECT}{_json({'sid': sid, 'pid': pid})}"
        told = ready(recovered=recovered, gap=gap)
        yield f"{sio.EVENT}{_json([READY_EVENT.name, told, self._journal.offsets.text(number)])}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
