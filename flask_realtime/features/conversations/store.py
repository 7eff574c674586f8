"""Stores conversations and their participants in the database, and answers their hooks from there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    and_,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.database.users import Users
from flask_realtime.errors import BadRequest, Forbidden
from flask_realtime.features.conversations.events import (
    CONVERSATION_NEW,
    CONVERSATION_UPDATED,
    PARTICIPANT_IDS,
    ConversationPayload,
)
from flask_realtime.features.conversations.hooks import CONVERSATIONS, ConversationHooks
from flask_realtime.features.conversations.members_store import Evictions, MemberStore
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin, PinMixin
from flask_realtime.features.conversations.payloads import ConversationPayloads, LastMessages, ToldConversation
from flask_realtime.features.conversations.pins_store import PinStore
from flask_realtime.features.conversations.records import ConversationChange, ConversationRecord, ParticipantRecord
from flask_realtime.features.conversations.roles import (
    DIRECT,
    GROUP,
    MAX_MEMBERS_AT_ONCE,
    MEMBER,
    NOT_TAKING_PART,
    OWNER,
    require_group,
    require_moderation,
)
from flask_realtime.features.conversations.rows_store import ConversationRows, require_users
from flask_realtime.features.log import Append
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.identity import Identity

UnreadCount = Callable[[SQLColumnExpression[int], str], ScalarSelect[int]]

_DIRECT_SIZE: Final = 2
_READ_AT_ONCE: Final = 500
_BETWEEN_IDS: Final = "\n"
"""Separates the two users of a direct conversation in its key; no id has it."""


class ConversationStore:
    """The conversations of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        conversation: The model of conversations.
        participant: The model of their participants.
        message: The model of their messages.
        pin: The model of pinned messages; None if nothing can be pinned.
        unread_count: Returns, as a part of a query, how many messages of a conversation a user has not read.
        users: What clients see of users.
        messages: The last messages of conversations.
        tell: Writes an event to the log with the change that it tells of, or sends it after the commit.
        has_log: Whether there is a log.

    Attributes:
        members: The members of conversations, and their roles.
        pins: The pinned messages.
    """

    def __init__(  # noqa: PLR0913 - what a conversation is made of
        self,
        db: SQLAlchemy,
        *,
        conversation: type[ConversationMixin],
        participant: type[ParticipantMixin],
        message: type[MessageMixin],
        pin: type[PinMixin] | None,
        unread_count: UnreadCount,
        users: Users,
        messages: LastMessages,
        tell: Append,
        has_log: bool,
    ) -> None:
        self._db = db
        self._conversation = conversation
        self._participant = participant
        self._unread_count = unread_count
        self._users = users
        self._tell = tell
        self._has_log = has_log
        self._conversation_json: Callable[[ConversationRecord], Any] | None = None
        self._rows = ConversationRows(db, conversation, participant)
        self.pins = PinStore(db, self._rows, message, pin, self._tell_updated)
        self.members = MemberStore(db, self._rows, users, tell, self._for_new_members)
        self._payloads = ConversationPayloads(users, messages, self.pins.of)

    def register(
        self,
        hooks: ConversationHooks,
        get_evictions: Callable[[], Evictions],
        conversation_json: Callable[[ConversationRecord], Any] | None = None,
    ) -> None:
        """Register the `authorize_join` hook, which lets only participants join, and the answers to requests.

        Args:
            hooks: The extension object.
            get_evictions: Returns what takes connections of removed users out of rooms, in the current application.
            conversation_json: Returns a new conversation as its participants get it with `conversation:new`; None for the usual
                form.
        """
        self._conversation_json = conversation_json
        self.members.register(get_evictions)
        hooks.authorize_join(self._may_join)
        hooks.hook(CONVERSATIONS)(lambda: self)

    def _may_join(self, identity: Identity, conversation_id: str) -> bool:
        return self.has_participant(conversation_id, identity.user_id)

    def create(
        self,
        participant_ids: Iterable[str],
        title: str | None = None,
        type: str = GROUP,  # noqa: A002 - the field's name
        creator_id: str | None = None,
        *,
        tell: bool | None = None,
    ) -> ConversationRecord:
        """Create a conversation and commit; or return the direct conversation that two users have already.

        Of several calls at once for the direct conversation of two users, on however many servers, one creates it. Nobody leaves a
        direct conversation, and nobody is removed from one.

        Args:
            participant_ids: The users who take part; naming one twice is no error.
            title: A name for it, or None.
            type: "group", or "direct" for one of exactly two users, without a title.
            creator_id: The user who creates it, and owns it; by default the first of them.
            tell: Whether its participants are told with `conversation:new`, if it is new; None for those of an application with a
                log and a `conversation_json` in `Store.register`.

        Raises:
            BadRequest: Nobody takes part, or there is no such user, as far as `users` of `Store.register` tells; or a direct
                conversation has not two users, or a title.
            NotFound: A user does not exist; raised only where user ids refer to a users table.
        """
        user_ids = tuple(dict.fromkeys([*([] if creator_id is None else [creator_id]), *participant_ids]))
        _require_people(type, user_ids, title)
        require_users(self._users, user_ids, PARTICIPANT_IDS)
        with committing(self._db):
            number, now = self._insert(type, user_ids, title)
            if number is None:
                found = self._direct(user_ids)
            else:
                people = tuple(ParticipantRecord(user_id, MEMBER if place else OWNER) for place, user_id in enumerate(user_ids))
                self._insert_people(number, people, now)
                shown = people[:MAX_MEMBERS_AT_ONCE]
                found = ConversationRecord(str(number), title, now, shown, type=type, participant_count=len(people))
                self._tell_new(found, user_ids, tell=tell)
        return found

    def _insert(self, conversation_type: str, user_ids: Sequence[str], title: str | None) -> tuple[int | None, datetime]:
        """Insert a conversation, and return its key; None for a direct one that exists."""
        conversation, now, session = self._conversation, utc_now(), self._db.session
        values = {
            "type": conversation_type,
            "title": title,
            "created_at": now,
            "active_at": now,
            "participant_count": len(user_ids),
        }
        if conversation_type != DIRECT:
            return session.execute(insert(conversation).values(values).returning(conversation.id)).scalar_one(), now
        added = insert_into(self._db, conversation).values(**values, direct_key=_direct_key(user_ids))
        once = added.on_conflict_do_nothing(index_elements=["direct_key"]).returning(conversation.id)
        return session.execute(once).scalar_one_or_none(), now

    def _insert_people(self, number: int, people: Iterable[ParticipantRecord], now: datetime) -> None:
        place = {"conversation_id": number, "created_at": now}
        self._db.session.execute(
            insert(self._participant), [{**place, "user_id": user_id, "role": role} for user_id, role in people]
        )

    def _direct(self, user_ids: Sequence[str]) -> ConversationRecord:
        conversation = self._conversation
        query = self._viewed_by(user_ids[0]).where(conversation.direct_key == _direct_key(user_ids))
        (found,) = self._records(query)
        return found

    def _tell_new(self, record: ConversationRecord, user_ids: Sequence[str], *, tell: bool | None) -> None:
        if tell is None:
            tell = self._has_log and self._conversation_json is not None
        if tell:
            new = self._new(record, user_ids[0])
            self._tell(CONVERSATION_NEW.to_users(user_ids, new.payload), about=new.about)

    def _new(self, record: ConversationRecord, user_id: str) -> ToldConversation:
        if self._conversation_json is not None:
            return ToldConversation(self._conversation_json(record), None)
        return self._payloads.for_user(user_id, record)

    def _for_new_members(self, conversation_id: str, user_ids: Sequence[str]) -> Iterator[tuple[Sequence[str], ToldConversation]]:
        """Return new members with the conversation as they get it: only the sender of its last message sees it otherwise."""
        sender = self._payloads.last_sender(conversation_id)
        for viewers in ([one for one in user_ids if one != sender], [one for one in user_ids if one == sender]):
            if viewers:
                yield viewers, self._new(self._require(conversation_id, viewers[0]), viewers[0])

    def _tell_updated(self, conversation_id: str) -> None:
        (record,) = self._records(self._query().where(self._conversation.id == parse_row_id(conversation_id)))
        told = self._payloads.for_everybody(record)
        self._tell(CONVERSATION_UPDATED.to_conversation(conversation_id, told.payload), about=told.about)

    def rename(self, conversation_id: str, title: str | None, *, by: str | None = None) -> None:
        """Give a group another title, or none, commit, and tell it.

        Args:
            conversation_id: The conversation.
            title: The title.
            by: The user who does so, an owner or moderator; None for the application itself.

        Raises:
            Forbidden: `by` may not, or it is a direct conversation.
            NotFound: There is no such conversation.
        """
        with committing(self._db):
            self._rename(conversation_id, title, by)

    def _rename(self, conversation_id: str, title: str | None, by: str | None) -> None:
        locked = self._rows.lock(conversation_id, by)
        require_group(locked.type)
        require_moderation(locked.role)
        if title == locked.title:
            return
        self._rows.change(update(self._conversation).where(self._conversation.id == locked.number).values(title=title))
        self._tell_updated(conversation_id)

    def mute(self, conversation_id: str, user_id: str, muted: bool | datetime) -> None:  # noqa: FBT001 - or a time
        """Mute a conversation for a participant, commit, and tell the user's devices.

        Args:
            conversation_id: The conversation.
            user_id: The participant.
            muted: True, False, or the time until which the user is not notified of mentions.

        Raises:
            Forbidden: The user does not take part in it.
        """
        with committing(self._db):
            self._mute(conversation_id, user_id, muted)

    def _mute(self, conversation_id: str, user_id: str, muted: bool | datetime) -> None:  # noqa: FBT001 - or a time
        self._rows.lock(conversation_id, user_id)
        participant, until = self._participant, muted if isinstance(muted, datetime) else None
        own = self._rows.is_participant(conversation_id, user_id)
        self._rows.change(update(participant).where(*own).values(is_muted=muted is True, muted_until=until))
        record = self._require(conversation_id, user_id)
        told = self._payloads.for_user(user_id, record)
        self._tell(CONVERSATION_UPDATED.to_user(user_id, told.payload), about=told.about)

    def change(self, change: ConversationChange, user_id: str) -> None:
        """Change a conversation as a participant wants, and commit; see `rename` and `mute`."""
        with committing(self._db):
            self._rows.require_role(change.conversation_id, user_id)
            if change.has_title:
                self._rename(change.conversation_id, change.title, user_id)
            if change.muted is not None:
                self._mute(change.conversation_id, user_id, change.muted)

    def exists(self, conversation_id: str) -> bool:
        """Return whether a conversation exists."""
        conversation = self._conversation
        return self._any(conversation.id == parse_row_id(conversation_id))

    def has_participant(self, conversation_id: str, user_id: str) -> bool:
        """Return whether the user takes part in the conversation; False for an unknown one."""
        return self._any(*self._rows.is_participant(conversation_id, user_id))

    def get(self, conversation_id: str, user_id: str) -> ConversationRecord | None:
        """Return a conversation as a participant sees it, in two statements; None if the user does not take part in it."""
        found = self._records(self._viewed_by(user_id).where(self._conversation.id == parse_row_id(conversation_id)))
        return found[0] if found else None

    def _require(self, conversation_id: str, user_id: str) -> ConversationRecord:
        found = self.get(conversation_id, user_id)
        if found is None:
            raise Forbidden(NOT_TAKING_PART)
        return found

    def of_user(
        self, user_id: str, *, before: str | None = None, limit: int | None = None, by_activity: bool = False
    ) -> list[ConversationRecord]:
        """Return conversations that a user takes part in, newest first, in two statements for every 500 of them.

        With read receipts in rows, counting unread messages takes time in proportion to the messages of these conversations.

        Args:
            user_id: The user.
            before: Return conversations behind the one with this id; None for the first ones.
            limit: The maximum number of conversations; None for all.
            by_activity: Whether those come first in which the last message was sent, or which were created, last. This takes time
                in proportion to the user's conversations.
        """
        query, order = self._viewed_by(user_id), self._participant.conversation_id
        if by_activity:
            return self._records(self._by_activity(query, before).limit(limit))
        if before is not None:
            query = query.where(order < (parse_row_id(before) or 0))
        return self._records(query.order_by(order.desc()).limit(limit))

    def _by_activity(self, query: Select[Any], before: str | None) -> Select[Any]:
        conversation, last = self._conversation, aliased(self._conversation)
        active_at = func.coalesce(conversation.active_at, conversation.created_at)
        if before is not None:
            number = parse_row_id(before) or 0
            reached = select(func.coalesce(last.active_at, last.created_at)).where(last.id == number).scalar_subquery()
            query = query.where(or_(active_at < reached, and_(active_at == reached, conversation.id < number)))
        return query.order_by(active_at.desc(), conversation.id.desc())

    def as_json(self, user_id: str, records: Sequence[ConversationRecord]) -> list[ConversationPayload]:
        """Return conversations as clients of a participant get them.

        Args:
            user_id: The participant.
            records: The conversations, as that user sees them.
        """
        return self._payloads.viewed_by(user_id, records)

    def _query(self) -> Select[Any]:
        """Return a query of conversations without what each viewer sees otherwise."""
        names = ("id", "title", "created_at", "type", "participant_count", "last_seq")
        return select(*(getattr(self._conversation, name) for name in names))

    def _viewed_by(self, user_id: str) -> Select[Any]:
        conversation, participant = self._conversation, self._participant
        unread = self._unread_count(conversation.id, user_id).label("unread")
        viewed = self._query().add_columns(unread, participant.is_muted, participant.muted_until)
        return viewed.join(participant, participant.conversation_id == conversation.id).where(participant.user_id == user_id)

    def _records(self, query: Select[Any]) -> list[ConversationRecord]:
        rows = self._db.session.execute(query).all()
        people: dict[int, list[ParticipantRecord]] = {}
        for start in range(0, len(rows), _READ_AT_ONCE):
            people |= self._people(rows[start : start + _READ_AT_ONCE])
        now = utc_now()
        return [_record(row, people.get(row.id, []), now) for row in rows]

    def _people(self, rows: Sequence[Row[Any]]) -> dict[int, list[ParticipantRecord]]:
        """Map conversations to the first of their participants, in the order in which they came."""
        participant = self._participant
        columns = (participant.id, participant.conversation_id, participant.user_id, participant.role)
        whole = [row.id for row in rows if row.participant_count <= MAX_MEMBERS_AT_ONCE]
        parts: list[Any] = [select(*columns).where(participant.conversation_id.in_(whole))] if whole else []
        # By an equality PostgreSQL would walk the primary key, over the members of all older conversations.
        order = (participant.conversation_id, participant.id)
        for number in {row.id for row in rows}.difference(whole):
            first = select(*columns).where(participant.conversation_id.between(number, number)).order_by(*order)
            parts.append(select(*first.limit(MAX_MEMBERS_AT_ONCE).subquery("listed").c))
        found = self._db.session.execute(union_all(*parts))
        people: dict[int, list[ParticipantRecord]] = defaultdict(list)
        # Ordered here: asked for an order, SQLite walks the whole table in it.
        for _, number, user_id, role in sorted(map(tuple, found)):
            people[number].append(ParticipantRecord(user_id, role))
        return people

    def _any(self, *conditions: ColumnElement[bool]) -> bool:
        return bool(self._db.session.scalar(select(select(1).where(*conditions).exists())))


def _record(row: Row[Any], people: Iterable[ParticipantRecord], now: datetime) -> ConversationRecord:
    viewed: dict[str, Any] = {}
    if "unread" in row._fields:
        is_until = row.muted_until is not None and row.muted_until > now
        viewed = {"unread_count": row.unread, "muted": row.is_muted or (row.muted_until if is_until else False)}
    size = {"participant_count": row.participant_count, "last_seq": row.last_seq}
    return ConversationRecord(str(row.id), row.title, row.created_at, tuple(people), type=row.type, **size, **viewed)


def _direct_key(user_ids: Iterable[str]) -> str:
    return _BETWEEN_IDS.join(sorted(user_ids))


def _require_people(conversation_type: str, user_ids: Sequence[str], title: str | None) -> None:
    if not user_ids:
        msg = "A conversation has at least one participant"
        raise BadRequest(msg)
    if conversation_type == DIRECT and (len(user_ids) != _DIRECT_SIZE or title is not None):
        msg = "A direct conversation has exactly two participants, and no title"
        raise BadRequest(msg)
