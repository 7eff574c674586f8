"""Times on the wire."""

from __future__ import annotations

from datetime import datetime, timezone


def wire_time(moment: datetime) -> str:
    """Return a time as clients get it: ISO 8601 in UTC, to the millisecond.

    Args:
        moment: The time, with its time zone.
    """
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
