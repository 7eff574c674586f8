"""Stores the log in the database, in the order of the commits.

The number of a row says nothing about its commit: a transaction can take number 7, and commit after the one that took 8. So rows
get their positions afterwards, once they are committed and everybody can see them, from one transaction at a time. A page up to a
position is complete: no event comes in before it later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final, Protocol, TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Row,
    String,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.json import loads
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.contract.times import wire_time
from flask_realtime.database.batches import batch
from flask_realtime.database.columns import UtcDateTime, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import ConfigError
from flask_realtime.feature.context import HasState
from flask_realtime.feature.hook import Hook
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.log.events import (
    DEFAULT_LIMIT,
    MissedEvent,
    SyncAnswer,
    SyncRequest,
    sync_page,
    sync_request,
    sync_reset,
)
from flask_realtime.features.log.feature import log
from flask_realtime.features.log.hooks import OUTBOX
from flask_realtime.features.log.inspection_store import LogInspection
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.log.notices_store import Notices
from flask_realtime.features.log.outbox import TRIMMED_AT_ONCE, LoggedEvent, Revise
from flask_realtime.features.log.state import Log

StateT = TypeVar("StateT")
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

PLACED_AT_ONCE: Final = 5000
RECORDED_AT_ONCE: Final = 1000
REWRITTEN_AT_ONCE: Final = 500

MAX_PAGE_LENGTH: Final = 200_000
"""Characters of arguments after which a page ends, so that no answer fills the buffer of a slow client."""


class _Realtime(Protocol):
    """The extension object, as far as the log needs it."""

    def hook(self, hook: Hook) -> Callable[[FunctionT], FunctionT]:
        """Register a function for a hook."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return a feature's state in the current application."""


