"""Model of the log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH
from flask_realtime.contract.ids import MAX_ID_LENGTH
from flask_realtime.contract.rooms import conversation_room
from flask_realtime.database.base import Constraint, RealtimeModelMixin, index, unique
from flask_realtime.database.columns import IntegerKey, UtcDateTime

MAX_ROOM_LENGTH = len(conversation_room("")) + MAX_ID_LENGTH
MAX_SUBJECT_LENGTH = 64


class LogEntryMixin(RealtimeModelMixin):
    """An event of the log, written in the transaction that makes the change.

    `id` is in the order of the writes, and `position` in that of the commits: 1, 2, 3 and so on, given to each row once it is
    committed. `room` is NULL for everyone. `about` names what the event shows and what may change later, so that its rows can be
    found then; NULL for most events. Until `reserved_until` the event is left to the process that is delivering it, and at
    `delivered_at` it was delivered.
    """

    __tablename__ = "realtime_log"

    position: Mapped[int | None] = mapped_column(IntegerKey)
    event: Mapped[str] = mapped_column(String(MAX_EVENT_NAME_LENGTH))
    arguments: Mapped[str] = mapped_column(Text)
    room: Mapped[str | None] = mapped_column(String(MAX_ROOM_LENGTH))
    about: Mapped[str | None] = mapped_column(String(MAX_SUBJECT_LENGTH))
    reserved_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; no two rows have the same position."""
        table = cls.__tablename__
        unplaced, undelivered, about = text("position IS NULL"), text("delivered_at IS NULL"), text("about IS NOT NULL")
        return (
            *super().constraints(),
            unique(table, "position"),
            index(table, "room", "position"),
            Index(conv(f"ix_{table}_unplaced"), "id", sqlite_where=unplaced, postgresql_where=unplaced),
            Index(conv(f"ix_{table}_undelivered"), "id", sqlite_where=undelivered, postgresql_where=undelivered),
            Index(conv(f"ix_{table}_about"), "about", sqlite_where=about, postgresql_where=about),
        )
