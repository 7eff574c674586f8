"""Outbox: the log's table as its relay sees it. The store implements it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.json import loads
from flask_realtime.features.log.events import SyncAnswer, SyncRequest

Revise = Callable[[str, list[Any]], Sequence[Any]]
"""Returns the arguments that a logged event has from now on, from its name and those that it had."""

RESERVED_FOR: Final = 2.5
"""Seconds that a process has to deliver an event after it wrote or took it, before another one may take it."""


TRIMMED_AT_ONCE: Final = 500
"""Maximum number of events that one call of `trim` deletes."""


class Append(Protocol):
    """Writes an event to the log, in the current transaction of `db.session`."""

    def __call__(self, emit: Emit, /, *, about: str | None = None) -> None:
        """Write an event.

        Args:
            emit: The event.
            about: What it shows that may change later, such as a message, so that its row can be found then; None for nothing.
        """


class LoggedEvent(NamedTuple):
    """An event of the log.

    Args:
        number: The number of its row.
        event: The event's name.
        arguments: Its arguments, as a JSON array.
        room: The room whose connections get it; None for everyone.
        created_at: The time at which it was written.
    """

    number: int
    event: str
    arguments: str
    room: str | None
    created_at: datetime

    @property
    def name(self) -> str:
        """Return its unique name: the numbers of a database that is made anew begin anew."""
        return f"{self.number}-{self.created_at.timestamp()}"


class StoredEvent(NamedTuple):
    """An event of the log as operators see it.

    Args:
        number: The number of its row.
        position: Its place in the order of the commits; None for one that nobody has asked for yet.
        event: The event's name.
        arguments: Its arguments, as a JSON array.
        room: The room whose connections get it; None for everyone.
        created_at: The time at which it was written.
        delivered_at: The time at which it was delivered, or None.
    """

    number: int
    position: int | None
    event: str
    arguments: str
    room: str | None
    created_at: datetime
    delivered_at: datetime | None


class LogSelection(NamedTuple):
    """A choice of events of the log.

    Args:
        limit: The maximum number of events.
        room: Those for the connections in this room, or None.
        for_everyone: Those for everyone, if no room is given.
        undelivered: Those that are not delivered yet.
    """

    limit: int
    room: str | None = None
    for_everyone: bool = False
    undelivered: bool = False


class LogStatus(NamedTuple):
    """The size of the log, and what waits in it.

    Args:
        rows: How many events are kept.
        oldest: The time of the oldest one, or None.
        newest: The time of the newest one, or None.
        undelivered: How many are not delivered yet.
        waiting_since: The time of the oldest one of these, or None.
        position: The last position that was given.
    """

    rows: int
    oldest: datetime | None
    newest: datetime | None
    undelivered: int
    waiting_since: datetime | None
    position: int


class Outbox(Protocol):
    """The log's table.

    All methods but `add`, `rewrite`, `reserve` and those for operators end the transaction of `db.session` that they work in.
    """

    @property
    def logged_by_hooks(self) -> Collection[str]:
        """The events that are in the log already when their handler's hook returns."""

    def add(
        self, event: str, arguments: str, rooms: Sequence[str | None], *, reserved_for: float, about: str | None = None
    ) -> Sequence[LoggedEvent]:
        """Add an event for each of some rooms in the current transaction, and return them.

        Args:
            event: The event's name.
            arguments: Its arguments, as a JSON array.
            rooms: The rooms whose connections get it; None for everyone.
            reserved_for: Seconds for which `take` leaves it to the caller.
            about: What it shows that may change later, or None.
        """

    def rewrite(self, subjects: Sequence[str], revise: Callable[[str, str, str], str]) -> None:
        """Give events about some subjects other arguments, in the current transaction.

        Args:
            subjects: The subjects.
            revise: Returns the arguments of an event, from its subject, its name and its arguments until now.
        """

    def reserve(self, numbers: Sequence[int], reserved_for: float) -> None:
        """Reserve events of the current transaction anew for the caller.

        Args:
            numbers: Their numbers.
            reserved_for: Seconds for which `take` leaves them to the caller.
        """

    def take(self, most: int, reserved_for: float) -> Sequence[LoggedEvent]:
        """Return events that nobody has delivered or is about to, the first ones first, and reserve them for the caller.

        Args:
            most: The maximum number of events.
            reserved_for: Seconds for which other callers do not get them.
        """

    def finish(self, numbers: Iterable[int]) -> None:
        """Record that events were delivered."""

    def notify(self) -> None:
        """Tell the server that events were written, if the database can."""

    def listen(self, heard: Callable[[], None], wait: Callable[[int, float], bool], goes_on: Callable[[], bool]) -> bool:
        """Call a function whenever a process says with `notify` that it wrote events, and once at the beginning.

        Args:
            heard: The function.
            wait: Waits until a file can be read, for some seconds at most, and returns whether it can.
            goes_on: Whether anybody still wants to hear.

        Returns:
            False if the database tells of nothing.
        """

    def trim(self, before: datetime) -> bool:
        """Delete some of the delivered events that are older than a time, and return whether there may be more of them."""

    def status(self) -> LogStatus:
        """Return the size of the log, and what waits in it; it reads the whole table, and is for operators."""

    def tail(self, selection: LogSelection) -> Sequence[StoredEvent]:
        """Return the events that were written last, the oldest of them first; for operators."""

    def count_before(self, before: datetime) -> int:
        """Return how many delivered events are older than a time; for operators."""

    def page(self, user_id: str, request: SyncRequest) -> SyncAnswer:
        """Return a page of the events that a user may see, as `sync` answers it."""


def emit_of(logged: LoggedEvent) -> Emit:
    """Return what sends an event of the log."""
    rooms = None if logged.room is None else (logged.room,)
    return Emit(logged.event, tuple(loads(logged.arguments)), rooms, logged=logged.name)
