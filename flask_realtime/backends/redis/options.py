"""What a bus may be told about how to do its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class BusOptions:
    """How a bus works; the defaults do for production.

    Args:
        retention: Seconds for which events are kept for servers that cannot be reached.
        max_items: How many events a server keeps of those it published, sent or not.
        max_bytes: How many bytes those may have.
        linger: Seconds between two writes, and two reads, at least: under load many events go at once, which costs less.
        block: Seconds for which a read waits for something to read.
    """

    retention: float = 60.0
    max_items: int = 100_000
    max_bytes: int = 64 * 1024 * 1024
    linger: float = 0.002
    block: float = 0.5


DEFAULT_OPTIONS: Final = BusOptions()
