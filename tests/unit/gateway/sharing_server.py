"""A server that shares its leases and events with others, which a test plays."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.recovery import LeaseChange, LeaseRecord, LoggedEvent, OnRefused, Place, RecoveryStore
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.recovery.elsewhere import Elsewhere
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Lease, Leases
from flask_realtime.gateway.recovery.log import EventLog
from flask_realtime.gateway.recovery.offsets import Offsets
from flask_realtime.gateway.recovery.shared import SharedLeases
from tests.clock import Clock

WINDOW = 80.0
KEY = b"k" * 18


class Store(RecoveryStore):
    """Keeps what a server writes, and what a test wants it to find."""

    def __init__(self) -> None:
        self.changes: list[LeaseChange] = []
        self.events: list[LoggedEvent] = []
        self.earlier: list[LoggedEvent] = []
        self.records: dict[tuple[str, str], LeaseRecord] = {}
        self.era = "ab12"
        self.is_complete = True
        self.is_sent = True
        self.is_up = True
        self.waits = 0
        self.passed: Callable[[str], None]
        self.refused: OnRefused
        self.tick: Callable[[], None]

    @property
    def name(self) -> str:
        return "here"

    @property
    def is_reachable(self) -> bool:
        return self.is_up

    def start(self, on_passed: Callable[[str], None], on_refused: OnRefused, on_tick: Callable[[], None]) -> None:
        self.passed, self.refused, self.tick = on_passed, on_refused, on_tick

    def write(self, change: LeaseChange) -> None:
        self.changes.append(change)

    def wait_written(self, timeout: float) -> bool:
        assert timeout > 0
        self.waits += 1
        return True

    def wait_sent(self, timeout: float) -> bool:
        assert timeout > 0
        return self.is_sent

    def take(self, key: str, user_id: str, attempt: str) -> LeaseRecord | None:
        assert attempt
        self._require_up()
        return self.records.get((key, user_id))

    def reading(self, after: Place, era: str) -> Any:
        assert era == self.era
        return SimpleNamespace(go_on=lambda: self._read(after), earlier=self.earlier)

    def _read(self, after: Place) -> list[LoggedEvent] | None:
        self._require_up()
        return [event for event in self.events if event.place > after] if self.is_complete else None

    def _require_up(self) -> None:
        if not self.is_up:
            raise BackendUnavailable


class Server:
    """The server, up to the place 50 in the order of all, with three events of its own.

    Args:
        clock: The clock of its leases.
        window: Seconds in which a client may come back.
    """

    def __init__(self, clock: Clock, window: float = WINDOW) -> None:
        self.store = Store()
        self.journal = Journal(Leases(window, 3, clock), History(10_000, 100.0, clock), Offsets("unnamed"))
        self.published: list[Envelope] = []
        self.taken: list[Any] = []
        self.on_sleep: Callable[[float], None] = lambda _seconds: None
        self.shared = SharedLeases(EventLog(self.store, 100_000), self.journal, window, self._publish, self._sleep)
        self.shared.start(self.taken.append)
        self.elsewhere = Elsewhere(self.shared, self.journal, SentEvents(cast("Backend", SimpleNamespace(recovery=self.store))))
        self.store.passed("ab12-50-0-0")
        self.journal.history.last = 3

    def open(self) -> Lease:
        """Give ann a connection, `c1`, and return its lease."""
        token_id = "token"
        lease = Lease(KEY, "c1", "ann", since=2)
        self.shared.open(lease, "user:ann", "ab12-40-0-0", token_id)
        lease.connection = SimpleNamespace(identity=SimpleNamespace(claims={"jti": token_id}), lease=lease)
        self.journal.leases.add(lease)
        self.store.changes.clear()
        return lease

    def written(self) -> list[tuple[Any, ...]]:
        """Return what was written of ann's lease since the last call, each with its kind first."""
        changes, self.store.changes = self.store.changes, []
        assert {change.key for change in changes} <= {KEY.hex()}
        return [(change.kind, *change.args) for change in changes]

    def _sleep(self, seconds: float) -> None:
        self.on_sleep(seconds)

    def _publish(self, envelope: Envelope) -> bool:
        self.published.append(envelope)
        return True
