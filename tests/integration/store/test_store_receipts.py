"""Receipts by cursor: how far each participant has got, and what is unread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select

from flask_realtime.store import DeliveryResult, MessageReceipts, ReadResult, Store, utc_now
from tests.integration.example_support import StoreApp, new_store_app

ROUNDS = 4


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


@pytest.fixture
def store(chat: StoreApp) -> Store:
    return chat.store


@pytest.fixture
def conversation(store: Store) -> str:
    return store.conversations.create(["ann", "ben", "cat"]).id


def write(store: Store, conversation: str, *senders: str) -> list[str]:
    """Write a message of each sender, and return the ids."""
    return [store.messages.add(conversation, sender, "hello").id for sender in senders]


def statuses(store: Store, conversation: str, viewer: str = "ann") -> list[str | None]:
    return [message.status for message in store.messages.page(conversation, viewer).messages]


def read(store: Store, conversation: str, viewer: str) -> list[bool]:
    return [message.is_read for message in store.messages.page(conversation, viewer).messages]


def unread(store: Store, user: str) -> int:
    """How many messages are unread, as both ways of asking say."""
    count = store.messages.unread_count(user)
    counts = {one.id: one.unread_count for one in store.conversations.of_user(user) if one.unread_count}
    assert (store.receipts.unread_counts(user), sum(counts.values())) == (counts, count)
    return count


def counted(chat: StoreApp, user: str) -> int:
    """How many messages are unread, counted one by one."""
    message, participant = chat.models.message, chat.models.participant
    query = select(func.count()).select_from(message).join(participant, participant.conversation_id == message.conversation_id)
    others = (
        participant.user_id == user,
        message.sender_id != user,
        message.seq > participant.read_seq,
        message.deleted_at.is_(None),
    )
    return chat.db.session.execute(query.where(*others)).scalar_one()


def test_whoever_reads_a_message_has_read_all_before_it(store: Store, conversation: str) -> None:
    first, second, own, third, fourth = write(store, conversation, "ann", "ann", "ben", "cat", "ann")
    result = store.messages.mark_read(conversation, "ben", [third, own])
    assert result == ReadResult((third,), (first, second, third), third, 4, 3, 1)
    assert read(store, conversation, "ben") == [True, True, False, True, False]
    again = store.messages.mark_read(conversation, "ben", [second, fourth, first])
    assert (again.read_ids, again.newly_read_ids, again.unread_count) == ((second, fourth, first), (fourth,), 0)
    assert read(store, conversation, "ben") == [True, True, False, True, True]


def test_cursors_only_move_forward(store: Store, conversation: str) -> None:
    ids = write(store, conversation, *["ann"] * 4)
    store.receipts.mark_read(conversation, "ben", up_to=ids[2])
    for back in ({"up_to": ids[0]}, {"up_to": ids[2]}, {"message_ids": ids[:2]}):
        result = store.receipts.mark_read(conversation, "ben", **back)
        assert (result.newly_read_ids, result.up_to, result.unread_count) == ((), None, None)
        delivered = store.receipts.mark_delivered(conversation, "ben", **back)
        assert (delivered.newly_delivered_ids, delivered.up_to) == ((), None)
    assert (unread(store, "ben"), read(store, conversation, "ben")) == (1, [True, True, True, False])


def test_everything_up_to_a_message_is_read_even_if_that_was_deleted(store: Store, conversation: str) -> None:
    ids = write(store, conversation, "ann", "ann", "ann", "ben", "ann")
    store.messages.delete(conversation, ids[2])
    assert store.receipts.mark_read(conversation, "ben", up_to=ids[2]).newly_read_ids == (ids[0], ids[1])
    past_the_end = store.receipts.mark_read(conversation, "ben", up_to=str(2**63 - 1))
    assert (past_the_end.read_ids, past_the_end.up_to, past_the_end.unread_count) == ((ids[4],), ids[4], 0)


@pytest.mark.parametrize("unknown", ["", "x", "0", "-1", "01", str(2**63), "9" * 300])
def test_what_is_no_id_moves_nothing(store: Store, conversation: str, unknown: str) -> None:
    (message,) = write(store, conversation, "ann")
    for call in (store.receipts.mark_read, store.receipts.mark_delivered):
        for result in (
            call(conversation, "ben", up_to=unknown),
            call(unknown, "ben", up_to=message),
            call(unknown, "ben", [message]),
        ):
            assert result in (ReadResult((), ()), DeliveryResult((), ()))
    assert store.receipts.of_message(unknown, message) is None
    assert store.receipts.of_message(conversation, unknown) is None
    assert unread(store, "ben") == 1


def test_only_participants_have_cursors(store: Store, conversation: str) -> None:
    (message,) = write(store, conversation, "ann")
    assert store.receipts.mark_read(conversation, "eve", up_to=message) == ReadResult((), ())
    assert store.receipts.mark_delivered(conversation, "eve", [message]) == DeliveryResult((), ())
    assert statuses(store, conversation) == ["sent"]


def test_a_message_is_sent_then_delivered_to_all_others_then_read_by_all_others(store: Store, conversation: str) -> None:
    first, second = write(store, conversation, "ann", "ann")
    assert statuses(store, conversation) == ["sent", "sent"]
    assert store.receipts.mark_delivered(conversation, "ben", up_to=second) == DeliveryResult(
        (first, second), (first, second), second, 2, 3
    )
    assert statuses(store, conversation) == ["sent", "sent"]
    store.receipts.mark_delivered(conversation, "cat", [first])
    assert statuses(store, conversation) == ["delivered", "sent"]
    store.receipts.mark_read(conversation, "cat", [second])
    assert statuses(store, conversation) == ["delivered", "delivered"], "what was read is delivered"
    store.receipts.mark_read(conversation, "ben", [first])
    assert [statuses(store, conversation, viewer) for viewer in ("ann", "ben", "eve")] == [["read", "delivered"]] * 3
    assert read(store, conversation, "ann") == [True, True], "another user has read it"


def test_a_message_to_oneself_is_sent(store: Store) -> None:
    conversation = store.conversations.create(["ann"]).id
    write(store, conversation, "ann")
    assert (statuses(store, conversation), read(store, conversation, "ann"), unread(store, "ann")) == (["sent"], [False], 0)


def test_receipts_name_the_others_and_when_they_got_there(store: Store, conversation: str) -> None:
    before = utc_now()
    first, second = write(store, conversation, "ann", "ann")
    assert store.receipts.of_message(conversation, first) == MessageReceipts((), ())
    store.receipts.mark_delivered(conversation, "cat", [first])
    between = utc_now()
    store.receipts.mark_read(conversation, "ben", [second])
    found = store.receipts.of_message(conversation, first)
    assert found is not None
    assert ([item.user_id for item in found.delivered], [item.user_id for item in found.read]) == (["cat", "ben"], ["ben"])
    assert before <= found.delivered[0].at <= between <= found.delivered[1].at == found.read[0].at <= utc_now()
    later = store.receipts.of_message(conversation, second)
    assert later is not None
    assert [item.user_id for item in later.delivered] == ["ben"]
    store.receipts.mark_read(conversation, "ann", [second])
    assert store.receipts.of_message(conversation, second) == later, "the sender is none of them"


def test_the_times_are_those_of_the_last_move(store: Store, conversation: str) -> None:
    first, second = write(store, conversation, "ann", "ann")
    store.receipts.mark_read(conversation, "ben", [first])
    early = store.receipts.of_message(conversation, first)
    store.receipts.mark_read(conversation, "ben", [first])
    assert store.receipts.of_message(conversation, first) == early
    store.receipts.mark_read(conversation, "ben", [second])
    late = store.receipts.of_message(conversation, first)
    assert early is not None
    assert late is not None
    assert late.read[0].at > early.read[0].at


def test_own_and_deleted_messages_are_not_unread(chat: StoreApp, store: Store, conversation: str) -> None:
    ids = write(store, conversation, "ann", "ben", "ann", "cat", "ben", "ann")
    assert [unread(store, user) for user in ("ann", "ben", "cat")] == [3, 4, 5]
    store.messages.delete(conversation, ids[0])
    store.messages.delete(conversation, ids[1])
    assert [unread(store, user) for user in ("ann", "ben", "cat")] == [2, 3, 3]
    assert store.receipts.mark_read(conversation, "ben", [ids[2]]).unread_count == 2
    store.messages.delete(conversation, ids[2])
    assert [unread(store, user) for user in ("ann", "ben", "cat")] == [2, 2, 2]
    assert [counted(chat, user) for user in ("ann", "ben", "cat")] == [2, 2, 2]


def test_each_conversation_has_its_own_count(store: Store, conversation: str) -> None:
    other, empty = store.conversations.create(["ann", "ben"]).id, store.conversations.create(["ben"]).id
    ids = write(store, conversation, "ann", "ann", "ann")
    write(store, other, "ben", "ann", "ben")
    store.receipts.mark_read(conversation, "ben", up_to=ids[0])
    counts = {user: [one.unread_count for one in store.conversations.of_user(user)] for user in ("ann", "ben", "cat")}
    assert counts == {"ann": [2, 0], "ben": [0, 1, 2], "cat": [3]}
    assert [one.id for one in store.conversations.of_user("ben")] == [empty, other, conversation]
    assert store.messages.unread_count("ben") == 3


def test_counts_are_right_whatever_happens(chat: StoreApp, store: Store, conversation: str) -> None:
    random, users = Random(7), ["ann", "ben", "cat"]
    ids: list[str] = []
    for _ in range(150):
        user, known = random.choice(users), random.choice(ids) if ids else "1"
        match random.randrange(6):
            case 0:
                store.messages.delete(conversation, known)
            case 1:
                store.receipts.mark_delivered(conversation, user, up_to=known)
            case 2:
                store.receipts.mark_read(conversation, user, [known])
            case _:
                ids += write(store, conversation, user)
        assert [unread(store, each) for each in users] == [counted(chat, each) for each in users]


def test_counts_are_right_however_many_change_them_at_once(chat: StoreApp, store: Store, conversation: str) -> None:
    for _ in range(ROUNDS):
        ids = write(store, conversation, *["ann", "ben"] * 4)
        reads = [partial(store.receipts.mark_read, conversation, "cat", up_to=message) for message in ids[1:4]]
        writes = [partial(store.messages.add, conversation, user, "hello") for user in ("cat", "ann")]
        deletes = [partial(store.messages.delete, conversation, message) for message in (ids[0], ids[3], ids[6])]
        chat.in_threads(*reads, *writes, *deletes)
        chat.db.session.rollback()
        assert [unread(store, user) for user in ("ann", "ben", "cat")] == [counted(chat, user) for user in ("ann", "ben", "cat")]


def test_each_message_is_newly_read_once_on_several_devices(chat: StoreApp, store: Store, conversation: str) -> None:
    for _ in range(ROUNDS):
        ids = write(store, conversation, *["ann"] * 10)
        results: list[Any] = chat.in_threads(
            *(partial(store.receipts.mark_read, conversation, "ben", up_to=message) for message in ids[2:]),
        )
        assert sorted((each for result in results for each in result.newly_read_ids), key=int) == ids
    assert unread(store, "ben") == 0


def test_a_deletion_that_nothing_counted_is_made_good_at_the_end(chat: StoreApp, store: Store, conversation: str) -> None:
    ids = write(store, conversation, "ann", "ann", "ann")
    chat.db.session.delete(chat.db.session.get_one(chat.models.message, int(ids[0])))
    chat.db.session.commit()
    assert unread(store, "ben") == 3
    assert store.receipts.mark_read(conversation, "ben", [ids[2]]).unread_count == 0
    write(store, conversation, "ann")
    assert unread(store, "ben") == 1


def test_of_very_many_newly_read_messages_the_newest_are_named(store: Store, conversation: str) -> None:
    ids = write(store, conversation, *["ann"] * 510)
    result = store.receipts.mark_read(conversation, "ben", up_to=ids[504])
    assert (result.newly_read_ids, result.unread_count, unread(store, "ben")) == (tuple(ids[5:505]), 5, 5)
    assert store.receipts.mark_delivered(conversation, "cat", up_to=ids[-1]).newly_delivered_ids == tuple(ids[10:])
