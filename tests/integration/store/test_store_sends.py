"""Messages that clients send: each is stored once, however often it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, insert, select, update

from flask_realtime.errors import ConfigError, NotFound
from flask_realtime.features.messages.models import MessageSendMixin
from flask_realtime.store import Models, SendResult, Store, define_models, utc_now
from tests.integration.example_support import StoreApp, new_store_app

SENDERS = 8
ROUNDS = 5


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


@pytest.fixture
def conversation(chat: StoreApp) -> str:
    return chat.store.conversations.create(["ann", "ben"]).id


def sends(chat: StoreApp) -> type[MessageSendMixin]:
    assert chat.models.message_send is not None
    return chat.models.message_send


def contents(chat: StoreApp, conversation: str) -> list[str]:
    return [message.content for message in chat.store.messages.page(conversation, "ann").messages]


def count(chat: StoreApp, model: Any) -> int:
    return chat.db.session.scalar(select(func.count()).select_from(model)) or 0


def age(chat: StoreApp, by: timedelta) -> None:
    """Make everything that was sent so far older."""
    chat.db.session.execute(update(sends(chat)).values(created_at=utc_now() - by))
    chat.db.session.commit()


def test_a_message_that_is_sent_again_is_the_same_message(chat: StoreApp, conversation: str) -> None:
    first = chat.store.messages.send(conversation, "ann", "hello", "c1")
    assert first.is_new
    assert chat.store.messages.get(conversation, first.message.id, "ann") == first.message
    again = [chat.store.messages.send(conversation, "ann", content, "c1") for content in ("hello", "something else")]
    assert again == [SendResult(first.message, is_new=False)] * 2
    assert contents(chat, conversation) == ["hello"]


def test_the_answer_stays_the_same_when_the_message_is_read(chat: StoreApp, conversation: str) -> None:
    first = chat.store.messages.send(conversation, "ann", "hello", "c1")
    chat.store.messages.mark_read(conversation, "ben", [first.message.id])
    assert chat.store.messages.send(conversation, "ann", "hello", "c1").message == first.message


def test_a_message_that_was_deleted_is_not_stored_again(chat: StoreApp, conversation: str) -> None:
    first = chat.store.messages.send(conversation, "ann", "hello", "c1")
    chat.store.messages.delete(conversation, first.message.id)
    assert chat.store.messages.send(conversation, "ann", "hello", "c1") == SendResult(first.message, is_new=False)
    assert contents(chat, conversation) == [""], "a tombstone"


def test_other_senders_conversations_and_ids_are_other_messages(chat: StoreApp, conversation: str) -> None:
    other = chat.store.conversations.create(["ann"]).id
    calls = [(conversation, "ann", "c1"), (conversation, "ben", "c1"), (other, "ann", "c1"), (conversation, "ann", "C1")]
    results = [chat.store.messages.send(where, who, "hello", client_id) for where, who, client_id in calls]
    assert all(result.is_new for result in results)
    assert len({result.message.id for result in results}) == 4


def test_the_longest_id_fits(chat: StoreApp, conversation: str) -> None:
    longest = "\U0001f642" * 128
    assert chat.store.messages.send(conversation, "ann", "hello", longest).is_new
    assert not chat.store.messages.send(conversation, "ann", "hello", longest).is_new


@pytest.mark.parametrize(("hours", "is_new"), [(23.9, False), (24.1, True), (30, True)])
def test_an_id_stands_for_its_message_for_a_day(chat: StoreApp, conversation: str, hours: float, is_new: bool) -> None:  # noqa: FBT001
    first = chat.store.messages.send(conversation, "ann", "hello", "c1")
    age(chat, timedelta(hours=hours))
    second = chat.store.messages.send(conversation, "ann", "hello", "c1")
    assert (second.is_new, second.message.id != first.message.id) == (is_new, is_new)
    assert not chat.store.messages.send(conversation, "ann", "hello", "c1").is_new
    assert count(chat, sends(chat)) == 1


def test_what_has_expired_is_deleted_a_little_with_each_new_message(chat: StoreApp, conversation: str) -> None:
    rows = [
        {"conversation_id": int(conversation), "sender_id": "ann", "client_id": f"old{number}", "message_id": number + 1}
        for number in range(25)
    ]
    chat.db.session.execute(insert(sends(chat)), rows)
    chat.db.session.commit()
    age(chat, timedelta(hours=25.1))
    left = []
    for number in range(4):
        chat.store.messages.send(conversation, "ann", "hello", f"new{number}")
        left.append(count(chat, sends(chat)) - number - 1)
    assert left == [15, 5, 0, 0]
    assert not chat.store.messages.send(conversation, "ann", "hello", "new0").is_new


@pytest.mark.parametrize("unknown", ["", "x", "99", str(2**63)])
def test_an_unknown_conversation_is_not_found(chat: StoreApp, unknown: str) -> None:
    with pytest.raises(NotFound):
        chat.store.messages.send(unknown, "ann", "hello", "c1")
    assert count(chat, sends(chat)) == 0


def test_what_was_sent_goes_with_the_conversation(chat: StoreApp, conversation: str) -> None:
    chat.store.messages.send(conversation, "ann", "hello", "c1")
    chat.db.session.delete(chat.db.session.get_one(chat.models.conversation, int(conversation)))
    chat.db.session.commit()
    assert count(chat, sends(chat)) == 0


def test_of_the_same_message_sent_at_once_one_is_stored(chat: StoreApp, conversation: str) -> None:
    for number in range(ROUNDS):
        send = partial(chat.store.messages.send, conversation, "ann", f"hello {number}", f"c{number}")
        results: list[SendResult] = chat.in_threads(*[send] * SENDERS)
        assert sorted(result.is_new for result in results) == [False] * (SENDERS - 1) + [True]
        assert len({result.message for result in results}) == 1
    assert contents(chat, conversation) == [f"hello {number}" for number in range(ROUNDS)]


def test_of_the_same_message_sent_at_once_after_a_day_one_is_stored(chat: StoreApp, conversation: str) -> None:
    chat.store.messages.send(conversation, "ann", "yesterday", "c1")
    for number in range(ROUNDS):
        age(chat, timedelta(hours=26))
        send = partial(chat.store.messages.send, conversation, "ann", f"{number}", "c1")
        other = partial(chat.store.messages.send, conversation, "ben", f"{number}", f"c{number}")
        results = chat.in_threads(*[send] * (SENDERS - 1), other)[:-1]
        assert sorted(result.is_new for result in results) == [False] * (SENDERS - 2) + [True]
        assert len({result.message for result in results}) == 1


def test_a_message_whose_transaction_failed_can_be_sent_again(chat: StoreApp, conversation: str) -> None:
    with pytest.raises(NotFound):
        chat.store.messages.send("99", "ann", "hello", "c1")
    chat.db.session.execute(insert(chat.models.participant).values(conversation_id=int(conversation), user_id="cat"))
    chat.db.session.rollback()
    assert chat.store.messages.send(conversation, "ann", "hello", "c1").is_new


def test_without_the_model_the_error_says_what_is_missing() -> None:
    db = SQLAlchemy()
    models = define_models(db)
    store = Store(db, Models(*(getattr(models, name) for name in list(Models.__dataclass_fields__)[:5])))
    with pytest.raises(ConfigError, match="pass message_send to Models"):
        store.messages.send("1", "ann", "hello", "c1")
