"""Stores the members of conversations and their roles.

Every change locks the conversation's row first, so that two at once follow each other, and sees what the one before has left. So a
conversation with members has an owner, whoever leaves or is demoted at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.orm import aliased

from flask_realtime.contract.events import Document
from flask_realtime.database.columns import MAX_INTEGER_ID, parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.database.users import Users
from flask_realtime.errors import EventError, Forbidden, NotFound
from flask_realtime.features.conversations.events import (
    CONVERSATION_NEW,
    CONVERSATION_REMOVED,
    MEMBER_JOINED,
    MEMBER_LEFT,
    MEMBER_UPDATED,
    USER_IDS,
    conversation_removed_payload,
    member_json,
    member_left_payload,
    member_payload,
)
from flask_realtime.features.conversations.payloads import ToldConversation
from flask_realtime.features.conversations.records import MemberPage, MemberRecord
from flask_realtime.features.conversations.roles import (
    MEMBER,
    OWNER,
    require_group,
    require_moderation,
    require_ownership,
    require_removal,
)
from flask_realtime.features.conversations.rows_store import ConversationRows, LockedConversation, require_users
from flask_realtime.features.log import Append

DEFAULT_MEMBERS: Final = 100

_NO_MEMBER: Final = "There is no such member of this conversation"


class Evictions(Protocol):
    """Takes connections of removed users out of the conversation's room, on every server."""

    def begin(self, conversation_id: str, user_id: str) -> None:
        """Take them out, and let none in until `end` or `undo`; called before the transaction that removes the user."""

    def end(self, conversation_id: str, user_id: str) -> None:
        """Let them leave for good, when the current transaction is committed."""

    def undo(self, conversation_id: str, user_id: str) -> None:
        """Let them in again: the user was not removed."""


