"""Analytics of one application: counts what this server does, and writes it to the database once a minute.

::

    connects, ends ──────────────┐
    messages, receipts (store) ──┼─► Recorder ─── once a minute ──► figures of minutes ─► Upkeep: hours, days
    counts of events ────────────┘      (memory)                   active users

A server that is told to stop writes what it has, and so does a process that ends without being told, as one with threads does; one
that is killed loses what it counted since it last wrote.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Final

from flask_realtime.errors import Forbidden, UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext, Timer
from flask_realtime.features.analytics.figures import MESSAGES, MINUTE, FigureTable
from flask_realtime.features.analytics.hooks import FIGURE_TABLE, MAY_SEE_ANALYTICS
from flask_realtime.features.analytics.recorder import Recorder
from flask_realtime.features.analytics.report import AnalyticsRequest, Report, report
from flask_realtime.features.analytics.upkeep import Upkeep
from flask_realtime.jitter import jitter
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

LATEST_WRITE: Final = 5.0
"""Maximum seconds after the end of a minute at which a server writes: not all of them at the same time."""

_NO_ANALYTICS: Final = "The application has no analytics: it needs a store with define_models(db, analytics=True)"


class Analytics:
    """The analytics of one application.

    Args:
        context: The surroundings of the feature.
        now: Returns the time in seconds since 1970.
    """

    def __init__(self, context: FeatureContext, now: Callable[[], float] = time.time) -> None:
        self._context = context
        self._now = now
        self._recorder: Recorder | None = None
        self._upkeep: Upkeep | None = None
        self._timer: Timer | None = None
        self._lag = jitter.uniform(0.5, LATEST_WRITE)
        self._due = 0.0
        self._is_failing = self._is_stopping = self._has_stopped = False

    def serve(self) -> None:
        """Count from now on, if the application keeps figures."""
        if self._recorder is not None or not self._context.is_registered(FIGURE_TABLE):
            return
        context = self._context
        self._recorder = Recorder(self._now, context.lock(), context.count_events)
        self._upkeep = Upkeep(context, self.table, self._now)
        self._recorder.set_connections(context.count_connections())
        self._due = self._next_due()
        self._timer = context.timer(lambda: None if self._has_stopped else self._due, self._work)
        context.before_stop(self._stop)
        # A server with threads is not told to stop. Its process may have been forked since, and have nothing to write.
        atexit.register(_finish_at_exit, weakref.ref(self), os.getpid())
        self._timer.wake()

    def connected(self, user_id: str) -> None:
        """Count a connection of a user, or of nobody."""
        if self._recorder is not None:
            self._recorder.set_connections(self._context.count_connections())
            self._recorder.see((user_id,))

    def disconnected(self) -> None:
        """Count a connection no more."""
        if self._recorder is not None:
            self._recorder.set_connections(self._context.count_connections())

    def message_stored(self) -> None:
        """Count a new message."""
        if self._recorder is not None:
            self._recorder.count(MESSAGES)

    def receipts_stored(self, metric: str, durations: Sequence[float]) -> None:
        """Count how long after its sending each of some messages was delivered to, or read by, somebody.

        Args:
            metric: `DELIVERY` or `READING`.
            durations: The times in seconds.
        """
        if self._recorder is not None:
            self._recorder.time(metric, durations)

    @property
    def table(self) -> FigureTable:
        """Return the figures in the database, whose methods need an application context.

        Raises:
            UnknownEvent: The application keeps none.
        """
        for function in self._context.functions(FIGURE_TABLE):
            table: FigureTable = function()
            return table
        raise UnknownEvent(_NO_ANALYTICS)

    def report_for(self, caller: Caller, request: AnalyticsRequest, event: str) -> Report:
        """Return what an administrator asks for.

        Raises:
            Forbidden: The user is none.
            UnknownEvent: The application keeps no figures.
        """
        if not self._context.decide(MAY_SEE_ANALYTICS, caller.identity, caller=caller, event=event):
            msg = "Only administrators may see the figures"
            raise Forbidden(msg)
        return self.report(request)

    def report(self, request: AnalyticsRequest) -> Report:
        """Return the figures of a time; needs an application context.

        Raises:
            BadRequest: It has too many intervals, or ends before it begins.
            UnknownEvent: The application keeps no figures.
        """
        return report(self.table, request, datetime.fromtimestamp(self._now(), timezone.utc))

    def _next_due(self) -> float:
        length = MINUTE.length.total_seconds()
        return self._context.clock() + length - self._now() % length + self._lag

    def _work(self) -> tuple[()]:
        recorder, upkeep = self._recorder, self._upkeep
        if recorder is None or upkeep is None:
            return ()
        self._due = self._next_due()
        is_stopping = self._is_stopping
        try:
            recorder.close_minute(self._connected_users)
            self._write(recorder, everything=is_stopping)
            if not is_stopping:
                upkeep.run()
        except Exception:
            if not self._is_failing:
                logger.exception("Figures could not be written; trying again each minute")
            self._is_failing = True
        else:
            self._is_failing = False
        self._has_stopped = is_stopping
        return ()

    def _connected_users(self) -> set[str]:
        return {connection.user_id for connection in self._context.connections()}

    def _write(self, recorder: Recorder, *, everything: bool) -> None:
        """Write what was counted: the figures, and then the users, each in a transaction."""
        amounts = recorder.take(everything=everything)
        users = recorder.take_users()
        try:
            if amounts:
                self._context.in_app_context(self.table.add, amounts)
                amounts = {}
            if users:
                self._context.in_app_context(self.table.add_users, users)
                users = set()
        finally:
            recorder.put_back(amounts)
            recorder.put_users_back(users)

    def finish(self) -> None:
        """Write everything now, unless that was tried when the server was told to stop."""
        if not self._is_stopping:
            self._is_stopping = True
            self._work()

    def _stop(self) -> bool:
        """Write everything now, and return whether that is done: it is tried once."""
        if not self._is_stopping and self._timer is not None:
            self._is_stopping = True
            self._due = self._context.clock()
            self._timer.wake_by(self._due)
        return self._has_stopped


def _finish_at_exit(analytics: weakref.ref[Analytics], pid: int) -> None:
    state = analytics()
    if state is not None and pid == os.getpid():
        state.finish()
