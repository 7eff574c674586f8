"""Search in messages: what is found, by whom, and that the index follows each change."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, text

from flask_realtime.errors import BadRequest, ConfigError
from flask_realtime.features.search.index_store import MAX_SCOPES
from flask_realtime.features.search.models import INDEXED_LENGTH, MAY_SEPARATE
from flask_realtime.features.search.words import is_separator
from flask_realtime.store import SearchIndex
from tests.docs.pages import blocks
from tests.integration.example_support import StoreApp, new_store_app, on_sqlite
from tests.integration.store.test_store_migrations import migrate

GUIDE = "docs/how-to/search.md"


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    """A store with an index; conversation 1 is of ann and ben, 2 of ben and cat."""
    with new_store_app(database_url, search=True) as made:
        for participants in (["ann", "ben"], ["ben", "cat"]):
            made.store.conversations.create(participants)
        yield made


def write(chat: StoreApp, *contents: str, conversation_id: str = "1", sender_id: str = "ann") -> list[str]:
    return [chat.store.messages.add(conversation_id, sender_id, content).id for content in contents]


def found(chat: StoreApp, query: str, user_id: str = "ann", **options: Any) -> list[str]:
    return [hit.message.content for hit in chat.store.search.find(user_id, query, **options).hits]


def execute(chat: StoreApp, statement: str, **values: Any) -> None:
    chat.db.session.execute(text(statement), values)
    chat.db.session.commit()


def test_a_message_with_all_words_is_found_in_any_order(chat: StoreApp) -> None:
    write(chat, "the quick brown fox", "the quick fox", "a brown fox")
    assert found(chat, "fox brown the") == ["the quick brown fox"]


def test_messages_come_newest_first_as_the_user_sees_them_with_what_was_found(chat: StoreApp) -> None:
    first, second = write(chat, "one & hello", "hello two")
    page = chat.store.search.find("ben", "hello")
    assert [hit.message for hit in page.hits] == [chat.store.messages.get("1", number, "ben") for number in (second, first)]
    assert [hit.snippet for hit in page.hits] == ["<mark>hello</mark> two", "one &amp; <mark>hello</mark>"]
    assert page.next_before is None


@pytest.mark.parametrize("query", ["HELLO", "héllo", "he\u0301llo", "ħello hello", "hel", "lo hel", '"say hello"', '"say hel'])
def test_case_accents_and_an_unfinished_last_word_are_found(chat: StoreApp, query: str) -> None:
    write(chat, "Say Hèllo, ħello lo", "help", "hell")
    assert found(chat, query)[-1:] == ["Say Hèllo, ħello lo"]


def test_only_the_last_word_may_be_unfinished(chat: StoreApp) -> None:
    write(chat, "hello world")
    assert [found(chat, query) for query in ("hel wor", '"hel" hello', 'world "hel"', "hello wor")] == [[], [], [], ["hello world"]]


def test_a_phrase_follows_in_order(chat: StoreApp) -> None:
    write(chat, "hello, world!", "world hello", "hello big world", "e-mail", "mail e")
    assert found(chat, '"hello world"') == ["hello, world!"]
    assert found(chat, "e-mail") == ["e-mail"]


def test_several_phrases_are_all_asked_for(chat: StoreApp) -> None:
    write(chat, "good morning and good night", "good morning", "good night and bad morning")
    assert found(chat, '"good night" "good morning"') == ["good morning and good night"]


@pytest.mark.parametrize(
    ("content", "query"), [("你好吗", "你好"), ("हिन्दी में", "हिन्दी"), ("Привет, мир", "МИР"), ("٤٢ ok", "٤٢"), ("한국어", "한국")]
)
def test_other_scripts_are_found(chat: StoreApp, content: str, query: str) -> None:
    write(chat, content, "something else")
    assert found(chat, query) == [content]


def test_words_beside_emoji_are_found(chat: StoreApp) -> None:
    write(chat, "thanks🙏🤗🫠for❤️all1️⃣")
    assert [found(chat, query) == [] for query in ("thanks", '"for"', "all", '"thanks for"', "thanks🤗for")] == [False] * 5


def test_no_character_beyond_those_that_the_index_is_made_with_separates_words() -> None:
    others = set(range(1, sys.maxunicode + 1)) - set(chain(*MAY_SEPARATE))
    assert [number for number in others if is_separator(chr(number))] == []


def test_nobody_finds_what_is_in_conversations_of_others(chat: StoreApp) -> None:
    write(chat, "hello ann")
    write(chat, "hello cat", conversation_id="2", sender_id="ben")
    contents = {user: found(chat, "hello", user) for user in ("ann", "ben", "cat", "dan", "")}
    assert contents == {"ann": ["hello ann"], "ben": ["hello cat", "hello ann"], "cat": ["hello cat"], "dan": [], "": []}
    assert found(chat, "hello", conversation_id="2") == []


def test_who_is_removed_finds_nothing_more_and_who_is_added_what_was_before(chat: StoreApp) -> None:
    write(chat, "hello")
    execute(chat, "DELETE FROM realtime_participant WHERE conversation_id = 1 AND user_id = 'ann'")
    execute(chat, "UPDATE realtime_participant SET user_id = 'dan' WHERE conversation_id = 1 AND user_id = 'ben'")
    assert {user: found(chat, "hello", user) for user in ("ann", "ben", "dan")} == {"ann": [], "ben": [], "dan": ["hello"]}


def test_a_word_cannot_stand_for_a_conversation(chat: StoreApp) -> None:
    write(chat, "\ue0001 hello", "1", conversation_id="2", sender_id="ben")
    assert [found(chat, query) for query in ("hello", "\ue0001", "1", "scope : 1")] == [[], [], [], []]


def test_a_conversation_and_a_sender_narrow_the_search(chat: StoreApp) -> None:
    write(chat, "hello 1")
    write(chat, "hello 2", sender_id="ben")
    write(chat, "hello 3", conversation_id="2", sender_id="ben")
    assert found(chat, "hello", "ben", conversation_id="1") == ["hello 2", "hello 1"]
    assert found(chat, "hello", "ben", sender_id="ben") == ["hello 3", "hello 2"]
    assert found(chat, "hello", "ben", conversation_id="1", sender_id="ann") == ["hello 1"]


@pytest.mark.parametrize(
    "options",
    [
        {"conversation_id": "none"},
        {"conversation_id": "9" * 30},
        {"conversation_id": "99"},
        {"sender_id": "dan"},
        {"sender_id": "a\0b"},
        {"sender_id": "\ud800"},
        {"sender_id": "x" * 1000},
        {"before": "none"},
        {"before": "1"},
    ],
)
def test_what_is_no_conversation_sender_or_place_finds_nothing(chat: StoreApp, options: dict[str, str]) -> None:
    write(chat, "hello")
    assert found(chat, "hello", **options) == []


def test_pages_follow_each_other_without_gap_or_repetition(chat: StoreApp) -> None:
    numbers = write(chat, *(f"hello {number}" if number % 2 else "other" for number in range(12)))[1::2]
    pages, before = [], None
    for _ in range(4):
        page = chat.store.search.find("ann", "hello", before=before, limit=2)
        pages.append([hit.message.id for hit in page.hits])
        before = page.next_before
        if before is None:
            break
    assert pages == [numbers[5:3:-1], numbers[3:1:-1], numbers[1::-1]]


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_is_in_its_bounds(chat: StoreApp, limit: int) -> None:
    with pytest.raises(BadRequest, match="limit must be an integer from 1 to 100"):
        chat.store.search.find("ann", "hello", limit=limit)


def test_an_edited_message_is_found_by_its_new_words_alone(chat: StoreApp) -> None:
    (number,) = write(chat, "before")
    chat.db.session.get_one(chat.models.message, int(number)).content = "behind"
    chat.db.session.commit()
    assert (found(chat, "before"), found(chat, "behind")) == ([], ["behind"])


def test_whoever_writes_a_message_writes_the_index(chat: StoreApp) -> None:
    insert = """
        INSERT INTO realtime_message (id, conversation_id, sender_id, content, created_at)
        VALUES (70, 1, 'ann', 'unicorn', '2026-01-31 12:00:00')
        """
    execute(chat, insert)
    assert found(chat, "unicorn") == ["unicorn"]
    execute(chat, "UPDATE realtime_message SET content = 'dragon', conversation_id = 2 WHERE id = 70")
    assert (found(chat, "unicorn", "ben"), found(chat, "dragon", "cat"), found(chat, "dragon")) == ([], ["dragon"], [])
    execute(chat, "UPDATE realtime_message SET id = 71 WHERE id = 70")
    assert [hit.message.id for hit in chat.store.search.find("cat", "dragon").hits] == ["71"]
    execute(chat, "DELETE FROM realtime_message WHERE id = 71")
    execute(chat, insert.replace("unicorn", "kitten"))
    assert (found(chat, "dragon", "cat"), found(chat, "kitten")) == ([], ["kitten"])


def test_a_change_that_is_rolled_back_is_not_in_the_index(chat: StoreApp) -> None:
    write(chat, "hello")
    chat.db.session.execute(text("UPDATE realtime_message SET content = 'changed'"))
    assert found(chat, "changed") == ["changed"]
    chat.db.session.rollback()
    assert (found(chat, "changed"), found(chat, "hello")) == ([], ["hello"])


def test_deleted_messages_are_not_found(chat: StoreApp) -> None:
    deleted, emptied, _kept = write(chat, "hello deleted", "hello emptied", "hello kept")
    chat.store.messages.delete("1", deleted)
    execute(chat, "UPDATE realtime_message SET content = '', deleted_at = created_at WHERE id = :number", number=int(emptied))
    assert found(chat, "hello") == ["hello kept"]


def test_messages_that_go_with_their_conversation_leave_nothing_in_the_index(chat: StoreApp) -> None:
    (number,) = write(chat, "hello")
    execute(chat, "DELETE FROM realtime_conversation WHERE id = 1")
    insert = (
        "INSERT INTO realtime_message (id, conversation_id, sender_id, content, created_at) VALUES (:n, 2, 'ben', 'other', :now)"
    )
    execute(chat, insert, n=int(number), now="2026-01-31 12:00:00")
    assert (found(chat, "hello", "ben"), found(chat, "other", "ben")) == ([], ["other"])


def test_replies_in_a_thread_are_found_like_others(chat: StoreApp) -> None:
    first, reply = write(chat, "a question", "an answer")
    execute(chat, "UPDATE realtime_message SET thread_id = :first WHERE id = :reply", first=int(first), reply=int(reply))
    assert found(chat, "answer") == ["an answer"]


def test_a_message_of_any_length_is_stored_and_found_by_its_beginning(chat: StoreApp) -> None:
    content = "unicorn " + " ".join(f"{number:x}" for number in range(INDEXED_LENGTH)) + "한" * INDEXED_LENGTH
    write(chat, content, "x" * INDEXED_LENGTH)
    assert found(chat, "unicorn") == [content]


def test_who_is_in_more_conversations_than_can_be_named_finds_the_same(chat: StoreApp) -> None:
    write(chat, "hello")
    write(chat, "hello", conversation_id="2", sender_id="ben")
    now = {"now": "2026-01-31 12:00:00"}
    rows = [{"n": number, **now} for number in range(10, 10 + MAX_SCOPES)]
    chat.db.session.execute(text("INSERT INTO realtime_conversation (id, created_at) VALUES (:n, :now)"), rows)
    joined = "INSERT INTO realtime_participant (conversation_id, user_id, created_at) VALUES (:n, 'ann', :now)"
    for some in (rows[:-1], rows[-1:]):  # As many as can be named, and one more.
        chat.db.session.execute(text(joined), some)
        assert found(chat, "hello") == ["hello"]
        assert found(chat, "hello", conversation_id="2") == []


def test_a_store_without_an_index_says_what_it_needs(database_url: str) -> None:
    with new_store_app(database_url) as made, pytest.raises(ConfigError, match=r"define_models\(db, search=True\)"):
        _ = made.store.search


@on_sqlite
def test_an_sqlite_without_fts5_is_named_when_the_tables_are_made(database_url: str) -> None:
    def without_fts5(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: Any) -> tuple[str, Any]:
        return sql.replace("USING fts5", "USING fts5_that_is_not_there"), values

    made = StoreApp(database_url, search=True)
    event.listen(Engine, "before_cursor_execute", without_fts5, retval=True)
    try:
        with made.app.app_context(), pytest.raises(ConfigError, match="needs FTS5"):
            made.db.create_all()
    finally:
        event.remove(Engine, "before_cursor_execute", without_fts5)
    with made.app.app_context():
        made.db.engine.dispose()


def test_tables_are_dropped_with_their_index_and_made_anew(chat: StoreApp) -> None:
    write(chat, "hello")
    chat.db.session.rollback()
    for _ in range(2):
        chat.db.drop_all()
        assert parts(chat) == []
        chat.db.create_all()
        assert parts(chat)
    chat.store.conversations.create(["ann"])
    assert found(chat, "hello") == []
    write(chat, "hello")
    assert found(chat, "hello") == ["hello"]


def test_an_index_that_is_made_again_has_all_messages(chat: StoreApp) -> None:
    write(chat, "hello")
    index = SearchIndex("realtime_message")
    with chat.db.engine.begin() as connection:
        index.drop(connection)
        connection.execute(text("UPDATE realtime_message SET content = 'changed'"))
        for _ in range(2):
            index.create(connection)
    assert (found(chat, "hello"), found(chat, "changed")) == ([], ["changed"])


def parts(chat: StoreApp) -> list[str]:
    """The names of what the index consists of in the database."""
    with chat.db.engine.connect() as connection:
        of_sqlite = "SELECT name FROM sqlite_master"
        of_postgresql = "SELECT proname FROM pg_proc UNION SELECT indexname FROM pg_indexes"
        is_sqlite = connection.dialect.name == "sqlite"
        names = connection.scalars(text(of_sqlite if is_sqlite else of_postgresql))
        return sorted(name for name in names if "realtime_message_search" in name)


# The documented migration -------------------------------------------------------------------------------------------------------


def differences(connection: Connection) -> list[Any]:
    """What differs from the models, as an autogenerated migration that is told of the index sees it."""
    made: dict[str, Any] = {}
    (code,) = [block for block in blocks(GUIDE, "python") if "def include_object" in block]
    exec(compile(code, GUIDE, "exec"), made)  # noqa: S102 - it is the documentation's own
    context = MigrationContext.configure(connection, opts={"include_object": made["include_object"]})
    return list(compare_metadata(context, StoreApp("sqlite://", search=True).db.metadata))


def test_the_documented_migration_adds_the_index_and_takes_it_back(database_url: str) -> None:
    with new_store_app(database_url) as plain:
        plain.store.conversations.create(["ann"])
        write(plain, "hello")
        plain.db.session.rollback()
        searching = StoreApp(database_url, search=True)
        with searching.app.app_context():
            for _ in range(2):
                migrate(searching, "upgrade", GUIDE)
                assert found(searching, "hello") == ["hello"]
                searching.db.session.rollback()
                with searching.db.engine.connect() as connection:
                    assert differences(connection) == []
                migrate(searching, "downgrade", GUIDE)
                assert parts(searching) == []
            searching.db.session.remove()
            searching.db.engine.dispose()
        write(plain, "behind the index")


@on_sqlite
def test_the_documented_migration_renews_an_index_without_long_beginnings(chat: StoreApp) -> None:
    write(chat, "hello")
    (old,) = chat.db.session.execute(text("SELECT sql FROM sqlite_master WHERE name = 'realtime_message_search'")).scalars()
    chat.db.session.execute(text("DROP TABLE realtime_message_search"))
    chat.db.session.execute(text(re.sub("prefix='[^']*'", "prefix='2 3 4'", old)))
    columns = "(rowid, words, scope) SELECT id, content, '\ue000' || conversation_id FROM realtime_message"
    execute(chat, f"INSERT INTO realtime_message_search {columns}")
    write(chat, "help")
    assert found(chat, "hel") == ["help", "hello"]
    chat.db.session.rollback()
    migrate(chat, "upgrade", GUIDE)
    assert found(chat, "hel") == ["help", "hello"]
    assert chat.db.session.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'realtime_message_search'")) == old
