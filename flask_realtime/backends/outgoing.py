"""Batches of a server's outgoing envelopes, and the count of those that could not be sent in time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from flask_realtime.logs import get_logger

logger = get_logger(__name__)

MAX_BATCH_ITEMS: Final = 200
MAX_BATCH_BYTES: Final = 256 * 1024


class Numbered(Protocol):
    """An envelope that waits to be sent."""

    @property
    def number(self) -> int:
        """Return its sequence number among those of its origin."""

    @property
    def size(self) -> int:
        """Return its size in bytes."""


ItemT = TypeVar("ItemT", bound=Numbered)


def next_batch(waiting: Iterable[ItemT]) -> list[ItemT]:
    """Return the first items that fit in one batch: within the bounds, and numbered without a gap.

    Args:
        waiting: The waiting items, in order. One that is larger than a batch is sent alone.
    """
    batch: list[ItemT] = []
    room = MAX_BATCH_BYTES
    for item in waiting:
        if len(batch) == MAX_BATCH_ITEMS or (batch and (item.size > room or item.number != batch[-1].number + 1)):
            break
        batch.append(item)
        room -= item.size
    return batch


class Drops:
    """Counts dropped envelopes, and logs the first of each outage."""

    def __init__(self) -> None:
        self.count = 0
        self._count_before: int | None = 0  # The number at the beginning of the outage; None once it is logged.

    def note(self) -> None:
        """Count one. Call `report` next: a log may be slow, and is written where no lock is held."""
        self.count += 1

    def report(self) -> None:
        """Log that envelopes were dropped, unless that is logged already."""
        if self._count_before is not None and self.count > self._count_before:
            self._count_before = None
            logger.warning("Events for other servers are dropped: they could not be sent in time")

    def end_outage(self) -> None:
        """Log the next drop again, since an envelope was sent."""
        self._count_before = self.count
