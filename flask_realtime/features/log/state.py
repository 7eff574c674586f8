"""Log of one application: writes events, sends them after the commit, and delivers what other processes left behind.

An event is written in the transaction that makes the change, and reserved for the process that writes it; again right before the
commit, if that was a while ago. After the commit that process sends it, and soon afterwards records so, for many events at once.
Whatever is not recorded as delivered when its reservation ends is sent by the relay, because its process was killed, or serves no
connections, or the commit itself took long. Then all that was written later in it is left to the relay too, which sends it in
order::

    begin    write event (reserved)        process dies
    commit ─► send ─► record delivered          │ reservation ends
                                                └─► relay: take (reserved again) ─► send ─► record delivered
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.json import ApplicationJSON, loads
from flask_realtime.errors import ConfigError, UnknownEvent
from flask_realtime.feature.context import BeforeCommit, FeatureContext
from flask_realtime.features.log.events import SYNC, SyncAnswer, SyncRequest
from flask_realtime.features.log.hooks import OUTBOX
from flask_realtime.features.log.listener import Listener
from flask_realtime.features.log.outbox import RESERVED_FOR, Outbox, Revise, emit_of
from flask_realtime.features.log.relay import NOTICE_INTERVAL, Relay
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

LATEST_START: Final = 1.5
"""Seconds after the reservation up to which the writing process begins to send; later it might end meanwhile."""

RENEWED_AFTER: Final = 0.5
"""Seconds after which an event is reserved again before the commit."""

RECORD_DELAY: Final = 0.2
"""Seconds in which delivered events are collected, to be recorded at once."""

RETRY_DELAY: Final = 1.0
"""Seconds until the next attempt after one that failed: the database is away, or locked."""

MAX_UNSERVED: Final = 10_000
"""Maximum number of events remembered by a process without connections, which may never have to record them."""


@dataclass(slots=True)
class _Written:
    """An event that this process has written.

    Args:
        number: The number of its row.
        send: Sends it.
        reserved_at: When its reservation began, by the log's clock.
    """

    number: int
    send: Callable[[], object]
    reserved_at: float


class Log:
    """The log of one application.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._context = context
        self._clock = context.clock
        self._json = ApplicationJSON(context.app.json)
        self._unrecorded: deque[int] = deque()
        self._record_at: float | None = None
        self._relay: Relay | None = None
        self._listener: Listener | None = None
        self._notify_at = 0.0
        self._relayed_with: dict[str, Callable[[Emit], object]] = {}
        self._timer = context.timer(self._next_deadline, self._work)
        self._failing_since: float | None = None
        self._left = threading.local()

    def append(self, emit: Emit, send: Callable[[Emit], object] | None = None, *, about: str | None = None) -> None:
        """Write an event to the log, in the current transaction of `db.session`; it is sent after the commit.

        Args:
            emit: The event, for everyone or for rooms of which no connection is in two: each has an event of its own in the log.
            send: Sends the event, as it was logged, after the commit, where that takes more than an emit.
            about: What it shows that may change later, so that `rewrite` finds it; None for nothing.

        Raises:
            ConfigError: The application has no log.
            PayloadNotSerializable: The arguments are not JSON.
        """
        outbox = self.table()
        arguments, rooms = self._json.dumps(list(emit.args)), (None,) if emit.rooms is None else emit.rooms
        # Whoever reaches no client leaves it to the relay of a process that does.
        reserved_for = RESERVED_FOR if self._reaches_clients else 0.0
        for logged in outbox.add(emit.event, arguments, rooms, reserved_for=reserved_for, about=about):
            written = _Written(logged.number, partial(send or self._context.emit, emit_of(logged)), self._clock())
            before = BeforeCommit(self._reserve_again, written) if reserved_for else None
            self._context.after_commit(emit.event, partial(self._send, written), before)

    def rewrite(self, revisions: Mapping[str, Revise]) -> None:
        """Give logged events other arguments, in the current transaction of `db.session`: whoever has not got them gets these.

        Args:
            revisions: Subjects, and what returns the arguments of the events about them.

        Raises:
            ConfigError: The application has no log.
            PayloadNotSerializable: The arguments are not JSON.
        """

        def revise(about: str, event: str, arguments: str) -> str:
            return self._json.dumps(list(revisions[about](event, loads(arguments))))

        self.table().rewrite(list(revisions), revise)

    def table(self) -> Outbox:
        """Return the log's table.

        Raises:
            ConfigError: The application has no log.
        """
        outbox = self._outbox()
        if outbox is None:
            msg = (
                "The application has no log. Give the store a model of it, as define_models(db, log=True) does, and call "
                "store.register(realtime)."
            )
            raise ConfigError(msg)
        return outbox

    def relay_with(self, event: str, send: Callable[[Emit], object]) -> None:
        """Let a feature send those of its events that another process left behind.

        Args:
            event: The event's name.
            send: Sends one of them, where that takes more than an emit; if it raises an exception, it is called again later.
        """
        self._relayed_with[event] = send

    def _relay_event(self, emit: Emit) -> None:
        self._relayed_with.get(emit.event, self._context.emit)(emit)

    def figures(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Return what the metrics say of the log: name, labels and value of each."""
        relay = self._relay
        if relay is None:
            return []
        relayed = [("log_relayed", (), relay.relayed), ("log_lag_seconds", (), max(relay.lag, self._seconds_failing))]
        return [*relayed, ("log_unrecorded", (), len(self._unrecorded))]

    @property
    def _seconds_failing(self) -> float:
        """Seconds since the log was to be worked on and could not: for so long may events wait in it that nobody has seen."""
        since = self._failing_since
        return self._clock() - since if since is not None and self._context.has_connections() else 0.0

    def is_logged(self, event: str) -> bool:
        """Return whether an event is in the log already when the hook of its handler returns, so that the handler sends nothing."""
        outbox = self._outbox()
        return outbox is not None and event in outbox.logged_by_hooks

    def page(self, user_id: str, request: SyncRequest) -> SyncAnswer:
        """Return a page of the events that a user may see.

        Raises:
            UnknownEvent: The application has no log.
        """
        outbox = self._outbox()
        if outbox is None:
            msg = f"The server does not take {SYNC}: the application has no log"
            raise UnknownEvent(msg)
        return outbox.page(user_id, request)

    def start_relay(self) -> None:
        """Start the relay if the application has a log; it stops by itself when there are no connections."""
        outbox = self._outbox()
        if outbox is None:
            return
        if self._relay is None:
            self._relay = Relay(self._context, outbox, self._relay_event)
            self._listener = Listener(self._context, outbox, self._hear)
        if self._unrecorded and self._record_at is None:
            # What was sent while nobody was connected reached everybody whom it could.
            self._record_at = self._clock()
        self._relay.resume()
        self._listen()
        self._timer.wake()

    @property
    def _reaches_clients(self) -> bool:
        """Return whether what this process sends can reach anybody."""
        return self._relay is not None or not self._context.backend.is_local

    def _outbox(self) -> Outbox | None:
        for function in self._context.functions(OUTBOX):
            outbox: Outbox = function()
            return outbox
        return None

    def _reserve_again(self, written: Iterable[_Written]) -> None:
        """Reserve the events of a transaction that took long, so that they are sent before those of the next one."""
        now = self._clock()
        old = [event for event in written if now > event.reserved_at + RENEWED_AFTER]
        if old:
            self.table().reserve([event.number for event in old], RESERVED_FOR)
        for event in old:
            event.reserved_at = now

    def _send(self, written: _Written) -> None:
        if self._reaches_clients and self._is_left(written.reserved_at):
            return
        written.send()
        number = written.number
        if self._relay is not None:
            self._unrecorded.append(number)
            self._record_soon()
        elif not self._context.backend.is_local:
            # A command may end before any timer is due.
            self._unrecorded.append(number)
            self._attempt()
        else:
            self._notify()
            if len(self._unrecorded) < MAX_UNSERVED:
                self._unrecorded.append(number)

    def _is_left(self, reserved_at: float) -> bool:
        """Return whether an event is left to the relay: its commit took long, or one of the same transaction was left."""
        now = self._clock()
        if now > reserved_at + LATEST_START:
            self._left.at = now
            return True
        # Reserved before this greenlet or thread left one, and sent after it, it is of the same transaction: the order stays.
        return reserved_at <= getattr(self._left, "at", -math.inf)

    def _notify(self) -> None:
        """Tell the server that does reach clients, unless it has just been told, and looks again."""
        outbox = self._outbox()
        if outbox is None or self._context.handles_request() or self._clock() < self._notify_at:
            return  # A single process that handles requests is the server itself.
        self._notify_at = self._clock() + NOTICE_INTERVAL
        try:
            self._context.in_app_context(outbox.notify)
        except Exception:
            logger.debug("The server could not be told of an event; it looks for it once a second", exc_info=True)

    def _hear(self) -> None:
        if self._relay is not None:
            self._relay.hear()
            self._timer.wake_by(self._relay.due)

    def _record_soon(self) -> None:
        if self._record_at is None:
            self._record_at = self._clock() + RECORD_DELAY
            self._timer.wake_by(self._record_at)

    def _next_deadline(self) -> float | None:
        is_relaying = self._relay is not None and self._context.has_connections()
        deadlines = (self._record_at, self._relay.due if self._relay is not None and is_relaying else None)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _work(self) -> tuple[()]:
        self._attempt()
        return ()

    def _attempt(self) -> None:
        """Record what was delivered, and relay if that is due; the relay must not find what only remains to be recorded."""
        self._record_at = None
        try:
            self._record()
            if self._relay is not None and self._context.has_connections():
                self._relay.run_if_due()
                self._listen()
        except Exception:
            if self._failing_since is None:
                logger.exception("The log could not be worked on; trying again until it can")
                self._failing_since = self._clock()
            self._retry_later()
        else:
            self._failing_since = None

    def _listen(self) -> None:
        if self._listener is not None:
            self._listener.start()

    def _record(self) -> None:
        numbers = [self._unrecorded.popleft() for _ in range(len(self._unrecorded))]
        outbox = self._outbox()
        if outbox is None or not numbers:
            return
        try:
            self._context.in_app_context(outbox.finish, numbers)
        except BaseException:
            self._unrecorded.extend(numbers)
            raise

    def _retry_later(self) -> None:
        if self._relay is None or not self._context.has_connections():
            return  # The next connection starts it again.
        self._relay.delay(RETRY_DELAY)
        self._record_at = self._clock() + RETRY_DELAY
        self._timer.wake_by(self._record_at)
