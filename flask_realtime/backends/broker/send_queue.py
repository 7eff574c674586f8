"""Queue of envelopes that wait for the broker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

from flask_realtime.backends.broker.batches import Packed
from flask_realtime.backends.outgoing import Drops, next_batch


class QueuedEnvelope:
    """A packed envelope that waits.

    Args:
        packed: Its head and body.
        published_at: When it was published, by the local clock, in seconds.
        number: Its sequence number, from 1; dropped envelopes have none.
    """

    __slots__ = ("is_sent", "number", "packed", "published_at")

    def __init__(self, packed: Packed, published_at: float, number: int) -> None:
        self.packed = packed
        self.published_at = published_at
        self.number = number
        self.is_sent = False

    @property
    def size(self) -> int:
        """Return its size in bytes."""
        return len(self.packed[0]) + len(self.packed[1])


class SendQueue:
    """Envelopes in the order published, each kept until it was sent: a broker that has one never needs it again.

    Any thread may add, one sends. Over the maximum size or age, the oldest are dropped first.

    Args:
        retention: Seconds for which an envelope may wait.
        max_bytes: Maximum number of bytes that wait.
        clock: Returns the time in seconds.
    """

    def __init__(self, retention: float, max_bytes: int = 64 * 1024 * 1024, clock: Callable[[], float] = monotonic) -> None:
        self._retention = retention
        self._max_bytes = max_bytes
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[QueuedEnvelope] = deque()
        self._bytes = self._last = 0
        self._drops = Drops()
        self._is_closed = False

    @property
    def dropped(self) -> int:
        """Return how many were dropped before they were sent."""
        return self._drops.count

    @property
    def pending(self) -> int:
        """Return how many wait, including those being sent."""
        return len(self._waiting)

    def add(self, packed: Packed) -> QueuedEnvelope | None:
        """Add an envelope, and return its item, or None if it was dropped because the queue is closed."""
        if self._is_closed:
            self._drops.note()
            return None
        with self._changed:
            self._last += 1
            item = QueuedEnvelope(packed, self._clock(), self._last)
            self._waiting.append(item)
            self._bytes += item.size
            while self._bytes > self._max_bytes:
                self._drop_oldest()
            self._changed.notify_all()
        self._drops.report()
        return item

    def wait_for_batch(self, timeout: float) -> list[QueuedEnvelope]:
        """Return the next envelopes, as many as one message holds, or none after `timeout` seconds; they stay until `confirm`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, timeout)
            oldest = self._clock() - self._retention
            while self._waiting and self._waiting[0].published_at < oldest:
                self._drop_oldest()
            batch = next_batch(self._waiting)
        self._drops.report()
        return batch

    def confirm(self, items: list[QueuedEnvelope]) -> None:
        """Record that items were sent."""
        with self._changed:
            for item in items:
                item.is_sent = True
                # It may have been dropped while it was being sent, because the queue was full.
                if self._waiting and self._waiting[0] is item:
                    self._waiting.popleft()
                    self._bytes -= item.size
            self._drops.end_outage()
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition on the sent items holds, for `timeout` seconds at most, and return whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def wake(self) -> None:
        """Make waiting calls check their conditions again."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Refuse further envelopes."""
        self._is_closed = True

    def _drop_oldest(self) -> None:
        self._bytes -= self._waiting.popleft().size
        self._drops.note()
