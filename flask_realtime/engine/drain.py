"""Schedule by which a stopping server closes its connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

BATCH_INTERVAL: Final = 0.1
"""Minimum seconds between two batches."""

SMALLEST_BATCH: Final = 5
"""Minimum number of connections in a batch, so that a server with few finishes early."""


class Batch(NamedTuple):
    """Connections that are closed together.

    Args:
        at: Seconds after the start.
        size: The number of connections.
    """

    at: float
    size: int


def plan_batches(count: int, seconds: float, jitter: Callable[[], float]) -> list[Batch]:
    """Plan when connections are closed, so that their clients do not all reconnect at the same moment.

    Args:
        count: The number of connections.
        seconds: How long it may take; 0 for all at once.
        jitter: Returns a random number from 0 up to, but not including, 1.

    Returns:
        The batches in order: as many as fit with an interval between them, and no more than needed; each is at a random
        moment of its interval, so that servers that stop together are not synchronised.
    """
    if count <= 0:
        return []
    number = max(1, min(-(-count // SMALLEST_BATCH), int(seconds / BATCH_INTERVAL)))
    slot = min(seconds / number, BATCH_INTERVAL)
    size, larger = divmod(count, number)
    return [Batch((index + jitter()) * slot, size + (index < larger)) for index in range(number)]
