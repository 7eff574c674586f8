"""A WebSocket's opening handshake on a real server: who is refused hears it in plain HTTP, in the words of Node's server.

Where Node's server shakes hands first and then breaks off because a request cannot be right, the refusal comes at once here. A
session that has no use for another WebSocket accepts it and closes it, as there.
"""

import json
import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests
import trustme
import websocket

from tests.e2e.api import Api
from tests.e2e.conftest import ENGINE, ENGINE_APP, OpenPolling, OpenWire, Servers, ServerWith
from tests.e2e.raw import RawPolling
from tests.e2e.servers import Server, gunicorn
from tests.e2e.test_engine_bad_clients import same_sockets
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import TEXT, Wire, masked_frame, open_tcp, trickle, upgrade_request

SECONDS = 20.0
WEBSOCKET = "EIO=4&transport=websocket"
MOUNTED_APP = "tests.e2e.apps.engine_app:create_mounted_app()"
BAD_KEY = "Missing or invalid Sec-WebSocket-Key header"
BAD_VERSION = "Missing or invalid Sec-WebSocket-Version header"
QUICK = {"REALTIME_CONNECT_TIMEOUT": 0.5}


@pytest.fixture
def api(engine_api: Api) -> Api:
    """The usual engine server, which has had a request before."""
    assert requests.get(f"{engine_api.url}/ready", timeout=SECONDS).ok
    return engine_api


def answer_to(api: Api, request: bytes) -> tuple[int, dict[str, str], str]:
    """Send a request and read on until the server closes the connection; return status, headers and body."""
    with closing(open_tcp(api.url)) as tcp:
        tcp.settimeout(SECONDS)
        tcp.sendall(request)
        received = b""
        while data := tcp.recv(65_536):
            received += data
    head, _, body = received.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body


def refusal(api: Api, query: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
    """The status and the words with which an upgrade is refused; the connection ends with them."""
    request = upgrade_request(api.url, query, headers).replace(b"GET", method.encode(), 1)
    status, answered, body = answer_to(api, request)
    assert answered["content-type"] == "text/html"
    assert answered["connection"] == "close"
    assert answered["content-length"] == str(len(body))
    return status, body


@contextmanager
def opened(url: str) -> Iterator[websocket.WebSocket]:
    """A WebSocket at some address."""
    connection = websocket.create_connection(url.replace("http", "ws", 1), timeout=SECONDS)
    try:
        yield connection
    finally:
        connection.shutdown()  # type: ignore[no-untyped-call] # websocket-client's only untyped method


# Refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Transport unknown"),
        ("EIO=4", "Transport unknown"),
        ("EIO=4&transport=tcp", "Transport unknown"),
        (f"{WEBSOCKET}&sid=nobody", "Session ID unknown"),
        ("EIO=3&transport=websocket", "Unsupported protocol version"),
        ("transport=websocket", "Unsupported protocol version"),
        ("EIO=4&transport=polling", "Bad request"),
    ],
)
def test_an_upgrade_that_begins_nothing_is_refused(api: Api, query: str, words: str) -> None:
    assert refusal(api, query) == (400, words)


def test_an_upgrade_from_another_origin_is_refused(api: Api) -> None:
    assert refusal(api, WEBSOCKET, {"Origin": "http://elsewhere.example"}) == (400, "Forbidden")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Sec-WebSocket-Key": ""}, BAD_KEY),
        ({"Sec-WebSocket-Key": "?"}, BAD_KEY),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, BAD_KEY),
        ({"Sec-WebSocket-Key": "!" * 22 + "=="}, BAD_KEY),
        ({"Sec-WebSocket-Key": "\u00e9" * 22 + "=="}, BAD_KEY),
        ({"Sec-WebSocket-Version": ""}, BAD_VERSION),
        ({"Sec-WebSocket-Version": "7"}, BAD_VERSION),
        ({"Sec-WebSocket-Version": "12"}, BAD_VERSION),
        ({"Sec-WebSocket-Version": "13, 12"}, BAD_VERSION),
        ({"Sec-WebSocket-Protocol": "a,,b"}, "Invalid Sec-WebSocket-Protocol header"),
    ],
    ids=str,
)
def test_a_handshake_that_is_none_is_refused_and_nobody_reads_of_it(
    api: Api, servers: Servers, headers: dict[str, str], words: str
) -> None:
    assert refusal(api, WEBSOCKET, headers) == (400, words)
    assert "Traceback" not in servers.new_lines()


