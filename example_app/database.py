"""The database: settings of each connection, tables and initial rows."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import Connection, event, insert, inspect, select, text

from example_app.demo import insert_demo_messages
from example_app.extensions import db
from example_app.models import HealthCheck, User, models
from example_app.passwords import hash_password
from flask_realtime.store import utc_now

# The first is an administrator.
DEMO_USERS = ("alice", "bob", "carol")
DEMO_PASSWORD = "demo"  # noqa: S105 - the example's users are anybody's
DEMO_CONVERSATION = "Everybody"

# Any number that no other program locks in the same database.
SETUP_LOCK = 3_141_592_653

SQLITE_PRAGMAS = (
    # First, since changing the journal mode has to wait for other processes too.
    "PRAGMA busy_timeout = 5000",
    # Readers do not wait for a writer.
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    # SQLite ignores ON DELETE without it.
    "PRAGMA foreign_keys = ON",
)


def prepare_database(app: Flask) -> None:
    """Create tables that are missing, the row that health checks write to, and the demo users when the database is new.

    All in one transaction that one process at a time can hold, so that workers may start together.
    """
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _set_pragmas)
        try:
            with db.engine.begin() as connection:
                _lock_out_others(connection)
                is_new = not inspect(connection).has_table(User.__tablename__)
                db.metadata.create_all(connection)
                _require_current_tables(connection)
                if is_new:
                    _insert_demo_rows(connection, with_messages=app.config["DEMO_MESSAGES"])
                if connection.scalar(select(HealthCheck.id)) is None:
                    connection.execute(insert(HealthCheck).values(id=1, checked_at=utc_now()))
        finally:
            # Forked workers would inherit open connections, and two processes would use one.
            db.engine.dispose()


def _require_current_tables(connection: Connection) -> None:
    """Refuse to start on tables of an earlier version, to which `create_all` adds no columns."""
    inspector = inspect(connection)
    for table in db.metadata.sorted_tables:
        missing = set(table.columns.keys()) - {column["name"] for column in inspector.get_columns(table.name)}
        if missing:
            msg = (
                f"The table {table.name} has no column {min(missing)}: an earlier version made the database. Migrate it as "
                "docs/how-to/migrating.md says, or start with a new one."
            )
            raise RuntimeError(msg)


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _lock_out_others(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SETUP_LOCK})


def _insert_demo_rows(connection: Connection, *, with_messages: bool) -> None:
    """Insert the demo users and one conversation of all of them."""
    password_hash = hash_password(DEMO_PASSWORD)
    user_ids = [_insert_demo_user(connection, username, password_hash) for username in DEMO_USERS]
    conversation = {"title": DEMO_CONVERSATION, "participant_count": len(user_ids), "active_at": utc_now()}
    created = insert(models.conversation).values(conversation).returning(models.conversation.id)
    conversation_id = connection.execute(created).scalar_one()
    roles = ["owner", *["member"] * (len(user_ids) - 1)]
    rows = [
        {"conversation_id": conversation_id, "user_id": user_id, "role": role}
        for user_id, role in zip(user_ids, roles, strict=True)
    ]
    connection.execute(insert(models.participant), rows)
    if with_messages:
        insert_demo_messages(connection, conversation_id, user_ids)


def _insert_demo_user(connection: Connection, username: str, password_hash: str) -> str:
    user = {
        "username": username,
        "password_hash": password_hash,
        "is_administrator": username == DEMO_USERS[0],
    }
    return str(connection.execute(insert(User).values(user).returning(User.id)).scalar_one())
