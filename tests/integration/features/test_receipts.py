"""`messages:read` and `messages:delivered`: what clients are answered, what the others and the user's devices hear."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event as database_event
from sqlalchemy import insert, text

from flask_realtime import DeliveryResult, Identity, ReadResult, Realtime, SeenMessages
from flask_realtime.errors import Forbidden, RegistrationError
from flask_realtime.store import Store, define_models, utc_now
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import create_tables, on_sqlite, shared_models, sqlite_url
from tests.redis_server import RedisServer

OK = {"ok": True}
EVENTS = ("messages:read", "messages:delivered", "unread:changed")


class World:
    """An application with the store, and clients of two users who have joined their conversation, 1; ben has two."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack, **options: Any) -> None:
        self.app = app
        self.db, models = shared_models(app, **options)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        self.store.register(self.realtime)
        self.realtime.init_app(app)
        with app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            self.store.conversations.create(["ben"])
            stack.callback(self.db.engine.dispose)
        self.ann, self.ben, self.phone, self.eve = (
            stack.enter_context(connect(app, name)) for name in ("ann", "ben", "ben", "eve")
        )
        for client in (self.ann, self.ben):
            client.join("1")

    def write(self, count: int = 1) -> list[str]:
        """Store messages of ann's, and return their ids."""
        with self.app.app_context():
            return [self.store.messages.add("1", "ann", "hello").id for _ in range(count)]

    def heard(self, *clients: RealtimeTestClient) -> list[list[Any]]:
        """What each of the clients has got of receipts."""
        for client in clients:
            client.call("user:get-status", "ann")
        return [[(item.event, item.data) for item in client.received if item.event in EVENTS] for client in clients]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack) -> World:
    return World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack)


def seen(**changes: Any) -> dict[str, Any]:
    return {"conversationId": "1", **changes}


def code(answer: Any) -> str:
    """The code of an answer that is an error."""
    found: str = answer["error"]["code"]
    return found


def test_reading_is_told_to_the_conversation_and_the_count_to_the_readers_devices(world: World) -> None:
    ids = world.write(3)
    assert world.ben.call("messages:read", seen(messageIds=[ids[1]])) == OK
    read = ("messages:read", {"conversationId": "1", "messageIds": ids[:2], "userId": "ben", "upTo": ids[1]})
    unread = ("unread:changed", {"conversationId": "1", "unreadCount": 1, "mentionCount": 0})
    assert world.heard(world.ann, world.ben, world.phone) == [[read], [read, unread], [unread]]
    assert world.ben.call("messages:read", seen(upTo=int(ids[1]))) == OK, "of no effect"
    assert world.phone.call("messages:read", seen(conversationId=1, upTo=ids[2])) == OK, "it has not joined"
    rest = [
        ("messages:read", {"conversationId": "1", "messageIds": [ids[2]], "userId": "ben", "upTo": ids[2]}),
        ("unread:changed", {"conversationId": "1", "unreadCount": 0, "mentionCount": 0}),
    ]
    assert world.heard(world.ann, world.phone) == [[read, rest[0]], [unread, rest[1]]]


def test_deliveries_are_told_to_the_others_once(world: World) -> None:
    ids = world.write(2)
    for _ in range(2):
        assert world.ben.call("messages:delivered", seen(upTo=ids[1])) == OK
    assert world.phone.call("messages:delivered", seen(messageIds=ids)) == OK
    delivered = ("messages:delivered", {"conversationId": "1", "messageIds": ids, "userId": "ben", "upTo": ids[1]})
    assert world.heard(world.ann, world.ben, world.phone) == [[delivered], [], []]
    assert world.ben.call("messages:read", seen(upTo=ids[1])) == OK
    assert world.phone.call("messages:delivered", seen(upTo=ids[1])) == OK
    assert [event for event, _ in world.heard(world.ann)[0]] == ["messages:delivered", "messages:read"]


@pytest.mark.parametrize("event", ["messages:read", "messages:delivered"])
def test_only_participants_may_move_their_own_cursors(world: World, event: str) -> None:
    (message,) = world.write()
    for client, conversation in ((world.eve, "1"), (world.ann, "2"), (world.ann, "99"), (world.ann, "nonsense")):
        assert code(client.call(event, seen(conversationId=conversation, upTo=message))) == "forbidden"
    bad_payloads: list[dict[str, Any]] = [{}, {"upTo": ""}, {"messageIds": {}}, {"upTo": "1", "messageIds": []}]
    for bad in bad_payloads:
        assert code(world.ben.call(event, seen(**bad))) == "bad_request"
    assert world.heard(world.ann, world.ben) == [[], []]
    with world.app.app_context():
        assert world.store.messages.unread_count("ben") == 1


