"""Recovery: leases for the clients that have it, and the missed events for those that come back.

::

    CONNECT ─► Recovery.request ─► none: as ever │ a lease that still holds │ a new lease
                                                   │                         └─► CONNECT {sid, pid}, realtime:ready
                                                   └─► missed events, CONNECT {sid, pid}, realtime:ready,
                                                       events sent since the hooks were asked

A client without recovery never notices any of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import orjson
from socketio import packet as sio

from flask_realtime.contract.answers import READY_EVENT, ready
from flask_realtime.contract.rooms import user_room
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.feature.connections import LostConnection
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.recovery.clients import has_recovery
from flask_realtime.gateway.recovery.elsewhere import Elsewhere
from flask_realtime.gateway.recovery.history import Entry
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.kept import KeptLeases
from flask_realtime.gateway.recovery.leases import Lease, key_of, new_lease
from flask_realtime.gateway.recovery.shared import SharedLeases


class Comeback(NamedTuple):
    """A client's claim to a connection that it lost.

    Args:
        lease: Its lease.
        pid: The secret of that.
        number: The last event of this server's that it has.
        until: The last event of this server's before the application's hooks are asked.
        offset: The offset of that.
        earlier: What it missed before `number` on other servers, encoded.
        owner: The server that had the connection; None for this one.
    """

    lease: Lease
    pid: str
    number: int
    until: int
    offset: str
    earlier: tuple[str | bytes, ...] = ()
    owner: str | None = None


class Offer(NamedTuple):
    """A lease of a connection that is not admitted yet.

    Args:
        lease: The lease.
        pid: The secret of it.
        place: How far this server had received what others sent when the connection was reserved.
    """

    lease: Lease
    pid: str
    place: str


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
        elsewhere: Finds the leases of other servers; None if there are none.
        kept: Keeps the leases for a successor; None if that is not possible.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        clients: str,
        journal: Journal,
        max_missed: int,
        wake: Callable[[], None],
        elsewhere: Elsewhere | None = None,
        kept: KeptLeases | None = None,
    ) -> None:
        self._kept = kept
        self._shared = None if elsewhere is None else elsewhere.shared
        self._elsewhere = elsewhere
        self._clients = clients
        self._journal = journal
        self._leases = journal.leases
        self._max_missed = max_missed
        self._wake = wake
        self.turn: AbstractContextManager[Any] = journal.turn
        """Held from the choice of the missed events until their client is in its rooms; see `Journal.turn`."""

    def request(self, session: Session, user_id: str, auth: object) -> Request | None:
        """Return what a client asks for, or None if it has no recovery; this may wait for other servers.

        Args:
            session: Its session.
            user_id: Its user.
            auth: The payload of its CONNECT packet; anything.
        """
        given = auth if isinstance(auth, Mapping) else {}
        if not has_recovery(self._clients, auth, browser=session.is_browser):
            return None
        pid = given.get("pid")
        key = key_of(pid)
        record = None
        if self._elsewhere is not None:
            self._elsewhere.shared.wait_for_place()
            record = None if key is None else self._elsewhere.take(key, user_id)
        if self._kept is not None and key is not None and key not in self._leases.by_key:
            self._kept.wait_for_predecessor()
        number = self._journal.offsets.number(given.get("offset"))
        with self.turn:
            lease = self._leases.find(pid, user_id)
            if lease is not None and record is not None:
                lease.turn = record.turn
            if lease is not None and number is not None and self._is_whole(lease, number):
                owner = None if record is None else record.owner
                return Request(Comeback(lease, str(pid), number, *self._present(), owner=owner), is_asked=True)
        if self._elsewhere is None or key is None or record is None:
            return Request(None, is_asked=pid is not None)
        found = self._elsewhere.find(key, user_id, given.get("offset"), record)
        if found is None:
            return Request(None, is_asked=True)
        with self.turn:
            present = self._present()
        return Request(Comeback(found.lease, str(pid), found.number, *present, found.missed, record.owner), is_asked=True)

    def settled(self, comeback: Comeback) -> None:
        """Let the server that had a connection forget it: its client is here, or was refused."""
        if self._elsewhere is not None and comeback.owner is not None:
            self._elsewhere.tell_owner(comeback.owner, comeback.lease)

    def offer(self, connection: Connection, since: int, place: str) -> Offer:
        """Make the lease of a connection that is about to be admitted, which may wait for the message queue.

        Args:
            connection: The connection.
            since: The last event before it was reserved.
            place: How far this server had received then what others sent.
        """
        lease, pid = new_lease(connection.id, connection.user_id, since)
        room, token_id = user_room(connection.user_id), connection.identity.claims.get("jti")
        if self._shared is not None:
            self._shared.open(lease, room, place, token_id)
        elif self._kept is not None:
            self._kept.open(lease, room, token_id)
        return Offer(lease, pid, place)

    @staticmethod
    def withdraw(offer: Offer) -> None:
        """Withdraw the lease of a connection that is not admitted."""
        offer.lease.end()

    def open(self, connection: Connection, offer: Offer, *, is_asked: bool) -> OutboundMessage:
        """Give a connection its lease, and return what its client is told.

        Args:
            connection: The connection.
            offer: The lease.
            is_asked: Whether its client asked to recover another connection, which is not possible.
        """
        lease = offer.lease
        self._leases.add(lease)
        lease.connection = connection
        connection.lease = lease
        offset = self._journal.offsets.text(lease.since, offer.place)
        return OutboundMessage(tuple(_greeting(lease.sid, offer.pid, offset, recovered=False, gap=is_asked)))

    def resume(self, connection: Connection, comeback: Comeback) -> OutboundMessage | None:
        """Return what the client of a connection that is back has missed and is told; None if not all of it is kept.

        Args:
            connection: The connection that takes the place of the lost one.
            comeback: Its client's claim.
        """
        lease, number = comeback.lease, comeback.number
        if lease.is_over or not self._is_whole(lease, number):
            return None
        entries = self._journal.history.since(number)
        missed = [*comeback.earlier, *self._encoded(lease, [entry for entry in entries if entry.number <= comeback.until])]
        sent_meanwhile = [*self._encoded(lease, [entry for entry in entries if entry.number > comeback.until])]
        if sum(map(len, missed)) + sum(map(len, sent_meanwhile)) > self._max_missed:
            return None
        self._leases.resume(lease, connection)
        if self._kept is not None:
            self._kept.resumed(lease, connection.identity.claims.get("jti"), number)
        told = _greeting(lease.sid, comeback.pid, comeback.offset, recovered=True, gap=False)
        return OutboundMessage((*missed, *told, *sent_meanwhile))

    def lost(self, connection: Connection) -> None:
        """Let a connection that is lost be recovered for a while; `told` has to follow."""
        lease = connection.lease
        if lease is not None:
            with self.turn:
                lease.is_changing = True
                self._leases.lose(lease, connection.identity.claims.get("jti"))
                if self._shared is not None:
                    self._shared.lost(lease)
                elif self._kept is not None:
                    self._kept.lost(lease)
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

    def lost_connections(self, user_id: str | None = None, *, token_id: str | None = None) -> list[LostConnection]:
        """Return a user's lost connections, or those of a token; see `FeatureContext.lost_connections`."""
        with self.turn:
            lost = self._leases.lost(user_id)
        if token_id is not None:
            lost = [lease for lease in lost if lease.token_id == token_id]
        if self._shared is None or (user_id is None and token_id is None):
            return [*lost]
        whose = f"user:{user_id}" if token_id is None else f"token:{token_id}"
        return [*lost, LostElsewhere(self._shared, whose)]

    def _is_whole(self, lease: Lease, number: int) -> bool:
        return self._journal.history.is_complete_since(number, lease.arrived_at())

    def _present(self) -> tuple[int, str]:
        """Return the last event, and its offset."""
        return self._journal.history.last, self._journal.position()

    def _encoded(self, lease: Lease, entries: Iterable[Entry]) -> Iterator[str | bytes]:
        for entry in entries:
            if lease.gets(entry):
                message = OutboundMessage(entry.parts)
                message.offset = self._journal.offsets.text(entry.number, entry.place)
                yield from message.parts_with_offset


class LostElsewhere:
    """The connections of a user or a token that other servers have lost, or died with.

    Args:
        shared: The leases of all servers.
        whose: `user:<id>` or `token:<id>`.
    """

    sid = ""
    token_id = None

    def __init__(self, shared: SharedLeases, whose: str) -> None:
        self._shared = shared
        self._whose = whose

    def leave_room(self, room: str) -> None:
        """Take them out of a room."""
        self._shared.strike(self._whose, room)

    def end(self) -> None:
        """Let them not come back."""
        self._shared.strike(self._whose)


def _greeting(sid: str, pid: str, offset: str, *, recovered: bool, gap: bool) -> Iterator[str]:
    yield f"{sio.CONNECT}{_json({'sid': sid, 'pid': pid})}"
    told = ready(recovered=recovered, gap=gap)
    yield f"{sio.EVENT}{_json([READY_EVENT.name, told, offset])}"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
