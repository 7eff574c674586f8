"""Full-text index of a table of messages: a virtual table with triggers on SQLite, a generated column on PostgreSQL."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, column, func, select, text
from sqlalchemy.exc import OperationalError

from flask_realtime.database.attached import attach
from flask_realtime.errors import ConfigError
from flask_realtime.features.messages.models import MessageMixin
from flask_realtime.features.search.query import MAX_PREFIX_LENGTH
from flask_realtime.features.search.words import ACCENTS, SIGMAS, VARIATION_SELECTORS, is_separator

MAY_SEPARATE: Final = (range(1, 0x20000), range(0xE0000, 0xE1000))
"""Where Unicode has separators: the rest of a million characters are ideographs, private, or not assigned."""

SCOPE: Final = "\ue000"
"""Stands before a conversation's id in the index of SQLite; people do not write it."""

INDEXED_LENGTH: Final = 50_000
"""Number of a message's characters that PostgreSQL indexes: an index entry has a maximum size."""

_MAX_WORD_LENGTH: Final = 500
_OWN_COLLATION: Final = 17
"""Version of PostgreSQL from which on it has a collation that knows all letters, whatever the database's locale is."""


@dataclass(frozen=True)
class SearchIndex:
    """The full-text index of a table of messages. Whoever writes a message writes the index too, in the same transaction.

    `SearchIndex.of(Message)` is for `Models`: `create_all` makes the index with the table, and `drop_all` drops it. In a migration
    of a table that is there already, `SearchIndex("realtime_message").create(op.get_bind())` does it.

    Args:
        table: The name of the table of messages.
    """

    table: str

    @classmethod
    def of(cls, message: type[MessageMixin]) -> SearchIndex:
        """Return the index of a model, and let it be made with the model's table.

        Args:
            message: The model of messages.
        """
        index = cls(message.__tablename__)
        attach(index, message)
        return index

    @property
    def name(self) -> str:
        """Return the name of the virtual table, with which the names of the other parts begin."""
        return f"{self.table}_search"

    def create(self, connection: Connection) -> None:
        """Make the index of all messages that are there; makes it anew if there is one.

        Args:
            connection: A connection to SQLite or PostgreSQL.

        Raises:
            ConfigError: The SQLite that Python uses was built without FTS5.
        """
        self.drop(connection)
        if connection.dialect.name == "postgresql":
            _execute(connection, _create_on_postgresql(self, connection.dialect.server_version_info or ()))
            return
        try:
            _execute(connection, _create_on_sqlite(self))
        except OperationalError as error:
            if "no such module" not in str(error.orig):
                raise
            msg = "Full-text search needs FTS5, which this SQLite was built without: use another build of it, or PostgreSQL."
            raise ConfigError(msg) from error

    def drop(self, connection: Connection) -> None:
        """Drop the index if there is one; the table of messages has to be there.

        Args:
            connection: A connection to SQLite or PostgreSQL.
        """
        is_postgresql = connection.dialect.name == "postgresql"
        _execute(connection, _drop_on_postgresql(self) if is_postgresql else _drop_on_sqlite(self))

    def is_complete(self, connection: Connection) -> bool:
        """Return whether the index is there, with what keeps it up to date.

        Args:
            connection: A connection to SQLite or PostgreSQL.
        """
        if connection.dialect.name == "postgresql":
            return connection.execute(select(func.to_regclass(f'"{_name_on_postgresql(self)}"'))).scalar() is not None
        names = [self.name, *_triggers_on_sqlite(self)]
        there = select(func.count()).select_from(text("sqlite_master")).where(column("name").in_(names))
        return connection.execute(there).scalar() == len(names)


