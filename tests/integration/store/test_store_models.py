"""The store's models: names, types, foreign keys, and an application's own in their place."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Index, Integer, MetaData, String, UniqueConstraint, event, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_realtime.store import (
    ConversationMixin,
    IntegerUserId,
    MessageMixin,
    Models,
    NotificationMixin,
    ParticipantMixin,
    ReadReceiptMixin,
    Store,
    UtcDateTime,
    define_models,
    parse_id,
    parse_row_id,
    utc_now,
)
from tests.integration.example_support import StoreApp, enforce_foreign_keys, new_store_app

NAMES = {
    "realtime_conversation": {
        "pk_realtime_conversation",
        "ix_realtime_conversation_direct_key",
    },
    "realtime_participant": {
        "fk_realtime_participant_conversation_id_realtime_conversation",
        "pk_realtime_participant",
        "uq_realtime_participant_conversation_id_user_id",
        "ix_realtime_participant_conversation_id_delivered_seq",
        "ix_realtime_participant_conversation_id_id",
        "ix_realtime_participant_conversation_id_read_seq",
        "ix_realtime_participant_user_id_conversation_id",
    },
    "realtime_message": {
        "fk_realtime_message_conversation_id_realtime_conversation",
        "pk_realtime_message",
        "ix_realtime_message_conversation_id_id_sender_id",
        "ix_realtime_message_conversation_id_seq",
        "ix_realtime_message_outside_threads",
        "ix_realtime_message_deleted",
        "ix_realtime_message_sender_id_conversation_id_seq",
        "ix_realtime_message_thread_id_id",
    },
    "realtime_mention": {
        "fk_realtime_mention_conversation_id_realtime_conversation",
        "fk_realtime_mention_message_id_realtime_message",
        "pk_realtime_mention",
        "uq_realtime_mention_message_id_user_id",
        "ix_realtime_mention_conversation_id_user_id_seq_sender_id",
        "ix_realtime_mention_sender_id",
        "ix_realtime_mention_user_id",
    },
    "realtime_reaction": {
        "fk_realtime_reaction_message_id_realtime_message",
        "pk_realtime_reaction",
        "uq_realtime_reaction_message_id_emoji_user_id",
        "ix_realtime_reaction_message_id_emoji_id",
        "ix_realtime_reaction_user_id",
    },
    "realtime_reaction_count": {
        "fk_realtime_reaction_count_message_id_realtime_message",
        "pk_realtime_reaction_count",
        "uq_realtime_reaction_count_message_id_emoji",
    },
    "realtime_pin": {
        "fk_realtime_pin_conversation_id_realtime_conversation",
        "fk_realtime_pin_message_id_realtime_message",
        "pk_realtime_pin",
        "uq_realtime_pin_conversation_id_message_id",
        "ix_realtime_pin_message_id",
        "ix_realtime_pin_user_id",
    },
    "realtime_read_receipt": {
        "pk_realtime_read_receipt",
        "fk_realtime_read_receipt_message_id_realtime_message",
        "uq_realtime_read_receipt_message_id_user_id",
        "ix_realtime_read_receipt_user_id",
    },
    "realtime_message_send": {
        "pk_realtime_message_send",
        "fk_realtime_message_send_conversation_id_realtime_conversation",
        "uq_realtime_message_send_conversation_id_sender_id_client_id",
        "ix_realtime_message_send_sender_id",
        "ix_realtime_message_send_created_at",
    },
    "realtime_notification": {
        "pk_realtime_notification",
        "ix_realtime_notification_user_id_id",
        "ix_realtime_notification_unread",
        "ix_realtime_notification_about",
    },
    "realtime_job": {
        "pk_realtime_job",
        "uq_realtime_job_kind_key",
        "ix_realtime_job_user_id_kind",
        "ix_realtime_job_due",
        "ix_realtime_job_dead",
    },
    "realtime_user_presence": {
        "pk_realtime_user_presence",
        "uq_realtime_user_presence_user_id",
        "ix_realtime_user_presence_exceptions",
    },
    "realtime_push_subscription": {
        "pk_realtime_push_subscription",
        "uq_realtime_push_subscription_endpoint",
        "ix_realtime_push_subscription_user_id_id",
    },
}
WITH_LOG = NAMES | {
    "realtime_log": {
        "pk_realtime_log",
        "uq_realtime_log_position",
        "ix_realtime_log_room_position",
        "ix_realtime_log_unplaced",
        "ix_realtime_log_undelivered",
        "ix_realtime_log_about",
    },
}
LONGEST_NAME_ON_POSTGRESQL = 63
CONVENTION = {
    "pk": "app_pk_%(table_name)s",
    "fk": "app_fk_%(table_name)s_%(column_0_name)s",
    "uq": "app_uq_%(table_name)s_%(column_0_name)s",
    "ix": "app_ix_%(column_0_label)s",
    "ck": "app_ck_%(table_name)s_%(constraint_name)s",
}


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url, read_receipts=True) as made:
        yield made


def names(metadata: MetaData) -> dict[str, set[Any]]:
    """The names of each table's constraints and indexes."""
    return {
        table.name: {item.name for item in table.constraints} | {index.name for index in table.indexes}
        for table in metadata.tables.values()
    }


