"""Rates as configuration and `on(event, limit=...)` spell them: `"10/second, burst 20"`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from flask_realtime.errors import RealtimeError

PERIODS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
"""Seconds of each period that a rate may name."""

_FORM = re.compile(r"\s*([0-9]{1,9})\s*/\s*([a-z]+)\s*(?:,\s*burst\s+([0-9]{1,9})\s*)?")


class InvalidRate(RealtimeError, ValueError):
    """A text is no rate; the message says what is wrong with it."""


@dataclass(frozen=True)
class Rate:
    """How often something may happen.

    Args:
        number: How often in a period, evenly spread.
        period: One of `PERIODS`.
        burst: How often at once, after a pause that was long enough.
    """

    number: int
    period: str
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between two times at an even pace."""
        return PERIODS[self.period] / self.number

    @property
    def ahead(self) -> float:
        """Seconds that a burst may be ahead of an even pace."""
        return (self.burst - 1) * self.interval

    def times(self, factor: int) -> Rate:
        """Return a rate that allows so many times as much."""
        return Rate(self.number * factor, self.period, self.burst * factor)

    def __str__(self) -> str:
        return f"{self.number}/{self.period}, burst {self.burst}"


def parse_rate(text: object) -> Rate:
    """Read a rate: `"<number>/<second|minute|hour>"`, and `", burst <number>"` where that is not the same number.

    Raises:
        InvalidRate: It is none.
    """
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        msg = "the form is '<number>/<period>, burst <number>'"
        raise InvalidRate(msg)
    number, period, burst = match.groups()
    if period not in PERIODS:
        msg = f"the period is one of {', '.join(PERIODS)}, not {period}"
        raise InvalidRate(msg)
    rate = Rate(int(number), period, int(burst or number))
    if not rate.number or not rate.burst:
        msg = "both numbers are above 0; None is no limit"
        raise InvalidRate(msg)
    return rate
