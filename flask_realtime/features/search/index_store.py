"""Statements that search the full-text index of SQLite or PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ColumnElement, Executable, Text, bindparam, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from flask_realtime.features.conversations.models import ParticipantMixin
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.search.models import SCOPE, SearchIndex
from flask_realtime.features.search.query import SearchQuery

MAX_SCOPES: Final = 1000
"""Number of conversations up to which the index is asked for their messages alone."""


@dataclass(frozen=True)
class Wanted:
    """The messages that are searched for.

    Args:
        query: The words that they contain.
        user_id: The user who may read them.
        conversations: Conversations that have all of them; None if these are too many to be named.
        sender_id: Their sender; None for anybody.
        before: They are older than the one with this id; None for any.
        limit: Their maximum number.
    """

    query: SearchQuery
    user_id: str
    conversations: tuple[int, ...] | None
    sender_id: str | None
    before: int | None
    limit: int


class MessageIndex:
    """The index of one application's messages.

    Args:
        db: The application's Flask-SQLAlchemy object.
        index: The index.
        message: The model of messages.
        participant: The model of the participants of their conversations.
    """

    def __init__(
        self, db: SQLAlchemy, index: SearchIndex, message: type[MessageMixin], participant: type[ParticipantMixin]
    ) -> None:
        self._db = db
        self._name = index.name
        self._message = message
        self._participant = participant

    def find(self, wanted: Wanted) -> list[int]:
        """Return the ids of messages, newest first, of conversations in which the user takes part now."""
        is_postgresql = self._db.session.get_bind(self._message).dialect.name == "postgresql"
        statement: Executable = self._on_postgresql(wanted) if is_postgresql else self._on_sqlite(wanted)
        return list(self._db.session.scalars(statement))

    def _on_sqlite(self, wanted: Wanted) -> Executable:
        """Return the statement for SQLite: CROSS JOIN keeps the index as the outer loop, which is in the right order."""
        name, message, participant = self._name, self._message, self._participant
        conditions = [f'found."{name}" MATCH :expression']
        values: dict[str, Any] = {"expression": _fts5_expression(wanted), "limit": wanted.limit}
        parameters = [bindparam("user_id", wanted.user_id, participant.user_id.type)]
        if wanted.before is not None:
            conditions.append("found.rowid < :before")
            values["before"] = wanted.before
        if wanted.sender_id is not None:
            conditions.append("message.sender_id = :sender_id")
            parameters.append(bindparam("sender_id", wanted.sender_id, message.sender_id.type))
        return text(
            f"""
            SELECT found.rowid FROM "{name}" AS found
            CROSS JOIN "{message.__tablename__}" AS message ON message.id = found.rowid
            CROSS JOIN "{participant.__tablename__}" AS reader
                ON reader.conversation_id = message.conversation_id AND reader.user_id = :user_id
            WHERE {" AND ".join(conditions)} ORDER BY found.rowid DESC LIMIT :limit
            """  # noqa: S608 - the application's own names
        ).bindparams(*parameters, **values)

    def _on_postgresql(self, wanted: Wanted) -> Executable:
        """Return the statement for PostgreSQL.

        The words and conversations are part of its text: only so does the planner know whether a word is a common one, whose
        messages it reads from the newest on until there are enough, or a rare one, which it looks up in the index.
        """
        message, participant = self._message, self._participant
        vector = literal_column(f'"{message.__tablename__}"."{self._name}_vector"', TSVECTOR)
        found = (
            select(message.id)
            .join(participant, participant.conversation_id == message.conversation_id)
            .where(participant.user_id == wanted.user_id, vector.op("@@")(self._tsquery(wanted.query)))
            .order_by(message.id.desc())
            .limit(wanted.limit)
        )
        if wanted.conversations is not None:
            found = found.where(
                message.conversation_id.in_(bindparam("c", wanted.conversations, expanding=True, literal_execute=True))
            )
        if wanted.before is not None:
            found = found.where(message.id < wanted.before)
        return found if wanted.sender_id is None else found.where(message.sender_id == wanted.sender_id)

    def _tsquery(self, query: SearchQuery) -> ColumnElement[Any]:
        """Return the query; a phrase without any word is NULL, and finds nothing."""
        to_phrase = getattr(func, f"{self._name}_phrase")
        phrases = [to_phrase(bindparam(None, " ".join(words), literal_execute=True), type_=TSQUERY) for words in query.phrases]
        if query.is_prefix:
            phrases[-1] = cast(cast(phrases[-1], Text) + literal_column("':*'"), TSQUERY)
        return reduce(lambda one, other: one.op("&&")(other), phrases)


def _fts5_expression(wanted: Wanted) -> str:
    """Return a query in FTS5's language. Words contain letters, digits and marks alone, so that none is an operator."""
    phrases = ['"{}"'.format(" ".join(words)) for words in wanted.query.phrases]
    if wanted.query.is_prefix:
        phrases[-1] += " *"
    expression = f"words : ({' AND '.join(phrases)})"
    if wanted.conversations is None:
        return expression
    scopes = " OR ".join(f'"{SCOPE}{number}"' for number in wanted.conversations)
    return f"scope : ({scopes}) AND {expression}"
