"""Read receipts in rows, as version 0.1 had them: each message is read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from secrets import token_hex
from typing import Any

import pytest
from flask_jwt_extended import JWTManager

from flask_realtime import Identity, Realtime
from flask_realtime.errors import BadRequest, ConfigError
from flask_realtime.features.messages.sending import NewMessage
from flask_realtime.store import ReadResult, Store
from tests.integration.conftest import KEY
from tests.integration.example_support import StoreApp, full_scans, new_store_app, on_sqlite, recorded

DEVICES = 8
ROUNDS = 3


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url, read_receipts=True) as made:
        yield made


@pytest.fixture
def store(chat: StoreApp) -> Store:
    return chat.store


def test_reading_tells_newly_read_from_read(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben"])
    ids = [store.messages.add(conversation.id, "ann", str(number)).id for number in range(3)]
    own = store.messages.add(conversation.id, "ben", "own").id

    first = store.messages.mark_read(conversation.id, "ben", [ids[1], own])
    second = store.messages.mark_read(conversation.id, "ben", [ids[2], ids[1], ids[0], ids[2]])

    assert (first.read_ids, first.newly_read_ids) == ((ids[1],), (ids[1],))
    assert (second.read_ids, second.newly_read_ids) == ((ids[2], ids[1], ids[0]), (ids[2], ids[0]))


def test_is_read_depends_on_the_viewer(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben", "cat"])
    ids = [store.messages.add(conversation.id, "ann", "hello").id for _ in range(2)]
    store.messages.mark_read(conversation.id, "ben", ids[1:])

    def read(viewer_id: str) -> list[bool]:
        return [message.is_read for message in store.messages.page(conversation.id, viewer_id).messages]

    assert (read("ann"), read("ben"), read("cat")) == ([False, True], [False, True], [False, False])


def test_unread_messages_are_those_without_a_row(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben"])
    ids = [store.messages.add(conversation.id, "ann", str(number)).id for number in range(3)]
    store.messages.add(conversation.id, "ben", "own")
    store.messages.mark_read(conversation.id, "ben", ids[2:])
    assert (store.messages.unread_count("ben"), store.conversations.of_user("ben")[0].unread_count) == (2, 2)
    store.messages.delete(conversation.id, ids[0])
    assert (store.receipts.unread_counts("ben"), store.receipts.unread_counts("ann")) == (
        {conversation.id: 1},
        {conversation.id: 1},
    )
    assert (store.receipts.unread_count("ben"), store.messages.unread_count("ann")) == (1, 1)


def test_mentions_in_messages_without_a_row_are_unread(chat: StoreApp) -> None:
    store = chat.store
    conversation, other = store.conversations.create(["ann", "ben", "cat"]).id, store.conversations.create(["ann", "ben"]).id
    realtime = Realtime()
    store.register(realtime)
    chat.app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading")
    JWTManager(chat.app)
    realtime.init_app(chat.app)

    def mention(place: str, *users: str) -> str:
        sent: Any = store.messages._send_for(Identity("ann"), NewMessage(place, token_hex(4), "look", mentions=users)).message
        return str(sent["id"])

    def counts() -> list[dict[str, int]]:
        return [dict(store.messages.mention_counts(user, [conversation, other])) for user in ("ann", "ben", "cat")]

    first, second, third = mention(conversation, "ben"), mention(conversation, "*", "ben"), mention(other, "*", "ann")
    assert counts() == [{}, {conversation: 2, other: 1}, {conversation: 1}]
    store.messages.mark_read(conversation, "ben", [second])
    assert counts() == [{}, {conversation: 1, other: 1}, {conversation: 1}]
    store.messages.delete(conversation, first)
    store.messages.mark_read(other, "ben", [third])
    assert counts() == [{}, {}, {conversation: 1}]


def test_each_message_is_newly_read_on_one_device(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann", "ben"])
    for _ in range(ROUNDS):
        ids = [chat.store.messages.add(conversation.id, "ann", str(number)).id for number in range(20)]
        orders = [ids if device % 2 else ids[::-1] for device in range(DEVICES)]
        results: list[ReadResult] = chat.in_threads(
            *(partial(chat.store.messages.mark_read, conversation.id, "ben", order) for order in orders)
        )
        assert all(set(result.read_ids) == set(ids) for result in results)
        newly_read = [message_id for result in results for message_id in result.newly_read_ids]
        assert sorted(newly_read, key=int) == ids
    assert chat.store.messages.unread_count("ben") == 0


def test_reading_a_message_while_it_is_deleted_is_no_error(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann", "ben", "cat"])
    for _ in range(ROUNDS):
        message = chat.store.messages.add(conversation.id, "ann", "hello")
        *_, deleted = chat.in_threads(
            partial(chat.store.messages.mark_read, conversation.id, "ben", [message.id]),
            partial(chat.store.messages.mark_read, conversation.id, "cat", [message.id]),
            partial(chat.store.messages.delete, conversation.id, message.id),
        )
        assert deleted
        assert chat.store.messages.mark_read(conversation.id, "ben", [message.id]).read_ids == ()


def test_rows_know_of_no_deliveries_and_of_single_messages_alone(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben"])
    message = store.messages.add(conversation.id, "ann", "hello")
    assert (message.seq, message.status) == (1, None)
    assert store.messages.get(conversation.id, message.id, "ann") == message
    with pytest.raises(BadRequest, match="name their ids"):
        store.receipts.mark_read(conversation.id, "ben", up_to=message.id)
    for call in (store.receipts.mark_delivered, store.receipts.of_message):
        with pytest.raises(ConfigError, match="without read_receipt for cursors"):
            call(conversation.id, message.id)


@on_sqlite
def test_counting_unread_messages_uses_indexes(chat: StoreApp) -> None:
    chat.store.messages.mark_read(chat.store.conversations.create(["ann"]).id, "ann", ["1"])
    with recorded(chat.app) as statements:
        chat.store.messages.unread_count("ann")
    assert full_scans(chat.app, statements) == []
    plan = chat.db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statements[0].sql}", statements[0].parameters)
    steps = [row.detail for row in plan if row.detail.startswith("SEARCH")]
    assert len(steps) == 3
    assert all(" INDEX " in step for step in steps), steps