@pytest.mark.parametrize("metadata", [None, MetaData(naming_convention=CONVENTION)], ids=["plain", "convention"])
def test_every_constraint_and_index_has_a_fixed_name(metadata: MetaData | None) -> None:
    db = SQLAlchemy(metadata=metadata)
    define_models(db, read_receipts=True, log=True)
    assert names(db.metadata) == WITH_LOG


def test_there_is_no_log_unless_it_is_asked_for() -> None:
    db = SQLAlchemy()
    assert define_models(db, read_receipts=True).log_entry is None
    assert names(db.metadata) == NAMES


def test_names_in_the_database_are_those_of_the_models(chat: StoreApp) -> None:
    reflected = MetaData()
    reflected.reflect(chat.db.engine)
    found = names(reflected)
    for table, expected in NAMES.items():
        # SQLite cannot name the key of a table that counts by itself.
        assert found[table] - {None, f"pk_{table}"} == expected - {f"pk_{table}"}


def test_every_foreign_key_has_an_index() -> None:
    db = SQLAlchemy()
    define_models(db, user_key="users.id", read_receipts=True)
    for table in db.metadata.tables.values():
        unique = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
        found_quickly = {next(iter(item.columns)).name for item in unique} | {
            next(iter(item.columns)).name for item in table.indexes
        }
        assert {key.parent.name for key in table.foreign_keys} <= found_quickly


def test_texts_have_their_lengths_in_the_database() -> None:
    db = SQLAlchemy()
    define_models(db, log=True)
    columns = [column for table in db.metadata.tables.values() for column in table.columns]
    lengths = {(column.name, length) for column in columns if (length := getattr(column.type, "length", None)) is not None}
    assert lengths == {
        ("user_id", 128),
        ("sender_id", 128),
        ("client_id", 128),
        ("title", 200),
        ("type", 64),
        ("link", 2048),
        ("kind", 64),
        ("kind", 16),
        ("type", 16),
        ("role", 16),
        ("direct_key", 257),
        ("emoji", 64),
        ("key", 128),
        ("claim", 32),
        ("endpoint", 1024),
        ("p256dh", 128),
        ("auth", 128),
        ("event", 128),
        ("room", 141),
        ("about", 64),
        ("state", 16),
        ("text", 100),
    }


def test_users_have_the_type_that_is_asked_for() -> None:
    db = SQLAlchemy()
    define_models(db, user_key="users.id", user_id_type=IntegerUserId(), read_receipts=True)
    users = [column for table in db.metadata.tables.values() for column in table.columns if column.name in {"user_id", "sender_id"}]
    assert len(users) == 12
    assert all(isinstance(column.type, IntegerUserId) for column in users)
    assert [(column.table.name, column.name) for column in users if column.nullable] == [("realtime_mention", "user_id")]


