"""Numbers of messages: without gaps and in the order of the commits, however many write at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import select, update

from flask_realtime.errors import NotFound
from flask_realtime.store import MessageRecord
from tests.integration.example_support import StoreApp, new_store_app

WRITERS = 8
ROUNDS = 4


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


@pytest.fixture
def conversation(chat: StoreApp) -> str:
    return chat.store.conversations.create(["ann", "ben"]).id


def numbers(chat: StoreApp, conversation: str) -> list[int | None]:
    return [message.seq for message in chat.store.messages.page(conversation, "ann", limit=100).messages]


def test_each_conversation_counts_its_own_messages(chat: StoreApp, conversation: str) -> None:
    other = chat.store.conversations.create(["ann"]).id
    added = [chat.store.messages.add(where, "ann", "hello") for where in (conversation, other, conversation, conversation)]
    assert [message.seq for message in added] == [1, 1, 2, 3]
    assert chat.store.messages.get(conversation, added[2].id, "ann") == added[2]


def test_messages_of_several_writers_are_numbered_without_gaps_in_the_order_of_their_ids(chat: StoreApp, conversation: str) -> None:
    for number in range(ROUNDS):
        writes = [partial(chat.store.messages.add, conversation, f"user{writer}", "hello") for writer in range(WRITERS // 2)]
        sends = [partial(chat.store.messages.send, conversation, f"user{writer}", "hello", f"c{number}") for writer in range(4)]
        chat.in_threads(*writes, *sends)
    assert numbers(chat, conversation) == list(range(1, ROUNDS * WRITERS + 1))


def test_a_number_is_seen_only_after_those_before_it(chat: StoreApp, conversation: str) -> None:
    def write() -> None:
        for _ in range(ROUNDS):
            chat.store.messages.add(conversation, "ann", "hello")

    def watch() -> list[list[int | None]]:
        seen: list[list[int | None]] = []
        while not seen or len(seen[-1]) < (WRITERS - 1) * ROUNDS:
            seen.append(numbers(chat, conversation))
            chat.db.session.rollback()
        return seen

    *_, seen = chat.in_threads(*[write] * (WRITERS - 1), watch)
    assert all(found == list(range(1, len(found) + 1)) for found in seen)


def test_what_is_rolled_back_leaves_no_gap(chat: StoreApp, conversation: str) -> None:
    model = chat.models.conversation
    chat.store.messages.add(conversation, "ann", "hello")
    chat.db.session.execute(update(model).where(model.id == int(conversation)).values(last_seq=model.last_seq + 1))
    with pytest.raises(NotFound):
        chat.store.messages.add("99", "ann", "hello")
    assert chat.store.messages.add(conversation, "ann", "hello").seq == 2
    assert chat.db.session.scalar(select(model.last_seq).where(model.id == int(conversation))) == 2


def test_a_message_that_is_sent_again_keeps_its_number(chat: StoreApp, conversation: str) -> None:
    def send(client_id: str) -> MessageRecord:
        return chat.store.messages.send(conversation, "ann", "hello", client_id).message

    first = send("c1")
    assert [send("c1").seq, send("c2").seq, send("c1").seq] == [1, 2, 1]
    chat.store.messages.delete(conversation, first.id)
    assert (send("c1").seq, send("c3").seq, numbers(chat, conversation)) == (1, 3, [1, 2, 3])
