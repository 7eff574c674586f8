"""Databases that an earlier version made, and the documentation's migrations of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import MetaData, insert, select, text

from flask_realtime.features.analytics.figures import ActiveUser
from flask_realtime.store import MemberCount
from tests.docs.pages import blocks
from tests.integration.example_support import StoreApp, new_store_app
from tests.integration.store.test_store_log import LogApp, log_app

OUTBOX = "docs/how-to/outbox.md"
ANALYTICS = "docs/how-to/analytics.md"
OF_0_1 = {
    "realtime_conversation",
    "realtime_participant",
    "realtime_message",
    "realtime_read_receipt",
    "realtime_notification",
}
PRESENCE = "docs/how-to/presence.md"
GUIDES = tuple(f"docs/how-to/{name}.md" for name in ("sending", "receipts", "critical-notifications", "presence", "migrating"))
"""The pages with the migrations of a database of version 0.1, in their order."""

NEWER_COLUMNS = {
    "conversation": ("last_seq", "type", "direct_key", "participant_count", "active_at"),
    "participant": ("delivered_seq", "delivered_at", "read_seq", "read_at", "uncounted", "role", "is_muted", "muted_until"),
    "notification": ("about",),
    "message": ("seq", "kind", "client_id", "edited_at", "deleted_at", "reply_to", "thread_id", "thread_count", "thread_last_at"),
}
NEWER_INDEXES = (
    "conversation_direct_key",
    "participant_conversation_id_id",
    "participant_conversation_id_read_seq",
    "participant_conversation_id_delivered_seq",
    "message_conversation_id_seq",
    "message_outside_threads",
    "message_deleted",
    "notification_about",
    "message_sender_id_conversation_id_seq",
    "message_thread_id_id",
)

NEWER = [
    *(f"DROP INDEX ix_realtime_{index}" for index in NEWER_INDEXES),
    "CREATE INDEX ix_realtime_message_sender_id ON realtime_message (sender_id)",
    *(f"ALTER TABLE realtime_{table} DROP COLUMN {column}" for table, columns in NEWER_COLUMNS.items() for column in columns),
]
"""Makes tables of version 0.1 of those of today."""

ROWS = [
    "INSERT INTO realtime_conversation (id, created_at) VALUES (1, :now), (2, :now), (3, :now)",
    """
    INSERT INTO realtime_participant (conversation_id, user_id, created_at)
    VALUES (1, 'ann', :now), (1, 'ben', :now), (2, 'ann', :now), (2, 'ben', :now), (3, 'ann', :now)
    """,
    """
    INSERT INTO realtime_message (id, conversation_id, sender_id, content, created_at)
    VALUES (2, 1, 'ann', 'one', :now), (3, 2, 'ann', 'one', :now), (5, 1, 'ben', 'two', :now), (6, 1, 'ann', 'three', :now),
        (9, 2, 'ben', 'two', :now)
    """,
    "UPDATE realtime_message SET created_at = :later WHERE id = 5",
    "INSERT INTO realtime_read_receipt (message_id, user_id, created_at) VALUES (6, 'ben', :now), (9, 'ann', :now)",
]


@pytest.fixture
def old(database_url: str) -> Iterator[StoreApp]:
    """A store on the tables of version 0.1, with a few rows."""
    with new_store_app(database_url) as made:
        StoreApp(database_url, read_receipts=True).db.metadata.tables["realtime_read_receipt"].create(made.db.engine)
        newer = [table for name, table in made.db.metadata.tables.items() if name not in OF_0_1]
        made.db.metadata.drop_all(made.db.engine, tables=newer)
        with made.db.engine.begin() as connection:
            MemberCount("realtime_conversation", "realtime_participant").drop(connection)
            for statement in NEWER:
                connection.execute(text(statement))
            for statement in ROWS:
                times = {"now": "2026-01-31 12:00:00", "later": "2026-02-01 00:00:00"}
                connection.execute(text(statement), {name: at for name, at in times.items() if f":{name}" in statement})
            if connection.dialect.name == "postgresql":
                for table in ("conversation", "message"):
                    connection.execute(text(f"SELECT setval('realtime_{table}_id_seq', 9)"))
        yield made


def migrate(app: StoreApp | LogApp, step: str, *guides: str) -> list[Any]:
    """Run a step of the migrations that the documentation has, and return what differs from the models then."""
    with app.db.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        for guide in guides or GUIDES[:: 1 if step == "upgrade" else -1]:
            with Operations.context(context):
                migration(guide)[step]()
        return list(compare_metadata(context, app.db.metadata))


def migration(guide: str) -> dict[str, Any]:
    (code,) = [block for block in blocks(guide, "python") if "alembic" in block]
    made: dict[str, Any] = {}
    exec(compile(code, guide, "exec"), made)  # noqa: S102 - it is the documentation's own
    return made


def test_the_documented_migrations_make_the_tables_as_the_models_have_them(old: StoreApp) -> None:
    assert migrate(old, "upgrade") == []
    assert old.store.messages.send("1", "ann", "hello", "c1").is_new
    assert not old.store.messages.send("1", "ann", "hello", "c1").is_new
    old.db.session.delete(old.db.session.get_one(old.models.conversation, 1))
    old.db.session.commit()


def test_the_migrations_number_the_messages_that_are_there(old: StoreApp) -> None:
    migrate(old, "upgrade")
    stored = [(message.id, message.seq) for number in "123" for message in old.store.messages.page(number, "ann").messages]
    assert stored == [("2", 1), ("5", 2), ("6", 3), ("3", 1), ("9", 2)]
    assert [old.store.messages.add(number, "ann", "new").seq for number in "123"] == [4, 3, 1]


def test_the_migrations_make_cursors_of_the_rows(old: StoreApp) -> None:
    migrate(old, "upgrade")
    unread = {user: old.store.messages.unread_count(user) for user in ("ann", "ben")}
    assert unread == {"ann": 1, "ben": 1}, "the message of the other that was not read; ben has read the last one of the first two"
    assert [message.status for message in old.store.messages.page("1", "ann").messages] == ["read", "sent", "read"]
    receipts = old.store.receipts.of_message("1", "2")
    assert receipts is not None
    assert [(receipt.user_id, receipt.at.isoformat()) for receipt in receipts.read] == [("ben", "2026-01-31T12:00:00+00:00")]
    assert old.store.receipts.mark_read("2", "ben", up_to="3").unread_count == 0


def test_the_migrations_make_groups_of_conversations_and_owners_of_who_came_first(old: StoreApp) -> None:
    migrate(old, "upgrade")
    conversations = old.store.conversations
    for number, people in (("1", "ann ben"), ("2", "ann ben"), ("3", "ann")):
        record = conversations.get(number, "ann")
        assert record is not None
        assert (record.type, record.participant_count, record.muted) == ("group", len(people.split()), False)
        assert [*record.participants] == [(name, "member" if place else "owner") for place, name in enumerate(people.split())]
    old.db.session.execute(text("DELETE FROM realtime_participant WHERE conversation_id = 2 AND user_id = 'ben'"))
    old.db.session.commit()
    assert [one.participant_count for one in conversations.of_user("ann")] == [1, 1, 2]
    at = [
        column and column.isoformat() for column in old.db.session.scalars(select(old.models.conversation.active_at).order_by("id"))
    ]
    assert at == ["2026-02-01T00:00:00+00:00", "2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00+00:00"]
    assert [record.id for record in conversations.of_user("ann", by_activity=True)] == ["1", "3", "2"]
    direct = conversations.create(["ann", "ben"], type="direct")
    assert direct.id not in {"1", "2"}
    assert conversations.create(["ben", "ann"], type="direct").id == direct.id


def test_the_migrations_can_be_taken_back_and_made_again(old: StoreApp) -> None:
    before = columns(old)
    migrate(old, "upgrade")
    migrate(old, "downgrade")
    assert columns(old) == before
    with old.db.engine.connect() as connection:
        rows = connection.execute(text("SELECT message_id, user_id FROM realtime_read_receipt ORDER BY message_id, user_id"))
        assert [tuple(row) for row in rows] == [(2, "ben"), (6, "ben"), (9, "ann")]
    assert migrate(old, "upgrade") == []


def columns(app: StoreApp) -> set[str]:
    """Every column of the database, with its table."""
    found = MetaData()
    found.reflect(app.db.engine)
    return {str(column) for table in found.tables.values() for column in table.columns if table.name.startswith("realtime_")}


def test_the_documented_migration_adds_the_log_to_an_application(database_url: str) -> None:
    with log_app(database_url) as made:
        made.db.metadata.drop_all(made.db.engine, tables=[made.db.metadata.tables["realtime_log"]])
        assert migrate(made, "upgrade", OUTBOX) == []
        message = made.store.messages.add("1", "ann", "hello")
        answer: Any = made.store.log.sync("ben", "log-0")
        assert [item["args"][0]["id"] for item in answer["events"]] == [message.id]
        made.db.session.rollback()
        migrate(made, "downgrade", OUTBOX)
        left = MetaData()
        left.reflect(made.db.engine)
        assert "realtime_log" not in left.tables


def test_the_documented_migration_adds_analytics_to_an_application(database_url: str) -> None:
    tables = ("realtime_figure", "realtime_active_user")
    with new_store_app(database_url, analytics=True) as made:
        made.db.metadata.drop_all(made.db.engine, tables=[made.db.metadata.tables[table] for table in tables])
        assert migrate(made, "upgrade", ANALYTICS) == []
        assert made.store.analytics is not None
        noon = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
        made.store.analytics.add_users([ActiveUser(noon.date(), "ann")])
        assert made.store.analytics.active_users(noon) == (1, 1)
        made.db.session.rollback()
        migrate(made, "downgrade", ANALYTICS)
        left = MetaData()
        left.reflect(made.db.engine)
        assert not set(tables) & set(left.tables)


def test_the_documented_migration_adds_presence_to_an_application(database_url: str) -> None:
    with new_store_app(database_url) as made:
        made.db.metadata.drop_all(made.db.engine, tables=[made.db.metadata.tables["realtime_user_presence"]])
        assert migrate(made, "upgrade", PRESENCE) == []
        assert made.models.user_presence is not None
        made.db.session.execute(insert(made.models.user_presence).values(user_id="ann"))
        made.db.session.commit()
        row = made.db.session.execute(text("SELECT state, sends_typing, sends_receipts, version FROM realtime_user_presence")).one()
        assert tuple(row) == ("online", True, True, 0)
        made.db.session.rollback()
        migrate(made, "downgrade", PRESENCE)
        left = MetaData()
        left.reflect(made.db.engine)
        assert "realtime_user_presence" not in left.tables
