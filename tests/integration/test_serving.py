"""What the first request's web server allows: who is served, who is refused at once, and what the log says of it."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from gevent.pywsgi import WSGIHandler, WSGIServer
from werkzeug.security import generate_password_hash

from flask_realtime import Realtime
from flask_realtime.engine.handler import EngineHandler
from flask_realtime.gateway.serving import serving
from flask_realtime.gateway.serving.web_server import WebServer
from flask_realtime.testing import RealtimeTestClient
from tests.redis_server import free_port, wait_until

PATH = "/socket.io/?EIO=4&transport="
COMMAND = "gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1"
SYNC = WebServer("sync", places=1, hands_out_socket=True)
POOL = WebServer("a pool", places=3, hands_out_socket=True)
THREADS = WebServer("threads", hands_out_socket=True)
WAITRESS = WebServer("waitress", places=4)

app = Flask(__name__)


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes an application whose requests come through a web server."""

    def make(server: WebServer | None, **config: Any) -> Any:
        made = Flask(__name__)
        made.config.update(JWT_SECRET_KEY="0123456789abcdef" * 2, **config)
        JWTManager(made)
        made.get("/")(lambda: "page")
        Realtime(made)
        monkeypatch.setattr(serving, "find_web_server", lambda _environ, _start_response: server)
        return made.test_client()

    return make


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    own = [record for record in caplog.records if record.name == serving.__name__]
    return [record.getMessage() for record in own if record.levelno == level]


def opened(client: Any, **headers: str) -> dict[str, Any]:
    """Open a session, and return what the server says of it."""
    answer = client.get(f"{PATH}polling", headers=headers)
    assert answer.status_code == 200, answer.text
    handshake: dict[str, Any] = json.loads(answer.text[1:])
    return handshake


