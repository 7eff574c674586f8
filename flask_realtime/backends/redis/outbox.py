"""Outbox of a server: envelopes that wait to be written, and those that may have to be written again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from flask_realtime.backends.outgoing import Drops, next_batch
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId
from flask_realtime.backends.redis.options import BusOptions


class Outbox:
    """Envelopes in the order published, kept for a time after they were written, in case Redis loses them.

    Any thread may add, and wait until its envelope is written, and those that carry envelopes may number them; the rest is for the
    one writing thread. Adding takes no lock: it may happen in an event loop, which must not wait for a lock.

    Over the maximum, the oldest are dropped first: written ones before those that wait.

    Args:
        options: The number of envelopes to keep, and for how long.
        clock: Returns the time in seconds.
        pass_on: Called with each envelope that may be passed on directly, once it has its number.
    """

    def __init__(
        self, options: BusOptions, clock: Callable[[], float] = monotonic, pass_on: Callable[[Item], None] | None = None
    ) -> None:
        self.forgotten = NO_ID
        """The entry of the last written envelope that was dropped for lack of room."""
        self._options = options
        self._clock = clock
        self._drops = Drops()
        self._is_closed = False
        self._last_number = self._bytes = 0
        self._pass_on = pass_on
        self._numbering = threading.Lock()
        self._has_news = threading.Event()
        self._is_urgent = threading.Event()
        self._outcome = threading.Condition()
        # An item moves from each of these to the one before it, and is always in one of them.
        self._written: deque[Item] = deque()
        self._in_hand: list[Item] = []
        self._waiting: deque[Item] = deque()
        self._numbered: deque[Item] = deque()
        self._arrived: deque[Item] = deque()

    @property
    def dropped(self) -> int:
        """Return how many were dropped before they were written."""
        return self._drops.count

    @property
    def pending(self) -> int:
        """Return how many have not been written yet; an envelope in transit between queues may count twice."""
        return len(self._arrived) + len(self._numbered) + len(self._waiting) + len(self._in_hand)

    @property
    def lag(self) -> float:
        """Return for how many seconds the oldest of those has waited."""
        for queue in (self._in_hand, self._waiting, self._numbered, self._arrived):
            with suppress(IndexError):  # The writing thread may have taken the last one.
                return max(0.0, self._clock() - queue[0].published_at)
        return 0.0

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is kept, written or not."""
        return not (self.pending or self._written)

    def add(
        self, head: bytes, body: bytes, *, is_direct: bool = False, is_urgent: bool = True, places: tuple[int, ...] | None = None
    ) -> Item | None:
        """Add an encoded envelope, and return its item, or None if it was dropped because the outbox is closed.

        Args:
            head: Its head.
            body: Its body.
            is_direct: Whether it may be passed on directly.
            is_urgent: Whether it is to be written at once, with those that wait.
            places: See `Item`.
        """
        if self._is_closed:
            self._note_drop()
            return None
        item = Item(self._clock(), head, body, len(head) + len(body), is_direct=is_direct, places=places)
        self._arrived.append(item)
        if not self._has_news.is_set():
            self._has_news.set()
        if is_urgent and not self._is_urgent.is_set():
            self._is_urgent.set()
        return item

    def wait_for_outcome(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds, for `timeout` seconds at most, and return whether it does.

        Args:
            condition: Checked whenever items were written, or could not be.
            timeout: Seconds.
        """
        self._is_urgent.set()
        with self._outcome:
            return self._outcome.wait_for(condition, timeout)

    def close(self) -> None:
        """Refuse further envelopes, and have those that wait written at once."""
        self._is_closed = True
        self.hurry()

    def hurry(self) -> None:
        """Have what waits written at once."""
        self._is_urgent.set()

    def wake(self) -> None:
        """End `wait_for_news`, or the next one."""
        self._has_news.set()
        self._is_urgent.set()

    def wait_for_news(self, timeout: float) -> None:
        """Wait for an event such as a new envelope, for `timeout` seconds at most, and longer for more if none is urgent."""
        if not self._waiting:
            self._has_news.wait(timeout)
        if (self._arrived or self._numbered) and not self._is_urgent.is_set():
            self._is_urgent.wait(self._options.long_linger)
        self._has_news.clear()
        self._is_urgent.clear()

    def number(self, *, may_wait: bool = True) -> bool:
        """Give added envelopes their numbers, in order, and pass them on where they may be.

        Args:
            may_wait: Whether to wait while another thread does so, which takes microseconds.

        Returns:
            Whether it was done.
        """
        if not self._numbering.acquire(blocking=may_wait):
            return False
        try:
            while self._arrived:
                item = self._arrived[0]
                item.number = self._last_number = self._last_number + 1
                self._numbered.append(item)
                self._arrived.popleft()
                if item.is_direct and self._pass_on is not None:
                    self._pass_on(item)
        finally:
            self._numbering.release()
        return True

    def tidy(self) -> None:
        """Collect added envelopes, and drop those that are too old, or too many."""
        self.number()
        while self._numbered:
            item = self._numbered[0]
            self._bytes += item.size
            self._waiting.append(item)
            self._numbered.popleft()
            self._keep_within_bounds()
        self._expire()

    def take(self) -> list[Item]:
        """Take the next envelopes for writing, as many as one entry holds; none may be taken already."""
        self._in_hand = next_batch(self._waiting)
        for _ in self._in_hand:
            self._waiting.popleft()
        for item in self._in_hand:
            if item.age:
                item.age = max(1, round(1000 * (self._clock() - item.published_at)))
        return self._in_hand

    def confirm(self, written: StreamId) -> None:
        """Record that the taken envelopes were written."""
        for item in self._in_hand:
            item.age = 0
            if item.written is NO_ID:
                item.written = written
        self._written.extend(self._in_hand)
        self._in_hand = []
        self._drops.end_outage()
        self._notify()

    def give_back(self) -> None:
        """Put the taken envelopes back: they were not written, or that is unknown."""
        for item in self._in_hand:
            item.age = 1
        self._waiting.extendleft(reversed(self._in_hand))
        self._in_hand = []
        self._notify()

    def rewind(self) -> None:
        """Queue all kept envelopes to be written again, in order; none may be taken."""
        self._waiting.extendleft(reversed(self._written))
        self._written.clear()

    def _notify(self) -> None:
        with self._outcome:
            self._outcome.notify_all()

    def _keep_within_bounds(self) -> None:
        max_items, max_bytes = self._options.max_items, self._options.max_bytes
        while self._bytes > max_bytes or len(self._written) + len(self._waiting) > max_items:
            if self._written:
                item = self._written.popleft()
                self._bytes -= item.size
                self.forgotten = item.written
            else:
                self._drop_oldest_waiting()

    def _expire(self) -> None:
        oldest = self._clock() - self._options.retention
        while self._written and self._written[0].published_at < oldest:
            self._bytes -= self._written.popleft().size
        while self._waiting and self._waiting[0].published_at < oldest:
            self._drop_oldest_waiting()

    def _drop_oldest_waiting(self) -> None:
        self._bytes -= self._waiting.popleft().size
        self._note_drop()

    def _note_drop(self) -> None:
        self._drops.note()
        self._drops.report()
