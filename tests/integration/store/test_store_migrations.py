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

OF_0_1 = {
    "realtime_conversation",
    "realtime_participant",
    "realtime_message",
    "realtime_read_receipt",
    "realtime_notification",
}

MIGRATIONS = ("docs/how-to/sending.md", "docs/how-to/critical-notifications.md")


@pytest.fixture
def old(database_url: str) -> Iterator[StoreApp]:
    """A store on the tables of version 0.1."""
    with new_store_app(database_url) as made:
        newer = [table for name, table in made.db.metadata.tables.items() if name not in OF_0_1]
        made.db.metadata.drop_all(made.db.engine, tables=newer)
        yield made


def migrate(app: StoreApp, step: str) -> list[Any]:
    """Run a step of the migrations that the documentation has, and return what differs from the models then."""
    with app.db.engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            for page in MIGRATIONS:
                (code,) = [block for block in blocks(page, "python") if "alembic" in block]
                migration: dict[str, Any] = {}
                exec(compile(code, page, "exec"), migration)  # noqa: S102 - it is the documentation's own
                migration[step]()
        return list(compare_metadata(context, app.db.metadata))


def test_the_documented_migrations_make_the_tables_as_the_models_have_them(old: StoreApp) -> None:
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
