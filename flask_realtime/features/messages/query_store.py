"""Reads messages from the database, each with all that belongs to it, in a fixed number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import aliased

from flask_realtime.database.columns import parse_row_id
from flask_realtime.features.messages.models import MentionMixin, MessageMixin
from flask_realtime.features.messages.records import MessagePage, MessageRecord, PageRequest
from flask_realtime.features.messages.sending import EVERYONE

_IDS: Final = ("id", "conversation_id", "reply_to", "thread_id")
_COLUMNS: Final = (
    *_IDS,
    "sender_id",
    "content",
    "created_at",
    "seq",
    "kind",
    "client_id",
    "edited_at",
    "deleted_at",
    "thread_count",
    "thread_last_at",
)
"""Columns of a message, which are fields of a record."""

Reactions = Callable[[Sequence[int]], Mapping[int, tuple[Any, ...]]]
"""Maps ids of messages to the reactions that they have."""


class ReadState(Protocol):
    """State of reading, as a part of a query about messages."""

    def is_read(self, viewer_id: str) -> ColumnElement[bool]:
        """Return whether the viewer has read a message, or another user the viewer's own."""

    def status(self) -> ColumnElement[Any]:
        """Return how far a message has got, or NULL."""


class _Place(NamedTuple):
    """Conditions for the messages of a conversation outside threads, or for those of a thread, before or after one.

    Args:
        message: The model of messages.
        conversation: The conversation.
        thread: The message whose thread it is; None for those outside threads.
        by_range: Whether the conversation is a range of one. By an equality PostgreSQL knows that only the ids are to be ordered,
            and where one conversation has most of the messages it walks the primary key, over those of all others.
    """

    message: type[MessageMixin]
    conversation: int
    thread: int | None
    by_range: bool

    @property
    def everything(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for all of its messages."""
        message, number = self.message, self.conversation
        of_it = message.conversation_id.between(number, number) if self.by_range else message.conversation_id == number
        return of_it, self._thread

    def before(self, message_id: str) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for those older than one."""
        message, number = self.message, parse_row_id(message_id) or 0
        if not self.by_range:
            return *self.everything, message.id < number
        is_older = tuple_(message.conversation_id, message.id) < tuple_(self.conversation, number)
        return message.conversation_id >= self.conversation, is_older, self._thread

    def after(self, message_id: str, *, including: bool = False) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions for those newer than one, or that one too."""
        message, number = self.message, (parse_row_id(message_id) or 0) - including
        if not self.by_range:
            return *self.everything, message.id > number
        is_newer = tuple_(message.conversation_id, message.id) > tuple_(self.conversation, number)
        return message.conversation_id <= self.conversation, is_newer, self._thread

    @property
    def _thread(self) -> ColumnElement[bool]:
        thread = self.message.thread_id
        return thread.is_(None) if self.thread is None else thread == self.thread


class MessageQueries:
    """Queries of messages.

    Args:
        db: The application's Flask-SQLAlchemy object.
        message: The model of messages.
        mention: The model of mentions; None if nobody can be mentioned.
        reads: Who has read what.
        reactions: Returns the reactions to messages; None if there are none.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        message: type[MessageMixin],
        mention: type[MentionMixin] | None,
        reads: ReadState,
        reactions: Reactions | None,
    ) -> None:
        self._db = db
        self._message = message
        self._mention = mention
        self._reads = reads
        self._reactions = reactions
        # Columns and not entities: an application's model may have more, and its session's own objects stay as they are.
        self._columns = [getattr(message, name) for name in _COLUMNS]

    def find(self, viewer_id: str, *conditions: ColumnElement[bool], limit: int, oldest_first: bool = False) -> list[MessageRecord]:
        """Return messages as a viewer sees them, newest first.

        Args:
            viewer_id: The viewer.
            conditions: What they have in common.
            limit: The maximum number of messages.
            oldest_first: Whether the oldest of them come first.
        """
        message = self._message
        order = (message.conversation_id, message.id)
        read, status = self._reads.is_read(viewer_id).label("is_read"), self._reads.status().label("status")
        query = select(*self._columns, read, status).where(*conditions).limit(limit)
        ordered = query.order_by(*(order if oldest_first else (column.desc() for column in order)))
        return self._complete([_record(row._asdict()) for row in self._db.session.execute(ordered)])

    def page(self, conversation_id: str, viewer_id: str, request: PageRequest) -> MessagePage:
        """Return a page of a conversation."""
        thread = None if request.thread is None else parse_row_id(request.thread) or 0
        by_range = thread is None and self._is_postgresql
        place = _Place(self._message, parse_row_id(conversation_id) or 0, thread, by_range)
        if request.around is not None:
            return self._around(viewer_id, place, request)
        if request.after is not None:
            found = self.find(viewer_id, *place.after(request.after), limit=request.limit + 1, oldest_first=True)
            page = tuple(found[: request.limit])
            return MessagePage(page, page[0].id if page else None, page[-1].id if len(found) > request.limit else None)
        conditions = place.everything if request.before is None else place.before(request.before)
        # One more than asked for tells whether there is an earlier page.
        found = self.find(viewer_id, *conditions, limit=request.limit + 1)
        page = tuple(reversed(found[: request.limit]))
        is_newest = request.before is None or not page
        return MessagePage(page, page[0].id if len(found) > request.limit else None, None if is_newest else page[-1].id)

    def _around(self, viewer_id: str, place: _Place, request: PageRequest) -> MessagePage:
        number, before = request.around or "", request.limit // 2
        after = request.limit - before
        older = self.find(viewer_id, *place.before(number), limit=before + 1)
        newer = self.find(viewer_id, *place.after(number, including=True), limit=after + 1, oldest_first=True)
        page = (*reversed(older[:before]), *newer[:after])
        if not page:
            return MessagePage((), None)
        return MessagePage(page, page[0].id if len(older) > before else None, page[-1].id if len(newer) > after else None)

    def newest_outside_threads(self, viewer_id: str, conversation_ids: Collection[str]) -> dict[str, MessageRecord]:
        """Map conversations that have messages to the newest one outside threads."""
        message, newest = self._message, aliased(self._message)
        numbers = [number for number in map(parse_row_id, conversation_ids) if number is not None]
        last = [
            select(newest.id)
            .where(newest.conversation_id.between(number, number), newest.thread_id.is_(None))
            .order_by(newest.conversation_id.desc(), newest.id.desc())
            .limit(1)
            .scalar_subquery()
            for number in numbers
        ]
        found = self.find(viewer_id, message.id.in_(last), limit=len(last)) if last else []
        return {record.conversation_id: record for record in found}

    @property
    def _is_postgresql(self) -> bool:
        return self._db.session.get_bind(self._message).dialect.name == "postgresql"

    def _complete(self, records: list[MessageRecord]) -> list[MessageRecord]:
        """Add to messages whom they mention, and the reactions to them; deleted ones have neither."""
        numbers = [int(record.id) for record in records if record.deleted_at is None]
        mentions = self._mentions(numbers)
        reactions = self._reactions(numbers) if self._reactions is not None and numbers else {}
        return [
            replace(record, mentions=mentions.get(number, ()), reactions=reactions.get(number, ()))
            if number in mentions or number in reactions
            else record
            for number, record in ((int(record.id), record) for record in records)
        ]

    def _mentions(self, numbers: Sequence[int]) -> dict[int, tuple[str, ...]]:
        mention = self._mention
        if mention is None or not numbers:
            return {}
        query = select(mention.message_id, mention.user_id).where(mention.message_id.in_(numbers)).order_by(mention.id)
        mentions: dict[int, list[str]] = defaultdict(list)
        for number, user_id in self._db.session.execute(query):
            mentions[number].append(EVERYONE if user_id is None else user_id)
        return {number: tuple(user_ids) for number, user_ids in mentions.items()}


def _record(values: dict[str, Any]) -> MessageRecord:
    ids = {name: None if values[name] is None else str(values[name]) for name in _IDS}
    return MessageRecord(**{**values, **ids})