def test_a_version_that_is_none_is_answered_with_those_that_are(api: Api) -> None:
    _, headers, _ = answer_to(api, upgrade_request(api.url, WEBSOCKET, {"Sec-WebSocket-Version": "12"}))
    assert headers["sec-websocket-version"] == "13, 8"


def test_an_upgrade_with_another_method_is_refused(api: Api, open_polling: OpenPolling) -> None:
    assert refusal(api, WEBSOCKET, method="POST") == (400, "Bad handshake method")
    query = f"{WEBSOCKET}&sid={open_polling(api.url).handshake['sid']}"
    assert refusal(api, query, method="POST") == (405, "Invalid HTTP method")


def test_an_upgrade_that_asks_for_none_is_answered_in_json(api: Api) -> None:
    status, headers, body = answer_to(api, upgrade_request(api.url, WEBSOCKET, {"Connection": "close"}))
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body) == {"code": 3, "message": "Bad request"}


def test_an_upgrade_within_a_session_is_refused_if_it_is_not_the_one_to_come(
    api: Api, open_polling: OpenPolling, open_wire: OpenWire
) -> None:
    polling: RawPolling = open_polling(api.url)
    sid = polling.handshake["sid"]
    assert refusal(api, f"EIO=3&transport=websocket&sid={sid}") == (400, "Bad request")
    wire: Wire = open_wire(api.url, f"{WEBSOCKET}&sid={sid}")
    assert is_turned_away(open_wire, api, f"{WEBSOCKET}&sid={sid}")
    assert is_turned_away(open_wire, api, f"EIO=4&transport=polling&sid={sid}")
    wire.send("2probe")
    assert wire.packet() == "3probe"
    assert is_turned_away(open_wire, api, f"{WEBSOCKET}&sid={sid}")
    wire.send("5", "40" + json.dumps({"token": api.token()}))
    assert wire.receive_until("40")
    assert is_turned_away(open_wire, api, f"{WEBSOCKET}&sid={sid}")
    assert is_turned_away(open_wire, api, f"EIO=4&transport=polling&sid={sid}")
    assert wire.call(1, "user:get-status", "nobody") == {"userId": "nobody", "status": "offline"}


def is_turned_away(open_wire: OpenWire, api: Api, query: str) -> bool:
    """Whether a WebSocket is accepted and closed, with no packet and no close code, whatever comes behind its handshake."""
    wire = open_wire(api.url, query, behind=masked_frame(TEXT, b"2probe") + masked_frame(TEXT, b"5"))
    return wire.status == 101 and wire.rest() == b"\x88\x00"


def test_a_session_on_websocket_is_left_alone_by_another_websocket(api: Api, open_wire: OpenWire) -> None:
    wire = open_wire(api.url)
    sid = wire.opening()["sid"]
    wire.send("40" + json.dumps({"token": api.token()}))
    assert wire.receive_until("40")
    for _ in range(3):
        assert is_turned_away(open_wire, api, f"{WEBSOCKET}&sid={sid}")
    assert wire.call(1, "user:get-status", "nobody") == {"userId": "nobody", "status": "offline"}


def test_a_refused_upgrade_leaves_nothing_behind(api: Api) -> None:
    with same_sockets(api):
        for _ in range(20):
            assert refusal(api, f"{WEBSOCKET}&sid=nobody") == (400, "Session ID unknown")


