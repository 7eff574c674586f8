"""The engine's long-polling requests, through the application's WSGI interface: what is refused, greeted, sent and ended."""

from __future__ import annotations

import json
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import JWTManager
from werkzeug.test import TestResponse

from flask_realtime import Realtime
from flask_realtime.engine.server import EngineServer
from flask_realtime.engine.session import MAX_CONNECT_BYTES
from flask_realtime.engine.takeover import UPGRADE, Upgrade
from flask_realtime.extension import gateway_of
from tests.integration.conftest import KEY, Connect

SECONDS = 10.0
OPEN = "EIO=4&transport=polling"


class Requests:
    """Makes an application's Socket.IO requests."""

    def __init__(self, **config: Any) -> None:
        self.app = Flask(__name__)
        self.app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="gevent", **config)
        JWTManager(self.app)
        self.realtime = Realtime(self.app)
        self._client: FlaskClient = self.app.test_client()

    @property
    def engine(self) -> EngineServer:
        engine: EngineServer = gateway_of(self.app).socketio.server.eio
        return engine

    def call(self, query: str = OPEN, method: str = "GET", **options: Any) -> TestResponse:
        return self._client.open(f"/socket.io/?{query}", method=method, **options)

    def session(self) -> str:
        """Open a session, and return its queries."""
        return f"{OPEN}&sid={greeting(self.call())['sid']}"


def greeting(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.text.startswith("0{")
    greeted: dict[str, Any] = json.loads(answer.text[1:])
    return greeted


@pytest.fixture
def requests() -> Requests:
    return Requests()


def test_a_session_is_opened_with_its_times_and_bounds() -> None:
    answer = Requests(REALTIME_PING_INTERVAL=7.5, REALTIME_PING_TIMEOUT=3).call()
    greeted = greeting(answer)
    assert len(greeted.pop("sid")) >= 20
    assert greeted == {"upgrades": ["websocket"], "pingInterval": 7500, "pingTimeout": 3000, "maxPayload": greeted["maxPayload"]}
    assert answer.headers["Cache-Control"] == "no-store"
    assert len({greeting(Requests().call())["sid"] for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("query", "method", "status", "code", "message"),
    [
        ("EIO=4&transport=pigeon", "GET", 400, 0, "Transport unknown"),
        ("EIO=4", "GET", 400, 0, "Transport unknown"),
        (f"{OPEN}&sid=nobody", "GET", 400, 1, "Session ID unknown"),
        (f"{OPEN}&sid=nobody", "POST", 400, 1, "Session ID unknown"),
        (OPEN, "POST", 400, 2, "Bad handshake method"),
        ("EIO=4&transport=websocket", "GET", 400, 3, "Bad request"),
        ("EIO=4&EIO=3&transport=polling", "GET", 400, 5, "Unsupported protocol version"),
        ("EIO=3&transport=polling", "GET", 400, 5, "Unsupported protocol version"),
        ("transport=polling", "GET", 400, 5, "Unsupported protocol version"),
    ],
)
def test_a_request_is_refused_in_the_words_of_nodes_server(
    requests: Requests, query: str, method: str, status: int, code: int, message: str
) -> None:
    answer = requests.call(query, method)
    assert (answer.status_code, answer.json) == (status, {"code": code, "message": message})
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) == len(answer.data)


@pytest.mark.parametrize(
    ("query", "message"),
    [("EIO=4&transport=websocket&sid=nobody", "Session ID unknown"), ("EIO=4&transport=pigeon", "Transport unknown")],
)
def test_a_websocket_is_refused_in_these_words_too(requests: Requests, query: str, message: str) -> None:
    answer = requests.call(
        query, headers={"Connection": "Upgrade", "Upgrade": "websocket"}, environ_overrides={UPGRADE: Upgrade(None)}
    )
    assert (answer.status_code, answer.text) == (400, message)


def test_a_request_within_a_session_is_refused_by_transport_protocol_and_size(requests: Requests) -> None:
    session = requests.session()
    bad_request = {"code": 3, "message": "Bad request"}
    for query in (session.replace("polling", "websocket"), session.replace("EIO=4", "EIO=3")):
        answer = requests.call(query)
        assert (answer.status_code, answer.json) == (400, bad_request)
    assert requests.call(session.replace("EIO=4&", ""), "POST", data="3").status_code == 200, "the version need not be repeated"


def test_the_body_of_a_request_is_small_until_the_session_is_connected(requests: Requests) -> None:
    session = requests.session()
    sid = session.rpartition("=")[2]
    for size in (4 * MAX_CONNECT_BYTES, requests.engine.max_http_buffer_size):
        too_large = requests.call(session, "POST", data="4" * (size + 1))
        assert (too_large.status_code, too_large.data) == (413, b"")
        assert requests.call(session, "POST", data="3".ljust(size)).status_code == 200
        requests.engine.mark_connected(sid)
    requests.engine.mark_disconnected(sid)
    assert requests.call(session, "POST", data="3".ljust(4 * MAX_CONNECT_BYTES + 1)).status_code == 413


def test_pages_of_other_origins_are_refused_with_and_without_a_session() -> None:
    requests = Requests(REALTIME_CORS_ALLOWED_ORIGINS=["https://a.example"])
    session = requests.session()
    for query in (OPEN, session):
        answer = requests.call(query, headers={"Origin": "https://b.example"})
        assert (answer.status_code, answer.json) == (403, {"code": 4, "message": "Forbidden"})
        assert "Access-Control-Allow-Origin" not in answer.headers
    allowed = requests.call(headers={"Origin": "https://a.example"})
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")
    unknown = requests.call(f"{OPEN}&sid=nobody", headers={"Origin": "https://a.example"})
    assert unknown.headers["Access-Control-Allow-Origin"] == "https://a.example", "the page may read why"


def test_any_page_may_connect_where_that_is_set() -> None:
    requests = Requests(REALTIME_CORS_ALLOWED_ORIGINS="*")
    assert requests.call(headers={"Origin": "https://b.example"}).status_code == 200


def test_a_preflight_is_answered() -> None:
    requests = Requests(REALTIME_CORS_ALLOWED_ORIGINS=["https://a.example"])
    answer = requests.call(method="OPTIONS", headers={"Origin": "https://a.example"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")


def test_a_session_exchanges_packets_until_it_is_closed(requests: Requests) -> None:
    session = requests.session()
    posted = requests.call(session, "POST", data="40")
    assert (posted.status_code, posted.text) == (200, "ok")
    assert requests.call(session).text.startswith("44{"), "no token"
    assert requests.call(session, "POST", data="1").status_code == 200
    assert requests.call(session).json == {"code": 1, "message": "Session ID unknown"}


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_a_server_that_stops_ends_its_sessions_and_opens_no_others(connect: Connect, seconds: float) -> None:
    requests = Requests(REALTIME_DRAIN_TIME=seconds)
    offline: list[str] = []

    @requests.realtime.on_user_offline
    def note(user_id: str) -> None:
        gevent.sleep(0.05)  # As a database would have it wait.
        offline.append(user_id)

    session = requests.session()
    ann = connect(requests.app, "ann")
    ending = gevent.spawn(requests.engine.end_all_sessions)
    with gevent.Timeout(SECONDS):
        while not requests.engine.is_draining:
            gevent.sleep(0.001)
    refused = requests.call()
    assert (refused.status_code, refused.text) == (503, "The server is about to stop")
    requests.call(session)  # The client fetches what waits for it.
    ending.get(timeout=SECONDS)
    assert requests.engine.sockets == {}
    assert offline == ["ann"], "it waits for what follows"
    assert not ann.is_connected