def test_names_fit_postgresql() -> None:
    db = SQLAlchemy()
    define_models(db, user_key="users.id", read_receipts=True)
    found = set().union(*names(db.metadata).values())
    assert "fk_realtime_read_receipt_user_id_users" in found
    assert max(len(name) for name in found) <= LONGEST_NAME_ON_POSTGRESQL


def test_times_come_back_aware(chat: StoreApp) -> None:
    before = utc_now()
    conversation = chat.store.conversations.create(["ann"])
    stored = chat.db.session.scalars(select(chat.models.conversation.created_at)).one()
    assert stored == conversation.created_at
    assert stored.utcoffset() == timedelta(0)
    assert before <= stored <= utc_now()


def test_times_of_other_zones_are_converted(chat: StoreApp) -> None:
    model = chat.models.conversation
    row = model()
    row.created_at = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    chat.db.session.add(row)
    chat.db.session.commit()
    stored = chat.db.session.scalars(select(model.created_at)).one()
    assert stored.isoformat() == "2025-12-31T23:00:00+00:00"
    later = model.created_at > datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert chat.db.session.scalars(select(model.id).where(later)).all() == []


def test_a_time_that_there_is_not_comes_back_as_none(chat: StoreApp) -> None:
    assert chat.db.session.scalar(select(func.max(chat.models.conversation.created_at))) is None


def test_a_time_that_comes_back_in_another_zone_is_converted() -> None:
    # PostgreSQL gives it in the zone of its session.
    given = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert str(UtcDateTime().process_result_value(given, DefaultDialect())) == "2025-12-31 23:00:00+00:00"


def test_a_time_keeps_its_time_zone_where_the_database_has_one() -> None:
    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy does not type it.
    assert UtcDateTime().compile(dialect) == "TIMESTAMP WITH TIME ZONE"


def test_naive_times_are_refused(chat: StoreApp) -> None:
    row = chat.models.conversation()
    row.created_at = datetime(2026, 1, 1)  # noqa: DTZ001 - a naive time is what this is about
    chat.db.session.add(row)
    with pytest.raises(StatementError, match="time zone"):
        chat.db.session.commit()
    chat.db.session.rollback()