# Requests that arrive with their connections ----------------------------------------------------------

REQUESTS: dict[str, tuple[str, dict[str, str]]] = {
    "in order": (WEBSOCKET, {}),
    "with a subprotocol": (WEBSOCKET, {"Sec-WebSocket-Protocol": "a, b"}),
    "of nobody": (f"{WEBSOCKET}&sid=nobody", {}),
    "of another transport": ("EIO=4&transport=tcp", {}),
    "of another protocol": ("EIO=3&transport=websocket", {}),
    "from another origin": (WEBSOCKET, {"Origin": "http://elsewhere.example"}),
    "with another key": (WEBSOCKET, {"Sec-WebSocket-Key": "?"}),
    "with another version": (WEBSOCKET, {"Sec-WebSocket-Version": "12"}),
    "that is the last": (WEBSOCKET, {"Connection": "Upgrade, close"}),
    "with a body": (WEBSOCKET, {"Content-Length": "1"}),
    "in chunks": (WEBSOCKET, {"Transfer-Encoding": "chunked"}),
    "with two lengths": (WEBSOCKET, {"Content-Length": "1", "content-length": "2"}),
    "with a field that is none": (WEBSOCKET, {"X-One ": "1"}),
    "that is too large": (WEBSOCKET, {"X-Large": "x" * 40_000}),
}


def test_requests_that_come_with_their_connections_are_answered_like_those_that_come_later(own_server: Server) -> None:
    pid = requests.get(f"{own_server.url}/process", timeout=SECONDS).json()["pid"]
    sent = {kind: upgrade_request(own_server.url, *parts) for kind, parts in REQUESTS.items()}
    for kind in ("with a body", "in chunks"):
        sent[kind] += b"0\r\n\r\n"
    with ExitStack() as stack:
        late = {kind: stack.enter_context(closing(open_tcp(own_server.url))) for kind in sent}
        for kind, tcp in late.items():
            tcp.sendall(sent[kind][:20])
        # Connections are accepted in their order, so that those before this one wait for their requests by now.
        assert requests.get(f"{own_server.url}/ready", timeout=SECONDS).ok
        for kind, tcp in late.items():
            tcp.sendall(sent[kind][20:])
        answers = {kind: answer_on(tcp) for kind, tcp in late.items()}
        os.kill(pid, signal.SIGSTOP)
        try:
            early = {kind: stack.enter_context(closing(open_tcp(own_server.url))) for kind in sent}
            for kind, tcp in early.items():
                tcp.sendall(sent[kind])
        finally:
            os.kill(pid, signal.SIGCONT)
        assert {kind: answer_on(tcp) for kind, tcp in early.items()} == answers
    accepted = {kind for kind, answer in answers.items() if answer.startswith("HTTP/1.1 101 ")}
    assert accepted == {"in order", "with a subprotocol", "that is the last"}


