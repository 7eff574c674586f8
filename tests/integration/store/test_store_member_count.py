"""The number of a conversation's members, whoever deletes their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, event, func, select, text

from flask_realtime import Realtime
from flask_realtime.store import MemberCount, Store, define_models
from tests.integration.conftest import KEY
from tests.integration.example_support import enforce_foreign_keys, in_threads

USERS = [f"user{number}" for number in range(12)]
LARGE = [f"crowd{number}" for number in range(150)]


class Club:
    """An application with a table of users, on which the participants depend; ann owns conversations 1 and 2, of all users each."""

    def __init__(self, database_url: str) -> None:
        self.app = Flask(__name__)
        self.app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=database_url, REALTIME_ASYNC_MODE="threading")
        JWTManager(self.app)
        self.db = SQLAlchemy(self.app)
        self.users = self.db.Table("users", self.db.Column("id", self.db.String(128), primary_key=True))
        self.models = define_models(self.db, user_key="users.id")
        self.store = Store(self.db, self.models)
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(self.app)

    def fill(self) -> None:
        """Make the tables, the users and the conversations."""
        if self.db.engine.dialect.name == "sqlite":
            event.listen(self.db.engine, "connect", enforce_foreign_keys)
        self.db.create_all()
        self.db.session.execute(self.users.insert(), [{"id": user} for user in ("ann", *USERS, *LARGE)])
        self.db.session.commit()
        for people in (USERS, [*USERS, *LARGE]):
            self.store.conversations.create(["ann", *people])

    def delete_user(self, user: str) -> None:
        """Delete a user's row, as an application does that knows nothing of conversations."""
        self.db.session.execute(self.users.delete().where(self.users.c.id == user))
        self.db.session.commit()

    def counts(self) -> list[int]:
        """How many members each conversation has, as its participants see it, which must be as many as there are."""
        participant, counts = self.models.participant, []
        for conversation in "12":
            self.db.session.rollback()
            record = self.store.conversations.get(conversation, "ann")
            assert record is not None
            there = select(func.count()).where(participant.conversation_id == int(conversation))
            assert record.participant_count == self.db.session.scalar(there)
            counts.append(record.participant_count)
        return counts

    def at_once(self, *calls: Callable[[], Any]) -> None:
        """Make the calls in threads."""
        self.db.session.rollback()
        in_threads(self.app, self.db, *calls)


@pytest.fixture
def club(database_url: str) -> Iterator[Club]:
    made = Club(database_url)
    with made.app.app_context():
        made.fill()
        yield made
        made.db.session.remove()
        made.db.engine.dispose()


def test_a_user_whose_row_is_deleted_is_counted_no_more(club: Club) -> None:
    assert club.counts() == [13, 163]
    club.delete_user(USERS[0])
    club.delete_user(LARGE[0])
    assert club.counts() == [12, 161]
    result = club.store.receipts.mark_read("2", "ann", up_to=club.store.messages.add("2", USERS[1], "hello").id)
    assert result.participants == 161


def test_members_who_come_and_go_are_counted_beside_it(club: Club) -> None:
    members = club.store.conversations.members
    club.delete_user(USERS[0])
    members.remove("1", USERS[1], by="ann")
    members.remove("2", USERS[1], by=USERS[1])
    members.add("1", LARGE[:2], by="ann")
    assert club.counts() == [13, 161]


def test_rows_that_are_deleted_by_many_are_all_counted(club: Club) -> None:
    gone = club.models.participant
    club.db.session.execute(delete(gone).where(gone.user_id.in_([*USERS[:3], *LARGE[:50]])))
    club.db.session.commit()
    assert club.counts() == [10, 110]
    club.db.session.execute(text("DELETE FROM realtime_conversation WHERE id = 2"))
    club.db.session.execute(text("DELETE FROM users WHERE id LIKE 'crowd%'"))
    club.db.session.commit()
    there = club.store.conversations.get("1", "ann")
    assert (there and there.participant_count, club.store.conversations.get("2", "ann")) == (10, None)


def test_what_is_rolled_back_is_counted_again(club: Club) -> None:
    club.db.session.execute(club.users.delete().where(club.users.c.id == USERS[0]))
    club.db.session.rollback()
    assert club.counts() == [13, 163]


def test_many_who_are_deleted_removed_and_added_at_once_are_counted_once_each(club: Club) -> None:
    members = club.store.conversations.members
    deleted = [partial(club.delete_user, user) for user in USERS[:6]]
    removed = [partial(members.remove, place, user, by="ann") for place in "12" for user in USERS[6:9]]
    added = [partial(members.add, "1", LARGE[place : place + 2], by="ann") for place in (0, 2, 4)]
    club.at_once(*deleted, *removed, *added)
    assert club.counts() == [13 - 6 - 3 + 6, 163 - 6 - 3]


def test_a_database_without_the_trigger_counts_what_the_store_does_and_is_healed_by_it(club: Club) -> None:
    count = MemberCount("realtime_conversation", "realtime_participant")
    with club.db.engine.begin() as connection:
        count.drop(connection)
    club.store.conversations.members.remove("1", USERS[0], by="ann")
    assert club.counts() == [12, 163]
    club.delete_user(USERS[1])
    with club.db.engine.begin() as connection:
        for _ in range(2):
            count.create(connection)
    assert club.counts() == [11, 162]
    club.delete_user(USERS[2])
    assert club.counts() == [10, 161]


def test_the_trigger_goes_with_the_tables(club: Club) -> None:
    club.db.session.remove()
    club.db.drop_all()
    names = {"sqlite": "SELECT name FROM sqlite_master", "postgresql": "SELECT proname FROM pg_proc"}
    with club.db.engine.connect() as connection:
        found = connection.scalars(text(names[connection.dialect.name])).all()
    assert "realtime_participant_deleted" not in found
    club.fill()
    club.delete_user(USERS[0])
    assert club.counts() == [12, 162]