@on_sqlite
def test_what_is_stored_elsewhere_is_sent_in_the_same_way(world: World) -> None:
    ids = world.write(2)
    with world.app.app_context():
        for result in (
            world.store.receipts.mark_delivered("1", "ben", ids),
            world.store.receipts.mark_read("1", "ben", up_to=ids[0]),
            world.store.receipts.mark_read("1", "ben", up_to=ids[0]),
        ):
            assert world.realtime.emit_receipts(1, "ben", result)
    heard_by_ann, heard_by_ben = world.heard(world.ann, world.ben)
    assert [(event, data["messageIds"], data["upTo"]) for event, data in heard_by_ann] == [
        ("messages:delivered", ids, ids[1]),
        ("messages:read", ids[:1], ids[0]),
    ]
    assert [event for event, _ in heard_by_ben] == ["messages:read", "unread:changed"]


@on_sqlite
@pytest.mark.parametrize("limit", [500, 1])
def test_receipts_wait_for_the_commit_too(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack, limit: int
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_RECEIPTS_LIMIT=limit), connect, stack)
    ids = world.write(3)
    with world.app.app_context():
        for number, message in enumerate(ids):
            result = world.store.receipts.mark_read("1", "ben", up_to=message)
            world.db.session.execute(text("SELECT 1"))
            assert world.realtime.emit_receipts(1, "ben", result, after_commit=number != 1)
            world.db.session.rollback() if number == 0 else world.db.session.commit()
            if number == 1:
                assert world.ann.wait_for("messages:read").data["messageIds"] == [message], "the first one was rolled back"
    assert world.ann.wait_for("messages:read").data["messageIds"] == ids[2:]
    assert [data["unreadCount"] for event, data in world.heard(world.phone)[0] if event == "unread:changed"] == [1, 0]


@on_sqlite
def test_receipts_of_a_large_conversation_are_merged(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_RECEIPTS_LIMIT=1), connect, stack)
    ids = world.write(5)
    for message in ids:
        assert world.ben.call("messages:read", seen(upTo=message)) == OK
    counts = [data["unreadCount"] for event, data in world.heard(world.phone)[0] if event == "unread:changed"]
    assert counts == [4, 3, 2, 1, 0], "not delayed"
    read: list[Any] = []
    while ids[-1] not in [data["upTo"] for data in read]:
        read.append(world.ann.wait_for("messages:read").data)
    assert len(read) <= 3
    assert [message for data in read for message in data["messageIds"]] == ids
    assert {data["userId"] for data in read} == {"ben"}


@on_sqlite
def test_servers_take_turns_in_a_large_conversation(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack, redis: RedisServer
) -> None:
    settings = {"REALTIME_RECEIPTS_LIMIT": 1, "REALTIME_MESSAGE_QUEUE": redis.url, "SQLALCHEMY_DATABASE_URI": database_url}
    world = World(make_app(**settings), connect, stack)
    app = make_app(REALTIME_RECEIPTS_LIMIT=1, REALTIME_MESSAGE_QUEUE=redis.url)  # The extension does not keep it alive.
    other = Realtime(app)
    ids = world.write(2)
    for realtime, message, user in ((world.realtime, ids[0], "ben"), (other, ids[1], "cat")):
        result = ReadResult((message,), (message,), message, int(message), participants=2)
        assert realtime.emit_receipts("1", user, result)
    first, second = (world.ann.wait_for("messages:read") for _ in range(2))
    assert {first.data["userId"], second.data["userId"]} == {"ben", "cat"}
    assert [data["messageIds"] for data in (first.data, second.data)] in ([[ids[0]], [ids[1]]], [[ids[1]], [ids[0]]])