def answer_on(tcp: socket.socket) -> str:
    """What is answered, up to the session's first packet if it is a WebSocket; without what differs each time."""
    tcp.settimeout(SECONDS)
    received = b""
    while not (received.startswith(b"HTTP/1.1 101 ") and b"maxPayload" in received) and (data := tcp.recv(65_536)):
        received += data
    return re.sub(r"Date: [^\r]*|\"sid\":\"[^\"]*", "", received.decode("latin-1"))


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that nobody else uses."""
    with gunicorn(ENGINE_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}) as server:
        yield server


# Handshakes that are in order -------------------------------------------------------------------------


def test_of_several_subprotocols_the_first_is_agreed_to(api: Api, open_wire: OpenWire) -> None:
    wire: Wire = open_wire(api.url, headers={"Sec-WebSocket-Protocol": "chat , superchat"})
    assert (wire.status, wire.headers["sec-websocket-protocol"]) == (101, "chat")
    assert wire.opening()["sid"]


@pytest.mark.parametrize(
    "headers", [{"Sec-WebSocket-Version": "8"}, {"Connection": "keep-alive, Upgrade"}, {"Upgrade": "WebSocket"}], ids=str
)
def test_a_handshake_may_be_worded_otherwise(api: Api, open_wire: OpenWire, headers: dict[str, str]) -> None:
    wire: Wire = open_wire(api.url, headers=headers)
    assert wire.status == 101
    assert wire.opening()["sid"]


@pytest.mark.parametrize("headers", [{}, {"X-Name": "caf\u00e9"}, {"X-Long": "x" * 9_000}], ids=lambda value: str(value)[:20])
def test_frames_sent_with_any_headers_are_not_lost(api: Api, open_wire: OpenWire, headers: dict[str, str]) -> None:
    connect = masked_frame(TEXT, ("40" + json.dumps({"token": api.token()})).encode())
    wire: Wire = open_wire(api.url, headers=headers, behind=connect + masked_frame(TEXT, b'421["app:echo","\xc3\xbc"]'))
    wire.opening()
    assert wire.receive_until("431[") == '431[{"echo":"\u00fc"}]'


def test_a_connection_that_had_another_request_before_may_become_a_websocket(api: Api) -> None:
    with closing(HTTPConnection(urlsplit(api.url).netloc, timeout=SECONDS)) as http:
        for _ in range(2):
            http.request("GET", "/ready")
            assert http.getresponse().read() == b"ready"
        http.sock.sendall(upgrade_request(api.url))
        received = b""
        while not received.endswith(b"}"):
            received += http.sock.recv(65_536)
    assert received.startswith(b"HTTP/1.1 101 ")
    assert b'0{"sid":' in received


@pytest.fixture(scope="module")
def mounted() -> Iterator[Server]:
    with gunicorn(MOUNTED_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}, ready="/mounted/ready") as server:
        yield server


def test_an_application_below_a_prefix_is_no_different(mounted: Server) -> None:
    refused = upgrade_request(mounted.url, f"{WEBSOCKET}&sid=nobody").replace(b"/socket.io/", b"/mounted/socket.io/")
    assert answer_to(Api(mounted.url), refused)[::2] == (400, "Session ID unknown")
    with opened(f"{mounted.url}/mounted/socket.io/?{WEBSOCKET}") as admitted:
        assert str(admitted.recv()).startswith('0{"sid"')


@pytest.mark.parametrize("query", [WEBSOCKET, f"{WEBSOCKET}&sid=nobody"])
def test_the_first_request_of_all_is_answered_too(open_wire: OpenWire, query: str) -> None:
    """The worker has the engine's handler before its first connection."""
    with gunicorn(ENGINE_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}, ready=None) as server:
        if query == WEBSOCKET:
            first: Wire = open_wire(server.url, query)
            assert first.status == 101
            assert first.opening()["sid"]
            first.send("40" + json.dumps({"token": Api(server.url).token()}))
            assert first.receive_until("40")
        else:
            assert refusal(Api(server.url), query) == (400, "Session ID unknown")
        assert open_wire(server.url).opening()["sid"]


# What is not the engine's -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/own-websocket", "/socket.io-of-their-own/"])
def test_an_applications_own_websockets_are_left_alone(api: Api, path: str) -> None:
    with opened(api.url + path) as own:
        for message in ("one", "two"):
            own.send(message)
            assert own.recv() == f"echo: {message}"


# Requests that do not come to their end ---------------------------------------------------------------

UNFINISHED = {
    "nothing": b"",
    "half a line": b"GET /rea",
    "half a name": b"GET /ready HTTP/1.1\r\nHost: localhost\r\nAcc",
    "no end": b"GET /ready HTTP/1.1\r\nHost: localhost\r\n",
    "half an upgrade": b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
}


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    options = write_certificate(authority, folder)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    settings = json.dumps({"REALTIME_ENGINE": ENGINE, **QUICK})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))
        with gunicorn(ENGINE_APP, {"CONTRACT_APP_CONFIG": settings}, *options, scheme="https") as server:
            yield server


