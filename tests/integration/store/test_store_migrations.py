"""Databases that an earlier version made, and the documentation's migrations of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import MetaData, text

from tests.docs.pages import blocks
from tests.integration.example_support import StoreApp, new_store_app

OF_0_1 = {
    "realtime_conversation",
    "realtime_participant",
    "realtime_message",
    "realtime_read_receipt",
    "realtime_notification",
}


NEWER = [
    "DROP INDEX ix_realtime_message_conversation_id_seq",
    "ALTER TABLE realtime_message DROP COLUMN seq",
    "ALTER TABLE realtime_conversation DROP COLUMN last_seq",
]
"""What is newer in the tables of version 0.1."""

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
]


@pytest.fixture
def old(database_url: str) -> Iterator[StoreApp]:
    """A store on the tables of version 0.1, with a few rows."""
    with new_store_app(database_url) as made:
        newer = [table for name, table in made.db.metadata.tables.items() if name not in OF_0_1]
        made.db.metadata.drop_all(made.db.engine, tables=newer)
        with made.db.engine.begin() as connection:
            for statement in NEWER:
                connection.execute(text(statement))
            for statement in ROWS:
                connection.execute(text(statement), {"now": "2026-01-31 12:00:00"})
            if connection.dialect.name == "postgresql":
                for table in ("conversation", "message"):
                    connection.execute(text(f"SELECT setval('realtime_{table}_id_seq', 9)"))
        yield made


def migrate(app: StoreApp, step: str) -> list[Any]:
    """Run a step of the migration that the documentation has, and return what differs from the models then."""
    (code,) = [block for block in blocks("docs/how-to/sending.md", "python") if "alembic" in block]
    migration: dict[str, Any] = {}
    exec(compile(code, "sending.md", "exec"), migration)  # noqa: S102 - it is the documentation's own
    with app.db.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            migration[step]()
        return list(compare_metadata(context, app.db.metadata))


def test_the_documented_migration_makes_the_table_as_the_model_has_it(old: StoreApp) -> None:
    assert migrate(old, "upgrade") == []
    assert old.store.messages.send("1", "ann", "hello", "c1").is_new
    assert not old.store.messages.send("1", "ann", "hello", "c1").is_new
    old.db.session.delete(old.db.session.get_one(old.models.conversation, 1))
    old.db.session.commit()


def test_the_migration_numbers_the_messages_that_are_there(old: StoreApp) -> None:
    migrate(old, "upgrade")
    stored = [(message.id, message.seq) for number in "123" for message in old.store.messages.page(number, "ann").messages]
    assert stored == [("2", 1), ("5", 2), ("6", 3), ("3", 1), ("9", 2)]
    assert [old.store.messages.add(number, "ann", "new").seq for number in "123"] == [4, 3, 1]


def columns(app: StoreApp) -> set[str]:
    """Every column of the database, with its table."""
    found = MetaData()
    found.reflect(app.db.engine)
    return {str(column) for table in found.tables.values() for column in table.columns if table.name.startswith("realtime_")}


def test_the_migration_can_be_taken_back_and_made_again(old: StoreApp) -> None:
    before = columns(old)
    migrate(old, "upgrade")
    migrate(old, "downgrade")
    assert columns(old) == before
    assert migrate(old, "upgrade") == []
