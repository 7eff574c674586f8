"""Counts of what goes through a server, whichever way it goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from flask_realtime import Identity, Realtime
from flask_realtime.counts import NOT_RECOVERED, OTHER, RECOVERED, SAMPLE, Counts
from flask_realtime.errors import ConnectionRefused, Forbidden
from flask_realtime.extension import gateway_of
from flask_realtime.features.analytics import analytics
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.integration.recovery_client import come_back, enter
from tests.integration.wire import Wire

TYPING = {"conversationId": "7"}
DEADLINE = 5.0


class Office:
    """Two clients in one conversation, and what their server counts."""

    def __init__(self, app: Flask, connect: Connect, clients: ExitStack) -> None:
        self.app = app
        realtime = self.realtime = Realtime()
        realtime.authorize_join(lambda _identity, _conversation_id: True)
        realtime.on_connect(lambda identity: identity.user_id != "banned")
        realtime.on("office:ask")(self._asked)
        realtime.init_app(app)
        self._add_desk(realtime.socketio)
        self.ann = clients.enter_context(connect(app, "ann"))
        self.ben = clients.enter_context(connect(app, "ben"))
        for client in (self.ann, self.ben):
            client.join("7")

    @staticmethod
    def _asked(_identity: Identity, what: str) -> str:
        if what == "secret":
            raise Forbidden
        return "yes"

    @staticmethod
    def _add_desk(socketio: Any) -> None:
        @socketio.on("desk:knock")  # type: ignore[untyped-decorator]  # Flask-SocketIO has no types
        def knocked() -> str:
            return "come in"

    @property
    def counts(self) -> Counts:
        return gateway_of(self.app).counts

    def wait(self, read: Callable[[Counts], Any], expected: object) -> None:
        """Wait until a count is what it should be."""
        wait(self.app, read, expected)


def wait(app: Flask, read: Callable[[Counts], Any], expected: object) -> None:
    """Wait until a count is what it should be: an answer may arrive before it is counted."""
    gateway, deadline = gateway_of(app), time.monotonic() + DEADLINE
    while (found := read(gateway.counts)) != expected:
        assert time.monotonic() < deadline, f"expected {expected}, got {found}"
        gateway.concurrency.sleep(0.005)


@pytest.fixture
def office(make_app: MakeApp, connect: Connect) -> Iterator[Office]:
    with ExitStack() as clients:
        yield Office(make_app(), connect, clients)


def type_on(client: RealtimeTestClient, times: int) -> None:
    """Type without a callback, in the same words each time."""
    for _ in range(times):
        client.emit("typing:start", TYPING)


def test_events_are_counted_by_name_the_short_way_of_repeated_ones_too(office: Office) -> None:
    type_on(office.ann, 6)
    for _ in range(6):
        office.ben.wait_for("typing:start")
    office.wait(lambda counts: counts.events_received["typing:start"], 6)
    office.wait(lambda counts: counts.events_sent["typing:start"], 6)
    one = len('["typing:start",{"conversationId":"7"}]')
    assert office.counts.received["typing:start"].size == 6 * one
    assert office.counts.sent["typing:start"].size % 6 == 0
    assert office.counts.sent["typing:start"].size >= 6 * one


def test_an_event_for_many_counts_once_for_each_in_any_way_that_it_is_sent(office: Office) -> None:
    office.realtime.send_to_conversation("7", "news", {"number": 1})
    office.realtime.socketio.emit("shout", "hello")
    office.realtime.send_to_user("ann", "whisper", "hello")
    office.wait(lambda counts: [counts.events_sent.get(name) for name in ("news", "shout", "whisper")], [2, 2, 1])


def test_names_without_a_handler_come_together_however_many_there_are(office: Office) -> None:
    for number in range(12):
        assert office.ann.call(f"made up {number}")["error"]["code"] == "unknown_event"
    office.wait(lambda counts: (counts.events_received[OTHER], counts.answers["unknown_event"]), (12, 12))
    assert not [name for name in office.counts.events_received if name.startswith("made up")]


def test_answers_are_counted_by_code(office: Office) -> None:
    before = office.counts.answers.get("ok", 0)
    assert office.ann.call("office:ask", "time") == "yes"
    assert office.ann.call("office:ask", "secret")["error"]["code"] == "forbidden"
    assert office.ann.call("desk:knock") == "come in"
    office.ann.emit("office:ask", "secret")
    office.wait(lambda counts: (counts.answers["ok"] - before, counts.answers["forbidden"]), (2, 2))
    assert office.counts.events_received["office:ask"] == 3
    assert office.counts.events_received["desk:knock"] == 1


def test_connections_and_refusals_are_counted(office: Office, connect: Connect) -> None:
    with pytest.raises(ConnectionRefused):
        connect(office.app, "banned")
    with pytest.raises(ConnectionRefused):
        RealtimeTestClient(office.app, "no token")
    assert office.counts.refusals == {"connection_refused": 1, "token_malformed": 1}
    assert office.counts.opened == {"polling": 2, "websocket": 0}
    office.ann.disconnect()
    office.wait(lambda counts: sum(counts.closed.values()), 1)


def test_recoveries_are_counted_by_outcome(make_app: MakeApp) -> None:
    app = make_app()
    Realtime(app)
    place = enter(Wire(app), "ann")
    assert come_back(Wire(app), "ann", place).ready["recovered"]
    assert not come_back(Wire(app), "ann", place._replace(pid="of nobody")).ready["recovered"]
    counts = gateway_of(app).counts
    assert counts.recoveries == {RECOVERED: 1, NOT_RECOVERED: 1}
    assert (counts.opened, sum(counts.closed.values())) == ({"polling": 3, "websocket": 0}, 1)


def test_an_administrator_s_own_traffic_is_not_counted(make_app: MakeApp, connect: Connect) -> None:
    password = "correct horse battery"
    log_in = {"username": "root", "password": generate_password_hash(password, "pbkdf2:sha256:1")}
    app = make_app(REALTIME_ADMIN={**log_in, "mode": "development"})
    Realtime(app)
    gateway = gateway_of(app)
    with connect(app, "ann") as ann:
        admin = Wire(app)
        admin.send("0/admin," + json.dumps({**log_in, "password": password}))
        for event in ("config", "server_stats", "all_sockets"):
            admin.receive_until(f'2/admin,["{event}"')
        admin.send('2/admin,1["emit","/",null,"news",1]', '2/admin,2["nonsense"]')
        assert admin.receive_until("3/admin,1[") == '3/admin,1[{"ok":true}]'
        assert "unknown_event" in admin.receive_until("3/admin,2[")
        ann.wait_for("news")
        assert gateway._features.state_of(analytics)._context.count_connections() == 1  # What is recorded of a minute.
        admin.send("1/admin,")
        wait(app, lambda _: len(gateway._registry), 1)
        counts = gateway.counts
        assert {name: number for name, number in counts.events_sent.items() if number} == {"news": 1, "user:status-changed": 1}
        assert {name: number for name, number in counts.events_received.items() if number} == {}
        assert (sum(counts.opened.values()), sum(counts.closed.values()), counts.failures) == (1, 0, {})
        assert (sum(counts.queued.buckets), sum(counts.waits.buckets)) == (0, 0)


def test_what_takes_time_is_timed(office: Office) -> None:
    before = {name: sum(histogram.buckets) for name, histogram in office.counts.hooks.items()}
    assert before == {"on_connect": 2, "authorize_join": 2}
    office.ann.call("office:ask", "time")
    office.ann.call("typing:start", TYPING)
    office.wait(lambda counts: sum(counts.inline.buckets), 1)
    office.wait(lambda counts: sum(counts.hooks["on"].buckets), 1)
    # The first of each name is in every sample: that of joining, and that of the application's own event.
    office.wait(lambda counts: (sum(counts.queued.buckets), sum(counts.waits.buckets)), (2, 2))


def test_questions_in_the_same_words_are_counted_and_timed_as_all_are(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_LIMITS={"presence": "1000/second"}, REALTIME_USER_LIMITS={"presence": "1000/second"})
    Realtime(app)
    counts = gateway_of(app).counts
    with connect(app, "ann") as ann:
        before = counts.answers.get("ok", 0)
        for _ in range(SAMPLE + 3):
            assert ann.call("user:get-status", "ben")["status"] == "offline"
    assert counts.answers["ok"] - before == counts.events_received["user:get-status"] == SAMPLE + 3
    assert counts.received["user:get-status"].size == (SAMPLE + 3) * len('["user:get-status","ben"]')
    # The first, the first that is not read anew, and the one that comes as many later as there are in a sample. A thread may come
    # before the turn of the one that has just answered is over: then it is the mailbox's.
    wait(app, lambda counts: sum(counts.inline.buckets) + sum(counts.queued.buckets), 3)


def test_two_applications_in_one_process_count_apart(make_app: MakeApp, connect: Connect) -> None:
    first, second = make_app(), make_app()
    Realtime(first), Realtime(second)
    with connect(first, "ann") as ann:
        ann.call("users:get-status", ["ben"])
    assert gateway_of(first).counts.opened["polling"] == 1
    assert gateway_of(second).counts.opened["polling"] == 0
