"""What a feature wants to happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Send:
    """An event to be sent.

    Args:
        event: The event's name.
        args: Its arguments.
        rooms: The rooms whose connections get it, each connection once; None for everyone. No rooms reach nobody.
        skip_rooms: Rooms whose connections do not get it.
        skip_connection: A connection that does not get it, or None.
        volatile: Whether a receiver that is far behind may do without it: the next such event makes up for it.
        order: What it is about, and its place among the events about that; one that comes after a later one is dropped. None where
            that cannot happen.
        tells: The user of whose presence it tells, and whether that user is online; None for all other events.
        encoded: What the edge keeps with it, so that an effect that happens again and again is encoded once.
    """

    event: str
    args: tuple[Any, ...]
    rooms: tuple[str, ...] | None
    skip_rooms: tuple[str, ...] = ()
    skip_connection: str | None = None
    volatile: bool = False
    order: tuple[str, int] | None = None
    tells: tuple[str, bool] | None = None
    encoded: Any = field(default=None, compare=False, repr=False)
