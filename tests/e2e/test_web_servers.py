"""Servers of every kind that a WSGI application can have: Socket.IO works where it can; elsewhere clients and the log hear why."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from select import select

import pytest
import requests
from flask_jwt_extended import create_access_token
from werkzeug.security import generate_password_hash

from tests.e2e.api import Api
from tests.e2e.apps.contract_app import create_app
from tests.e2e.clients import TRANSPORTS, Client, JSClient, JSDriver, PyClient, Refused
from tests.e2e.conftest import CONTRACT_APP, NewId, OpenWire
from tests.e2e.raw import RawPolling
from tests.e2e.servers import (
    GEVENT_WEBSOCKET,
    REALTIME,
    Server,
    flask_run,
    gunicorn,
    listening_socket,
    poll,
    python_module,
    stopped_at_the_end,
)
from tests.e2e.wire import CONTINUATION, TEXT, WEBSOCKET_QUERY, open_tcp, poll_request

MODULE = "tests.e2e.apps.contract_app"
SERVED = "tests.e2e.apps.served_app"
EARLY = "tests.e2e.apps.early_app"
SECONDS = 30.0
COMMAND = f'gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1 "{MODULE}:create_app()"'
ASKED = "A client asked for a WebSocket, which there is not"
UNSUITABLE = "This server is not run in a way that serves Socket.IO clients; its log says why"
THREADING = {"CONTRACT_APP_CONFIG": '{"REALTIME_ASYNC_MODE": "threading"}'}
GEVENT = {"CONTRACT_APP_CONFIG": '{"REALTIME_ASYNC_MODE": "gevent"}'}
STOCK = {"CONTRACT_APP_CONFIG": '{"REALTIME_ENGINE": "stock"}'}
WEBSOCKET_ALONE = {"CONTRACT_APP_CONFIG": '{"REALTIME_TRANSPORTS": ["websocket"]}'}

NAMESPACES = ("/own", "/admin")
"""Those of `WITH_NAMESPACES` beside the default one: one of the application's own, and one that a feature serves."""
ADMIN = {"username": "root", "password": generate_password_hash("secret", "pbkdf2:sha256:1")}
WITH_NAMESPACES = {"CONTRACT_APP_CONFIG": json.dumps({"TEST_NAMESPACE": "/own", "REALTIME_ADMIN": ADMIN})}

Start = Callable[[], AbstractContextManager[Server]]
StartWith = Callable[[dict[str, str]], AbstractContextManager[Server]]
KINDS = ["js-polling", "js-websocket", "js-upgrade", "py-polling", "py-websocket", "py-upgrade"]


