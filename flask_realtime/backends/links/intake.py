"""Intake of other servers' envelopes: each once and in order, whichever of two ways brings it first.

Each server numbers its envelopes. The message queue brings all of them in order, though perhaps late; a link brings some of them,
early. A number is passed on when it is the next one of its server. What a link brings ahead of its turn waits, within bounds, and
what does not fit is dropped: the queue brings it. A link also names numbers that are of no use here, which are not passed on.

What a link brings also waits while it is not known how far the queue has come in the last moments. So whoever has something in the
queue for longer than that knows that it is ahead of all that is sent from then on, whichever way that takes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from operator import itemgetter
from time import monotonic
from typing import Final

from flask_realtime.backends.bus import Envelope, Receive
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MAX_HELD: Final = 2000
"""Maximum number of envelopes of one server that wait for those before them: more than it sends while one is on its way."""

MAX_LAG: Final = 0.4
"""Seconds for which a server that has read all of the message queue passes on what links bring before it has read it again."""

_PATIENCE: Final = 10
"""Multiple of the retention after which a silent server is forgotten; anything that it sent has expired by then."""


class _Source:
    """A server that envelopes come from.

    Args:
        last: The last number that was passed on.
        heard_at: When it was last heard.
    """

    __slots__ = ("heard_at", "held", "last", "marks", "turn")

    def __init__(self, last: int, heard_at: float) -> None:
        self.last = last
        self.heard_at = heard_at
        self.turn = threading.Lock()
        self.held: deque[tuple[int, Envelope | None]] = deque()
        self.marks: list[tuple[int, Callable[[], object]]] = []

    def hold(self, number: int, envelope: Envelope | None) -> None:
        """Let an envelope wait for those before it."""
        self.held.append((number, envelope))
        if len(self.held) > 1 and number < self.held[-2][0]:  # An old link may end behind the beginning of a new one.
            self.held = deque(sorted(self.held, key=itemgetter(0)))

    def call_passed(self) -> None:
        """Call those who wait for a number that has been passed on."""
        passed = [call for number, call in self.marks if number <= self.last]
        self.marks = [mark for mark in self.marks if mark[0] > self.last]
        for call in passed:
            call()


class Intake:
    """Passes on the envelopes of other servers.

    Args:
        receive: Called with each envelope.
        retention: Seconds after which nothing is sent again.
        max_lag: Seconds; see `MAX_LAG`.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, receive: Receive, retention: float, max_lag: float = MAX_LAG, clock: Callable[[], float] = monotonic
    ) -> None:
        self.lost = 0
        """Number of envelopes that are missing, whether never sent or lost on the way."""
        self.is_behind = False
        """Whether something waits until the message queue has been read."""
        self._max_lag = max_lag
        self._current_until = -inf
        self._receive = receive
        self._silence = _PATIENCE * retention
        self._clock = clock
        self._next_sweep = clock() + self._silence
        self._sources: dict[str, _Source] = {}

    def __len__(self) -> int:
        return len(self._sources)

    def take_entry(self, origin: str, first: int, count: int, envelopes: Iterable[Envelope | None]) -> None:
        """Take what the message queue brings: consecutive numbers, in the order in which they were written.

        Args:
            origin: The sender.
            first: The first number.
            count: The count of numbers.
            envelopes: The envelopes in order; None for one that is not passed on.

        Raises:
            ValueError: Raised by the iterable; none of these numbers is passed on later.
        """
        source = self._source(origin, first)
        with source.turn:
            self._release_before(source, first)
            known = source.last
            self.lost += max(0, first - known - 1)
            source.last = max(known, first + count - 1)
            try:
                if source.last > known:
                    self._pass_new(known, first, envelopes)
            finally:
                self._release_next(source)

    def take_batch(self, origin: str, first: int, envelopes: Iterable[Envelope]) -> bool:
        """Take what a link brings: consecutive numbers, perhaps ahead of others.

        Args:
            origin: The sender.
            first: The first number.
            envelopes: The envelopes in order.

        Returns:
            Whether nothing of that sender waits.
        """
        source = self._sources.get(origin)
        if source is None:  # Where its numbers begin is known once the queue has brought some.
            return False
        with source.turn:
            source.heard_at = now = self._clock()
            is_current = now <= self._current_until
            for number, envelope in enumerate(envelopes, first):
                if number == source.last + 1 and is_current:
                    source.last = number
                    self._pass_on(envelope)
                elif number > source.last and len(source.held) < MAX_HELD:
                    source.hold(number, envelope)
            self._release_next(source)
            return not source.held

    def pass_over(self, origin: str, first: int, count: int) -> None:
        """Take it that numbers are of no use here, by the word of a link.

        Args:
            origin: The sender.
            first: The first number.
            count: The count of numbers.
        """
        source = self._sources.get(origin)
        if source is None:
            return
        with source.turn:
            source.heard_at = self._clock()
            if first <= source.last + 1:
                source.last = max(source.last, first + count - 1)
            else:
                for number in range(first, first + min(count, MAX_HELD - len(source.held))):
                    source.hold(number, None)
            self._release_next(source)

    def caught_up(self, as_of: float) -> None:
        """Record that all was taken that the message queue had at a time; for the thread that takes entries.

        Args:
            as_of: The time, by the clock.
        """
        self._current_until = as_of + self._max_lag
        if self.is_behind:
            self.is_behind = False
            for source in self._sources.values():
                with source.turn:
                    self._release_next(source)

    def when_passed(self, origin: str, number: int, call: Callable[[], object]) -> None:
        """Have a function called once all of a server's numbers up to one have been passed on; not if it is unknown.

        Args:
            origin: The server.
            number: The number.
            call: The function, which may not wait.
        """
        source = self._sources.get(origin)
        if source is not None:
            with source.turn:
                source.marks.append((number, call))
                source.call_passed()

    def _source(self, origin: str, first: int) -> _Source:
        now = self._clock()
        if now >= self._next_sweep:
            self._sweep(now)
        source = self._sources.get(origin)
        if source is None:
            source = self._sources[origin] = _Source(first - 1, now)
        source.heard_at = now
        return source

    def _pass_new(self, known: int, first: int, envelopes: Iterable[Envelope | None]) -> None:
        for number, envelope in enumerate(envelopes, first):
            if number > known:
                self._pass_on(envelope)

    def _release_before(self, source: _Source, end: int) -> None:
        """Pass on what waits before a number that the message queue has brought; what is missing there does not come any more."""
        held = source.held
        while held and held[0][0] < end:
            number, envelope = held.popleft()
            if number > source.last:
                self.lost += number - source.last - 1
                source.last = number
                self._pass_on(envelope)

    def _release_next(self, source: _Source) -> None:
        """Pass on what waits and is next in turn, if it need not wait for the message queue, and tell who waits for it."""
        held = source.held
        while held and held[0][0] <= source.last + 1:
            if held[0][0] > source.last and self._clock() > self._current_until:
                self.is_behind = True
                break
            number, envelope = held.popleft()
            if number > source.last:
                source.last = number
                self._pass_on(envelope)
        if source.marks:
            source.call_passed()

    def _pass_on(self, envelope: Envelope | None) -> None:
        if envelope is None:
            return
        try:
            self._receive(envelope)
        except Exception:
            logger.exception("What another server sent could not be handled")

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._silence
        self._sources = {origin: source for origin, source in self._sources.items() if now - source.heard_at < self._silence}
