"""Searches against a plain model of them, and how the databases go about them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from flask_realtime.database.columns import utc_now
from flask_realtime.features.search.query import MAX_QUERY_LENGTH, parse_query
from tests.integration.example_support import Statement, StoreApp, instructions, new_store_app, on_sqlite, recorded, sqlite_url
from tests.postgresql_server import PostgresqlServer

OPERATORS = [
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    "*",
    "(",
    ")",
    ":",
    "-",
    "^",
    "+",
    "{",
    "}",
    "!",
    "&",
    "|",
    "<->",
    ":*",
    "'",
    '"',
    "\\",
    "%",
    "\0",
    ",",
]
WORDS = [
    "hello",
    "Héllo",
    "hell",
    "world",
    "wörld",
    "e-mail",
    "don't",
    "Привет",
    "МИР",
    "你好吗",
    "हिन्दी",
    "مرحبا",
    "x1",
    "42",
    "c1",
    "words",
    "scope",
]
EMOJI = ["🤗", "🫠", "❤️", "👩‍👩‍👧", "🇩🇪", "1️⃣", "e\u0301", "\u0301", "\ufe0f", "\u200d", "\ue000"]

NO_CHARACTERS = {"Cs", "Cn", "Co"}
WORDLY = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Mn", "Mc"}

pieces = st.sampled_from([*WORDS, *OPERATORS, *EMOJI]) | st.text(max_size=3)
texts = st.lists(pieces, max_size=12).flatmap(lambda some: st.sampled_from(["", " "]).map(lambda space: space.join(some)))
queries = texts.map(lambda query: query[:MAX_QUERY_LENGTH])
plain_texts = st.lists(
    st.sampled_from(["hello", "Héllo", "HELL", "world", "wörlds", "a", "42", "ÀB", "ñ", "-", "?", "&"]), max_size=6
).map(" ".join)


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    """A store with an index, and a conversation of ann."""
    with new_store_app(database_url, search=True) as made:
        made.store.conversations.create(["ann"])
        yield made


def words_of(content: str) -> list[str]:
    """The words of a text, by the properties of its characters alone."""
    kept = "".join(character if unicodedata.category(character) in WORDLY else " " for character in content)
    decomposed = unicodedata.normalize("NFD", re.sub("[\ufe0e\ufe0f]", " ", kept))
    return re.sub("[\u0300-\u036f]", "", decomposed).lower().split()


def is_found(content: str, query: str) -> bool:
    """Whether a message has the words of a query, which has no quotation marks."""
    words, wanted = words_of(content), words_of(query)
    if not wanted or not all(word in words for word in wanted[:-1]):
        return False
    last = wanted[-1]
    return last in words or (len(last) > 1 and any(word.startswith(last) for word in words))


def write(chat: StoreApp, contents: list[str], conversation: int = 1) -> None:
    if contents:
        rows = [
            {"conversation_id": conversation, "sender_id": "ann", "content": content, "created_at": utc_now()}
            for content in contents
        ]
        chat.db.session.execute(insert(chat.models.message), rows)


def storable(content: str) -> str:
    """A text without what databases do not hold, NUL and halves of surrogate pairs, and without characters that are none yet."""
    return "".join(character for character in content if character != "\0" and unicodedata.category(character) not in NO_CHARACTERS)


def test_any_text_is_a_query_and_what_it_finds_has_all_of_its_words(chat: StoreApp) -> None:
    write(chat, [" ".join(WORDS), *WORDS, *(f"{word} {emoji} hello" for word in WORDS for emoji in EMOJI)])

    @settings(max_examples=200)
    @given(queries)
    def check(query: str) -> None:
        parsed = parse_query(query)
        for hit in chat.store.search.find("ann", query, limit=100).hits:
            words = words_of(hit.message.content)
            *complete, last = [word for phrase in parsed.folded for word in phrase]
            assert set(complete) <= set(words)
            assert any(word == last or (parsed.is_prefix and word.startswith(last)) for word in words)

    check()


def test_any_text_is_indexed_and_found_by_its_words(chat: StoreApp) -> None:
    @settings(max_examples=100)
    @given(texts.map(storable))
    def check(content: str) -> None:
        write(chat, [content])
        for word in {"hello", "world", "42"} & set(words_of(content)):
            assert content in [hit.message.content for hit in chat.store.search.find("ann", word, limit=100).hits]
        chat.db.session.rollback()

    check()


def test_what_is_found_is_what_the_model_finds(chat: StoreApp) -> None:
    @settings(max_examples=100)
    @given(st.lists(plain_texts, max_size=8), plain_texts.map(lambda query: query.replace("-", " ")))
    def check(contents: list[str], query: str) -> None:
        write(chat, contents)
        found = [hit.message.content for hit in chat.store.search.find("ann", query).hits]
        assert found == [content for content in reversed(contents) if is_found(content, query)]
        chat.db.session.rollback()

    check()


# Plans --------------------------------------------------------------------------------------------------------------------------

OTHERS = 300
"""Conversations in which the user is not."""

TOLERANCE = 1.2
"""How much more a search may take where others have written a lot: the index has become deeper."""


@pytest.fixture(scope="module")
def sqlite_crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreApp]:
    with crowd(sqlite_url(tmp_path_factory.mktemp("crowd"))) as made:
        yield made


@pytest.fixture(scope="module")
def postgresql_crowd(postgresql_server: PostgresqlServer) -> Iterator[StoreApp]:
    with postgresql_server.new_database() as database_url, crowd(database_url) as made:
        yield made


@contextmanager
def crowd(database_url: str) -> Iterator[StoreApp]:
    """Conversations of which one in a hundred is ann's, ben is in half of them, and a word that is in every message."""
    with new_store_app(database_url, search=True) as chat:
        chat.store.conversations.create(["ann"])
        fill(chat)
        yield chat


