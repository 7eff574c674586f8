"""Times on the wire."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Final

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS: Final = 6


def wire_time(moment: datetime) -> str:
    """Return a time as clients get it: ISO 8601 in UTC, to the millisecond.

    Args:
        moment: The time, with its time zone.
    """
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional_wire_time(moment: datetime | None) -> str | None:
    """Return a time as clients get it, or None if there is none."""
    return None if moment is None else wire_time(moment)


def parse_wire_time(text: str) -> datetime | None:
    """Return the time, in UTC, that a client wrote in ISO 8601 with its time zone; None if it is none.

    Python 3.10 knows neither `Z` nor fractions of other lengths than three and six digits.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    time, fraction, zone = found.groups()
    fraction = f".{(fraction or '')[:_DIGITS]:0<{_DIGITS}}" if time.count(":") > 1 else ""
    try:
        return datetime.fromisoformat(f"{time}{fraction}{'+00:00' if zone == 'Z' else zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
