"""Batches of what a server publishes, and the count of what it could not send in time."""

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
        """Its number among those of its origin."""

    @property
    def size(self) -> int:
        """Its bytes."""


ItemT = TypeVar("ItemT", bound=Numbered)


def next_batch(waiting: Iterable[ItemT]) -> list[ItemT]:
    """Return the first items, as many as go out together: within the bounds, and numbered without a gap.

    Args:
        waiting: What waits, in order. One that is larger than a batch goes alone.
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
    """Counts envelopes that were dropped; the log has the first of each outage."""

    def __init__(self) -> None:
        self.count = 0
        self._count_before: int | None = 0  # How many there were when the outage began; None once the log has it.

    def note(self) -> None:
        """Count one. Call `report` next: a log may be slow, and is written where no lock is held."""
        self.count += 1

    def report(self) -> None:
        """Log that something was dropped, if the log has not got it."""
        if self._count_before is not None and self.count > self._count_before:
            self._count_before = None
            logger.warning("Events for other servers are dropped: they could not be sent in time")

    def end_outage(self) -> None:
        """Have the next drop logged again: something was sent."""
        self._count_before = self.count
