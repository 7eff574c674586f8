"""Relay: sends the events of the log that the processes which wrote them did not deliver, and deletes old ones.

Every server with connections looks after it once a second, and when it hears of what was written. A lease lets one of all servers
that share a Redis do the work; where it cannot be had, because Redis is away or there is none, several do: what one takes from the
log, no other gets. What a server has sent before it died, as far as that is known, is only recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final
from uuid import uuid4

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.effects import Emit
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.log.outbox import RESERVED_FOR, Outbox, emit_of

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

_KEY: Final = "relay"


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
        self.due = self._clock() + INTERVAL
        """The clock's time at which it is to be run again."""
        self.relayed = 0
        """How many events it took from the log."""
        self.lag = 0.0
        """Seconds for which the oldest of those had been in the log that it found when it last looked."""

    def resume(self) -> None:
        """Let a second pass from now on, if it has not been run for longer; clients that connect can join until then."""
        if self._clock() > self.due:
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
        if not self._has_lease():
            return
        self.lag = 0.0
        while self._deliver_some() == TAKEN_AT_ONCE:
            self._context.let_others_run()
        if self._clock() >= self._trim_at:
            self._trim()

    def _has_lease(self) -> bool:
        try:
            stored = self._lease.get(_KEY)
            return stored.value in {None, self._name} and self._lease.put(_KEY, self._name, expected=stored.version) > 0
        except BackendUnavailable:
            return True

    def _deliver_some(self) -> int:
        left_behind = self._context.in_app_context(self._outbox.take, TAKEN_AT_ONCE, RESERVED_FOR)
        self.relayed += len(left_behind)
        if left_behind:
            oldest = min(logged.created_at for logged in left_behind)
            self.lag = max(self.lag, (datetime.now(timezone.utc) - oldest).total_seconds())
        for logged in left_behind:
            if not self._context.was_sent(logged.name):
                self._send(emit_of(logged))
        if left_behind:
            self._context.in_app_context(self._outbox.finish, [logged.number for logged in left_behind])
        return len(left_behind)

    def _trim(self) -> None:
        before = datetime.now(timezone.utc) - timedelta(seconds=self._context.config.log_retention)
        for _ in range(TRIMS_AT_ONCE):
            if not self._context.in_app_context(self._outbox.trim, before):
                self._trim_at = self._clock() + TRIM_INTERVAL
                return
            self._context.let_others_run()
