"""Queue of users with something to announce, each at a bounded rate: the base of both queues of presence."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, Generic, TypeVar

from flask_realtime.allowances import TokenBucket
from flask_realtime.rates import parse_rate

RATE: Final = parse_rate("6/minute, burst 6")
"""Rate of one user's announcements: at most 12 in any minute, and none is delayed by more than 10 seconds."""


class RatedRecord:
    """One user's allowance, and when the next announcement is due."""

    __slots__ = ("bucket", "due")

    def __init__(self) -> None:
        self.bucket = TokenBucket(RATE)
        self.due = math.inf

    def is_idle(self, now: float) -> bool:
        """Return whether the record may be forgotten: a new one would be the same."""
        return self.due == math.inf and self.bucket.full_at <= now


R = TypeVar("R", bound=RatedRecord)


class RatedQueue(Generic[R]):
    """Records by user, forgotten when they are idle, and the order in which they are due.

    Subclasses call everything but `next_deadline` and `len` under the lock.

    Args:
        new_record: Makes the record of a user.
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, new_record: Callable[[], R], clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        self._new_record = new_record
        self._clock = clock
        self._lock = lock
        self._records: OrderedDict[str, R] = OrderedDict()
        self._queue: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._records)

    def next_deadline(self) -> float | None:
        """Return the time at which something may be due, or None."""
        with self._lock:
            return self._queue[0][0] if self._queue else None

    def _record(self, user_id: str, now: float) -> R:
        record = self._records.get(user_id)
        if record is None:
            record = self._records[user_id] = self._new_record()
        self._records.move_to_end(user_id)
        while (oldest := next(iter(self._records))) != user_id and self._records[oldest].is_idle(now):
            del self._records[oldest]
        return record

    def _schedule(self, user_id: str, record: R, at: float) -> None:
        record.due = at
        heapq.heappush(self._queue, (at, user_id))

    def _pop_due(self, now: float) -> Iterator[tuple[str, R]]:
        """Yield each user that is due, except who was announced meanwhile, or is due at another time."""
        while self._queue and self._queue[0][0] <= now:
            at, user_id = heapq.heappop(self._queue)
            record = self._records.get(user_id)
            if record is not None and record.due == at:
                yield user_id, record