@on_sqlite
def test_rows_take_no_deliveries_and_no_last_message(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack, read_receipts=True)
    ids = world.write(2)
    assert code(world.ben.call("messages:delivered", seen(upTo=ids[0]))) == "unknown_event"
    assert code(world.ben.call("messages:read", seen(upTo=ids[0]))) == "bad_request"
    assert world.ben.call("messages:read", seen(messageIds=ids[1:])) == OK
    read = ("messages:read", {"conversationId": "1", "messageIds": ids[1:], "userId": "ben"})
    assert world.heard(world.ann, world.phone) == [[read], []]


def logged(client: RealtimeTestClient) -> list[Any]:
    """What the log has for a client of receipts, from its beginning."""
    return [
        (item["event"], *item["args"]) for item in client.call("sync", {"cursor": "log-0"})["events"] if item["event"] in EVENTS
    ]


def test_with_a_log_each_receipt_is_sent_once_and_kept_for_who_is_away(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack, log=True)
    ids = world.write(3)
    assert world.ben.call("messages:delivered", seen(upTo=ids[1])) == OK
    assert world.ben.call("messages:read", seen(upTo=ids[0])) == OK
    with world.app.app_context():
        for result in (
            world.store.receipts.mark_delivered("1", "ben", [ids[2]]),
            world.store.receipts.mark_read("1", "ben", up_to=ids[2]),
            world.store.receipts.mark_read("1", "ben", up_to=ids[2]),
        ):
            assert world.realtime.emit_receipts(1, "ben", result)
    expected = [
        (event, {"conversationId": "1", "messageIds": ids[start:end], "userId": "ben", "upTo": ids[end - 1]})
        for event, start, end in (
            ("messages:delivered", 0, 2),
            ("messages:read", 0, 1),
            ("messages:delivered", 2, 3),
            ("messages:read", 1, 3),
        )
    ]
    unread = [("unread:changed", {"conversationId": "1", "unreadCount": count, "mentionCount": 0}) for count in (2, 0)]
    assert world.heard(world.ann, world.ben, world.phone) == [expected, [expected[1], unread[0], expected[3], unread[1]], unread]
    assert logged(world.ann) == expected


def test_a_receipt_that_is_not_stored_is_not_logged(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack, log=True)
    (message,) = world.write()
    with world.app.app_context():
        database_event.listen(world.db.session, "before_commit", refuse)
        for mark in (world.store.receipts.mark_delivered, world.store.receipts.mark_read):
            with pytest.raises(OSError, match="the disk is full"):
                mark("1", "ben", up_to=message)
        database_event.remove(world.db.session, "before_commit", refuse)
        assert world.store.receipts.unread_count("ben") == 1
    assert logged(world.ann) == []
    assert world.heard(world.ann) == [[]]


def refuse(_session: object) -> None:
    msg = "the disk is full"
    raise OSError(msg)


@on_sqlite
def test_with_a_log_receipts_of_a_large_conversation_are_kept_one_by_one_and_sent_merged(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_RECEIPTS_LIMIT=1), connect, stack, log=True)
    ids = world.write(5)
    for message in ids:
        assert world.ben.call("messages:read", seen(upTo=message)) == OK
    read: list[Any] = []
    while ids[-1] not in [data["upTo"] for data in read]:
        read.append(world.ann.wait_for("messages:read").data)
    assert len(read) <= 3
    assert [message for data in read for message in data["messageIds"]] == ids
    assert [data["messageIds"] for _, data in logged(world.ann)] == [[message] for message in ids]


@pytest.fixture
def left_behind(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> Callable[[int], tuple[World, list[Any]]]:
    """Makes a world with a limit of large conversations, in whose log another process left ten receipts; returns what ann hears."""

    def make(limit: int) -> tuple[World, list[Any]]:
        world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url, REALTIME_RECEIPTS_LIMIT=limit), connect, stack, log=True)
        said = [delivery(message) for message in world.write(10)]
        row = {"event": "messages:delivered", "room": "conversation:1", "created_at": utc_now()}
        with world.app.app_context():
            entry: Any = world.store.models.log_entry
            world.db.session.execute(insert(entry), [{**row, "arguments": json.dumps([one])} for one in said])
            world.db.session.commit()
        heard: list[Any] = []
        while said[-1]["upTo"] not in [data["upTo"] for data in heard]:
            heard.append(world.ann.wait_for("messages:delivered").data)
        return world, heard

    return make


def delivery(*ids: str) -> dict[str, Any]:
    return {"conversationId": "1", "messageIds": list(ids), "userId": "ben", "upTo": ids[-1]}


