"""Finds messages in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from flask_realtime.contract.ids import MAX_ID_LENGTH
from flask_realtime.database.columns import parse_row_id
from flask_realtime.errors import BadRequest
from flask_realtime.feature.hook import HookDecorators
from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.messages import MessageRecord
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.search.index_store import MAX_SCOPES, MessageIndex, Wanted
from flask_realtime.features.search.models import SearchIndex
from flask_realtime.features.search.query import parse_query
from flask_realtime.features.search.snippets import make_snippet
from flask_realtime.features.search.state import FIND
from flask_realtime.features.search.views import DEFAULT_LIMIT, MAX_LIMIT, SearchAnswer, SearchRequest, search_answer


@dataclass(frozen=True)
class SearchHit:
    """A message that was found.

    `snippet` is the part of its content around the first word that was searched for, as HTML, with these words in `<mark>`; there
    is no other mark-up in it.
    """

    message: MessageRecord
    snippet: str


@dataclass(frozen=True)
class SearchPage:
    """A page of messages that were found, newest first.

    `next_before` is the `before` of the next page; None if there is none.
    """

    hits: tuple[SearchHit, ...]
    next_before: str | None


class SearchStore:
    """The search in the messages of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        index: The index of the messages.
        message: The model of messages.
        participant: The model of the participants of their conversations.
        by_ids: Returns messages as a user sees them, in the order of their ids.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        index: SearchIndex,
        *,
        message: type[MessageMixin],
        participant: type[ParticipantMixin],
        by_ids: Callable[[Sequence[str], str], Sequence[MessageRecord]],
    ) -> None:
        self._db = db
        self._participant = participant
        self._index = MessageIndex(db, index, message, participant)
        self._by_ids = by_ids

    def register(self, hooks: HookDecorators, as_json: Callable[[Sequence[MessageRecord]], list[Any]]) -> None:
        """Register the hook that answers a client's search.

        Args:
            hooks: The extension object.
            as_json: Returns messages as clients get them.
        """

        def answer(user_id: str, request: SearchRequest) -> SearchAnswer:
            query, conversation_id, sender_id, before, limit = request
            page = self.find(user_id, query, conversation_id=conversation_id, sender_id=sender_id, before=before, limit=limit)
            messages = as_json([hit.message for hit in page.hits])
            snippets = [hit.snippet for hit in page.hits]
            return search_answer(zip(messages, snippets, strict=True), page.next_before)

        hooks.hook(FIND)(answer)

    def find(  # noqa: PLR0913 - as many ways to narrow a search
        self,
        user_id: str,
        query: str,
        *,
        conversation_id: str | None = None,
        sender_id: str | None = None,
        before: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> SearchPage:
        """Return the messages with all words of a query, in conversations in which the user takes part now; newest first.

        Case and accents make no difference. Words in quotation marks follow each other, and the last word may be unfinished. Any
        text is a query; one without letters and digits finds nothing.

        Args:
            user_id: The user.
            query: The words, at most 200 characters.
            conversation_id: Search in this conversation alone.
            sender_id: Find this user's messages alone.
            before: Find messages older than the one with this id; a value that is not an id finds nothing.
            limit: The maximum number of messages, from 1 to 100.

        Raises:
            BadRequest: The query is too long, or the limit is out of range.
        """
        if not 1 <= limit <= MAX_LIMIT:
            msg = f"limit must be an integer from 1 to {MAX_LIMIT}"
            raise BadRequest(msg)
        parsed, oldest = parse_query(query), None if before is None else parse_row_id(before) or 0
        conversations = self._conversations(user_id, conversation_id)
        if not parsed.phrases or conversations == () or not _can_be_stored(sender_id):
            return SearchPage((), None)
        # One more than asked for tells whether there is another page.
        numbers = self._index.find(Wanted(parsed, user_id, conversations, sender_id, oldest, limit + 1))
        shown = [str(number) for number in numbers[:limit]]
        # A message may be deleted between the two statements.
        hits = [
            SearchHit(message, make_snippet(message.content, parsed)) for message in self._by_ids(shown, user_id) if message.content
        ]
        return SearchPage(tuple(hits), shown[-1] if len(numbers) > limit else None)

    def _conversations(self, user_id: str, conversation_id: str | None) -> tuple[int, ...] | None:
        """Return the conversations that are searched; None if they are too many to be named.

        They only make the search quicker: the statement that searches asks again who takes part.
        """
        if conversation_id is not None:
            number = parse_row_id(conversation_id)
            return () if number is None else (number,)
        participant = self._participant
        own = select(participant.conversation_id).where(participant.user_id == user_id).limit(MAX_SCOPES + 1)
        numbers = tuple(self._db.session.scalars(own))
        return None if len(numbers) > MAX_SCOPES else numbers


def _can_be_stored(user_id: str | None) -> bool:
    """Return whether a user may have this id: PostgreSQL refuses NUL even in a question."""
    return user_id is None or (len(user_id) <= MAX_ID_LENGTH and user_id.isprintable())