def fill(chat: StoreApp) -> None:
    now, models, session = utc_now(), chat.models, chat.db.session
    session.execute(insert(models.conversation), [{"created_at": now} for _ in range(OTHERS)])
    readers = [(number, "ben") for number in range(2, OTHERS + 2, 2)] + [(number, "ann") for number in range(100, OTHERS, 100)]
    session.execute(insert(models.participant), [{"conversation_id": n, "user_id": user, "created_at": now} for n, user in readers])
    rows = [
        {
            "conversation_id": 1 + number % OTHERS,
            "sender_id": "cat",
            "content": f"common w{number % 997} " + ("rare" if number % 5000 == 99 else ""),
            "created_at": now,
        }
        for number in range(20_000)
    ]
    session.execute(insert(models.message), rows)
    session.execute(text("ANALYZE"))
    session.commit()


def search_statement(chat: StoreApp, user_id: str, query: str, **options: Any) -> tuple[int, Statement]:
    """How many messages are found, and the statement that finds them."""
    with recorded(chat.app) as statements:
        found = len(chat.store.search.find(user_id, query, **options).hits)
    (statement,) = [statement for statement in statements if "realtime_message_search" in statement.sql]
    return found, statement


@pytest.mark.parametrize(
    ("user_id", "query", "count"), [("ann", "common", 50), ("ann", "rarely", 0), ("ben", "common", 50), ("ben", "rare", 4)]
)
def test_sqlite_begins_with_the_index_from_the_newest_message_on(
    sqlite_crowd: StoreApp, user_id: str, query: str, count: int
) -> None:
    found, statement = search_statement(sqlite_crowd, user_id, query, before="999999")
    assert found == count
    plan = sqlite_crowd.db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    assert [re.sub(r"INDEX \d+:.*", "INDEX", row.detail) for row in plan] == [
        "SCAN found VIRTUAL TABLE INDEX",
        "SEARCH message USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH reader USING COVERING INDEX ix_realtime_participant_user_id_conversation_id (user_id=? AND conversation_id=?)",
    ]


def test_sqlite_looks_for_words_in_the_users_conversations_alone(sqlite_crowd: StoreApp) -> None:
    _, statement = search_statement(sqlite_crowd, "ann", "common rare")
    assert 'scope : ("\ue0001" OR "\ue000100" OR "\ue000200") AND words : ("common" AND "rare" *)' in statement.parameters


LONG = "donaudampfschifffahrtsgesellschaft"


@on_sqlite
@pytest.mark.parametrize("query", ["日", *(LONG[:length] for length in (2, 5, 9, 20, 31))])
def test_sqlite_reads_no_messages_of_other_conversations_for_an_unfinished_word(chat: StoreApp, query: str) -> None:
    other = int(chat.store.conversations.create(["ben"]).id)
    write(chat, [f"{query}haus"])

    def cost(others: int) -> int:
        write(chat, [f"{query}{number % 97} and more" for number in range(others)], conversation=other)
        chat.db.session.execute(text("INSERT INTO realtime_message_search (realtime_message_search) VALUES ('optimize')"))
        chat.db.session.commit()
        return instructions(chat.db.session, lambda: found.append(len(chat.store.search.find("ann", query).hits)))

    found: list[int] = []
    few, many = cost(3_000), cost(30_000)
    assert found == [1, 1]
    assert many <= few * TOLERANCE


@pytest.mark.parametrize(
    ("user_id", "query", "options", "most"),
    [
        ("ann", "common", {}, 500),
        ("ann", "rare", {}, 500),
        ("ann", "nothing", {}, 500),
        ("ben", "common", {}, 500),
        ("ben", "rare", {}, 100),
        ("ben", "common rare", {}, 100),
        ("ben", "common", {"conversation_id": "2"}, 500),
        ("ben", '"common w5"', {}, 100),
    ],
)
def test_postgresql_reads_few_messages_of_other_conversations(
    postgresql_crowd: StoreApp, user_id: str, query: str, options: dict[str, str], most: int
) -> None:
    _, statement = search_statement(postgresql_crowd, user_id, query, **options)
    explained = postgresql_crowd.db.session.connection().exec_driver_sql(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", statement.parameters
    )
    assert rows_read(explained.scalar_one()[0]["Plan"]) <= most, json.dumps(explained, default=str)


def rows_read(step: dict[str, Any]) -> int:
    """The messages that a step and those below it read, each time that they ran."""
    below = sum(map(rows_read, step.get("Plans", ())))
    if step.get("Relation Name") != "realtime_message":
        return below
    removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
    return below + int((step["Actual Rows"] + removed) * step["Actual Loops"])
