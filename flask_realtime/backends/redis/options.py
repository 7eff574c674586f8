"""Options of a bus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flask_realtime.backends.links.intake import MAX_LAG


@dataclass(frozen=True)
class BusOptions:
    """The settings of a bus; the defaults suit production.

    Args:
        retention: Seconds for which events are kept for servers that cannot be reached.
        history: Seconds for which events are kept in Redis for clients that come back to any server; 0 for none.
        history_bytes: Maximum bytes of those of one server.
        max_items: Maximum number of its own events that a server keeps, sent or not.
        max_bytes: Maximum number of bytes of those.
        linger: Minimum seconds between two writes, and two reads: under load many events are batched, which costs less.
        long_linger: Seconds for which an envelope may wait to be written where all servers have got it over links.
        block: Seconds for which a read waits for entries.
        max_lag: Seconds; see `backends/links/intake.py`.
    """

    retention: float = 60.0
    max_items: int = 100_000
    max_bytes: int = 64 * 1024 * 1024
    history: float = 0.0
    history_bytes: int = 0
    linger: float = 0.002
    long_linger: float = 0.2
    block: float = 0.5
    max_lag: float = MAX_LAG


DEFAULT_OPTIONS: Final = BusOptions()
