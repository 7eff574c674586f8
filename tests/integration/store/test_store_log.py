"""The log in the database: what is written, the order of the commits, pages for each user, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, event, func, insert, select, update
from sqlalchemy.orm import Session

from flask_realtime import Realtime
from flask_realtime.errors import BadRequest, ConfigError, NotFound, PayloadNotSerializable
from flask_realtime.features.log import store
from flask_realtime.features.log.hooks import OUTBOX
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.log.outbox import LogSelection, Outbox
from flask_realtime.store import Store, define_models, utc_now
from tests.integration.conftest import KEY
from tests.integration.example_support import create_tables, enforce_foreign_keys, full_scans, on_sqlite, recorded, shared_models
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import wait_until

WRITERS = 3
EACH = 20

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""For tests of transactions that write at the same time, which SQLite has not."""


class LogApp:
    """An application with a store and a log; its one conversation is of ann and ben."""

    def __init__(self, database_url: str, **register: Any) -> None:
        self.app = Flask("log_app")
        self.app.config.update(SQLALCHEMY_DATABASE_URI=database_url, JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading")
        JWTManager(self.app)
        self.db, self.models = shared_models(self.app, log=True)
        self.store = Store(self.db, self.models)
        self.realtime = Realtime()
        self.store.register(self.realtime, **register)
        self.realtime.init_app(self.app)

    @property
    def entry(self) -> type[LogEntryMixin]:
        assert self.models.log_entry is not None
        return self.models.log_entry

    @property
    def outbox(self) -> Outbox:
        """The table, as the relay has it."""
        (function,) = self.realtime._hooks.functions(OUTBOX)
        found: Outbox = function()
        return found

    def note(self, number: int, user_id: str = "ann") -> None:
        """Log an event for a user, and commit."""
        self.realtime.log("note", number, user_id=user_id)
        self.db.session.commit()

    def notes(self, user_id: str, cursor: str) -> list[Any]:
        """The numbers of the notes that a user has missed since a cursor."""
        answer: Any = self.store.log.sync(user_id, cursor, 500)
        return [item["args"][0] for item in answer["events"] if item["event"] == "note"]

    def now(self, user_id: str = "ann") -> str:
        """The present cursor."""
        return self.store.log.sync(user_id)["cursor"]

    def age(self, by: timedelta) -> None:
        """Make all that was logged older, and delivered."""
        self.db.session.execute(update(self.entry).values(created_at=utc_now() - by, delivered_at=utc_now()))
        self.db.session.commit()

    def count(self) -> int:
        return self.db.session.scalar(select(func.count()).select_from(self.entry)) or 0


@contextmanager
def log_app(database_url: str, **register: Any) -> Iterator[LogApp]:
    made = LogApp(database_url, **register)
    with made.app.app_context():
        if made.db.engine.dialect.name == "sqlite":
            event.listen(made.db.engine, "connect", enforce_foreign_keys)
        create_tables(made.db)
        made.store.conversations.create(["ann", "ben"])
        try:
            yield made
        finally:
            made.db.session.remove()
            made.db.engine.dispose()


@pytest.fixture
def chat(database_url: str) -> Iterator[LogApp]:
    with log_app(database_url) as made:
        yield made


def names(answer: Any) -> list[str]:
    return [item["event"] for item in answer["events"]]


def test_each_change_of_the_store_is_logged_with_it(chat: LogApp) -> None:
    start = chat.now()
    message = chat.store.messages.add("1", "ann", "hello")
    sent = chat.store.messages.send("1", "ann", "again", "c1")
    chat.store.messages.send("1", "ann", "again", "c1")
    for _ in range(2):
        chat.store.receipts.mark_delivered("1", "ben", up_to=message.id)
    chat.store.messages.mark_read("1", "ben", [message.id, sent.message.id])
    chat.store.messages.mark_read("1", "ben", [message.id])
    chat.store.receipts.mark_delivered("1", "ben", [sent.message.id])
    chat.store.messages.delete("1", message.id)
    chat.store.messages.delete("1", message.id)
    notification = chat.store.notifications.add("ann", "kind", "Title", "Text", data={"a": [1]})
    chat.store.notifications.mark_read("ann", notification.id)
    chat.store.notifications.mark_read("ann", "99")
    chat.store.notifications.mark_all_read("ann")
    answer: Any = chat.store.log.sync("ann", start)
    times = [item.pop("at") for item in answer["events"]]
    assert times == sorted(times)
    for item in answer["events"]:
        if item["event"] in {"message:new", "notification:new"}:
            assert item["args"][0].pop("createdAt").endswith("Z")
    text = {"id": message.id, "conversationId": "1", "seq": 1, "senderId": "ann", "sender": {"id": "ann"}, "clientId": None}
    text |= {"kind": "text", "content": "hello", "editedAt": None, "deletedAt": None, "isRead": False, "status": "sent"}
    text |= {"replyTo": None, "threadId": None, "thread": None, "mentions": [], "reactions": [], "attachments": []}
    note = {"id": notification.id, "type": "kind", "title": "Title", "message": "Text", "link": None, "data": {"a": [1]}}
    seen = {"conversationId": "1", "userId": "ben"}
    (gone,) = answer["events"][0]["args"]
    assert gone["deletedAt"].endswith("Z")
    assert answer["events"] == [
        {"event": "message:new", "args": [{**text, "content": "", "deletedAt": gone["deletedAt"]}]},
        {"event": "message:new", "args": [{**text, "id": sent.message.id, "clientId": "c1", "content": "again", "seq": 2}]},
        {"event": "messages:delivered", "args": [{**seen, "messageIds": [message.id], "upTo": message.id}]},
        {
            "event": "messages:read",
            "args": [{**seen, "messageIds": [message.id, sent.message.id], "upTo": sent.message.id}],
        },
        {"event": "message:deleted", "args": [{"conversationId": "1", "messageId": message.id}]},
        {"event": "notification:new", "args": [{**note, "isRead": False}]},
        {"event": "notification:read", "args": [notification.id]},
        {"event": "notifications:read-all", "args": []},
    ]
    assert names(chat.store.log.sync("ben", start)) == [
        "message:new",
        "message:new",
        "messages:delivered",
        "messages:read",
        "message:deleted",
    ]
    assert names(chat.store.log.sync("eve", start)) == []


def test_a_new_conversation_is_logged_for_each_participant_in_the_applications_form(database_url: str) -> None:
    with log_app(database_url, conversation_json=lambda record: [record.id, record.title, *record.participant_ids]) as chat:
        start = chat.now()
        event.listen(chat.db.session, "before_commit", refuse_to_commit)
        with pytest.raises(OSError, match="the disk is full"):
            chat.store.conversations.create(["ann", "ben"], "Lost")
        event.remove(chat.db.session, "before_commit", refuse_to_commit)
        created = chat.store.conversations.create(["ann", "eve"], "Kept")
        for user in ("ann", "eve"):
            answer: Any = chat.store.log.sync(user, start)
            assert [(item["event"], item["args"]) for item in answer["events"]] == [
                ("conversation:new", [[created.id, "Kept", "ann", "eve"]])
            ]
        assert names(chat.store.log.sync("ben", start)) == []


def refuse_to_commit(_session: object) -> None:
    msg = "the disk is full"
    raise OSError(msg)


def test_a_critical_notification_its_job_and_its_event_are_stored_together_or_not_at_all(chat: LogApp) -> None:
    job: Any = chat.models.job

    def jobs() -> int:
        return chat.db.session.scalar(select(func.count()).select_from(job)) or 0

    event.listen(chat.db.session, "before_commit", refuse_to_commit)
    with pytest.raises(OSError, match="the disk is full"):
        chat.store.notifications.add("ann", "kind", "Title", "Text", critical=True)
    event.remove(chat.db.session, "before_commit", refuse_to_commit)
    assert (chat.store.notifications.of_user("ann"), jobs(), chat.count()) == ([], 0, 0)
    notification = chat.store.notifications.add("ann", "kind", "Title", "Text", critical=True)
    assert (jobs(), chat.count()) == (1, 1)
    chat.store.notifications.mark_read("ann", notification.id)
    assert jobs() == 0
    assert names(chat.store.log.sync("ann", "log-0")) == ["notification:new", "notification:read"]


def test_what_fails_or_is_rolled_back_is_not_logged(chat: LogApp) -> None:
    with pytest.raises(NotFound):
        chat.store.messages.add("99", "ann", "hello")
    for number in range(50):
        chat.realtime.log("note", number, user_id="ann")
        chat.db.session.rollback()
    chat.realtime.log("note", 50, user_id="ann")
    with chat.db.session.begin_nested() as savepoint:
        chat.realtime.log("note", 51, user_id="ann")
        savepoint.rollback()
    chat.db.session.commit()
    assert chat.notes("ann", "log-0") == [50]
    assert chat.count() == 1


def test_whoever_may_see_an_event_gets_it(chat: LogApp) -> None:
    other = chat.store.conversations.create(["ben"]).id
    chat.realtime.log("note", 1, {"two": None}, user_id="ann")
    chat.realtime.log("note", 2, conversation_id=1)
    chat.realtime.log("note", 3, conversation_id=other)
    chat.realtime.log("note", 4, everyone=True)
    chat.realtime.log("note", 5, conversation_id="a room that is no row")
    chat.db.session.commit()
    assert {user: chat.notes(user, "log-0") for user in ("ann", "ben", "eve", "1", "")} == {
        "ann": [1, 2, 4],
        "ben": [2, 3, 4],
        "eve": [4],
        "1": [4],
        "": [4],
    }
    answer: Any = chat.store.log.sync("ann", "log-0")
    assert answer["events"][0]["args"] == [1, {"two": None}]


def test_pages_follow_each_other_without_a_gap_or_a_repetition(chat: LogApp) -> None:
    for number in range(23):
        chat.note(number, "ann" if number % 3 else "ben")
    cursor, found, more = "log-0", [], True
    while more:
        answer: Any = chat.store.log.sync("ann", cursor, 4)
        assert len(answer["events"]) == 4 if answer["more"] else len(answer["events"]) <= 4
        cursor, more = answer["cursor"], answer["more"]
        found += [item["args"][0] for item in answer["events"]]
    assert found == [number for number in range(23) if number % 3]
    assert cursor == chat.now()
    assert chat.store.log.sync("ann", cursor) == {"events": [], "cursor": cursor, "more": False}


def test_a_page_that_is_exactly_full_says_that_there_is_no_more(chat: LogApp) -> None:
    for number in range(4):
        chat.note(number)
    answer: Any = chat.store.log.sync("ann", "log-0", 4)
    assert (len(answer["events"]), answer["more"], answer["cursor"]) == (4, False, chat.now())


def test_a_page_ends_before_it_is_too_large_for_a_slow_client(chat: LogApp) -> None:
    large = "x" * 150_000
    for number in range(3):
        chat.realtime.log("note", number, large, user_id="ann")
    chat.db.session.commit()
    cursor, sizes = "log-0", []
    for _ in range(3):
        answer: Any = chat.store.log.sync("ann", cursor)
        cursor = answer["cursor"]
        sizes.append((len(answer["events"]), answer["more"]))
    assert sizes == [(2, True), (1, False), (0, False)]


@on_postgresql
def test_a_lower_number_that_commits_later_comes_later(chat: LogApp) -> None:
    with Session(chat.db.engine) as slow:
        row = {"event": "note", "arguments": "[1]", "room": "user:ann", "created_at": utc_now()}
        slow.execute(insert(chat.entry).values(row))
        chat.note(2)
        assert chat.notes("ann", "log-0") == [2]
        cursor = chat.now()
        slow.commit()
    assert chat.notes("ann", cursor) == [1]
    assert chat.notes("ann", "log-0") == [2, 1]


def test_a_reader_among_writers_gets_everything_once(chat: LogApp) -> None:
    def write(writer: int) -> None:
        with chat.app.app_context():
            for number in range(writer * EACH, writer * EACH + EACH):
                chat.realtime.log("note", number, user_id="ann")
                if number % 5 == 4:
                    chat.db.session.rollback()
                else:
                    chat.db.session.commit()

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, writer) for writer in range(WRITERS)]
        cursor, found = "log-0", list[int]()
        while True:
            was_over = all(future.done() for future in writing)
            answer: Any = chat.store.log.sync("ann", cursor, 7)
            cursor = answer["cursor"]
            found += [item["args"][0] for item in answer["events"]]
            if was_over and not answer["more"]:
                break
        for future in writing:
            future.result()
    assert sorted(found) == [number for number in range(WRITERS * EACH) if number % 5 != 4]
    for writer in range(WRITERS):
        own = [number for number in found if number // EACH == writer]
        assert own == sorted(own)


@on_postgresql
def test_positions_are_given_by_one_at_a_time(chat: LogApp, postgresql_server: PostgresqlServer) -> None:
    def ask() -> list[Any]:
        with chat.app.app_context():
            return chat.notes("ann", "log-0")

    table: Any = chat.outbox
    with Session(chat.db.engine) as slow, ThreadPoolExecutor(1) as pool:
        row = {"event": "note", "arguments": "[1]", "room": "user:ann", "created_at": utc_now()}
        slow.execute(insert(chat.entry).values(row))
        chat.note(2)
        table._place_some()
        slow.commit()
        asked = pool.submit(ask)
        wait_until(lambda: postgresql_server.waiting() == 1)
        chat.db.session.commit()
        assert asked.result() == [2, 1]


def test_positions_have_no_gaps_and_are_given_in_steps(chat: LogApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PLACED_AT_ONCE", 3)
    for number in range(8):
        chat.note(number)
    assert chat.notes("ann", "log-0") == list(range(8))
    positions = chat.db.session.scalars(select(chat.entry.position).order_by(chat.entry.id)).all()
    assert positions == list(range(1, 9))


def test_nothing_from_before_a_user_took_part_or_after_they_left_is_seen(chat: LogApp) -> None:
    participant = chat.models.participant
    chat.realtime.log("note", 1, conversation_id=1)
    chat.db.session.commit()
    chat.db.session.execute(insert(participant).values(conversation_id=1, user_id="cat", created_at=utc_now()))
    chat.realtime.log("note", 2, conversation_id=1)
    chat.db.session.commit()
    assert (chat.notes("ann", "log-0"), chat.notes("cat", "log-0")) == ([1, 2], [2])
    chat.db.session.execute(delete(participant).where(participant.user_id == "cat"))
    chat.db.session.commit()
    chat.realtime.log("note", 3, conversation_id=1)
    chat.db.session.commit()
    assert (chat.notes("ann", "log-0"), chat.notes("cat", "log-0")) == ([1, 2, 3], [])
    chat.db.session.execute(insert(participant).values(conversation_id=1, user_id="cat", created_at=utc_now()))
    chat.realtime.log("note", 4, conversation_id=1)
    chat.db.session.commit()
    assert chat.notes("cat", "log-0") == [4], "nothing from the time between either"


def test_old_events_are_deleted_in_small_steps_from_the_first_one_on(chat: LogApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TRIMMED_AT_ONCE", 4)
    for number in range(10):
        chat.note(number)
    cursors = [chat.store.log.sync("ann", "log-0", length)["cursor"] for length in (4, 7)]
    chat.age(timedelta(days=8))
    for number in range(10, 12):
        chat.note(number)
    chat.now()
    left = []
    while True:
        is_unfinished = chat.outbox.trim(utc_now() - timedelta(days=7))
        left.append(chat.count())
        if not is_unfinished:
            break
    assert left == [8, 4, 2]
    reset = {"reset": True, "cursor": chat.now()}
    assert [chat.store.log.sync("ann", cursor) for cursor in ["log-0", *cursors, "log-9"]] == [reset] * 4
    assert chat.notes("ann", "log-10") == [10, 11]
    assert chat.notes("ann", "log-11") == [11]


def test_the_last_event_stays_so_that_positions_go_on_from_it(chat: LogApp) -> None:
    for number in range(3):
        chat.note(number)
    cursor = chat.now()
    chat.age(timedelta(days=8))
    assert not chat.outbox.trim(utc_now())
    assert not chat.outbox.trim(utc_now())
    assert chat.count() == 1
    chat.note(3)
    assert chat.notes("ann", cursor) == [3]


def test_what_is_not_delivered_yet_is_kept(chat: LogApp) -> None:
    chat.note(1)
    chat.note(2)
    chat.now()
    assert not chat.outbox.trim(utc_now() + timedelta(days=1))
    assert chat.count() == 2


def test_operators_see_how_large_the_log_is_and_what_waits(chat: LogApp) -> None:
    assert chat.outbox.status() == (0, None, None, 0, None, 0)
    chat.note(1)
    chat.now()
    chat.age(timedelta(days=8))
    for number in (2, 3):
        chat.note(number)
    found = chat.outbox.status()
    assert (found.rows, found.undelivered, found.position) == (3, 2, 1)
    first, second, third = chat.outbox.tail(LogSelection(10))
    assert (found.oldest, found.waiting_since, found.newest) == (first.created_at, second.created_at, third.created_at)
    assert chat.outbox.count_before(utc_now()) == 1
    assert chat.outbox.count_before(utc_now() - timedelta(days=9)) == 0


def test_operators_see_what_was_written_last_for_whom(chat: LogApp) -> None:
    chat.realtime.log("notice", {"text": "hi"}, everyone=True)
    chat.realtime.log("note", 1, user_id="ann")
    chat.realtime.log("note", 2, conversation_id="1")
    chat.db.session.commit()

    def found(selection: LogSelection) -> list[tuple[str, str]]:
        return [(event.event, event.arguments) for event in chat.outbox.tail(selection)]

    assert found(LogSelection(2)) == [("note", "[1]"), ("note", "[2]")]
    assert found(LogSelection(5, "user:ann")) == [("note", "[1]")]
    assert found(LogSelection(5, "conversation:1")) == [("note", "[2]")]
    assert found(LogSelection(5, for_everyone=True)) == [("notice", '[{"text":"hi"}]')]
    chat.age(timedelta(0))
    chat.note(3)
    assert found(LogSelection(5, undelivered=True)) == [("note", "[3]")]
    assert [event.delivered_at is None for event in chat.outbox.tail(LogSelection(5))] == [False, False, False, True]


@pytest.mark.parametrize("position", [3, 2**63 - 1])
def test_a_cursor_of_another_log_is_answered_with_a_reset(chat: LogApp, position: int) -> None:
    chat.note(1)
    chat.note(2)
    assert chat.store.log.sync("ann", f"log-{position}") == {"reset": True, "cursor": chat.now()}


def test_the_cursor_of_an_empty_log_sees_what_comes_next(chat: LogApp) -> None:
    cursor = chat.now()
    chat.note(1)
    assert chat.notes("ann", cursor) == [1]


@pytest.mark.parametrize(
    "cursor",
    ["", "0", "log-", "log--1", "log-01", "log-1 ", "log-x", "log-\u0661", f"log-{2**63}", "log-" + "9" * 509, 7, True, {}, []],
)
def test_a_cursor_that_no_server_made_is_refused(chat: LogApp, cursor: Any) -> None:
    with pytest.raises(BadRequest, match=r"^cursor must be a cursor that an earlier sync has returned$"):
        chat.store.log.sync("ann", cursor)


@pytest.mark.parametrize("limit", [0, 501, -1, True, 1.0, "1", None])
def test_a_limit_out_of_range_is_refused(chat: LogApp, limit: Any) -> None:
    with pytest.raises(BadRequest, match=r"^limit must be an integer from 1 to 500$"):
        chat.store.log.sync("ann", "log-0", limit)


def test_of_several_relays_one_gets_each_event(chat: LogApp) -> None:
    for number in range(40):
        chat.note(number)

    def take_all() -> list[int]:
        taken = list[int]()
        while found := chat.outbox.take(3, 60.0):
            taken += [logged.number for logged in found]
        return taken

    def run() -> list[int]:
        with chat.app.app_context():
            return take_all()

    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    results.append(take_all())
    assert sorted(number for numbers in results for number in numbers) == list(range(1, 41))


def test_no_more_are_taken_than_asked_for(chat: LogApp) -> None:
    for number in range(5):
        chat.outbox.add("note", f"[{number}]", [None], reserved_for=0.0)
    chat.db.session.commit()
    assert [len(chat.outbox.take(2, 60.0)) for _ in range(4)] == [2, 2, 1, 0]


def test_what_was_taken_and_not_delivered_can_be_taken_when_its_reservation_is_over(chat: LogApp) -> None:
    chat.note(1)
    chat.note(2)
    assert [logged.arguments for logged in chat.outbox.take(10, 0.0)] == ["[1]", "[2]"]
    first, second = chat.outbox.take(10, 60.0)
    assert (first.event, first.arguments, first.room) == ("note", "[1]", "user:ann")
    assert chat.outbox.take(10, 60.0) == []
    chat.outbox.finish([first.number])
    chat.db.session.execute(update(chat.entry).values(reserved_until=None))
    chat.db.session.commit()
    assert chat.outbox.take(10, 60.0) == [second]


def test_an_event_that_another_program_inserted_is_delivered_and_synced(chat: LogApp) -> None:
    row = {"event": "note", "arguments": "[1]", "created_at": utc_now()}
    chat.db.session.execute(insert(chat.entry).values(row))
    chat.db.session.commit()
    assert [(logged.event, logged.room) for logged in chat.outbox.take(10, 60.0)] == [("note", None)]
    assert chat.notes("eve", "log-0") == [1]


def test_finding_missed_and_undelivered_events_reads_indexes_alone(chat: LogApp) -> None:
    for number in range(5):
        chat.note(number)
    chat.outbox.finish([1])
    with recorded(chat.app) as statements:
        chat.store.log.sync("ann", "log-1", 2)
        chat.outbox.take(10, 0.0)
        chat.outbox.finish([2])
        chat.outbox.trim(utc_now())
    assert len(statements) >= 10
    scans = full_scans(chat.app, [item for item in statements if "pg_advisory" not in item.sql])
    # Of the rows of a page, or of an index that has only what is not delivered or placed yet.
    assert [scan for scan in scans if not scan.startswith(("SCAN anon", "SCAN (subquery")) and "IS NULL" not in scan] == []


@on_sqlite
def test_what_is_wrong_is_refused_before_anything_is_written(chat: LogApp) -> None:
    with pytest.raises(ValueError, match="cannot be sent as an event"):
        chat.realtime.log("disconnect", user_id="ann")
    with pytest.raises(ValueError, match="over 128 characters"):
        chat.realtime.log("x" * 129, user_id="ann")
    for argument in (b"bytes", float("nan"), object()):
        with pytest.raises(PayloadNotSerializable):
            chat.realtime.log("note", argument, user_id="ann")
    chat.db.session.commit()
    assert chat.count() == 0


@on_sqlite
def test_a_store_that_is_not_registered_stores_nothing(chat: LogApp) -> None:
    with pytest.raises(ConfigError, match=r"call store\.register\(realtime\)"):
        Store(chat.db, chat.models).messages.add("1", "ann", "hello")
    assert chat.store.messages.page("1", "ann").messages == ()
    sent = chat.store.messages.add("1", "ann", "hello")
    with pytest.raises(ConfigError, match=r"call store\.register\(realtime\)"):
        Store(chat.db, chat.models).receipts.mark_read("1", "ben", [sent.id])
    assert chat.store.receipts.unread_count("ben") == 1


def test_a_store_without_a_log_says_what_is_missing() -> None:
    db = SQLAlchemy()
    store = Store(db, define_models(db))
    with pytest.raises(ConfigError, match=r"define_models\(db, log=True\)"):
        _ = store.log