class MemberStore:
    """The members of conversations of one application.

    Every call that changes something commits, and tells the clients concerned. `by` is the user on whose behalf, whose role decides
    what is allowed, and who is named to the others; None is the application itself, which may do everything that keeps the rules: a
    direct conversation has its two members, and every conversation with members an owner.

    Args:
        db: The application's Flask-SQLAlchemy object.
        rows: The tables of conversations.
        users: What clients see of users.
        tell: Writes an event to the log with the change, or sends it after the commit.
        for_new_members: Returns some new members of a conversation, and the conversation as they get it; others see it otherwise.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        rows: ConversationRows,
        users: Users,
        tell: Append,
        for_new_members: Callable[[str, Sequence[str]], Iterable[tuple[Sequence[str], ToldConversation]]],
    ) -> None:
        self._db = db
        self._rows = rows
        self._users = users
        self._tell = tell
        self._for_new_members = for_new_members
        self._get_evictions: Callable[[], Evictions | None] = lambda: None

    def register(self, get_evictions: Callable[[], Evictions]) -> None:
        """Have the connections of removed users taken out of rooms.

        Args:
            get_evictions: Returns what does so, in the current application.
        """
        self._get_evictions = get_evictions

    def companions(self, user_id: str, among: Collection[str] | None = None) -> set[str]:
        """Return the users who share a conversation with a user, and the user.

        Takes time in proportion to the members of the user's conversations or, with `among`, to the conversations of these.

        Args:
            user_id: The user.
            among: The users who are asked about; None for all.
        """
        own, other = aliased(self._rows.participant), aliased(self._rows.participant)
        shared = select(other.user_id).join(own, own.conversation_id == other.conversation_id).where(own.user_id == user_id)
        if among is not None:
            shared = shared.where(other.user_id.in_(among))
        return {user_id, *self._db.session.scalars(shared.distinct())}

    def page(self, conversation_id: str, *, after: str | None = None, limit: int = DEFAULT_MEMBERS) -> MemberPage:
        """Return members of a conversation in the order in which they came, in one statement.

        Args:
            conversation_id: The conversation.
            after: The `next_after` of the page before; None for the first one. Anything else gives an empty page.
            limit: The maximum number of members.
        """
        participant, conversation = self._rows.participant, parse_row_id(conversation_id) or 0
        number = 0 if after is None else parse_row_id(after)
        # By an equality PostgreSQL would walk the primary key, over the members of all older conversations.
        order = (participant.conversation_id, participant.id)
        is_later = tuple_(*order) > tuple_(conversation, MAX_INTEGER_ID if number is None else number)
        columns = (participant.id, participant.user_id, participant.role, participant.created_at)
        of_it = select(*columns).where(participant.conversation_id <= conversation, is_later)
        query = of_it.order_by(*order).limit(limit + 1)
        rows = self._db.session.execute(query).all()
        members = tuple(MemberRecord(*row[1:]) for row in rows[:limit])
        return MemberPage(members, str(rows[limit - 1][0]) if len(rows) > limit else None)

    def get(self, conversation_id: str, user_id: str) -> MemberRecord | None:
        """Return a member of a conversation, or None."""
        participant = self._rows.participant
        query = select(participant.user_id, participant.role, participant.created_at)
        found = self._db.session.execute(query.where(*self._rows.is_participant(conversation_id, user_id))).one_or_none()
        return None if found is None else MemberRecord(*found)

    def as_json(self, members: Sequence[MemberRecord]) -> list[Document]:
        """Return members as clients get them: what they see of the user, `role`, and the time at which they came."""
        users = self._users.of(member.user_id for member in members)
        return [member_json(member, users[member.user_id]) for member in members]

    def add(self, conversation_id: str, user_ids: Iterable[str], *, by: str | None = None) -> tuple[MemberRecord, ...]:
        """Add members to a conversation, which they begin with everything read, and return those who are new.

        Args:
            conversation_id: The conversation.
            user_ids: The users; naming one who is a member already is no error.
            by: The user who adds them.

        Raises:
            BadRequest: There is no such user, as far as `users` of `Store.register` tells.
            Forbidden: `by` may not, or it is a direct conversation.
            NotFound: There is no such conversation, or no such user where user ids refer to a users table.
        """
        wanted = tuple(dict.fromkeys(user_ids))
        require_users(self._users, wanted, USER_IDS)
        with committing(self._db):
            locked = self._rows.lock(conversation_id, by)
            require_group(locked.type)
            require_moderation(locked.role)
            new = self._insert(locked, wanted)
            self._tell_new(conversation_id, new, by)
        return new

    def _insert(self, locked: LockedConversation, user_ids: Sequence[str]) -> tuple[MemberRecord, ...]:
        participant, session, now = self._rows.participant, self._db.session, utc_now()
        known = select(participant.user_id).where(participant.conversation_id == locked.number, participant.user_id.in_(user_ids))
        present = set(session.scalars(known))
        absent = [user_id for user_id in user_ids if user_id not in present]
        if not absent:
            return ()
        first = MEMBER if self._rows.has_owner(locked.number) else OWNER  # Of a conversation that all have left.
        new = tuple(MemberRecord(user_id, MEMBER if place else first, now) for place, user_id in enumerate(absent))
        all_read = {"read_seq": locked.last_seq, "delivered_seq": locked.last_seq, "created_at": now}
        place_of = {"conversation_id": locked.number, **all_read}
        session.execute(insert(participant), [{**place_of, "user_id": member.user_id, "role": member.role} for member in new])
        self._rows.count(locked, len(new))
        return new

    def _tell_new(self, conversation_id: str, new: Sequence[MemberRecord], by: str | None) -> None:
        for user_ids, conversation in self._for_new_members(conversation_id, [member.user_id for member in new]):
            self._tell(CONVERSATION_NEW.to_users(user_ids, conversation.payload), about=conversation.about)
        for member in new:
            payload = member_payload(conversation_id, member.user_id, member.role, by)
            self._tell(MEMBER_JOINED.to_conversation(conversation_id, payload))

    def set_role(self, conversation_id: str, user_id: str, role: str, *, by: str | None = None) -> MemberRecord:
        """Give a member a role, and return the member.

        If the last owner is demoted, the oldest moderator, else the oldest member, becomes owner.

        Args:
            conversation_id: The conversation.
            user_id: The member.
            role: "owner", "moderator" or "member".
            by: The user who does so.

        Raises:
            Forbidden: `by` may not, it is a direct conversation, or there is nobody else who could own it.
            NotFound: There is no such member, or no such conversation.
        """
        with committing(self._db):
            locked = self._rows.lock(conversation_id, by)
            require_group(locked.type)
            require_ownership(locked.role)
            member = self.get(conversation_id, user_id)
            if member is None:
                raise NotFound(_NO_MEMBER)
            if member.role != role:
                self._change_role(locked.number, conversation_id, member, role, by)
        return member._replace(role=role)

    def _change_role(self, number: int, conversation_id: str, member: MemberRecord, role: str, by: str | None) -> None:
        self._rows.set_role(number, member.user_id, role)
        successor = self._rows.appoint(number, member.user_id) if member.role == OWNER else None
        if successor is None and not self._rows.has_owner(number):
            msg = "There is nobody else who could own the conversation"
            raise Forbidden(msg)
        self._tell_role(conversation_id, member.user_id, role, by)
        if successor is not None:
            self._tell_role(conversation_id, successor, OWNER, by)

    def _tell_role(self, conversation_id: str, user_id: str, role: str, by: str | None) -> None:
        payload = member_payload(conversation_id, user_id, role, by)
        self._tell(MEMBER_UPDATED.to_conversation(conversation_id, payload))

    def remove(self, conversation_id: str, user_id: str, *, by: str | None = None) -> None:
        """Remove a member of a conversation, whose connections are out of it at once, on every server.

        If the last owner goes, the oldest moderator, else the oldest member, becomes owner.

        Args:
            conversation_id: The conversation.
            user_id: The member.
            by: The user who does so; the member's own id for one who leaves.

        Raises:
            Forbidden: `by` may not, or it is a direct conversation.
            NotFound: There is no such member, or no such conversation.
        """
        self._require_removal(conversation_id, user_id, by)
        with self._evicting(conversation_id, user_id), committing(self._db):
            locked = self._rows.lock(conversation_id, by)
            role = self._removed_role(locked.type, locked.role, conversation_id, user_id, by)
            participant = self._rows.participant
            self._db.session.execute(delete(participant).where(*self._rows.is_participant(locked.number, user_id)))
            self._rows.count(locked, -1)
            successor = self._rows.appoint(locked.number, user_id) if role == OWNER else None
            self._tell_removed(conversation_id, user_id, by, successor)

    def _require_removal(self, conversation_id: str, user_id: str, by: str | None) -> None:
        """Check what the transaction checks again, so that nobody is put out by a request that is refused."""
        conversation = self._rows.conversation
        found = select(conversation.type).where(conversation.id == parse_row_id(conversation_id))
        role = None if by is None else self._rows.require_role(conversation_id, by)
        self._removed_role(self._db.session.scalar(found) or "", role, conversation_id, user_id, by)

    def _removed_role(self, conversation_type: str, role: str | None, conversation_id: str, user_id: str, by: str | None) -> str:
        require_group(conversation_type)
        removed = self._rows.role(conversation_id, user_id)
        if removed is None:
            raise NotFound(_NO_MEMBER)
        require_removal(role, removed, is_self=by == user_id)
        return removed

    @contextmanager
    def _evicting(self, conversation_id: str, user_id: str) -> Iterator[None]:
        """Take the user's connections out of the room before the removal is committed, so that no later message reaches them."""
        evictions = self._get_evictions()
        if evictions is None:
            yield
            return
        evictions.begin(conversation_id, user_id)
        try:
            yield
        except EventError:  # Of anything else, a lost connection for one, it is not known whether it was committed.
            evictions.undo(conversation_id, user_id)
            raise

    def _tell_removed(self, conversation_id: str, user_id: str, by: str | None, successor: str | None) -> None:
        evictions = self._get_evictions()
        if evictions is not None:
            evictions.end(conversation_id, user_id)
        self._tell(CONVERSATION_REMOVED.to_user(user_id, conversation_removed_payload(conversation_id)))
        left = member_left_payload(conversation_id, user_id, by)
        self._tell(MEMBER_LEFT.to_conversation(conversation_id, left, except_user=user_id))
        if successor is not None:
            self._tell_role(conversation_id, successor, OWNER, by)
