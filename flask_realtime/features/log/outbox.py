"""Outbox: the log's table as its relay sees it. The store implements it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.json import loads
from flask_realtime.features.log.events import SyncAnswer, SyncRequest

Append = Callable[[Emit], None]
"""Writes an event to the log, in the current transaction of `db.session`."""

RESERVED_FOR: Final = 2.5
"""Seconds that a process has to deliver an event after it wrote or took it, before another one may take it."""


class LoggedEvent(NamedTuple):
    """An event of the log.

    Args:
        number: The number of its row.
        event: The event's name.
        arguments: Its arguments, as a JSON array.
        room: The room whose connections get it; None for everyone.
    """

    number: int
    event: str
    arguments: str
    room: str | None


class Outbox(Protocol):
    """The log's table. All methods but `add` end the transaction of `db.session` that they work in."""

    @property
    def logged_by_hooks(self) -> Collection[str]:
        """The events that are in the log already when their handler's hook returns."""

    def add(self, event: str, arguments: str, room: str | None, *, reserved_for: float) -> int:
        """Add an event in the current transaction, and return the number of its row.

        Args:
            event: The event's name.
            arguments: Its arguments, as a JSON array.
            room: The room whose connections get it; None for everyone.
            reserved_for: Seconds for which `take` leaves it to the caller.
        """

    def take(self, most: int, reserved_for: float) -> Sequence[LoggedEvent]:
        """Return events that nobody has delivered or is about to, the first ones first, and reserve them for the caller.

        Args:
            most: The maximum number of events.
            reserved_for: Seconds for which other callers do not get them.
        """

    def finish(self, numbers: Iterable[int]) -> None:
        """Record that events were delivered."""

    def trim(self, before: datetime) -> bool:
        """Delete some of the delivered events that are older than a time, and return whether there may be more of them."""

    def page(self, user_id: str, request: SyncRequest) -> SyncAnswer:
        """Return a page of the events that a user may see, as `sync` answers it."""


def emit_of(logged: LoggedEvent) -> Emit:
    """Return what sends an event of the log."""
    return Emit(logged.event, tuple(loads(logged.arguments)), None if logged.room is None else (logged.room,))
