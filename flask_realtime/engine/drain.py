"""When which connections of a server that is to stop are ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

BATCH_INTERVAL: Final = 0.1
"""Seconds from one batch to the next at the least."""

SMALLEST_BATCH: Final = 5
"""Connections; a server that has few need not take all the time that it may."""


class Batch(NamedTuple):
    """Connections that are ended together.

    Args:
        at: Seconds after the beginning.
        size: How many they are.
    """

    at: float
    size: int


def plan_batches(count: int, seconds: float, jitter: Callable[[], float]) -> list[Batch]:
    """Plan when connections are ended, so that their clients do not all come back in the same moment.

    Args:
        count: How many connections there are.
        seconds: How long it may take; 0 for all at once.
        jitter: Returns a random number from 0 up to, but not including, 1.

    Returns:
        The batches in order: as many as fit with an interval between them, and no more than there is work for; each comes at a
        random moment of its interval, so that servers which stop together do not keep time.
    """
    if count <= 0:
        return []
    number = max(1, min(-(-count // SMALLEST_BATCH), int(seconds / BATCH_INTERVAL)))
    slot = min(seconds / number, BATCH_INTERVAL)
    size, larger = divmod(count, number)
    return [Batch((index + jitter()) * slot, size + (index < larger)) for index in range(number)]
