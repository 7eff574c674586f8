"""Histograms of durations: buckets that are the same on every server, so that their counts add up.

Each bucket ends at 1.2 times the milliseconds at which it begins::

    bucket     0       1          2          ...  60
    from       0 ms    1.2 ms     1.44 ms         56.3 s
    to below   1.2 ms  1.44 ms    1.73 ms         67.6 s

A percentile is the middle of its bucket, and so at most 10 % off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

GROWTH: Final = 1.2
LAST_BUCKET: Final = 119
"""The bucket of everything that took 30 days or longer."""

_LOG_GROWTH: Final = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration; one that is negative, since two servers' clocks differ, is in the first one."""
    milliseconds = seconds * 1000
    if milliseconds < GROWTH:
        return 0
    return min(LAST_BUCKET, int(math.log(milliseconds) / _LOG_GROWTH))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Return the milliseconds within which a share of the durations was; None if there are none.

    Args:
        buckets: The number of durations in each bucket.
        share: The share, 0.5 for the median.
    """
    rank, passed = math.ceil(share * sum(buckets.values())), 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed >= max(rank, 1):
            return math.pow(GROWTH, bucket + 0.5)
    return None
