"""Exponential back-off with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

FIRST_DELAY: Final = 5.0
"""Seconds after the first failure, at most."""

LONGEST_DELAY: Final = 3600.0
"""Seconds after any failure, at most."""


def retry_delay(attempts: int, chance: Callable[[], float] = random.random) -> timedelta:
    """Return how long to wait after an attempt that failed.

    The delay doubles with each attempt. Half of it is random, so that jobs which failed together are not tried together.

    Args:
        attempts: How many attempts there were.
        chance: Returns a random number from 0 to 1.
    """
    doublings = min(attempts - 1, 32)  # Beyond the longest delay in any case.
    longest = min(FIRST_DELAY * 2**doublings, LONGEST_DELAY)
    return timedelta(seconds=longest * (1 + chance()) / 2)
