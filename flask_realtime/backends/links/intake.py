"""Intake of other servers' envelopes: each once and in order, whichever of two ways brings it first.

Each server numbers its envelopes. The message queue brings all of them in order, though perhaps late; a link brings some of them,
early. A number is passed on when it is the next one of its server. What a link brings ahead of its turn waits, within bounds, and
what does not fit is dropped: the queue brings it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from operator import itemgetter
from time import monotonic
from typing import Final

from flask_realtime.backends.bus import Envelope, Receive
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MAX_HELD: Final = 2000
"""Maximum number of envelopes of one server that wait for those before them: more than it sends while one is on its way."""

_PATIENCE: Final = 10
"""Multiple of the retention after which a silent server is forgotten; anything that it sent has expired by then."""


class _Source:
    """A server that envelopes come from.

    Args:
        last: The last number that was passed on.
        heard_at: When it was last heard.
    """

    __slots__ = ("heard_at", "held", "last", "turn")

    def __init__(self, last: int, heard_at: float) -> None:
        self.last = last
        self.heard_at = heard_at
        self.turn = threading.Lock()
        self.held: deque[tuple[int, Envelope]] = deque()

    def hold(self, number: int, envelope: Envelope) -> None:
        """Let an envelope wait for those before it."""
        self.held.append((number, envelope))
        if len(self.held) > 1 and number < self.held[-2][0]:  # An old link may end behind the beginning of a new one.
            self.held = deque(sorted(self.held, key=itemgetter(0)))


class Intake:
    """Passes on the envelopes of other servers.

    Args:
        receive: Called with each envelope.
        retention: Seconds after which nothing is sent again.
        clock: Returns the time in seconds.
    """

    def __init__(self, receive: Receive, retention: float, clock: Callable[[], float] = monotonic) -> None:
        self.lost = 0
        """Number of envelopes that are missing, whether never sent or lost on the way."""
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
            self._release(source, first)
            known = source.last
            self.lost += max(0, first - known - 1)
            source.last = max(known, first + count - 1)
            try:
                if source.last > known:
                    self._pass_new(known, first, envelopes)
            finally:
                self._release(source)

    def take_batch(self, origin: str, first: int, envelopes: Iterable[Envelope]) -> bool:
        """Take what a link brings: consecutive numbers, perhaps ahead of others.

        Args:
            origin: The sender.
            first: The first number.
            envelopes: The envelopes in order.

        Returns:
            Whether nothing of that sender waits for numbers before it.
        """
        source = self._sources.get(origin)
        if source is None:  # Where its numbers begin is known once the queue has brought some.
            return False
        with source.turn:
            source.heard_at = self._clock()
            for number, envelope in enumerate(envelopes, first):
                if number == source.last + 1:
                    source.last = number
                    self._pass_on(envelope)
                elif number > source.last and len(source.held) < MAX_HELD:
                    source.hold(number, envelope)
            self._release(source)
            return not source.held

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
            if number > known and envelope is not None:
                self._pass_on(envelope)

    def _release(self, source: _Source, before: int = 0) -> None:
        """Pass on what need not wait any longer: next in turn, or before a number behind which nothing comes any more."""
        held = source.held
        while held and (held[0][0] <= source.last + 1 or held[0][0] < before):
            number, envelope = held.popleft()
            if number > source.last:
                self.lost += number - source.last - 1
                source.last = number
                self._pass_on(envelope)

    def _pass_on(self, envelope: Envelope) -> None:
        try:
            self._receive(envelope)
        except Exception:
            logger.exception("What another server sent could not be handled")

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + self._silence
        self._sources = {origin: source for origin, source in self._sources.items() if now - source.heard_at < self._silence}