IDS = [str(number) for number in range(1, 11)]


@on_sqlite
def test_receipts_that_another_process_left_behind_are_sent_to_the_others(
    left_behind: Callable[[int], tuple[World, list[Any]]],
) -> None:
    world, heard = left_behind(2)
    assert heard == [delivery(message) for message in IDS]
    assert world.heard(world.ben, world.phone) == [[], []]


@on_sqlite
def test_receipts_of_a_large_conversation_that_another_process_left_behind_are_merged(
    left_behind: Callable[[int], tuple[World, list[Any]]],
) -> None:
    world, heard = left_behind(1)
    assert len(heard) <= 3
    assert [message for data in heard for message in data["messageIds"]] == IDS
    assert world.heard(world.ben, world.phone) == [[], []]


@on_sqlite
def test_a_receipt_of_another_program_is_sent_as_it_is(
    database_url: str, make_app: MakeApp, connect: Connect, stack: ExitStack
) -> None:
    world = World(make_app(SQLALCHEMY_DATABASE_URI=database_url), connect, stack, log=True)
    row = {"event": "messages:read", "room": "conversation:1", "created_at": utc_now(), "arguments": '[{"all": true}]'}
    with world.app.app_context():
        entry: Any = world.store.models.log_entry
        world.db.session.execute(insert(entry), [row])
        world.db.session.commit()
    assert world.ann.wait_for("messages:read").data == {"all": True}


class OwnTables:
    """An application whose own hooks store receipts, with a client of one user who has joined a conversation."""

    def __init__(self, app: Flask, connect: Connect, stack: ExitStack) -> None:
        self.asked: list[tuple[str, SeenMessages]] = []
        self.answer: Any = DeliveryResult(("1",), ("1",))
        realtime = Realtime()
        realtime.authorize_join(lambda _identity, _conversation_id: True)

        @realtime.on_messages_delivered
        def store(identity: Identity, seen: SeenMessages) -> DeliveryResult:
            self.asked.append((identity.user_id, seen))
            if isinstance(self.answer, Exception):
                raise self.answer
            result: DeliveryResult = self.answer
            return result

        realtime.init_app(app)
        self.ann, self.ben = (stack.enter_context(connect(app, name)) for name in ("ann", "ben"))
        for client in (self.ann, self.ben):
            client.join("lobby")


@pytest.fixture
def own(make_app: MakeApp, connect: Connect, stack: ExitStack) -> OwnTables:
    return OwnTables(make_app(), connect, stack)


def test_the_hook_gets_what_was_seen_and_its_result_is_told(own: OwnTables) -> None:
    assert own.ann.call("messages:delivered", {"conversationId": "lobby", "messageIds": [1, "2"]}) == OK
    assert own.asked == [("ann", SeenMessages("lobby", ("1", "2")))]
    assert own.ben.wait_for("messages:delivered").data == {"conversationId": "lobby", "messageIds": ["1"], "userId": "ann"}
    assert code(own.ann.call("messages:read", {"conversationId": "lobby", "upTo": "1"})) == "unknown_event"


def test_what_the_hook_refuses_or_gets_wrong_is_told_to_nobody(own: OwnTables, caplog: pytest.LogCaptureFixture) -> None:
    for answer, expected in (
        (Forbidden("not here"), "forbidden"),
        (None, "internal_error"),
        (ReadResult(("1",), ("1",)), "internal_error"),
    ):
        own.answer = answer
        with caplog.at_level(logging.CRITICAL):
            assert code(own.ann.call("messages:delivered", {"conversationId": "lobby", "upTo": "1"})) == expected
    own.ben.call("user:get-status", "ann")
    own.ben.assert_nothing("messages:delivered")


def test_the_events_belong_to_their_hooks(tmp_path: Path) -> None:
    realtime = Realtime()
    for event in ("messages:read", "messages:delivered"):
        with pytest.raises(RegistrationError, match=event.replace(":", "_")):
            realtime.on(event)(lambda _identity: None)
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = sqlite_url(tmp_path)
    db = SQLAlchemy(app)
    Store(db, define_models(db)).register(realtime)
    with pytest.raises(RegistrationError, match="on_messages_read"):
        realtime.on_messages_read(lambda _identity, _seen: ReadResult((), ()))
