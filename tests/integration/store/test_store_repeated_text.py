"""The text of a message where the database repeats it: in the log and in notifications it is as history shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import Text, cast, event, insert, select

from flask_realtime import Identity
from flask_realtime.features.messages.sending import MessageEdit, MessageReference, NewMessage
from flask_realtime.features.notifications.store import DELETED_MESSAGE
from flask_realtime.store import MessageRecord, NotificationRecord, utc_now
from flask_realtime.testing import run_due_jobs
from tests.integration.everyone_support import OWNER, EveryoneApp
from tests.integration.example_support import full_scans, instructions, on_sqlite, recorded
from tests.integration.store.test_store_log import LogApp, log_app, on_postgresql
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import wait_until

SECRET, OTHER = "the secret word", "another word"
ROWS = 20_000


@pytest.fixture
def chat(database_url: str) -> Iterator[LogApp]:
    with log_app(database_url) as made:
        yield made


def send(chat: LogApp, sender: str, content: str, *mentions: str, conversation_id: str = "1") -> str:
    """Send a message as a client does, and return its id."""
    sent = NewMessage(conversation_id, token_hex(8), content, mentions=mentions)
    return str(chat.store.messages._send_for(Identity(sender, {}), sent).message["id"])


def edit(chat: LogApp, sender: str, message_id: str, content: str) -> None:
    chat.store.messages.edit_for(sender, MessageEdit("1", message_id, content), None)


def delete(chat: LogApp, user_id: str, message_id: str, conversation_id: str = "1") -> None:
    chat.store.messages.delete_for(user_id, MessageReference(conversation_id, message_id), as_moderator=False)


def holding(chat: LogApp, words: str) -> list[str]:
    """The tables of which a row has some words anywhere."""
    chat.db.session.rollback()
    found = []
    for name, table in sorted(chat.db.metadata.tables.items()):
        rows = chat.db.session.execute(select(*(cast(column, Text) for column in table.columns)))
        if any(words in str(value) for row in rows for value in row):
            found.append(name)
    return found


def missed(chat: LogApp, user_id: str, cursor: str = "log-0") -> list[tuple[str, Any]]:
    answer: Any = chat.store.log.sync(user_id, cursor, 500)
    return [(item["event"], item["args"][0]) for item in answer["events"]]


def tell_everywhere(chat: LogApp, message_id: str) -> None:
    """Have the message repeated by whatever repeats messages."""
    edit(chat, "ann", message_id, f"edited: {SECRET}")
    edit(chat, "ann", message_id, f"edited again: {SECRET}")
    chat.store.conversations.rename("1", "Title", by="ann")
    chat.store.conversations.pins.add("1", message_id, by="ann")
    chat.store.conversations.mute("1", "ben", muted=True)
    chat.store.conversations.members.add("1", ["cat"])


def test_no_row_of_the_database_has_the_text_of_a_deleted_message(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    tell_everywhere(chat, message_id)
    assert len(holding(chat, SECRET)) == 3, "the message, its notification and the log"
    delete(chat, "ann", message_id)
    assert holding(chat, SECRET) == []


def test_who_syncs_gets_the_tombstone_in_the_form_of_the_message_and_then_its_deletion(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    before = dict(missed(chat, "ann"))["message:new"]
    edit(chat, "ann", message_id, f"edited: {SECRET}")
    delete(chat, "ann", message_id)
    shown = chat.store.messages.as_json(chat.store.messages.page("1", "ben").messages)[0]
    assert (shown["content"], shown["deletedAt"] is None) == ("", False)
    told = missed(chat, "ann")
    assert [name for name, _ in told] == ["message:new", "message:updated", "message:deleted"]
    assert told[0][1] == {**before, **{name: shown[name] for name in ("content", "editedAt", "deletedAt", "mentions")}}
    assert list(told[0][1]) == list(before)
    assert {**told[1][1], "isRead": shown["isRead"]} == shown


def test_a_mention_of_a_deleted_message_says_so_and_no_more(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    (before,) = chat.store.notifications.of_user("ben")
    own = chat.store.notifications.add("ben", "kind", "Title", "Text")
    delete(chat, "ann", message_id)
    after = chat.store.notifications.of_user("ben")
    assert after == [own, NotificationRecord(**{**vars(before), "message": DELETED_MESSAGE})]
    (told, _) = [payload for name, payload in missed(chat, "ben") if name == "notification:new"]
    assert (told["id"], told["message"], told["data"]["messageId"]) == (before.id, DELETED_MESSAGE, message_id)


def test_an_edited_message_is_repeated_as_it_is_now(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    tell_everywhere(chat, message_id)
    edit(chat, "ann", message_id, OTHER)
    assert holding(chat, SECRET) == []
    assert [one.message for one in chat.store.notifications.of_user("ben")] == [OTHER]
    contents = [payload["content"] for name, payload in missed(chat, "ann") if name.startswith("message:")]
    assert contents == [OTHER] * 4
    (shown,) = [payload["lastMessage"] for name, payload in missed(chat, "cat") if name == "conversation:new"]
    assert (shown["content"], shown["isRead"]) == (OTHER, True), "new members have read everything"


def test_other_messages_and_what_repeats_them_stay_as_they_are(chat: LogApp) -> None:
    kept = [send(chat, "ann", f"{OTHER} {number}", "ben") for number in range(11)]
    message_id = send(chat, "ann", SECRET)
    chat.store.conversations.rename("1", "Title", by="ann")
    before = missed(chat, "ben")
    delete(chat, "ann", message_id)
    for (name, old), (_, new) in zip(before, missed(chat, "ben"), strict=False):
        about = old.get("lastMessage") or old
        assert (old == new) == (about["id"] != message_id or name == "notification:new")
    assert [one.message for one in chat.store.notifications.of_user("ben")] == [f"{OTHER} {number}" for number in range(10, -1, -1)]
    assert [one.id for one in chat.store.messages.page("1", "ann").messages] == [*kept, message_id]


def test_it_is_repeated_in_the_applications_own_form(database_url: str) -> None:
    def form(message: MessageRecord) -> Any:
        return f"{message.id} {message.content} {message.is_read}" if message.deleted_at is None else f"{message.id} gone"

    def note(notification: NotificationRecord) -> Any:
        return [notification.id, notification.message]

    with log_app(database_url, message_json=form, notification_json=note) as chat:
        message = chat.store.messages.add("1", "ann", SECRET)
        chat.store.notifications.add_mentions(["ben"], SECRET, None, f"message:{message.id}")
        edit(chat, "ann", message.id, OTHER)
        chat.store.conversations.rename("1", "Title", by="ann")
        assert [payload for _, payload in missed(chat, "ben")][:3] == [
            f"{message.id} {OTHER} False",
            ["1", OTHER],
            f"{message.id} {OTHER} False",
        ]
        delete(chat, "ann", message.id)
        told = [payload for _, payload in missed(chat, "ben")]
        assert told[:3] == [f"{message.id} gone", ["1", DELETED_MESSAGE], f"{message.id} gone"]
        assert told[3]["lastMessage"] == f"{message.id} gone"


def test_a_deletion_that_fails_leaves_everything_as_it_was(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")

    def refuse(_session: object) -> None:
        raise TimeoutError

    event.listen(chat.db.session, "before_commit", refuse)
    try:
        with pytest.raises(TimeoutError):
            chat.store.messages.delete("1", message_id)
    finally:
        event.remove(chat.db.session, "before_commit", refuse)
    assert len(holding(chat, SECRET)) == 3


def test_a_message_whose_log_is_deleted_already_is_deleted(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    chat.note(1)
    chat.now()
    chat.age(timedelta(days=8))
    chat.outbox.trim(utc_now() - timedelta(days=7))
    delete(chat, "ann", message_id)
    assert holding(chat, SECRET) == []


def test_of_everyone_all_notifications_are_changed_and_nobody_is_notified_later(database_url: str) -> None:
    chat: Any = EveryoneApp(database_url)
    with chat.app.app_context():
        chat.fill()
        sent = NewMessage("1", "c1", SECRET, mentions=("*",))
        message_id = chat.store.messages._send_for(Identity(OWNER, {}), sent).message["id"]
        assert len(holding(chat, SECRET)) == 3
        chat.store.messages.delete("1", message_id)
        assert run_due_jobs(chat.app) == 1
        assert holding(chat, SECRET) == []
        chat.db.session.remove()
        chat.db.engine.dispose()


@on_postgresql
@pytest.mark.parametrize("way", ["rename", "mute", "members", "everyone"])
def test_what_is_repeated_at_the_same_moment_is_deleted_too(chat: LogApp, postgresql_server: PostgresqlServer, way: str) -> None:
    """Whoever repeats the text has not committed yet when the deletion begins."""
    message_id = send(chat, "ann", SECRET, "ben")
    conversations = chat.store.conversations
    ways: dict[str, Callable[[], Any]] = {
        "rename": lambda: conversations._rename("1", "Title", "ann"),
        "mute": lambda: conversations._mute("1", "ben", muted=True),
        "members": lambda: conversations.members._tell_new(
            "1", conversations.members._insert(conversations._rows.lock("1", None), ["cat"]), None
        ),
        "everyone": lambda: chat.store.messages.notify_more(message_id, {"up_to": 0, "last": 10**6}),
    }
    ways[way]()

    def deletion() -> None:
        with chat.app.app_context():
            chat.store.messages.delete("1", message_id)

    with ThreadPoolExecutor() as pool:
        deleting = pool.submit(deletion)
        wait_until(lambda: postgresql_server.waiting() == 1)
        chat.db.session.commit()
        deleting.result(timeout=30)
    assert holding(chat, SECRET) == []


def test_a_deletion_finds_what_repeats_the_message_in_indexes(chat: LogApp) -> None:
    message_id = send(chat, "ann", SECRET, "ben")
    tell_everywhere(chat, message_id)
    with recorded(chat.app) as statements:
        delete(chat, "ann", message_id)
    assert [item.sql.split()[1] for item in statements if "realtime_log" in item.sql and item.sql.startswith("UPDATE")] == [
        "realtime_log"
    ]
    assert full_scans(chat.app, [item for item in statements if "pg_advisory" not in item.sql]) == []


@on_sqlite
def test_a_deletion_takes_no_longer_the_more_the_log_holds(chat: LogApp) -> None:
    small, large = (send(chat, "ann", SECRET, "ben") for _ in range(2))
    delete(chat, "ann", send(chat, "ann", SECRET, "ben"))
    taken = instructions(chat.db.session, lambda: delete(chat, "ann", small))
    fill(chat)
    assert instructions(chat.db.session, lambda: delete(chat, "ann", large)) <= taken * 1.25


def fill(chat: LogApp) -> None:
    """Log events of the conversation, and notify ben, very often."""
    shared, about = {"created_at": utc_now()}, [{"about": f"message:{number}"} for number in range(1000, 1000 + ROWS)]
    logged = {**shared, "event": "message:new", "arguments": "[{}]", "room": "conversation:1"}
    chat.db.session.execute(insert(chat.entry), [{**logged, **one} for one in about])
    mention = {**shared, "type": "mention", "title": "", "message": "", "data": None, "user_id": "ben"}
    chat.db.session.execute(insert(chat.models.notification), [{**mention, **one} for one in about])
    chat.db.session.commit()
