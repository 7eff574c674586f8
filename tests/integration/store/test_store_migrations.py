"""Databases that an earlier version made, and the documentation's migrations of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import MetaData

from tests.docs.pages import blocks
from tests.integration.example_support import StoreApp, new_store_app
from tests.integration.store.test_store_log import LogApp, log_app

OUTBOX = "docs/how-to/outbox.md"
OF_0_1 = {
    "realtime_conversation",
    "realtime_participant",
    "realtime_message",
    "realtime_read_receipt",
    "realtime_notification",
}


@pytest.fixture
def old(database_url: str) -> Iterator[StoreApp]:
    """A store on the tables of version 0.1."""
    with new_store_app(database_url) as made:
        newer = [table for name, table in made.db.metadata.tables.items() if name not in OF_0_1]
        made.db.metadata.drop_all(made.db.engine, tables=newer)
        yield made


def migrate(app: StoreApp | LogApp, step: str, page: str = "docs/how-to/sending.md") -> list[Any]:
    """Run a step of the migration that a page of the documentation has, and return what differs from the models then."""
    (code,) = [block for block in blocks(page, "python") if "alembic" in block]
    migration: dict[str, Any] = {}
    exec(compile(code, page, "exec"), migration)  # noqa: S102 - it is the documentation's own
    with app.db.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            migration[step]()
        return list(compare_metadata(context, app.db.metadata))


def test_the_documented_migration_makes_the_table_as_the_model_has_it(old: StoreApp) -> None:
    conversation = old.store.conversations.create(["ann"])
    earlier = old.store.messages.add(conversation.id, "ann", "stored by 0.1")
    assert migrate(old, "upgrade") == []
    assert old.store.messages.send(conversation.id, "ann", "hello", "c1").is_new
    assert not old.store.messages.send(conversation.id, "ann", "hello", "c1").is_new
    assert old.store.messages.page(conversation.id, "ann").messages[0] == earlier
    old.db.session.delete(old.db.session.get_one(old.models.conversation, int(conversation.id)))
    old.db.session.commit()


def test_the_migration_can_be_taken_back(old: StoreApp) -> None:
    migrate(old, "upgrade")
    migrate(old, "downgrade")
    left = MetaData()
    left.reflect(old.db.engine)
    assert left.tables.keys() == OF_0_1 | ({"sqlite_sequence"} & left.tables.keys())


def test_creating_what_is_missing_does_too(old: StoreApp) -> None:
    conversation = old.store.conversations.create(["ann"])
    old.db.create_all()
    assert old.store.messages.send(conversation.id, "ann", "hello", "c1").is_new


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