def test_a_server_that_cannot_serve_refuses_clients_and_serves_pages(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = make(SYNC)
    assert (client.get("/").text, messages(caplog, logging.ERROR)) == ("page", [])
    for _ in range(2):
        assert "server_unsuitable" in client.get(f"{PATH}polling").text
    (line,) = messages(caplog, logging.ERROR)
    assert line.startswith("Clients are refused with server_unsuitable: sync ")
    assert line.endswith(f'Serve with: {COMMAND} "tests.integration.test_serving:app"')
    assert client.get("/").text == "page"


def test_clients_are_refused_in_every_namespace_that_is_known_by_name(make: Any) -> None:
    client = make(SYNC, REALTIME_ADMIN={"username": "root", "password": generate_password_hash("secret", "pbkdf2:sha256:1")})
    for namespace in ("/own", "/", "*"):
        client.application.extensions["socketio"].on_event("hello", lambda: "hello", namespace=namespace)
    opened, *refused = client.get(f"{PATH}polling").text.split("\x1e")
    sid = json.loads(opened[1:])["sid"]
    assert client.post(f"{PATH}polling&sid={sid}", data="40/own,").text == "ok"
    *others, end = client.get(f"{PATH}polling&sid={sid}").text.split("\x1e")
    refused += others
    assert [packet.partition("{")[0] for packet in (*refused, end)] == ["44", "44/admin,", "44/own,", "1"]
    assert {json.loads(packet[packet.index("{") :])["data"]["code"] for packet in refused} == {"server_unsuitable"}


def test_a_server_with_few_threads_refuses_whom_it_has_no_place_for(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = make(POOL)
    sids = [opened(client)["sid"] for _ in range(2)]
    assert messages(caplog) == []
    for query in ("polling", "polling&session=sid=", "polling&sid="):
        answer = client.get(f"{PATH}{query}").text
        assert "too_many_connections" in answer
    sid = json.loads(answer.partition("\x1e")[0][1:])["sid"]
    assert client.post(f"{PATH}polling&sid={sid}", data="40/own,").text == "ok"
    assert client.get(f"{PATH}polling&sid={sid}").text == "1"
    (line,) = messages(caplog)
    assert line.startswith("Clients are refused with too_many_connections: a pool handles 3 requests at once")
    assert COMMAND in line
    assert client.post(f"{PATH}polling&sid={sids[0]}", data="1").status_code == 200, "who is there goes on"
    assert opened(client)["sid"] not in sids, "and makes room by going"


def test_the_session_of_a_client_that_sends_an_event_before_it_has_connected_is_closed(make: Any) -> None:
    client = make(THREADS)
    session = f"{PATH}polling&sid={opened(client)['sid']}"
    assert client.post(session, data='42["typing:start","1"]').status_code == 200
    wait_until(lambda: client.get(session).status_code == 400)


def test_a_server_without_websockets_says_so_at_once(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = make(WAITRESS)
    assert opened(client)["upgrades"] == []
    for _ in range(2):
        refusal = client.get(f"{PATH}websocket", headers={"Upgrade": "websocket"})
        assert (refusal.status_code, refusal.text) == (400, "This server has no WebSocket; connect with long polling")
    (line,) = messages(caplog)
    assert line.startswith("A client asked for a WebSocket, which there is not: waitress hands none out")
    assert COMMAND in line


def test_threads_without_a_bound_take_everybody(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    client = make(THREADS)
    assert client.get("/").text == "page"
    assert len({opened(client)["sid"] for _ in range(5)}) == 5
    assert opened(client)["upgrades"] == ["websocket"]
    assert messages(caplog) == []


def test_clients_are_served_by_threads_that_wake_each_other(make: Any) -> None:
    client = make(THREADS)
    assert client.get("/").text == "page"
    with client.application.app_context():
        token = create_access_token("ann")
    with RealtimeTestClient(client.application, token) as ann:
        assert ann.call("user:get-status", "ann") == {"userId": "ann", "status": "online"}


@pytest.mark.parametrize(("server", "warnings"), [(THREADS, 1), (SYNC, 0), (None, 0)])
def test_an_engine_that_was_asked_for_and_cannot_be_is_warned_about(
    make: Any, caplog: pytest.LogCaptureFixture, server: WebServer | None, warnings: int
) -> None:
    client = make(server, REALTIME_ENGINE="gevent")
    for _ in range(2):
        client.get(f"{PATH}polling")
    assert messages(caplog) == ["REALTIME_ENGINE = 'gevent' has no effect: threads serves with threads."] * warnings


def test_threads_that_were_asked_for_are_in_the_remedy(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    make(SYNC, REALTIME_ASYNC_MODE="threading").get(f"{PATH}polling")
    (line,) = messages(caplog, logging.ERROR)
    assert line.endswith(", with REALTIME_ASYNC_MODE = 'gevent'")


def test_pages_are_served_before_and_after_the_first_client(make: Any) -> None:
    for server in (POOL, None):
        client = make(server)
        assert client.get("/").text == "page"
        assert opened(client)["pingInterval"] == 25000
        assert client.get("/").text == "page"


def test_what_an_application_began_before_the_first_request_runs_in_the_other_mode(make: Any) -> None:
    client, done = make(THREADS), threading.Event()
    client.application.extensions["socketio"].start_background_task(done.set)
    client.get("/")
    assert done.wait(10)


class Worker:
    """A worker of gunicorn's that loads an application, as far as it is looked at."""

    wsgi_handler: Any = WSGIHandler
    server_class: Any = WSGIServer

    def load_wsgi(self, load: Callable[[], object]) -> None:
        """Load the application."""
        load()


@pytest.mark.parametrize("engine", ["gevent", "stock"])
def test_a_worker_that_loads_an_application_gets_the_engines_handler(make: Any, engine: str) -> None:
    worker = Worker()
    settings = {"REALTIME_ENGINE": engine, "REALTIME_PATH": "/live/", "REALTIME_MAX_HEAD_BYTES": 5000}
    worker.load_wsgi(lambda: make(None, **settings))
    handler = worker.wsgi_handler
    if engine == "stock":
        assert handler is WSGIHandler
    else:
        assert issubclass(handler, EngineHandler)
        assert (handler.engine_paths, handler.limits.max_head) == (("/live/",), 5000)


def test_the_development_server_has_the_engines_handler_before_the_first_request() -> None:
    served = Flask(__name__)
    served.config.update(JWT_SECRET_KEY="0123456789abcdef" * 2, REALTIME_ASYNC_MODE="gevent")
    socketio = (realtime := Realtime(served)).socketio
    running = gevent.spawn(realtime.run, served, port=free_port())
    with gevent.Timeout(10):
        while not (socketio.wsgi_server and issubclass(socketio.wsgi_server.handler_class, EngineHandler)):
            gevent.sleep(0.005)
        socketio.wsgi_server.stop()
        running.join()


def test_what_began_before_the_first_request_runs_once() -> None:
    done: list[int] = []
    tasks = serving.EarlyTasks(lambda _task: None)
    tasks.start(done.append, 1)
    tasks.start_again(lambda task: task())
    tasks.start_again(lambda task: task())
    assert done == [1]
    serving.EarlyTasks(lambda task: task()).start(done.append, 2)
    assert done == [1, 2]


@pytest.mark.parametrize(("is_flask_run", "mode"), [(True, "threading"), (False, "gevent")])
def test_before_the_first_request_the_mode_is_that_of_the_usual_server(
    monkeypatch: pytest.MonkeyPatch, mode: str, *, is_flask_run: bool
) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true" if is_flask_run else "")
    # Where eventlet is installed, python-engineio would choose that.
    monkeypatch.setitem(sys.modules, "engineio.async_drivers.eventlet", importlib.import_module("engineio.async_drivers.threading"))
    made = Flask(__name__)
    made.config["JWT_SECRET_KEY"] = "0123456789abcdef" * 2
    JWTManager(made)
    assert Realtime(made).socketio.async_mode == mode
