"""What this server has published: what waits to be written, and what may have to be written again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId
from flask_realtime.backends.redis.options import BusOptions

logger = logging.getLogger(__name__)

MAX_BATCH_ITEMS: Final = 200
MAX_BATCH_BYTES: Final = 256 * 1024


class Outbox:
    """Envelopes in the order published, kept for a time after they were written.

    One thread takes from it; any may add. Beyond a bound the oldest go first: those already written before those that wait.

    Args:
        options: How many envelopes are kept, and for how long.
        clock: Returns the time in seconds.
    """

    def __init__(self, options: BusOptions, clock: Callable[[], float] = monotonic) -> None:
        self.dropped = 0
        """How many were dropped before they were written."""
        self.forgotten = NO_ID
        """The entry with the last one that was written, and is not kept for want of room."""
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_awaited = False
        self._is_closed = self._is_dropping = False
        self._last_number = self._bytes = 0
        self._arrived: deque[Item] = deque()
        self._written: deque[Item] = deque()
        self._in_hand: list[Item] = []
        self._waiting: deque[Item] = deque()

    @property
    def pending(self) -> int:
        """How many have not been written yet."""
        return len(self._arrived) + len(self._waiting) + len(self._in_hand)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept, written or not."""
        return not (self._written or self.pending)

    def add(self, head: bytes, body: bytes) -> Item | None:
        """Add an encoded envelope, without ever waiting; None where it was dropped, because the outbox is closed."""
        if self._is_closed:
            self._drop()
            return None
        item = Item(0, self._clock(), head, body, len(head) + len(body))
        self._arrived.append(item)
        # The caller may be an event loop, which cannot wait for whoever has the lock; that one takes the item in.
        if self._lock.acquire(blocking=False):
            try:
                self._take_in()
            finally:
                self._lock.release()
        return item

    def take(self) -> list[Item]:
        """Take the next ones in hand, as many as one entry holds; they are numbered without a gap."""
        items, waiting, room = self._in_hand, self._waiting, MAX_BATCH_BYTES
        with self._lock:
            self._take_in()
            while waiting and len(items) < MAX_BATCH_ITEMS:
                item = waiting[0]
                if items and (item.size > room or item.number != items[-1].number + 1):
                    break
                items.append(waiting.popleft())
                room -= item.size
        return items

    def settle(self, written: StreamId) -> None:
        """Note that what is in hand was written."""
        with self._lock:
            for item in self._in_hand:
                if item.written is NO_ID:
                    item.written = written
            self._written.extend(self._in_hand)
            self._in_hand = []
            self._is_dropping = False
            self._changed.notify_all()

    def give_back(self) -> None:
        """Put what is in hand back: it was not written, or nobody knows."""
        with self._lock:
            self._waiting.extendleft(reversed(self._in_hand))
            self._in_hand = []
            self._changed.notify_all()

    def rewind(self) -> None:
        """Have everything written again that is kept, in order; nothing may be in hand."""
        with self._lock:
            self._waiting.extendleft(reversed(self._written))
            self._written.clear()

    def expire(self) -> None:
        """Forget what is too old."""
        oldest = self._clock() - self._options.retention
        with self._lock:
            while self._written and self._written[0].published_at < oldest:
                self._bytes -= self._written.popleft().size
            while self._waiting and self._waiting[0].published_at < oldest:
                self._drop_oldest_waiting()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until something holds, for `timeout` seconds at most, and say whether it does.

        Args:
            condition: It is asked whenever something was added, written, or could not be; it must not use the outbox's methods.
            timeout: Seconds.
        """
        deadline = monotonic() + timeout
        with self._lock:
            while not condition():
                self._take_in()
                if (left := deadline - monotonic()) <= 0:
                    return False
                self._is_awaited = True
                self._changed.wait(left)
            return True

    def wake(self) -> None:
        """Have those who wait ask again."""
        with self._lock:
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more."""
        with self._lock:
            self._is_closed = True

    def _take_in(self) -> None:
        while self._arrived:
            item = self._arrived.popleft()
            self._last_number += 1
            item.number = self._last_number
            self._waiting.append(item)
            self._bytes += item.size
            self._keep_within_bounds()
            if self._is_awaited:
                self._is_awaited = False
                self._changed.notify_all()

    def _keep_within_bounds(self) -> None:
        max_items, max_bytes = self._options.max_items, self._options.max_bytes
        while self._bytes > max_bytes or len(self._written) + len(self._waiting) + len(self._in_hand) > max_items:
            if self._written:
                item = self._written.popleft()
                self._bytes -= item.size
                self.forgotten = item.written
            elif self._waiting:
                self._drop_oldest_waiting()
            else:
                return

    def _drop_oldest_waiting(self) -> None:
        self._bytes -= self._waiting.popleft().size
        self._drop()

    def _drop(self) -> None:
        self.dropped += 1
        if not self._is_dropping:
            self._is_dropping = True
            logger.warning("Events for other servers are dropped: they could not be sent in time")
