"""Two devices, or two users, at once."""

from collections.abc import Iterator
from functools import partial

import pytest

from flask_realtime.errors import NotFound
from flask_realtime.store import ReadResult
from tests.integration.example_support import StoreApp, new_store_app

DEVICES = 8
ROUNDS = 5


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


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


def test_a_message_is_deleted_once(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann"])
    for _ in range(ROUNDS):
        message = chat.store.messages.add(conversation.id, "ann", "hello")
        delete = partial(chat.store.messages.delete, conversation.id, message.id)
        assert sorted(chat.in_threads(*[delete] * DEVICES)) == [False] * (DEVICES - 1) + [True]


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


def test_writing_while_the_conversation_goes_succeeds_or_finds_it_gone(chat: StoreApp) -> None:
    for _ in range(ROUNDS):
        conversation = chat.store.conversations.create(["ann"])

        def write(conversation_id: str = conversation.id) -> bool:
            try:
                chat.store.messages.add(conversation_id, "ann", "hello")
            except NotFound:
                return False
            return True

        def delete(number: int = int(conversation.id)) -> bool:
            chat.db.session.delete(chat.db.session.get_one(chat.models.conversation, number))
            chat.db.session.commit()
            return True

        *_, deleted = chat.in_threads(write, write, delete)
        assert deleted
        assert chat.store.messages.page(conversation.id, "ann").messages == ()


def test_writers_do_not_lose_messages(chat: StoreApp) -> None:
    conversation = chat.store.conversations.create(["ann"])
    write = partial(chat.store.messages.add, conversation.id, "ann", "hello")
    ids = {message.id for message in chat.in_threads(*[write] * DEVICES)}
    assert {message.id for message in chat.store.messages.page(conversation.id, "ann").messages} == ids
    assert len(ids) == DEVICES