def wait_until_cut(tcp: socket.socket) -> bytes:
    """Read on until the server ends the connection."""
    tcp.settimeout(SECONDS)
    received = b""
    with suppress(ConnectionError, ssl.SSLError):
        while data := tcp.recv(65_536):
            received += data
    return received


@pytest.mark.parametrize("sent", UNFINISHED)
def test_a_request_whose_head_does_not_end_is_given_up(engine_with: ServerWith, servers: Servers, sent: str) -> None:
    api = engine_with(**QUICK)
    with same_sockets(api), ExitStack() as stack:
        waiting = [stack.enter_context(closing(open_tcp(api.url))) for _ in range(10)]
        for tcp in waiting:
            tcp.sendall(UNFINISHED[sent])
        assert requests.get(f"{api.url}/ready", timeout=SECONDS).text == "ready"
        assert [wait_until_cut(tcp) for tcp in waiting] == [b""] * 10
    assert "Traceback" not in servers.new_lines()


def test_a_head_that_comes_byte_by_byte_is_given_up(engine_with: ServerWith) -> None:
    api = engine_with(**QUICK)
    with closing(open_tcp(api.url)) as tcp, suppress(ConnectionError):
        tcp.sendall(b"GET /ready HTTP/1.1\r\n")
        assert trickle(tcp, b"X") == b""


def test_an_idle_connection_is_kept_and_half_a_second_request_is_not(engine_with: ServerWith) -> None:
    api = engine_with(**QUICK)
    request = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with closing(open_tcp(api.url)) as idle:
        idle.settimeout(SECONDS)
        for _ in range(2):
            idle.sendall(request)
            received = b""
            while not received.endswith(b"ready"):
                received += idle.recv(65_536)
            for _ in range(3):  # three times as long as a head may take
                with closing(open_tcp(api.url)) as other:
                    assert wait_until_cut(other) == b""
        idle.sendall(request[:20])
        assert wait_until_cut(idle) == b""


def test_an_answer_may_take_longer_than_a_request(engine_with: ServerWith, open_polling: OpenPolling) -> None:
    polling: RawPolling = open_polling(engine_with(REALTIME_PING_INTERVAL=1, **QUICK).url)
    polling.post("40" + json.dumps({"token": engine_with(REALTIME_PING_INTERVAL=1, **QUICK).token()}))
    polling.receive_until("40")
    assert polling.poll() == ["2"]


def test_over_tls_a_handshake_is_answered_and_refused_the_same(tls_server: Server, open_wire: OpenWire) -> None:
    api = Api(tls_server.url)
    assert refusal(api, f"{WEBSOCKET}&sid=nobody") == (400, "Session ID unknown")
    assert refusal(api, WEBSOCKET, {"Sec-WebSocket-Key": "?"}) == (400, BAD_KEY)
    connect = masked_frame(TEXT, ("40" + json.dumps({"token": api.token()})).encode())
    wire: Wire = open_wire(api.url, behind=connect)
    assert wire.opening()["sid"]
    assert wire.receive_until("40")


def test_a_tls_handshake_that_does_not_end_is_given_up(tls_server: Server) -> None:
    plain = tls_server.url.replace("https", "http")
    with closing(open_tcp(plain)) as silent, closing(open_tcp(plain)) as half, closing(open_tcp(tls_server.url)) as shaken:
        half.sendall(b"\x16\x03\x01")
        shaken.sendall(b"GET /ready HTTP/1.1\r\n")
        assert requests.get(f"{tls_server.url}/ready", timeout=SECONDS).text == "ready"
        assert [wait_until_cut(tcp) for tcp in (silent, half, shaken)] == [b""] * 3
    assert not any("Traceback" in line for line in tls_server.lines)
