"""Each reading of a server moves with what it is about, and with nothing else, as a scrape has it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from gevent.event import Event
from werkzeug.test import create_environ

import flask_realtime
from flask_realtime import Identity, Realtime
from flask_realtime.engine.server import EngineServer
from flask_realtime.engine.takeover import UPGRADE, Upgrade
from flask_realtime.extension import gateway_of
from flask_realtime.metrics import metrics_blueprint
from tests.integration.conftest import KEY, Connect, MakeApp
from tests.integration.recovery_client import come_back, enter, lose
from tests.integration.wire import Wire
from tests.redis_server import RedisServer, wait_until
from tests.scrapes import Scrape
from tests.unit.engine.websocket_client import SECONDS, WebSocketClient

MAX_BACKLOG = 200_000
OPEN = "/socket.io/?EIO=4&transport=polling"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def scrape(app: Flask) -> Scrape:
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


class Site:
    """A server whose metrics are read.

    Args:
        folder: Its folder.
        config: Its settings.
    """

    def __init__(self, folder: Path, **config: Any) -> None:
        self.app = Flask(__name__)
        self.app.config.update({"JWT_SECRET_KEY": KEY, "REALTIME_ASYNC_MODE": "gevent", **config})
        self.app.config["REALTIME_METRICS_FOLDER"] = str(folder / "metrics")
        JWTManager(self.app)
        self.realtime = Realtime()
        self.realtime.authorize_join(lambda _identity, _conversation_id: True)
        self.may_go_on = Event()
        self.realtime.on("wait")(self._wait)
        self.realtime.on("ask")(lambda _identity: "yes")
        self.realtime.init_app(self.app)
        self.app.register_blueprint(metrics_blueprint())

    def _wait(self, _identity: Identity) -> None:
        self.may_go_on.wait()

    @property
    def engine(self) -> EngineServer:
        engine: EngineServer = gateway_of(self.app).socketio.server.eio
        return engine

    def value(self, name: str, **labels: str) -> float:
        """The value of the only series of a name with these labels."""
        (found,) = scrape(self.app).values(name, **labels)
        return found

    def wait(self, expected: float, name: str, **labels: str) -> None:
        """Let the server work until a series has a value."""
        found = float("nan")
        with gevent.Timeout(SECONDS, AssertionError(f"{name} is not {expected}")):
            while found != expected:
                gevent.sleep(0.001)
                found = self.value(name, **labels)

    def client(self, user_id: str) -> Wire:
        """A client on long polling."""
        wire = Wire(self.app)
        assert wire.enter(user_id).startswith("0")
        return wire


class Browser(WebSocketClient):
    """A client on WebSocket, which reads nothing once it has connected.

    Args:
        site: The server.
        user_id: The client's user.
    """

    def __init__(self, site: Site, user_id: str) -> None:
        super().__init__(*gevent.socket.socketpair())
        handler = SimpleNamespace(
            socket=self.server, is_read_to_the_end=True, server=SimpleNamespace(pool=None), close_connection=False
        )
        environ = create_environ("/socket.io/?EIO=4&transport=websocket", headers=HANDSHAKE)
        site.app.wsgi_app({**environ, UPGRADE: Upgrade(handler)}, lambda *_answer: bytes.__len__)
        self.expect_handshake()
        self.receive_until(b"0")
        with site.app.app_context():
            self.send("40" + json.dumps({"token": create_access_token(user_id)}))
        self.receive_until(b"40")

    def receive_until(self, start: bytes) -> None:
        while not self.read_frame()[1].startswith(start):
            pass


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Give the process back its own end: a server that has taken a connection ends them in order."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_connections_are_opened_by_transport_from_zero_on(site: Site) -> None:
    for transport in ("polling", "websocket"):
        assert site.value("connections_opened_total", transport=transport) == 0, "to Prometheus, nothing is not zero"
    site.client("ann"), site.client("ann")
    with closing(Browser(site, "ben")):
        assert site.value("connections_opened_total", transport="polling") == 2
        assert site.value("connections_opened_total", transport="websocket") == 1
        assert site.value("connections", transport="websocket", namespace="/") == 1


@pytest.mark.parametrize(
    ("query", "method", "code"),
    [
        ("EIO=4&transport=pigeon", "GET", "unknown_transport"),
        ("EIO=4&transport=polling&sid=nobody", "GET", "unknown_session"),
        ("EIO=4&transport=polling", "POST", "bad_method"),
        ("EIO=4&transport=websocket", "GET", "bad_request"),
        ("EIO=3&transport=polling", "GET", "unsupported_protocol"),
    ],
)
def test_requests_that_the_engine_refuses_are_counted_by_code(site: Site, query: str, method: str, code: str) -> None:
    for _ in range(2):
        assert site.app.test_client().open(f"/socket.io/?{query}", method=method).status_code == 400
    found = scrape(site.app)
    assert (found.values("refusals_total", code=code), found.total("refusals_total")) == ([2], 2)


def test_a_websocket_that_is_refused_is_counted(site: Site) -> None:
    answer = site.app.test_client().get(
        "/socket.io/?EIO=4&transport=pigeon", headers=HANDSHAKE, environ_overrides={UPGRADE: Upgrade(None)}
    )
    assert answer.status_code == 400
    assert site.value("refusals_total", code="unknown_transport") == 1


@pytest.mark.parametrize("config", [{}, {"REALTIME_ENGINE": "stock"}, {"REALTIME_ASYNC_MODE": "threading"}])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_page_of_another_origin_is_counted_once_for_each_request(tmp_path: Path, config: dict[str, str], method: str) -> None:
    app = Site(tmp_path, **config).app
    for _ in range(3):
        answer = app.test_client().open(OPEN, method=method, headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code in {400, 403}
    found = scrape(app)
    assert (found.values("refusals_total", code="forbidden_origin"), found.total("refusals_total")) == ([3], 3)


@pytest.mark.parametrize("packet", ["9nonsense", "49nonsense"])
def test_a_packet_that_is_none_is_counted_on_either_transport(site: Site, packet: str) -> None:
    session = json.loads(site.app.test_client().get(OPEN).text[1:])["sid"]
    site.app.test_client().post(f"{OPEN}&sid={session}", data=packet)
    site.wait(1, "malformed_packets_total")
    with closing(Browser(site, "ann")) as browser:
        browser.send(packet)
        site.wait(2, "malformed_packets_total")
    site.wait(0, "connections", transport="websocket", namespace="/")
    assert site.value("malformed_packets_total") == 2


@pytest.mark.parametrize(("body", "content_type"), [("", "text/plain"), ("x", "text/plain"), ("4", "application/octet-stream")])
def test_a_body_that_is_no_payload_is_counted(site: Site, body: str, content_type: str) -> None:
    session = json.loads(site.app.test_client().get(OPEN).text[1:])["sid"]
    assert site.app.test_client().post(f"{OPEN}&sid={session}", data=body, content_type=content_type).status_code == 400
    assert site.value("malformed_packets_total") == 1


def test_a_body_that_breaks_off_is_none_of_these(site: Site) -> None:
    session = json.loads(site.app.test_client().get(OPEN).text[1:])["sid"]
    answer = site.app.test_client().post(f"{OPEN}&sid={session}", data="4", environ_overrides={"CONTENT_LENGTH": "9"})
    assert answer.status_code == 400
    assert site.value("malformed_packets_total") == 0


def test_a_ping_without_an_answer_is_counted(tmp_path: Path) -> None:
    site = Site(tmp_path, REALTIME_PING_INTERVAL=0.05, REALTIME_PING_TIMEOUT=0.05)
    assert site.value("heartbeats_missed_total") == 0
    site.app.test_client().get(OPEN)
    site.wait(1, "heartbeats_missed_total")


def test_events_that_wait_in_mailboxes_are_all_of_them_and_those_of_the_longest(site: Site) -> None:
    ann, ben = site.client("ann"), site.client("ben")
    ann.send(*['2["wait"]'] * 4)
    ben.send(*['2["wait"]'] * 2)
    try:
        site.wait(4, "mailbox_tasks")
        assert site.value("mailbox_longest") == 3
    finally:
        site.may_go_on.set()
    site.wait(0, "mailbox_tasks")
    assert site.value("mailbox_longest") == 0


def test_events_have_their_bytes_and_durations_by_their_path(site: Site) -> None:
    ann = site.client("ann")
    for event in ("wait", "ask"):
        site.may_go_on.set()
        ann.call(event)
    ann.call("users:get-status", ["ben"])
    site.realtime.send_to_user("ann", "news", {"number": 1})
    site.realtime.send_to_user("ann", "news", {"number": 2})
    site.wait(1, "event_duration_seconds_count", path="inline")
    site.wait(2, "event_duration_seconds_count", path="mailbox")
    assert site.value("mailbox_wait_seconds_count") == 2
    assert site.value("event_bytes_received_total", event="users:get-status") == len('["users:get-status", ["ben"]]')
    assert site.value("events_sent_total", event="news") == 2
    assert site.value("event_bytes_sent_total", event="news") == 2 * len('ab42["news",{"number":1}]'), "with a frame's head"


def test_what_a_slow_client_does_not_take_waits_is_dropped_and_ends_its_connection(tmp_path: Path) -> None:
    site = Site(tmp_path, REALTIME_MAX_BACKLOG_BYTES=MAX_BACKLOG)
    ben = site.client("ben")
    ben.call("join:conversation", "7")
    with closing(Browser(site, "ann")) as ann:
        ann.send('420["join:conversation","7"]')
        ann.receive_until(b"430")
        assert site.value("backlog_bytes") == 0
        while (waiting := site.value("backlog_bytes")) <= MAX_BACKLOG / 2:
            assert site.value("backlog_cuts_total") == 0
            site.realtime.send_to_user("ann", "news", "x" * 30_000)
        for _ in range(3):
            ben.send('2["typing:start",{"conversationId":"7"}]')
            ben.send('2["typing:stop",{"conversationId":"7"}]')
        site.wait(6, "dropped_events_total")
        assert (site.value("backlog_bytes"), site.value("backlog_cuts_total")) == (waiting, 0)
        site.realtime.send_to_user("ann", "news", "x" * MAX_BACKLOG)
        site.wait(1, "backlog_cuts_total")
        site.wait(0, "backlog_bytes")
        assert site.value("dropped_events_total") == 6


def test_leases_lost_connections_and_kept_events_are_those_of_recovery(site: Site) -> None:
    wires = [Wire(site.app) for _ in range(3)]
    places = [enter(wire, f"user {number}") for number, wire in enumerate(wires)]
    assert (site.value("recovery_leases"), site.value("recovery_lost_connections")) == (3, 0)
    lose(site.app, wires[0], "user 0")
    site.wait(1, "recovery_lost_connections")
    kept = site.value("recovery_events")
    for number in range(4):
        site.realtime.send_to_user("user 0", "news", number)
    assert (site.value("recovery_events") - kept, site.value("recovery_leases")) == (4, 3)
    assert come_back(Wire(site.app), "user 0", places[0]).ready["recovered"]
    for _ in range(2):
        assert not come_back(Wire(site.app), "user 1", places[1]._replace(pid="of nobody")).ready["recovered"]
    assert site.value("recoveries_total", outcome="recovered") == 1
    assert site.value("recoveries_total", outcome="failed") == 2
    assert site.value("recovery_lost_connections") == 0


def test_a_server_drains_from_the_signal_on(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.client("ann")
    assert site.value("draining") == 0
    ending = gevent.spawn(site.engine.end_all_sessions)
    site.wait(1, "draining")
    ending.get(timeout=SECONDS)


class Two:
    """Two servers over one Redis, and their metrics.

    Args:
        make: Makes an application that shares a Redis.
        connect: Connects to one.
        folder: A folder for them.
    """

    def __init__(self, make: MakeApp, connect: Connect, folder: Path, **config: Any) -> None:
        self.ann, self.ben = (make(REALTIME_METRICS_FOLDER=str(folder / name), **config) for name in ("ann", "ben"))
        for app in (self.ann, self.ben):
            app.register_blueprint(metrics_blueprint())
            connect(app, "eve").disconnect()  # A server reads from its first connection on.
        self.wait_connected()

    def send(self) -> None:
        """Have the first one send to a user who may be at the other one."""
        with self.ann.app_context():
            flask_realtime.send_to_user("ben", "news", {})

    def wait_connected(self) -> None:
        """Wait until both reach Redis."""
        wait_until(lambda: value(self.ann, "bus_connected") == value(self.ben, "bus_connected") == 1)


def value(app: Flask, name: str) -> float:
    """The value of the only series of a name."""
    (found,) = scrape(app).values(name)
    return found


def test_an_outage_of_the_queue_is_counted_while_what_waits_for_it_grows_older(
    redis: RedisServer, make_sharing: MakeApp, connect: Connect, tmp_path: Path
) -> None:
    two = Two(make_sharing, connect, tmp_path)
    two.send()
    wait_until(lambda: value(two.ben, "bus_read_lag_seconds") > 0)
    assert value(two.ann, "bus_outages_total") == 0
    redis.stop()
    wait_until(lambda: value(two.ann, "bus_outages_total") == 1 and value(two.ann, "bus_connected") == 0)
    two.send()
    wait_until(lambda: value(two.ann, "bus_pending") >= 1)
    lag = value(two.ann, "bus_publish_lag_seconds")
    wait_until(lambda: value(two.ann, "bus_publish_lag_seconds") > lag)
    redis.start()
    wait_until(lambda: value(two.ann, "bus_pending") == value(two.ann, "bus_publish_lag_seconds") == 0)
    assert value(two.ann, "bus_dropped_total") == 0


def test_what_waits_too_long_is_dropped_where_it_waits_and_lost_where_it_is_missed(
    redis: RedisServer, make_sharing: MakeApp, connect: Connect, tmp_path: Path
) -> None:
    two = Two(make_sharing, connect, tmp_path, REALTIME_MESSAGE_QUEUE_RETENTION=0.5)
    two.send()
    wait_until(lambda: value(two.ben, "bus_read_lag_seconds") > 0)
    redis.stop()
    wait_until(lambda: value(two.ann, "bus_connected") == value(two.ben, "bus_connected") == 0)
    two.send()
    wait_until(lambda: value(two.ann, "bus_dropped_total") >= 1)
    redis.start()
    two.wait_connected()
    dropped = value(two.ann, "bus_dropped_total")
    two.send()
    wait_until(lambda: value(two.ben, "bus_lost_total") == dropped)
    assert (value(two.ben, "bus_dropped_total"), value(two.ann, "bus_lost_total")) == (0, 0)
