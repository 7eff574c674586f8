"""What the store does, called as an application calls it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import null, select

from flask_realtime import Identity, Realtime
from flask_realtime.errors import NotFound
from flask_realtime.store import Store
from flask_realtime.testing import RealtimeTestClient
from tests.integration.example_support import StoreApp, new_store_app

IMPOSSIBLE_IDS = ["", "x", "0", "-1", "01", "99", str(2**63), "9" * 300]


@pytest.fixture
def chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        yield made


@pytest.fixture
def store(chat: StoreApp) -> Store:
    return chat.store


def test_conversations_of_a_user_are_newest_first(store: Store) -> None:
    first = store.conversations.create(["ann", "ben"], "first")
    second = store.conversations.create(["ben", "cat"])
    assert store.conversations.of_user("ann") == [first]
    assert store.conversations.of_user("ben") == [second, first]
    assert store.conversations.of_user("dan") == []


def test_participants_are_listed_however_much_is_unread(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben"])
    for _ in range(3):
        store.messages.add(conversation.id, "ben", "hello")
    (listed,) = store.conversations.of_user("ann")
    assert (listed.id, listed.participant_ids, listed.unread_count) == (conversation.id, ("ann", "ben"), 3)


def test_participation(store: Store) -> None:
    conversation = store.conversations.create(["ann"])
    assert store.conversations.exists(conversation.id)
    assert store.conversations.has_participant(conversation.id, "ann")
    assert not store.conversations.has_participant(conversation.id, "ben")


@pytest.mark.parametrize("unknown", IMPOSSIBLE_IDS)
def test_impossible_ids_are_unknown(store: Store, unknown: str) -> None:
    conversation = store.conversations.create(["ann"])
    message = store.messages.add(conversation.id, "ann", "hello")
    assert not store.conversations.exists(unknown)
    assert not store.conversations.has_participant(unknown, "ann")
    assert store.messages.page(unknown, "ann").messages == ()
    assert store.messages.get(conversation.id, unknown, "ann") is None
    assert store.messages.mark_read(conversation.id, "ben", [unknown]).read_ids == ()
    assert store.messages.mark_read(unknown, "ben", [message.id]).read_ids == ()
    assert not store.messages.delete(conversation.id, unknown)
    assert not store.messages.delete(unknown, message.id)
    assert not store.notifications.mark_read("ann", unknown)
    with pytest.raises(NotFound):
        store.messages.add(unknown, "ann", "hello")


@pytest.mark.parametrize("before", [None, str(2**63 - 1)])
def test_page_of_everything(store: Store, before: str | None) -> None:
    conversation = store.conversations.create(["ann"])
    messages = tuple(store.messages.add(conversation.id, "ann", str(number)) for number in range(3))
    page = store.messages.page(conversation.id, "ann", before=before)
    assert (page.messages, page.next_before) == (messages, None)


@pytest.mark.parametrize("before", ["x", str(2**63), "0"])
def test_nothing_is_older_than_what_is_no_id(store: Store, before: str) -> None:
    conversation = store.conversations.create(["ann"])
    store.messages.add(conversation.id, "ann", "hello")
    assert store.messages.page(conversation.id, "ann", before=before).messages == ()


def test_pages_hold_every_message_once(store: Store) -> None:
    conversation, other = store.conversations.create(["ann"]), store.conversations.create(["ann"])
    ids = []
    for number in range(7):
        ids.append(store.messages.add(conversation.id, "ann", str(number)).id)
        store.messages.add(other.id, "ann", "elsewhere")
    seen: list[str] = []
    before: str | None = None
    while not seen or before is not None:
        page = store.messages.page(conversation.id, "ann", before=before, limit=3)
        seen = [message.id for message in page.messages] + seen
        before = page.next_before
    assert seen == ids


def test_reading_nothing_is_no_error(store: Store) -> None:
    conversation = store.conversations.create(["ann"])
    assert store.messages.mark_read(conversation.id, "ann", []).read_ids == ()


def test_many_messages_are_read_at_once(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben"])
    ids = tuple(store.messages.add(conversation.id, "ann", str(number)).id for number in range(600))
    assert store.messages.mark_read(conversation.id, "ben", ids).newly_read_ids == ids
    assert store.messages.unread_count("ben") == 0


def test_is_read_depends_on_the_viewer(store: Store) -> None:
    conversation = store.conversations.create(["ann", "ben", "cat"])
    message = store.messages.add(conversation.id, "ann", "hello")
    store.messages.mark_read(conversation.id, "ben", [message.id])

    def is_read(viewer_id: str) -> bool:
        (seen,) = store.messages.page(conversation.id, viewer_id).messages
        assert store.messages.get(conversation.id, message.id, viewer_id) == seen
        return seen.is_read

    assert (is_read("ann"), is_read("ben"), is_read("cat")) == (True, True, False)


def test_unread_count_is_of_ones_own_conversations(store: Store) -> None:
    mine, others = store.conversations.create(["ann", "ben"]), store.conversations.create(["ben", "cat"])
    message = store.messages.add(mine.id, "ben", "one")
    store.messages.add(mine.id, "ann", "two")
    store.messages.add(others.id, "ben", "three")
    assert store.messages.unread_count("ann") == 1
    store.messages.delete(mine.id, message.id)
    assert store.messages.unread_count("ann") == 0


def test_notifications(store: Store) -> None:
    first = store.notifications.add("ann", "order", "Shipped", "It is on its way", link="/orders/7", data={"a": [1]})
    second = store.notifications.add("ann", "note", "Title", "Text")
    store.notifications.add("ben", "note", "Title", "Text")
    assert store.notifications.of_user("ann") == [second, first]
    assert store.notifications.of_user("ann", limit=1) == [second]
    assert store.notifications.of_user("ann", before=second.id) == [first]
    assert store.notifications.of_user("ann", before="x") == []
    assert store.notifications.unread_count("ann") == 2


def test_a_message_is_deleted_once(store: Store) -> None:
    conversation = store.conversations.create(["ann"])
    message = store.messages.add(conversation.id, "ann", "hello")
    assert [store.messages.delete(conversation.id, message.id) for _ in range(2)] == [True, False]


def test_a_notification_is_read_by_its_user_alone_and_keeps_the_time(chat: StoreApp) -> None:
    notifications = chat.store.notifications
    first, second = (notifications.add("ann", "note", "Title", text) for text in ("one", "two"))
    notifications.add("ben", "note", "Title", "Text")
    assert not notifications.mark_read("ben", first.id)
    assert notifications.unread_count("ann") == 2
    assert notifications.mark_read("ann", first.id)
    assert [item.is_read for item in notifications.of_user("ann")] == [False, True]
    read_at = chat.db.session.scalar(select(chat.models.notification.read_at).where(chat.models.notification.id == int(first.id)))
    assert read_at is not None
    notifications.mark_all_read("ann")
    assert notifications.mark_read("ann", first.id)
    again = chat.db.session.scalar(select(chat.models.notification.read_at).where(chat.models.notification.id == int(first.id)))
    assert (again, notifications.unread_count("ann"), notifications.unread_count("ben")) == (read_at, 0, 1)
    assert [item.id for item in notifications.of_user("ann")] == [second.id, first.id]
    assert [item.is_read for item in notifications.of_user("ben")] == [False]


def test_what_clients_send_reaches_the_store(chat: StoreApp) -> None:
    realtime, store = Realtime(), chat.store
    store.register(realtime)
    realtime.authenticate(lambda auth, _environ: Identity(auth["user"]))
    chat.app.config["REALTIME_ASYNC_MODE"] = "threading"
    realtime.init_app(chat.app)
    conversation = store.conversations.create(["ann"])
    first, _second = (store.notifications.add("ann", "note", "Title", text) for text in ("one", "two"))
    other = store.notifications.add("ben", "note", "Title", "Text")
    with RealtimeTestClient(chat.app, auth={"user": "ann"}) as ann, RealtimeTestClient(chat.app, auth={"user": "ben"}) as ben:
        assert ann.call("join:conversation", conversation.id) == {"ok": True}
        assert ben.call("join:conversation", conversation.id)["error"]["code"] == "forbidden"
        for unknown in (other.id, "99"):
            assert ann.call("notification:read", unknown)["error"]["code"] == "not_found"
        assert ann.call("notification:read", first.id) == {"ok": True}
        chat.db.session.rollback()
        assert store.notifications.unread_count("ann") == 1
        assert ann.call("notifications:read-all") == {"ok": True}
        chat.db.session.rollback()
        assert (store.notifications.unread_count("ann"), store.notifications.unread_count("ben")) == (0, 1)


def test_a_list_has_fifty_notifications_where_nobody_says(store: Store) -> None:
    added = [store.notifications.add("ann", "note", "Title", str(number)) for number in range(51)]
    assert store.notifications.of_user("ann") == added[:0:-1]


def test_a_notification_without_data_has_none_in_the_database(chat: StoreApp) -> None:
    chat.store.notifications.add("ann", "note", "Title", "Text")
    model = chat.models.notification
    assert chat.db.session.scalars(select(model.id).where(model.data.is_(null()))).all() == [1]


def test_notification_is_read_by_its_owner_only(store: Store) -> None:
    notification = store.notifications.add("ann", "note", "Title", "Text")
    assert not store.notifications.mark_read("ben", notification.id)
    assert store.notifications.unread_count("ann") == 1
    assert store.notifications.mark_read("ann", notification.id)
    assert store.notifications.mark_read("ann", notification.id)
    assert store.notifications.unread_count("ann") == 0
    assert store.notifications.of_user("ann")[0].is_read


def test_first_reading_of_a_notification_counts(chat: StoreApp) -> None:
    notification = chat.store.notifications.add("ann", "note", "Title", "Text")

    def read_at() -> Any:
        chat.db.session.expire_all()
        return chat.db.session.get_one(chat.models.notification, int(notification.id)).read_at

    chat.store.notifications.mark_read("ann", notification.id)
    first = read_at()
    chat.store.notifications.mark_read("ann", notification.id)
    chat.store.notifications.mark_all_read("ann")
    assert read_at() == first


def test_all_notifications_are_read(store: Store) -> None:
    for user_id in ("ann", "ann", "ben"):
        store.notifications.add(user_id, "note", "Title", "Text")
    store.notifications.mark_all_read("ann")
    assert (store.notifications.unread_count("ann"), store.notifications.unread_count("ben")) == (0, 1)


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.conversations.create(["ann"]),
        lambda store: store.messages.add("1", "ann", "more"),
        lambda store: store.messages.send("1", "ann", "more", "c1"),
        lambda store: [store.messages.send("1", "ann", "more", "c1") for _ in range(2)],
        lambda store: store.messages.mark_read("1", "ben", ["1"]),
        lambda store: store.messages.delete("1", "1"),
        lambda store: store.notifications.add("ann", "note", "Title", "Text"),
        lambda store: store.notifications.mark_read("ann", "1"),
        lambda store: store.notifications.mark_all_read("ann"),
    ],
)
def test_what_writes_commits(chat: StoreApp, write: Callable[[Store], object]) -> None:
    conversation = chat.store.conversations.create(["ann", "ben"])
    chat.store.messages.add(conversation.id, "ann", "hello")
    chat.store.notifications.add("ann", "note", "Title", "Text")
    write(chat.store)
    assert not chat.db.session().in_transaction()


def test_what_fails_is_rolled_back(chat: StoreApp) -> None:
    with pytest.raises(NotFound):
        chat.store.messages.add("99", "ann", "hello")
    assert not chat.db.session().in_transaction()
    assert chat.store.conversations.create(["ann"]).id


def test_registering_twice_is_refused_by_the_extension(store: Store) -> None:
    realtime = Realtime()
    store.register(realtime)
    with pytest.raises(RuntimeError, match="authorize_join"):
        store.register(realtime)