def _execute(connection: Connection, statements: Iterator[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def _create_on_sqlite(index: SearchIndex) -> Iterator[str]:
    """Yield the statements that make the index on SQLite.

    It has no copy of the contents (`content=''`): what is deleted from it has to be given as it was added. The conversation is a
    term of its own, so that a word's messages and a conversation's are intersected. So is each prefix of a word: FTS5 would read
    all messages, whosever they are, of all words that begin so before it intersects anything.
    """
    name, table = index.name, index.table
    prefixes = " ".join(map(str, range(1, MAX_PREFIX_LENGTH + 1)))
    yield f"""
        CREATE VIRTUAL TABLE "{name}" USING fts5(
            words, scope, content='', columnsize=0, prefix='{prefixes}',
            tokenize="unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '{_later_separators()}'"
        )"""
    columns = f"SELECT id, content, '{SCOPE}' || conversation_id"
    yield f'INSERT INTO "{name}" (rowid, words, scope) {columns} FROM "{table}"'
    add = f"""INSERT INTO "{name}" (rowid, words, scope) VALUES (new.id, new.content, '{SCOPE}' || new.conversation_id);"""  # noqa: S608 - its own names
    remove = f"""INSERT INTO "{name}" ("{name}", rowid, words, scope)
        VALUES ('delete', old.id, old.content, '{SCOPE}' || old.conversation_id);"""  # noqa: S608 - its own names
    for moment, actions in (
        ("INSERT", add),
        ("DELETE", remove),
        ("UPDATE OF id, conversation_id, content", f"{remove} {add}"),
    ):
        yield f'CREATE TRIGGER "{name}_{moment.split()[0].lower()}" AFTER {moment} ON "{table}" BEGIN {actions} END'


def _triggers_on_sqlite(index: SearchIndex) -> list[str]:
    return [f"{index.name}_{moment}" for moment in ("insert", "delete", "update")]


def _drop_on_sqlite(index: SearchIndex) -> Iterator[str]:
    for trigger in _triggers_on_sqlite(index):
        yield f'DROP TRIGGER IF EXISTS "{trigger}"'
    yield f'DROP TABLE IF EXISTS "{index.name}"'


def _create_on_postgresql(index: SearchIndex, version: tuple[Any, ...]) -> Iterator[str]:
    """Yield the statements that make the index on PostgreSQL.

    The functions are bound to what they call when they are made, and so do not depend on who calls them with which `search_path`.
    """
    name, table = index.name, index.table
    collation = "pg_c_utf8" if version >= (_OWN_COLLATION,) else "default"
    separated = f"regexp_replace(left(content, {INDEXED_LENGTH}), '[{_separators()}]+', ' ', 'g')"
    accents = "[{}-{}]+".format(*map(_escape, map(ord, ACCENTS)))
    lowered = f"""lower(regexp_replace(normalize({separated}, NFD), '{accents}', '', 'g') COLLATE "{collation}")"""
    yield f"""
        CREATE FUNCTION "{name}_words"(content text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN string_to_array(translate({lowered}, '{SIGMAS[0]}', '{SIGMAS[1]}'), ' ')"""
    quoted = f"'''' || left(word, {_MAX_WORD_LENGTH}) || ''''"
    yield f"""
        CREATE FUNCTION "{name}_vector"(content text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (
            SELECT coalesce(string_agg({quoted} || ':' || least(place, 16383), ' '), '')
            FROM unnest("{name}_words"(content)) WITH ORDINALITY AS words (word, place) WHERE word <> ''
        )::tsvector"""  # noqa: S608 - its own names
    yield f"""
        CREATE FUNCTION "{name}_phrase"(phrase text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (
            SELECT string_agg({quoted}, ' <-> ') FROM unnest("{name}_words"(phrase)) AS words (word) WHERE word <> ''
        )::tsquery"""  # noqa: S608 - its own names
    yield f"""
        ALTER TABLE "{table}" ADD COLUMN "{name}_vector" tsvector
        GENERATED ALWAYS AS ("{name}_vector"(content)) STORED"""
    yield f'CREATE INDEX "{_name_on_postgresql(index)}" ON "{table}" USING gin ("{name}_vector")'


def _name_on_postgresql(index: SearchIndex) -> str:
    return f"ix_{index.name}_vector"


def _drop_on_postgresql(index: SearchIndex) -> Iterator[str]:
    yield f'ALTER TABLE "{index.table}" DROP COLUMN IF EXISTS "{index.name}_vector"'
    for function in ("vector", "phrase", "words"):
        yield f'DROP FUNCTION IF EXISTS "{index.name}_{function}"(text)'


@cache
def _separators() -> str:
    """Return the characters that are in no word, as the inside of a regular expression's brackets.

    PostgreSQL's own classes of characters depend on the database's locale.
    """
    ranges = [found for numbers in MAY_SEPARATE for found in _ranges_of_separators(numbers)]
    return "".join(f"{_escape(first)}-{_escape(last)}" for first, last in ranges)


def _ranges_of_separators(numbers: range) -> list[list[int]]:
    ranges: list[list[int]] = []
    goes_on = False
    for number in numbers:
        category = unicodedata.category(chr(number))
        if category in {"Cn", "Cs"}:
            continue  # A range goes on over what is not assigned: there are far fewer so.
        if not is_separator(chr(number)):
            goes_on = False
        elif goes_on:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
            goes_on = True
    return ranges


@cache
def _later_separators() -> str:
    """Return the characters that are in no word, and that SQLite may not know, as newer emoji are: they would be letters to it."""
    emoji = range(0x1F000, 0x1FB00)
    return VARIATION_SELECTORS + "".join(
        character
        for character in map(chr, chain(*MAY_SEPARATE))
        if (is_separator(character) and _is_new(character)) or (ord(character) in emoji and unicodedata.category(character) == "Cn")
    )


def _is_new(character: str) -> bool:
    return unicodedata.ucd_3_2_0.category(character) == "Cn"


def _escape(number: int) -> str:
    return f"\\U{number:08x}"