def changed(environment: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """Return variables with the settings of others added to theirs."""
    settings = [json.loads(variables["CONTRACT_APP_CONFIG"]) for variables in (environment, other)]
    return {**environment, "CONTRACT_APP_CONFIG": json.dumps({**settings[0], **settings[1]})}


@contextmanager
def program(*command: str, environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Run a server's own program, in whose arguments `PORT` stands for a free port."""
    with listening_socket() as listener:
        port = str(listener.getsockname()[1])
    server = Server([sys.executable, "-m", *(part.replace("PORT", port) for part in command)], environment or {})
    with stopped_at_the_end(server):
        server.url = f"http://127.0.0.1:{port}"
        server.wait_until_ready("/ready")
        yield server


def app_run(environment: dict[str, str] | None = None, **options: object) -> AbstractContextManager[Server]:
    return python_module(SERVED, {"RUN_OPTIONS": json.dumps(options), **(environment or {})})


def worker(name: str, *options: str, environment: dict[str, str] | None = None) -> AbstractContextManager[Server]:
    return gunicorn(CONTRACT_APP, environment, "--worker-class", name, *options)


def waitress(*options: str, environment: dict[str, str] | None = None) -> AbstractContextManager[Server]:
    command = ("waitress", "--listen=127.0.0.1:PORT", *options, "--call", f"{MODULE}:create_app")
    return program(*command, environment=environment)


def uvicorn(application: str, *options: str, environment: dict[str, str]) -> AbstractContextManager[Server]:
    return program("uvicorn", "--port", "PORT", *options, application, environment=environment)


WITH_WEBSOCKETS: dict[str, Start] = {
    "gthread": lambda: worker("gthread", "--threads", "8"),
    "gevent": lambda: worker("gevent"),
    "gevent_pywsgi": lambda: worker("gevent_pywsgi"),
    "app.run": app_run,
    "app.run, debug": lambda: app_run(debug=True),
    "flask run": lambda: flask_run(f"{MODULE}:create_app"),
    "gthread, threading asked for": lambda: worker("gthread", "--threads", "8", environment=THREADING),
}
WITHOUT_WEBSOCKETS: dict[str, Start] = {
    "waitress": lambda: waitress("--threads=8"),
    "gevent, gevent asked for": lambda: worker("gevent", environment=GEVENT),
}
UNSUITABLE_SERVERS: dict[str, tuple[StartWith, str, list[str]]] = {
    # How it starts, what the log says of it, and how clients hear of it.
    "sync": (
        lambda environment: worker("sync", environment=environment),
        "gunicorn's sync worker handles one request at a time",
        KINDS,
    ),
    "sync, threading asked for": (
        lambda environment: worker("sync", environment=changed(environment, THREADING)),
        "gunicorn's sync worker handles one request at a time",
        ["js-upgrade"],
    ),
    "gthread, one thread": (
        lambda environment: worker("gthread", "--threads", "1", environment=environment),
        "gunicorn's gthread worker handles one request at a time",
        KINDS,
    ),
    "gthread, several processes": (
        lambda environment: worker("gthread", "--threads", "8", "--workers", "2", environment=environment),
        "gunicorn's gthread worker serves from several processes",
        KINDS,
    ),
    "gevent asked for": (
        lambda environment: worker("gthread", "--threads", "8", environment=changed(environment, GEVENT)),
        "gunicorn's gthread worker serves with threads, and REALTIME_ASYNC_MODE = 'gevent' needs gevent",
        KINDS,
    ),
    "app.run, one thread": (
        lambda environment: app_run(environment, threaded=False),
        "Werkzeug's server handles one request at a time",
        KINDS,
    ),
    "app.run, processes": (
        lambda environment: app_run(environment, threaded=False, processes=2),
        "Werkzeug's server handles one request at a time",
        KINDS,
    ),
    "waitress, one thread": (
        lambda environment: waitress("--threads=1", environment=environment),
        "waitress handles one request at a time",
        [kind for kind in KINDS if "websocket" not in kind],
    ),
    "uvicorn, its own bridge": (
        lambda environment: uvicorn(f"{SERVED}:app", "--interface", "wsgi", environment=environment),
        "a2wsgi's bridge from ASGI to WSGI",
        [kind for kind in KINDS if "websocket" not in kind],
    ),
    "uvicorn, a2wsgi": (
        lambda environment: uvicorn(f"{SERVED}:through_a2wsgi", environment=environment),
        "a2wsgi's bridge from ASGI to WSGI",
        [kind for kind in KINDS if "websocket" not in kind],
    ),
    "uvicorn, asgiref": (
        lambda environment: uvicorn(f"{SERVED}:through_asgiref", "--lifespan", "off", environment=environment),
        "asgiref's bridge from ASGI to WSGI",
        [kind for kind in KINDS if "websocket" not in kind],
    ),
}


SMALL_BODIES = {"REALTIME_MAX_HTTP_BUFFER_SIZE": 10_000, "REALTIME_MAX_PAYLOAD_BYTES": 5000}
FEW_THREADS: dict[str, StartWith] = {
    "gthread": lambda environment: worker("gthread", "--threads", "4", environment=environment),
    "waitress": lambda environment: waitress("--threads=4", environment=environment),
}
BAD_BODIES = [b"\xff", b"", b"zzz", b"9", b"4" * 10_001]
"""Not UTF-8, nothing, no packet, a packet of a type that there is not, too large."""


def connect(kind: str, driver: JSDriver, api: Api, user: str, namespace: str = "") -> Client:
    language, mode = kind.split("-")
    options = {"auth": {"token": api.token(user)}, "transports": TRANSPORTS[mode]}
    return PyClient(api.url, options) if language == "py" else JSClient(driver, api.url + namespace, options)


def exchange(kind: str, driver: JSDriver, api: Api, new_id: NewId, transport: str) -> None:
    """Have a client connect, join, hear of a message and go."""
    user, conversation = new_id("ann"), new_id("conversation")
    client = connect(kind, driver, api, user)
    try:
        assert client.transport == transport
        assert client.call("join:conversation", conversation) == {"ok": True}
        api.emit("emit_new_message", conversation, {"id": "m1"})
        assert client.wait_for("message:new").data == {"id": "m1"}
        assert client.call("app:echo", "hello") == {"echo": "hello"}
        if isinstance(client, PyClient) and transport == "polling":
            # By itself it may go without a word, and only after its last poll.
            api.emit("disconnect_user", user)
            client.wait_for_disconnect()
    finally:
        client.release()
    api.wait_for_hook("disconnect", user)


def complaints(server: Server) -> list[str]:
    """The lines of the log that tell of trouble."""
    return [line for line in server.lines if re.search(r"Traceback|Error|Exception|refused with|asked for|REALTIME_", line)]


@pytest.mark.parametrize("name", WITH_WEBSOCKETS)
def test_a_server_with_threads_or_gevent_carries_every_transport(name: str, driver: JSDriver, new_id: NewId) -> None:
    with WITH_WEBSOCKETS[name]() as server:
        for kind in KINDS:
            exchange(kind, driver, Api(server.url), new_id, TRANSPORTS[kind.partition("-")[2]][-1])
        assert complaints(server) == []


@pytest.mark.parametrize("name", WITHOUT_WEBSOCKETS)
def test_a_server_that_hands_out_no_socket_carries_long_polling(name: str, driver: JSDriver, new_id: NewId) -> None:
    with WITHOUT_WEBSOCKETS[name]() as server:
        for kind in ("js-polling", "py-polling", "py-upgrade"):
            exchange(kind, driver, Api(server.url), new_id, "polling")
        with closing(RawPolling(server.url)) as polling:
            assert polling.handshake["upgrades"] == []
        for kind in ("js-websocket", "py-websocket"):
            with pytest.raises(Refused if kind.startswith("js") else Exception):
                connect(kind, driver, Api(server.url), new_id("ann"))
        server.wait_for_line(ASKED)
        (line,) = [line for line in complaints(server) if "REALTIME_ASYNC_MODE =" not in line]
        assert ASKED in line


@pytest.mark.parametrize("name", UNSUITABLE_SERVERS)
def test_a_server_that_cannot_serve_says_so_to_clients_and_once_in_its_log(name: str, driver: JSDriver, new_id: NewId) -> None:
    start, reason, kinds = UNSUITABLE_SERVERS[name]
    asked = [(kind, "") for kind in kinds] + [(kind, path) for kind in kinds if kind.startswith("js") for path in NAMESPACES]
    with start(WITH_NAMESPACES) as server:
        for kind, path in asked:
            with pytest.raises(Refused) as refused:
                connect(kind, driver, Api(server.url), new_id("ann"), path)
            assert (refused.value.code, refused.value.message) == ("server_unsuitable", UNSUITABLE)
        server.wait_for_line("refused with")
        said = [line for line in server.lines if "refused with" in line]
        if name != "uvicorn, asgiref":  # Its executor fails by itself where a client sends and polls at once.
            assert complaints(server) == said
        (line,) = set(said)
        assert f"Clients are refused with server_unsuitable: {reason}" in line
        change = ", with REALTIME_ASYNC_MODE = 'gevent'" if name == "sync, threading asked for" else ""
        assert line.endswith(f"Serve with: {COMMAND}{change}")
        # Workers know nothing of each other.
        assert len(said) <= (2 if name == "gthread, several processes" else 1)


def test_several_processes_serve_clients_that_use_nothing_but_a_websocket(driver: JSDriver, new_id: NewId) -> None:
    with worker("gthread", "--threads", "8", "--workers", "2", environment=WEBSOCKET_ALONE) as server:
        for kind in ("js-websocket", "py-websocket"):
            client = connect(kind, driver, Api(server.url), new_id("ann"))
            assert client.call("app:echo", "hello") == {"echo": "hello"}
            client.release()


@pytest.mark.parametrize("kind", KINDS)
def test_more_clients_than_there_are_threads_are_refused_at_once(kind: str, driver: JSDriver, new_id: NewId) -> None:
    with worker("gthread", "--threads", "4", environment=WITH_NAMESPACES) as server:
        api = Api(server.url)
        clients = [connect("js-websocket", driver, api, new_id("ann")) for _ in range(3)]
        for path in ("", *NAMESPACES) if kind.startswith("js") else ("",):
            with pytest.raises(Refused) as refused:
                connect(kind, driver, api, new_id("ann"), path)
            assert refused.value.code == "too_many_connections"
        for client in clients:
            assert client.call("app:echo", "hello") == {"echo": "hello"}
            client.release()
        server.wait_for_line("gunicorn's gthread worker handles 4 requests at once, and each client takes one")
        assert len(complaints(server)) == 1


@pytest.mark.parametrize("name", [*FEW_THREADS, "app.run", "gevent", "stock engine"])
def test_a_malformed_post_ends_its_session_at_once_and_keeps_no_thread(name: str) -> None:
    starts: dict[str, StartWith] = {
        **FEW_THREADS,
        "app.run": lambda environment: python_module(SERVED, {"RUN_OPTIONS": "{}", **environment}),
        "gevent": lambda environment: worker("gevent", environment=environment),
        "stock engine": lambda environment: gunicorn(CONTRACT_APP, environment),
    }
    config = {**SMALL_BODIES, **({"REALTIME_ENGINE": "stock"} if name == "stock engine" else {})}
    with starts[name]({"CONTRACT_APP_CONFIG": json.dumps(config)}) as server:
        for body in BAD_BODIES:  # More than there are threads.
            with closing(RawPolling(server.url)) as polling:
                assert polling.post_body(body).status_code == 400
                assert polling.post("3").status_code == 400  # The session is gone.
        assert requests.get(f"{server.url}/ready", timeout=SECONDS).status_code == 200


@pytest.mark.parametrize("name", FEW_THREADS)
def test_parallel_polls_of_one_session_end_it_and_keep_one_thread_at_most(name: str) -> None:
    with FEW_THREADS[name]({}) as server, closing(RawPolling(server.url)) as polling, ExitStack() as stack:
        polls = [stack.enter_context(closing(open_tcp(server.url))) for _ in range(5)]
        for tcp in polls:
            tcp.sendall(poll_request(server.url, polling.handshake["sid"]))
        assert requests.get(f"{server.url}/ready", timeout=SECONDS).status_code == 200
        statuses = [tcp.recv(12) for tcp in polls]
        assert sorted(statuses) == [b"HTTP/1.1 200", *[b"HTTP/1.1 400"] * 4]


def test_an_upgrade_is_refused_where_it_would_take_the_last_thread(open_wire: OpenWire, new_id: NewId) -> None:
    with worker("gthread", "--threads", "4") as server, ExitStack() as stack:
        token = Api(server.url).token(new_id("ann"))
        first, second = (stack.enter_context(closing(RawPolling(server.url))) for _ in range(2))
        polls = [stack.enter_context(closing(open_tcp(server.url))) for _ in range(2)]
        for polling, poll in zip((first, second), polls, strict=True):
            polling.post(f'40{{"token":"{token}"}}')
            polling.receive_until("40")
            poll.sendall(poll_request(server.url, polling.handshake["sid"]))
        wire = open_wire(server.url, f"{WEBSOCKET_QUERY}&sid={first.handshake['sid']}")
        assert wire.status == 101
        other = f"{WEBSOCKET_QUERY}&sid={second.handshake['sid']}"
        assert open_wire(server.url, other).status == 400
        assert requests.get(f"{server.url}/ready", timeout=SECONDS).status_code == 200
        wire.send("2probe")
        assert (wire.receive(), polls[0].recv(12)) == ("3probe", b"HTTP/1.1 200")  # Clients wait for the end of their poll, too.
        wire.send("5")
        assert wire.call(1, "app:echo", "hello") == {"echo": "hello"}
        assert open_wire(server.url, other).status == 101


def test_requests_that_do_not_end_occupy_all_threads_until_they_are_closed() -> None:
    with worker("gthread", "--threads", "4") as server:

        def is_answered() -> bool:
            with closing(open_tcp(server.url)) as tcp:
                tcp.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return bool(select([tcp], [], [], 1.0)[0])

        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(closing(open_tcp(server.url))).sendall(b"GET /ready HTTP/1.1\r\n")
            assert poll(lambda: not is_answered(), SECONDS)
        assert requests.get(f"{server.url}/ready", timeout=SECONDS).status_code == 200


def test_a_process_without_clients_says_nothing_of_its_server() -> None:
    with worker("sync") as server:
        assert Api(server.url).emit("emit_new_message", "conversation", {"id": "m1"}) is True
        assert complaints(server) == []


def test_the_first_request_may_be_one_for_a_websocket(driver: JSDriver) -> None:
    app = create_app()
    with app.app_context():
        token = create_access_token("ann")
    for name in ("gevent_pywsgi", "gevent", "gthread"):
        with gunicorn(CONTRACT_APP, {}, "--worker-class", name, "--threads", "8", ready=None) as server:
            server.wait_for_line("Booting worker")
            client = JSClient(driver, server.url, {"auth": {"token": token}, "transports": ["websocket"]})
            assert client.call("app:echo", "hello") == {"echo": "hello"}
            client.release()


@pytest.mark.parametrize("name", ["app.run", "gthread", "gevent", "GeventWebSocketWorker", "realtime.run"])
def test_what_is_started_and_sent_before_the_first_request(name: str) -> None:
    starts: dict[str, Start] = {
        "app.run": lambda: python_module(EARLY, {"RUN": "app"}),
        "realtime.run": lambda: python_module(EARLY, {"RUN": "realtime"}),
        "GeventWebSocketWorker": lambda: gunicorn(f"{EARLY}:app"),
        "gthread": lambda: gunicorn(f"{EARLY}:app", {}, "--worker-class", "gthread", "--threads", "8"),
        "gevent": lambda: gunicorn(f"{EARLY}:app", {}, "--worker-class", "gevent"),
    }
    with starts[name]() as server:
        assert poll(lambda: bool(requests.get(f"{server.url}/early", timeout=SECONDS).json()["ran"]), SECONDS)
        early = requests.get(f"{server.url}/early", timeout=SECONDS).json()
    assert early == {"ran": ["ran"], "sent": True, "mode": "threading" if name in {"app.run", "gthread", "gevent"} else "gevent"}


def test_the_gevent_server_for_development_prints_where_it_listens_and_warns_without_patches() -> None:
    with python_module(EARLY, {"RUN": "realtime"}) as server:
        server.wait_for_line(re.escape(f" * Running on {server.url}"))
        server.wait_for_line(r"gevent\.monkey\.patch_all\(\) was not called")
    with python_module(EARLY, {"RUN": "realtime", "PATCH": "1"}) as server:
        server.wait_for_line(re.escape(f" * Running on {server.url}"))
        assert [line for line in server.lines if "patch_all" in line] == []


def test_threads_asked_for_under_gevents_server_are_logged_and_leave_long_polling(driver: JSDriver, new_id: NewId) -> None:
    with gunicorn(CONTRACT_APP, THREADING) as server:
        api = Api(server.url)
        for kind in ("js-polling", "py-polling", "py-upgrade"):
            exchange(kind, driver, api, new_id, "polling")
        for kind in ("js-websocket", "py-websocket"):
            with pytest.raises(Refused, match="This server has no WebSocket; connect with long polling"):
                connect(kind, driver, api, new_id("ann"))
        server.wait_for_line(ASKED)
        remark, asked = complaints(server)
        assert "REALTIME_ASYNC_MODE = 'threading' leaves clients long polling alone on gevent's pywsgi server" in remark
        assert ASKED in asked


@pytest.mark.parametrize("name", ["gevent_pywsgi", REALTIME])
def test_the_stock_engine_on_a_worker_without_gevent_websocket_is_logged_and_leaves_long_polling(
    name: str, driver: JSDriver, new_id: NewId
) -> None:
    with worker(name, environment=STOCK) as server:
        for kind in ("js-polling", "py-polling", "py-upgrade"):
            exchange(kind, driver, Api(server.url), new_id, "polling")
        for kind in ("js-websocket", "py-websocket"):
            with pytest.raises(Refused, match="This server has no WebSocket; connect with long polling"):
                connect(kind, driver, Api(server.url), new_id("ann"))
        server.wait_for_line(ASKED)
        remark, asked = complaints(server)
        assert "REALTIME_ENGINE = 'stock' leaves clients long polling alone on gevent's pywsgi server" in remark
        assert ASKED in asked
    with worker(name, environment=changed(WEBSOCKET_ALONE, STOCK)) as server:
        with pytest.raises(Refused, match=UNSUITABLE):
            connect("js-websocket", driver, Api(server.url), new_id("ann"))
        server.wait_for_line("has no WebSocket for")
        (line,) = complaints(server)
        assert "has no WebSocket for REALTIME_ENGINE = 'stock', and the transports allow nothing else" in line


@pytest.mark.parametrize("name", [None, GEVENT_WEBSOCKET])
def test_the_stock_engine_carries_every_transport_with_gevent_websocket(name: str | None, driver: JSDriver, new_id: NewId) -> None:
    start = worker(name, environment=STOCK) if name else python_module(MODULE, STOCK)
    with start as server:
        for kind in KINDS:
            exchange(kind, driver, Api(server.url), new_id, TRANSPORTS[kind.partition("-")[2]][-1])
        assert complaints(server) == []


def test_an_engine_that_is_asked_for_and_cannot_be_had_is_logged(driver: JSDriver, new_id: NewId) -> None:
    environment = {"CONTRACT_APP_CONFIG": '{"REALTIME_ENGINE": "gevent"}'}
    with worker("gthread", "--threads", "8", environment=environment) as server:
        exchange("js-upgrade", driver, Api(server.url), new_id, "websocket")
        server.wait_for_line("has no effect")
        (line,) = complaints(server)
        assert line == "REALTIME_ENGINE = 'gevent' has no effect: gunicorn's gthread worker serves with threads."


def test_a_message_over_the_limit_ends_a_websocket_that_has_a_thread(open_wire: OpenWire, new_id: NewId) -> None:
    environment = {"CONTRACT_APP_CONFIG": '{"REALTIME_MAX_HTTP_BUFFER_SIZE": 10000, "REALTIME_MAX_PAYLOAD_BYTES": 5000}'}
    with worker("gthread", "--threads", "8", environment=environment) as server:
        api, user = Api(server.url), new_id("ann")
        wire = open_wire(server.url)
        wire.enter(api.token(user))
        wire.send_frame(TEXT, b"4" * 4000, fin=False)
        wire.send_frame(CONTINUATION, b"4" * 6001, fin=False)
        assert wire.close_code() == 1009
        api.wait_for_hook("disconnect", user)
