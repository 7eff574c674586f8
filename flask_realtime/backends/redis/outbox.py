"""Outbox of what this server has published: what waits to be written, and what may have to be written again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from flask_realtime.backends.outgoing import Drops, next_batch
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId
from flask_realtime.backends.redis.options import BusOptions


class Outbox:
    """Envelopes in the order published, kept for a time after they were written: Redis may forget them, and then wants them again.

    Any thread may add, and wait until what it added is written; the rest is for the one thread that writes. Adding takes no lock:
    it may be done in an event loop, which cannot wait for whoever has it.

    Beyond a bound the oldest go first: those already written before those that wait.

    Args:
        options: How many envelopes are kept, and for how long.
        clock: Returns the time in seconds.
    """

    def __init__(self, options: BusOptions, clock: Callable[[], float] = monotonic) -> None:
        self.forgotten = NO_ID
        """The entry with the last one that was written, and is not kept for want of room."""
        self._options = options
        self._clock = clock
        self._drops = Drops()
        self._is_closed = False
        self._last_number = self._bytes = 0
        self._has_news = threading.Event()
        self._outcome = threading.Condition()
        # An item goes from each of these to the one before it, and is never in none of them.
        self._written: deque[Item] = deque()
        self._in_hand: list[Item] = []
        self._waiting: deque[Item] = deque()
        self._arrived: deque[Item] = deque()

    @property
    def dropped(self) -> int:
        """How many were dropped before they were written."""
        return self._drops.count

    @property
    def pending(self) -> int:
        """How many have not been written yet; while one is on the move, it may count twice."""
        return len(self._arrived) + len(self._waiting) + len(self._in_hand)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept, written or not."""
        return not (self.pending or self._written)

    def add(self, head: bytes, body: bytes) -> Item | None:
        """Add an encoded envelope; None where it was dropped, because the outbox is closed."""
        if self._is_closed:
            self._note_drop()
            return None
        item = Item(self._clock(), head, body, len(head) + len(body))
        self._arrived.append(item)
        if not self._has_news.is_set():
            self._has_news.set()
        return item

    def wait_for_outcome(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until something holds, for `timeout` seconds at most, and say whether it does.

        Args:
            condition: It is asked whenever items were written, or could not be.
            timeout: Seconds.
        """
        with self._outcome:
            return self._outcome.wait_for(condition, timeout)

    def close(self) -> None:
        """Take no more."""
        self._is_closed = True

    def wake(self) -> None:
        """End `wait_for_news`, or the next one."""
        self._has_news.set()

    def wait_for_news(self, timeout: float) -> None:
        """Wait until there is something to write or to look at, for `timeout` seconds at most."""
        if not self._waiting:
            self._has_news.wait(timeout)
        self._has_news.clear()

    def tidy(self) -> None:
        """Take in what has arrived, and forget what is too old, or too much."""
        while self._arrived:
            item = self._arrived[0]
            self._last_number += 1
            item.number = self._last_number
            self._bytes += item.size
            self._waiting.append(item)
            self._arrived.popleft()
            self._keep_within_bounds()
        self._expire()

    def take(self) -> list[Item]:
        """Take the next ones in hand, as many as one entry holds; nothing may be in hand."""
        self._in_hand = next_batch(self._waiting)
        for _ in self._in_hand:
            self._waiting.popleft()
        return self._in_hand

    def confirm(self, written: StreamId) -> None:
        """Note that what is in hand was written."""
        for item in self._in_hand:
            if item.written is NO_ID:
                item.written = written
        self._written.extend(self._in_hand)
        self._in_hand = []
        self._drops.end_outage()
        self._notify()

    def give_back(self) -> None:
        """Put what is in hand back: it was not written, or nobody knows."""
        self._waiting.extendleft(reversed(self._in_hand))
        self._in_hand = []
        self._notify()

    def rewind(self) -> None:
        """Have everything written again that is kept, in order; nothing may be in hand."""
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
