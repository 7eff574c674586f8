"""Relay: sends the events of the log that the processes which wrote them did not deliver, and deletes old ones.

Every server with connections looks after it once a second, and when it hears of what was written. A lease lets one of all servers
that share a Redis do the work; where it cannot be had, because Redis is away or there is none, several do: what one takes from the
log, no other gets. What a server has sent before it died, as far as that is known, is only recorded.

What was left behind for longer, while nobody was connected, is for those whose connections are older, or recovered: others have
come for the state of now, and have it already.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple
from uuid import uuid4

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.effects import Emit
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.log.outbox import RESERVED_FOR, LoggedEvent, Outbox, emit_of

INTERVAL: Final = 1.0

NOTICE_INTERVAL: Final = 0.05
"""Minimum seconds from one notice of a process without connections to the next."""

AFTER_NOTICE: Final = 0.1
"""Seconds until the second look after a notice: what was written too soon after it was not told of."""

LEASE: Final = 2.0
"""Seconds for which a server's relay is the one that works, unless it renews its lease."""

TAKEN_AT_ONCE: Final = 100
TRIM_INTERVAL: Final = 60.0

TRIMS_AT_ONCE: Final = 10
"""Maximum number of deletions between two looks for undelivered events."""

MISSED_LOOKS: Final = 5.0
"""Seconds without a look after which what is found may have been there for long, instead of having been committed since."""

NEWS: Final = 15.0
"""Seconds for which an event is news to whoever connects."""

_KEY: Final = "relay"


class _Newcomers(NamedTuple):
    """Connections that were not recovered, the first ones first.

    Args:
        times: When they were opened, in seconds since 1970.
        ids: Their ids.
        others: How many connections there are besides.
    """

    times: list[float]
    ids: tuple[str, ...]
    others: int


class Relay:
    """The relay of one server.

    Args:
        context: The surroundings of the feature.
        outbox: The table of the log.
        send: Sends an event.
    """

    def __init__(self, context: FeatureContext, outbox: Outbox, send: Callable[[Emit], object]) -> None:
        self._context = context
        self._outbox = outbox
        self._send = send
        self._clock = context.clock
        self._name = uuid4().hex
        self._lease = context.record(_KEY, ttl=LEASE)
        self._trim_at = self._clock()
        self._looks_again = False
        self._looked_at = -math.inf
        self._lag = 0.0
        self.due = self._clock() + INTERVAL
        """The clock's time at which it is to be run again."""
        self.relayed = 0
        """How many events it took from the log."""

    @property
    def lag(self) -> float:
        """Return the seconds for which the oldest of those had been in the log that it found when it last looked.

        They are 0 without connections, since it does not look then.
        """
        return self._lag if self._context.has_connections() else 0.0

    def resume(self) -> None:
        """Let a second pass from now on, if it has not been run for longer; clients that connect can join until then."""
        if self._clock() > self.due:
            self._lag = 0.0
            self.delay(INTERVAL)

    def delay(self, seconds: float) -> None:
        """Run it again after some seconds."""
        self.due = self._clock() + seconds

    def hear(self) -> None:
        """Run it at once, and soon after that again: another process wrote something."""
        self._looks_again = True
        self.delay(0)

    def run_if_due(self) -> None:
        """Deliver what was left behind, and delete some of what is too old, if it is time and no other server does it."""
        if self._clock() < self.due:
            return
        self.delay(AFTER_NOTICE if self._looks_again else INTERVAL)
        self._looks_again = False
        self._lag = 0.0
        if not self._has_lease():
            return
        newcomers = self._newcomers() if self._clock() > self._looked_at + MISSED_LOOKS else None
        while self._deliver_some(newcomers) == TAKEN_AT_ONCE:
            self._context.let_others_run()
        self._looked_at = self._clock()
        if self._clock() >= self._trim_at:
            self._trim()

    def _has_lease(self) -> bool:
        try:
            stored = self._lease.get(_KEY)
            return stored.value in {None, self._name} and self._lease.put(_KEY, self._name, expected=stored.version) > 0
        except BackendUnavailable:
            return True

    def _newcomers(self) -> _Newcomers | None:
        """Return whom nothing concerns that was left behind long before they came; None where others may have older connections."""
        if not self._context.backend.is_local:
            return None
        connections = self._context.connections()
        came = sorted((connection.opened_at, connection.id) for connection in connections if not connection.recovered)
        return _Newcomers([time for time, _ in came], tuple(name for _, name in came), len(connections) - len(came))

    def _deliver_some(self, newcomers: _Newcomers | None) -> int:
        left_behind = self._context.in_app_context(self._outbox.take, TAKEN_AT_ONCE, RESERVED_FOR)
        self.relayed += len(left_behind)
        if left_behind:
            oldest = min(logged.created_at for logged in left_behind)
            self._lag = max(self._lag, (datetime.now(timezone.utc) - oldest).total_seconds())
        for logged in left_behind:
            if not self._context.was_sent(logged.name):
                self._deliver(logged, newcomers)
        if left_behind:
            self._context.in_app_context(self._outbox.finish, [logged.number for logged in left_behind])
        return len(left_behind)

    def _deliver(self, logged: LoggedEvent, newcomers: _Newcomers | None) -> None:
        emit = emit_of(logged)
        if newcomers is not None:
            before = bisect(newcomers.times, logged.created_at.timestamp() + NEWS)
            if not before + newcomers.others:
                return
            emit.except_rooms = newcomers.ids[before:]  # A connection's id is the name of a room with it alone.
        self._send(emit)

    def _trim(self) -> None:
        before = datetime.now(timezone.utc) - timedelta(seconds=self._context.config.log_retention)
        for _ in range(TRIMS_AT_ONCE):
            if not self._context.in_app_context(self._outbox.trim, before):
                self._trim_at = self._clock() + TRIM_INTERVAL
                return
            self._context.let_others_run()
