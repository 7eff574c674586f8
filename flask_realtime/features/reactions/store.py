"""Stores reactions in the database: each user's own, and how many there are of a kind.

A transaction that adds a reaction holds the row of its message, and each that changes one the row of its kind. So the numbers are
told in the order in which they came, a message never has more kinds than it may, and none is left on a deleted message. Nothing
counts reactions, and whoever shows a message reads no more of them than are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, delete, func, literal, select, update

from flask_realtime.contract.effects import Emit
from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.lists import as_list
from flask_realtime.database.sessions import committing
from flask_realtime.errors import Forbidden, NotFound
from flask_realtime.feature.hook import Hook
from flask_realtime.features.conversations import NOT_TAKING_PART
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.reactions.events import REACTION_ADDED, REACTION_REMOVED, reaction_changed_payload
from flask_realtime.features.reactions.hooks import REACTIONS
from flask_realtime.features.reactions.models import ReactionCountMixin, ReactionMixin
from flask_realtime.features.reactions.reaction import MAX_KINDS, MAX_USER_IDS, Reaction

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

_REMOVED_AT_ONCE: Final = 100
_TOO_MANY_KINDS: Final = f"A message has at most {MAX_KINDS} kinds of reactions"


@dataclass(frozen=True)
class ReactionRecord:
    """The reactions to a message with one emoji; `user_ids` are the first 100 users who react so."""

    emoji: str
    count: int
    user_ids: tuple[str, ...]


class _Hooks(Protocol):
    """The extension object, as far as reactions need it."""

    def hook(self, hook: Hook) -> Callable[[FunctionT], FunctionT]:
        """Register a function for a hook."""


class _Own(NamedTuple):
    """A user's own reaction.

    Args:
        reaction: What the client sent.
        user_id: The user.
        number: The message's id in the database, if any can have that one.
        conversation: The conversation's, likewise.
    """

    reaction: Reaction
    user_id: str
    number: int | None
    conversation: int | None


class ReactionStore:
    """The reactions of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        message: The model of messages.
        participant: The model of the participants of their conversations.
        reaction: The model of reactions.
        reaction_count: The model of their numbers.
        tell: Sends an event with the change that it tells of, in the current transaction.
    """

    def __init__(  # noqa: PLR0913 - the models that it works on
        self,
        db: SQLAlchemy,
        *,
        message: type[MessageMixin],
        participant: type[ParticipantMixin],
        reaction: type[ReactionMixin],
        reaction_count: type[ReactionCountMixin],
        tell: Callable[[Emit], None],
    ) -> None:
        self._db = db
        self._message = message
        self._participant = participant
        self._reaction = reaction
        self._count = reaction_count
        self._tell = tell

    def register(self, hooks: _Hooks) -> None:
        """Let clients react.

        Args:
            hooks: The extension object.
        """
        hooks.hook(REACTIONS)(lambda: self)

    def add(self, conversation_id: str, message_id: str, user_id: str, emoji: str) -> bool:
        """Store a user's reaction to a message, tell the conversation, and commit.

        Of several calls at once, on however many servers, one stores it. Works on SQLite and PostgreSQL.

        Args:
            conversation_id: The conversation.
            message_id: The message.
            user_id: The user.
            emoji: The emoji, fully qualified.

        Returns:
            Whether it is new; otherwise nobody is told.

        Raises:
            Forbidden: The user takes no part in the conversation, or the message has 50 kinds of reactions, and this is no such.
            NotFound: The conversation does not hold the message, or it was deleted.
        """
        own = _own(conversation_id, message_id, user_id, emoji)
        with committing(self._db):
            is_new = self._insert(own)
            if is_new:
                count = self._count_one_more(own)
                self._tell(REACTION_ADDED.to_conversation(conversation_id, reaction_changed_payload(own.reaction, user_id, count)))
            else:
                self._require_reachable(own)
        return is_new

    def remove(self, conversation_id: str, message_id: str, user_id: str, emoji: str) -> bool:
        """Remove a user's reaction to a message, tell the conversation, and commit; as `add`.

        Returns:
            Whether it was there; otherwise nobody is told.

        Raises:
            Forbidden: The user takes no part in the conversation.
            NotFound: The conversation does not hold the message, or it was deleted.
        """
        own = _own(conversation_id, message_id, user_id, emoji)
        is_there = select(self._message.id).where(*self._is_there(own)).exists()
        with committing(self._db):
            was_there = self._take_back(own, self._takes_part(own), is_there)
            if not was_there:
                self._require_reachable(own)
        return was_there

    def remove_all_of(self, user_id: str) -> None:
        """Remove all reactions of a user, tell the conversations, and commit each; for a user who is to be deleted.

        Args:
            user_id: The user, who may have left the conversations.
        """
        message, reaction = self._message, self._reaction
        kept = select(message.conversation_id, message.id, reaction.emoji).join_from(
            reaction, message, message.id == reaction.message_id
        )
        some = kept.where(reaction.user_id == user_id).limit(_REMOVED_AT_ONCE)
        while found := self._db.session.execute(some).all():
            for conversation, number, emoji in found:
                with committing(self._db):
                    self._take_back(_own(str(conversation), str(number), user_id, emoji))

    def discard(self, message_number: int) -> None:
        """Remove all reactions to a message, in the current transaction, which deletes the message before."""
        for model in (self._reaction, self._count):
            removed = delete(model).where(model.message_id == message_number)
            self._db.session.execute(removed.execution_options(synchronize_session=False))

    def of_messages(self, numbers: Sequence[int]) -> Mapping[int, tuple[ReactionRecord, ...]]:
        """Return the reactions to messages, those that came first first; messages without any are left out.

        Takes time in proportion to what it returns: of each kind at most 100 users are read.

        Args:
            numbers: The messages' ids in the database.
        """
        if not numbers:
            return {}
        count, reaction = self._count, self._reaction
        of_kind = (reaction.message_id == count.message_id, reaction.emoji == count.emoji)
        shown = select(reaction.user_id).where(*of_kind).order_by(reaction.id).limit(MAX_USER_IDS).correlate(count)
        kinds = select(count.message_id, count.emoji, count.count.label("number"), as_list(self._db, shown).label("user_ids"))
        found: dict[int, list[ReactionRecord]] = {}
        for row in self._db.session.execute(kinds.where(count.message_id.in_(numbers)).order_by(count.message_id, count.id)):
            record = ReactionRecord(row.emoji, row.number, tuple(map(str, row.user_ids or ())))
            found.setdefault(row.message_id, []).append(record)
        return {message_id: tuple(records) for message_id, records in found.items()}

    def _insert(self, own: _Own) -> bool:
        """Store a reaction where the user may react and has not yet; until the commit, its message stays as it is."""
        message, reaction = self._message, self._reaction
        columns = {
            reaction.message_id: message.id,
            reaction.emoji: literal(own.reaction.emoji),
            reaction.user_id: literal(own.user_id, reaction.user_id.type),
            reaction.created_at: literal(utc_now(), reaction.created_at.type),
        }
        source = select(*columns.values()).where(self._takes_part(own), *self._is_there(own))
        added = insert_into(self._db, reaction).from_select(list(columns), source.with_for_update(key_share=True, of=message))
        returning = added.on_conflict_do_nothing().returning(reaction.id)
        return self._db.session.scalars(returning).one_or_none() is not None

    def _take_back(self, own: _Own, *may: ColumnElement[bool]) -> bool:
        """Remove a reaction under some conditions, tell the conversation, and return whether it was there."""
        reaction = self._reaction
        this = (reaction.message_id == own.number, reaction.emoji == own.reaction.emoji, reaction.user_id == own.user_id)
        removed = delete(reaction).where(*this, *may).returning(reaction.id).execution_options(synchronize_session=False)
        if self._db.session.scalars(removed).one_or_none() is None:
            return False
        told = reaction_changed_payload(own.reaction, own.user_id, self._count_one_less(own))
        self._tell(REACTION_REMOVED.to_conversation(own.reaction.conversation_id, told))
        return True

    def _count_one_more(self, own: _Own) -> int:
        """Return how many reactions of the kind there are now.

        Raises:
            Forbidden: It is a new kind, and one too many.
        """
        count, key = self._count, (self._count.message_id, self._count.emoji)
        added = insert_into(self._db, count).values(message_id=own.number, emoji=own.reaction.emoji, count=1)
        counted = added.on_conflict_do_update(index_elements=key, set_={"count": count.count + 1})
        number = self._db.session.scalars(counted.returning(count.count)).one()
        if number == 1:
            kinds = select(func.count()).select_from(count).where(count.message_id == own.number)
            if self._db.session.execute(kinds).scalar_one() > MAX_KINDS:
                raise Forbidden(_TOO_MANY_KINDS)
        return number

    def _count_one_less(self, own: _Own) -> int:
        """Return how many reactions of the kind there are now; a kind without any is forgotten."""
        count = self._count
        kind = (count.message_id == own.number, count.emoji == own.reaction.emoji)
        counted = update(count).where(*kind).values(count=count.count - 1).returning(count.count)
        number = self._db.session.scalars(counted.execution_options(synchronize_session=False)).one_or_none() or 0
        if number <= 0:
            self._db.session.execute(delete(count).where(*kind).execution_options(synchronize_session=False))
        return max(number, 0)

    def _require_reachable(self, own: _Own) -> None:
        """Check that nothing was changed because nothing had to be.

        Raises:
            Forbidden: The user takes no part in the conversation.
            NotFound: The conversation does not hold the message, or it was deleted.
        """
        is_there = select(self._message.id).where(*self._is_there(own)).exists()
        takes_part, found = self._db.session.execute(select(self._takes_part(own), is_there)).one()
        if not takes_part:
            raise Forbidden(NOT_TAKING_PART)
        if not found:
            raise NotFound

    def _takes_part(self, own: _Own) -> ColumnElement[bool]:
        participant = self._participant
        taking_part = (participant.conversation_id == own.conversation, participant.user_id == own.user_id)
        return select(participant.id).where(*taking_part).exists()

    def _is_there(self, own: _Own) -> tuple[ColumnElement[bool], ...]:
        message = self._message
        return message.id == own.number, message.conversation_id == own.conversation, message.deleted_at.is_(None)


def _own(conversation_id: str, message_id: str, user_id: str, emoji: str) -> _Own:
    reaction = Reaction(conversation_id, message_id, emoji)
    return _Own(reaction, user_id, parse_row_id(message_id), parse_row_id(conversation_id))