class LogStore:
    """The log of one application: events that were written with the changes that they tell of.

    Args:
        db: The application's Flask-SQLAlchemy object.
        entry: The model of its rows.
        participant: The model of the participants of conversations.
    """

    def __init__(self, db: SQLAlchemy, entry: type[LogEntryMixin], participant: type[ParticipantMixin]) -> None:
        self._table = _LogTable(db, entry, participant)
        self._realtime: _Realtime | None = None

    def register(self, realtime: _Realtime, logged_by_hooks: Iterable[str]) -> None:
        """Register the log.

        Args:
            realtime: The extension object.
            logged_by_hooks: The events that the hooks of the other stores log.

        Raises:
            RegistrationError: There is a log already.
        """
        self._realtime = realtime
        self._table.logged_by_hooks = frozenset(logged_by_hooks)
        realtime.hook(OUTBOX)(lambda: self._table)

    def append(self, emit: Emit, *, about: str | None = None) -> None:
        """Write an event to the log, in the current transaction; `Realtime.log` does the same.

        Args:
            emit: The event, for everyone or for rooms.
            about: What it shows that may change later, so that `rewrite` finds it; None for nothing.

        Raises:
            ConfigError: The store is not registered.
            PayloadNotSerializable: The arguments are not JSON.
        """
        self._state().append(emit, about=about)

    def rewrite(self, revisions: Mapping[str, Revise]) -> None:
        """Give logged events other arguments, in the current transaction; takes time in proportion to these events alone.

        Args:
            revisions: Subjects, and what returns the arguments of the events about them.

        Raises:
            ConfigError: The store is not registered.
            PayloadNotSerializable: The arguments are not JSON.
        """
        self._state().rewrite(revisions)

    def _state(self) -> Log:
        if self._realtime is None:
            msg = "The store has a log, which sends events: call store.register(realtime) before anything is stored."
            raise ConfigError(msg)
        return self._realtime.state_of(log)

    def sync(self, user_id: str, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> SyncAnswer:
        """Return what a user may see and has missed, as the event `sync` answers it, and commit.

        The user sees their own events, those for everyone, and those of conversations that they take part in now, from when they
        began to.

        Args:
            user_id: The user.
            cursor: The cursor that the last call returned; None for the present one and no events.
            limit: The maximum number of events, from 1 to 500.

        Raises:
            BadRequest: The cursor is none that a server made, or the limit is out of range.
        """
        return self._table.page(user_id, sync_request(cursor, limit))


class _LogTable:
    """The rows of the log; see `Outbox`."""

    def __init__(self, db: SQLAlchemy, entry: type[LogEntryMixin], participant: type[ParticipantMixin]) -> None:
        self._db = db
        self._entry = entry
        self._participant = participant
        notices = Notices(db, entry)
        self.notify, self.listen = notices.send, notices.listen
        inspection = LogInspection(db, entry)
        self.status, self.tail, self.count_before = inspection.status, inspection.tail, inspection.count_before
        self.logged_by_hooks: Collection[str] = frozenset()

    def add(
        self, event: str, arguments: str, rooms: Sequence[str | None], *, reserved_for: float, about: str | None = None
    ) -> Sequence[LoggedEvent]:
        entry, now, until = self._entry, utc_now(), self._after(reserved_for)
        shared = {"event": event, "arguments": arguments, "created_at": now, "about": about, "reserved_until": until}
        rows = [{**shared, "room": room} for room in rooms]
        added = insert(entry).values(rows if len(rows) > 1 else rows[0])  # SQLAlchemy compiles a list anew each time.
        numbers = self._db.session.execute(added.returning(entry.id, entry.room))
        return sorted(LoggedEvent(number, event, arguments, room, now) for number, room in numbers)

    def rewrite(self, subjects: Sequence[str], revise: Callable[[str, str, str], str]) -> None:
        entry, session = self._entry, self._db.session
        rows: list[Row[Any]] = []
        for first in range(0, len(subjects), REWRITTEN_AT_ONCE):
            of_some = entry.about.in_(subjects[first : first + REWRITTEN_AT_ONCE])
            rows += session.execute(select(entry.id, entry.about, entry.event, entry.arguments).where(of_some))
        if not rows:
            return
        self._lock_places()  # Whoever records what was delivered writes many rows, in another order than this one.
        rewritten = update(entry).where(entry.id == bindparam("number")).values(arguments=bindparam("revised"))
        changes = [
            {"number": row.id, "revised": revise(row.about, row.event, row.arguments)}
            for row in sorted(rows, key=lambda row: row.id)
        ]
        connection = session.connection(bind_arguments={"mapper": entry})
        connection.execute(rewritten, changes)

    def reserve(self, numbers: Sequence[int], reserved_for: float) -> None:
        entry = self._entry
        for first in range(0, len(numbers), RECORDED_AT_ONCE):
            reserved = update(entry).where(entry.id.in_(numbers[first : first + RECORDED_AT_ONCE]))
            reserved = reserved.values(reserved_until=self._after(reserved_for))
            self._db.session.execute(reserved.execution_options(synchronize_session=False))

    def take(self, most: int, reserved_for: float) -> Sequence[LoggedEvent]:
        entry = self._entry
        is_free = or_(entry.reserved_until.is_(None), entry.reserved_until < self._after(0))
        free = select(entry.id).where(entry.delivered_at.is_(None), is_free).order_by(entry.id).limit(most)
        if self._db.session.scalar(free.limit(1)) is None:
            return []  # A statement that writes would lock all of SQLite's database.
        taken = (
            update(entry)
            .where(entry.id.in_(batch(free)))
            .values(reserved_until=self._after(reserved_for))
            .returning(entry.id, entry.event, entry.arguments, entry.room, entry.created_at)
            .execution_options(synchronize_session=False)
        )
        with committing(self._db):
            rows = self._db.session.execute(taken).all()
        return sorted(LoggedEvent(*row) for row in rows)

    def finish(self, numbers: Iterable[int]) -> None:
        entry, left = self._entry, list(numbers)
        while left:
            now, left = left[:RECORDED_AT_ONCE], left[RECORDED_AT_ONCE:]
            delivered = update(entry).where(entry.id.in_(now)).values(delivered_at=utc_now())
            with committing(self._db):
                self._place_some()
                self._db.session.execute(delivered.execution_options(synchronize_session=False))

    def _place_all(self) -> None:
        """Give every committed row its position; what a page shows has one."""
        entry = self._entry
        unplaced = select(entry.id).where(entry.position.is_(None)).limit(1)
        while self._db.session.scalar(unplaced) is not None:
            with committing(self._db):
                self._place_some()

    def _place_some(self) -> None:
        """Give the first rows without a position the next ones, in a transaction that no other one does so beside."""
        session, entry, placed = self._db.session, self._entry, aliased(self._entry)
        self._lock_places()
        nth = func.row_number().over(order_by=entry.id).label("nth")
        unplaced = select(entry.id, nth).where(entry.position.is_(None)).order_by(entry.id).limit(PLACED_AT_ONCE).subquery()
        last = select(func.coalesce(func.max(placed.position), 0)).scalar_subquery()
        place = update(entry).where(entry.id == unplaced.c.id).values(position=last + unplaced.c.nth)
        session.execute(place.execution_options(synchronize_session=False))

    def _lock_places(self) -> None:
        """Wait until nobody else gives positions, and keep others from it until the commit."""
        if self._is_postgresql:
            lock = select(func.pg_advisory_xact_lock(func.hashtextextended(self._entry.__tablename__, 0)))
            self._db.session.execute(lock, bind_arguments={"mapper": self._entry})

    def trim(self, before: datetime) -> bool:
        session, entry = self._db.session, self._entry
        oldest = select(entry.position, entry.created_at, entry.delivered_at).where(entry.position.is_not(None))
        rows = session.execute(oldest.order_by(entry.position).limit(TRIMMED_AT_ONCE)).all()
        expired = list(takewhile(lambda row: row.created_at < before and row.delivered_at is not None, rows))
        if not expired:
            return False
        # The last row stays: the next position is counted from it.
        last = select(func.max(aliased(entry).position)).scalar_subquery()
        deleted = delete(entry).where(entry.position <= expired[-1].position, entry.position < last)
        with committing(self._db):
            session.execute(deleted.execution_options(synchronize_session=False))
        return len(expired) == TRIMMED_AT_ONCE

    def page(self, user_id: str, request: SyncRequest) -> SyncAnswer:
        self._place_all()
        entry, position = self._entry, request.position
        last = self._db.session.scalar(select(func.max(entry.position))) or 0
        if position is None:
            return sync_page([], last, more=False)
        rows = self._missed(user_id, position, last, request.limit + 1)
        # Asked for last: whatever was deleted while the page was read is noticed.
        first = self._db.session.scalar(select(func.min(entry.position))) or 1
        if position > last or position + 1 < first:
            return sync_reset(last)
        shown = list(takewhile(lambda row: row.arguments is not None, rows[: request.limit]))
        more = len(shown) < len(rows)
        return sync_page([_missed_event(row) for row in shown], shown[-1].position if more else last, more=more)

    def _missed(self, user_id: str, position: int, last: int, most: int) -> Sequence[Any]:
        """Return rows that a user may see, in order; behind the first ones that fill a page, without their arguments."""
        entry, participant = self._entry, self._participant
        missed = select(entry.position, entry.event, entry.arguments, entry.created_at).where(
            entry.position > position, entry.position <= last
        )
        room = literal(conversation_room(""), String) + cast(participant.conversation_id, String)
        parts = (
            missed.where(entry.room == user_room(user_id)),
            missed.where(entry.room.is_(None)),
            missed.join(participant, entry.room == room).where(
                participant.user_id == user_id, entry.created_at >= participant.created_at
            ),
        )
        every = union_all(*(select(part.order_by(entry.position).limit(most).subquery()) for part in parts)).subquery()
        length = func.length(every.c.arguments)
        before = func.sum(length).over(order_by=every.c.position) - length
        shown = case((before < MAX_PAGE_LENGTH, every.c.arguments))
        page = select(every.c.position, every.c.event, shown.label("arguments"), every.c.created_at)
        return self._db.session.execute(page.order_by(every.c.position).limit(most)).all()

    @property
    def _is_postgresql(self) -> bool:
        return self._db.session.get_bind(self._entry).dialect.name == "postgresql"

    def _after(self, seconds: float) -> ColumnElement[Any]:
        """Return the time after some seconds, by the one clock that all servers share."""
        if self._is_postgresql:
            return func.clock_timestamp(type_=DateTime(timezone=True)) + timedelta(seconds=seconds)
        return literal(utc_now() + timedelta(seconds=seconds), UtcDateTime())


def _missed_event(row: Row[Any]) -> MissedEvent:
    return {"event": row.event, "args": loads(row.arguments), "at": wire_time(row.created_at)}
