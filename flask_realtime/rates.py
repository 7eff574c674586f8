"""Rates, as written in configuration and `on(event, limit=...)`: `"10/second, burst 20"`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from flask_realtime.errors import RealtimeError

PERIODS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
"""Seconds of each period that a rate may name."""

SLACK: Final = 0.001
"""Fraction of the interval between two events by which the second may come early."""

_FORM = re.compile(r"\s*([0-9]{1,9})\s*/\s*([a-z]+)\s*(?:,\s*burst\s+([0-9]{1,9})\s*)?")


class InvalidRate(RealtimeError, ValueError):
    """A text is not a rate; the message says what is wrong with it."""


@dataclass(frozen=True)
class Rate:
    """A rate: a number of events in a period, and a burst.

    Args:
        number: How often in a period, evenly spread.
        period: One of `PERIODS`.
        burst: How often at once, after a long enough pause.
    """

    number: int
    period: str
    burst: int

    @cached_property
    def interval(self) -> float:
        """Seconds between two times at an even pace."""
        return PERIODS[self.period] / self.number

    @cached_property
    def ahead(self) -> float:
        """Seconds that a burst may be ahead of an even pace."""
        return (self.burst - 1) * self.interval

    @cached_property
    def tolerance(self) -> float:
        """Seconds that a burst may be ahead as floating-point sums have it, which are inexact: it is to be allowed in full."""
        return self.ahead + SLACK * self.interval

    def times(self, factor: int) -> Rate:
        """Return this rate multiplied by a number."""
        return Rate(self.number * factor, self.period, self.burst * factor)

    def __str__(self) -> str:
        return f"{self.number}/{self.period}, burst {self.burst}"


def parse_rate(text: object) -> Rate:
    """Read a rate: `"<number>/<second|minute|hour>"`, with `", burst <number>"` if the burst is another number.

    Raises:
        InvalidRate: It is not a rate.
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
        msg = "both numbers must be above 0; None means no limit"
        raise InvalidRate(msg)
    return rate