def test_a_user_takes_part_once(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann", "ben", "ann"])
    assert conversation.participant_ids == ("ann", "ben")
    row = chat.models.participant()
    row.conversation_id, row.user_id = int(conversation.id), "ann"
    chat.db.session.add(row)
    with pytest.raises(IntegrityError):
        chat.db.session.commit()
    chat.db.session.rollback()


def test_what_belongs_to_a_conversation_goes_with_it(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann", "ben"])
    message = chat.store.messages.add(conversation.id, "ann", "hello")
    chat.store.messages.mark_read(conversation.id, "ben", [message.id])
    chat.db.session.delete(chat.db.session.get_one(chat.models.conversation, int(conversation.id)))
    chat.db.session.commit()
    assert chat.models.read_receipt is not None
    models: list[Any] = [chat.models.participant, chat.models.message, chat.models.read_receipt]
    for model in models:
        assert chat.db.session.scalar(select(func.count()).select_from(model)) == 0


def test_ids_are_not_given_out_again(chat: StoreApp) -> None:
    conversation_id = chat.store.conversations.create(["ann"]).id
    first = chat.store.messages.add(conversation_id, "ann", "one")
    chat.store.messages.delete(conversation_id, first.id)
    assert int(chat.store.messages.add(conversation_id, "ann", "two").id) > int(first.id)


@pytest.mark.parametrize(("text", "number"), [("1", 1), (7, 7), (str(2**63 - 1), 2**63 - 1)])
def test_ids_are_decimal_numbers(text: object, number: int) -> None:
    assert parse_row_id(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "07", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "x", "\u0667", "²", str(2**63), "9" * 5000, None, True]
)
def test_everything_else_is_no_id(text: object) -> None:
    assert parse_row_id(text) is None


def test_parsing_of_ids_keeps_its_first_name() -> None:
    assert parse_id is parse_row_id


class Base(DeclarativeBase):
    """The base of the application's own models."""


own_db = SQLAlchemy(model_class=Base)


class Person(Base):
    """The application's own users table."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class Room(ConversationMixin, Base):
    """A conversation with a column more."""

    __tablename__ = "room"
    colour: Mapped[str] = mapped_column(String(10), default="grey")


class Member(ParticipantMixin, Base):
    """A participant who is a person."""

    __tablename__ = "member"
    conversation_key = "room.id"
    user_key = "person.id"
    user_id: Mapped[str] = mapped_column(IntegerUserId())


class Post(MessageMixin, Base):
    """A message with an index more."""

    __tablename__ = "post"
    conversation_key = "room.id"
    user_key = "person.id"
    sender_id: Mapped[str] = mapped_column(IntegerUserId())

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        return (*super().constraints(), Index("ix_post_created_at", "created_at"))


class Seen(ReadReceiptMixin, Base):
    """A receipt of a person."""

    __tablename__ = "seen"
    message_key = "post.id"
    user_key = "person.id"
    user_id: Mapped[str] = mapped_column(IntegerUserId())


class Notice(NotificationMixin, Base):
    """A notification to a person."""

    __tablename__ = "notice"
    user_key = "person.id"
    user_id: Mapped[str] = mapped_column(IntegerUserId())


own_store = Store(own_db, Models(Room, Member, Post, Seen, Notice))


@pytest.fixture
def own_models(database_url: str) -> Iterator[None]:
    """An application with models of its own and the persons 1 and 2; its application context is open."""
    app = Flask("own_models")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    own_db.init_app(app)
    with app.app_context():
        if own_db.engine.dialect.name == "sqlite":
            event.listen(own_db.engine, "connect", enforce_foreign_keys)
        own_db.create_all()
        own_db.session.add_all([Person(id=1), Person(id=2)])
        own_db.session.commit()
        yield
        own_db.session.remove()
        own_db.engine.dispose()


@pytest.mark.usefixtures("own_models")
def test_store_works_on_models_of_the_application() -> None:
    room = own_store.conversations.create(["1", "2"], "Lunch")
    post = own_store.messages.add(room.id, "1", "hello")
    assert own_store.messages.mark_read(room.id, "2", [post.id]).newly_read_ids == (post.id,)
    assert own_store.messages.page(room.id, "1").messages[0].is_read
    assert own_store.conversations.of_user("2") == [replace(room, last_seq=1)]
    assert own_db.session.scalars(select(Room.colour)).one() == "grey"
    assert "ix_post_created_at" in names(own_db.metadata)["post"]


@pytest.mark.usefixtures("own_models")
def test_rows_of_a_user_go_with_the_user() -> None:
    room = own_store.conversations.create(["1", "2"])
    posts = [own_store.messages.add(room.id, user_id, "hello") for user_id in ("1", "2")]
    own_store.messages.mark_read(room.id, "2", [posts[0].id])
    own_store.notifications.add("2", "note", "Title", "Text")
    own_db.session.delete(own_db.session.get_one(Person, 2))
    own_db.session.commit()
    assert [post.id for post in own_store.messages.page(room.id, "1").messages] == [posts[0].id]
    assert not own_store.messages.page(room.id, "1").messages[0].is_read
    assert not own_store.conversations.has_participant(room.id, "2")
    assert own_store.notifications.of_user("2") == []


@pytest.mark.usefixtures("own_models")
@pytest.mark.parametrize("user_id", ["99", "ann", "", "01", str(2**63)])
def test_user_id_that_the_table_cannot_hold_is_unknown(user_id: str) -> None:
    room = own_store.conversations.create(["1"])
    assert not own_store.conversations.has_participant(room.id, user_id)
    assert own_store.conversations.of_user(user_id) == []
    assert own_store.messages.unread_count(user_id) == 0
    assert own_store.notifications.of_user(user_id) == []
