"""Engine.IO protocol 4, Socket.IO protocol 5 and RFC 6455, as Node's reference server keeps them, packet by packet."""

import base64
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.api import Api
from tests.e2e.conftest import NewId, OpenPolling, OpenWire, ServerWith
from tests.e2e.raw import SEPARATOR, RawPolling
from tests.e2e.servers import poll
from tests.e2e.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    Frame,
    Wire,
    masked_frame,
    open_tcp,
)

SECONDS = 10.0
OFFLINE = {"userId": "nobody", "status": "offline"}
UNKNOWN_TRANSPORT = {"code": 0, "message": "Transport unknown"}
UNKNOWN_SESSION = {"code": 1, "message": "Session ID unknown"}
BAD_METHOD = {"code": 2, "message": "Bad handshake method"}
BAD_REQUEST = {"code": 3, "message": "Bad request"}
FORBIDDEN = {"code": 4, "message": "Forbidden"}
BAD_VERSION = {"code": 5, "message": "Unsupported protocol version"}
MAX_MESSAGE = 1_000_000


@pytest.fixture
def api(engine_api: Api) -> Api:
    """The usual engine server: nobody hears there of other tests' users."""
    return engine_api


def address(api: Api, query: str) -> str:
    return f"{api.url}/socket.io/?{query}"


def session_query(polling: RawPolling, transport: str = "polling") -> str:
    return f"EIO=4&transport={transport}&sid={polling.handshake['sid']}"


def entered(open_wire: OpenWire, api: Api, user: str = "someone") -> Wire:
    """A WebSocket that has been let in."""
    wire: Wire = open_wire(api.url)
    assert wire.enter(api.token(user)).startswith("40{")
    return wire


def entered_polling(open_polling: OpenPolling, api: Api, user: str) -> RawPolling:
    """A long-polling session that has been let in and has fetched all that was sent to it."""
    polling: RawPolling = open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(user)}))
    polling.receive_until("40")
    settle(polling)
    return polling


def settle(polling: RawPolling) -> None:
    """Fetch what waits, so that the next poll has to wait."""
    polling.post('4299["user:get-status","nobody"]')
    polling.receive_until("4399[")


def assert_answers(wire: Wire) -> None:
    assert wire.call(99, "user:get-status", "nobody") == OFFLINE


def is_gone(api: Api, polling: RawPolling) -> bool:
    """Whether the session has ended; asked with a POST, which changes nothing."""
    answer = requests.post(address(api, session_query(polling)), data="6", timeout=SECONDS)
    return answer.status_code == 400 and answer.json() == UNKNOWN_SESSION


def wait_until_gone(api: Api, polling: RawPolling) -> None:
    assert poll(lambda: is_gone(api, polling), SECONDS), "the session lives on"


class Poll:
    """A poll whose request the server has read once this object is there: it brings what is sent from then on."""

    def __init__(self, api: Api, polling: RawPolling) -> None:
        self._http = HTTPConnection(urlsplit(api.url).netloc, timeout=SECONDS)
        self._http.request("GET", f"/socket.io/?{session_query(polling)}")
        # The server takes connections in the order in which they came, and this one's request came with it.
        assert requests.get(f"{api.url}/ready", timeout=SECONDS).ok

    def result(self) -> tuple[int, str]:
        """The status and the body."""
        answer = self._http.getresponse()
        body = answer.read().decode()
        self._http.close()
        return answer.status, body

    def cancel(self) -> None:
        """Close the connection instead of waiting."""
        self._http.close()


@pytest.fixture
def in_background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


# The handshake ----------------------------------------------------------------------------------------


def test_long_polling_begins_with_open(api: Api) -> None:
    answer = requests.get(address(api, "EIO=4&transport=polling"), timeout=SECONDS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.text[0] == "0"
    handshake = json.loads(answer.text[1:])
    assert len(handshake.pop("sid")) >= 20
    assert handshake == {"upgrades": ["websocket"], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": MAX_MESSAGE}


def test_a_websocket_begins_with_open(open_wire: OpenWire, api: Api) -> None:
    handshake = open_wire(api.url).opening()
    assert len(handshake.pop("sid")) >= 20
    assert handshake == {"upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": MAX_MESSAGE}


def test_every_session_has_an_id_of_its_own(open_wire: OpenWire, open_polling: OpenPolling, api: Api) -> None:
    ids = {open_wire(api.url).opening()["sid"] for _ in range(5)} | {open_polling(api.url).handshake["sid"] for _ in range(5)}
    assert len(ids) == 10


def test_the_times_are_told_to_the_millisecond(open_wire: OpenWire, engine_with: ServerWith) -> None:
    api = engine_with(REALTIME_PING_INTERVAL=0.123, REALTIME_PING_TIMEOUT=12.345, REALTIME_MAX_HTTP_BUFFER_SIZE=1234)
    handshake = open_wire(api.url).opening()
    assert (handshake["pingInterval"], handshake["pingTimeout"], handshake["maxPayload"]) == (123, 12_345, 1234)


def test_an_empty_session_id_begins_a_new_session(api: Api) -> None:
    assert requests.get(address(api, "EIO=4&transport=polling&sid="), timeout=SECONDS).text[0] == "0"


@pytest.mark.parametrize(
    ("method", "query", "error"),
    [
        ("GET", "", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4&transport=tcp", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4&transport=webtransport", UNKNOWN_TRANSPORT),
        ("GET", "EIO=4&transport=polling&sid=nobody", UNKNOWN_SESSION),
        ("POST", "EIO=4&transport=polling&sid=nobody", UNKNOWN_SESSION),
        ("GET", "EIO=4&transport=websocket&sid=nobody", UNKNOWN_SESSION),
        ("POST", "EIO=4&transport=polling", BAD_METHOD),
        ("PUT", "EIO=4&transport=polling", BAD_METHOD),
        ("DELETE", "EIO=4&transport=websocket", BAD_METHOD),
        ("GET", "EIO=4&transport=websocket", BAD_REQUEST),
        ("GET", "transport=polling", BAD_VERSION),
        ("GET", "EIO=3&transport=polling", BAD_VERSION),
        ("GET", "EIO=5&transport=polling", BAD_VERSION),
        ("GET", "EIO=x&transport=polling", BAD_VERSION),
    ],
)
def test_a_request_that_begins_nothing_is_refused_in_json(api: Api, method: str, query: str, error: dict[str, Any]) -> None:
    answer = requests.request(method, address(api, query), timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (400, error)
    assert answer.headers["Content-Type"] == "application/json"


def test_another_origin_is_refused_in_json(api: Api) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    answer = requests.get(address(api, "EIO=4&transport=polling"), headers=headers, timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (403, FORBIDDEN)


@pytest.mark.parametrize("query", ["EIO=4&transport=websocket&sid={}", "EIO=3&transport=polling&sid={}"])
def test_another_transport_or_protocol_within_a_session_is_refused(open_polling: OpenPolling, api: Api, query: str) -> None:
    polling = open_polling(api.url)
    answer = requests.get(address(api, query.format(polling.handshake["sid"])), timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (400, BAD_REQUEST)
    assert not is_gone(api, polling)


def test_a_session_on_websocket_cannot_be_polled(open_wire: OpenWire, api: Api) -> None:
    wire = open_wire(api.url)
    query = f"EIO=4&transport=polling&sid={wire.opening()['sid']}"
    answers = [requests.get(address(api, query), timeout=SECONDS), requests.post(address(api, query), data="1", timeout=SECONDS)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(400, BAD_REQUEST)] * 2
    wire.send("40" + json.dumps({"token": api.token()}))
    assert wire.receive_until("40")
    assert_answers(wire)


# The WebSocket handshake ------------------------------------------------------------------------------


def test_the_handshake_proves_that_it_was_read(open_wire: OpenWire, api: Api) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    wire = open_wire(api.url, headers={"Sec-WebSocket-Key": key})
    proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()
    assert wire.status == 101
    assert wire.headers["sec-websocket-accept"] == base64.b64encode(proof).decode()


def test_no_extension_is_agreed_to(open_wire: OpenWire, api: Api) -> None:
    wire = open_wire(api.url, headers={"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"})
    assert wire.status == 101
    assert "sec-websocket-extensions" not in wire.headers


def test_frames_that_come_with_the_handshake_are_not_lost(open_wire: OpenWire, api: Api) -> None:
    connect = "40" + json.dumps({"token": api.token()})
    wire = open_wire(api.url, behind=masked_frame(TEXT, connect.encode()) + masked_frame(TEXT, b'421["user:get-status","nobody"]'))
    wire.opening()
    assert wire.receive_until("431[") == f"431[{json.dumps(OFFLINE, separators=(',', ':'))}]"


# The heartbeat ----------------------------------------------------------------------------------------

QUICK = {"REALTIME_PING_INTERVAL": 0.3, "REALTIME_PING_TIMEOUT": 0.4}
EARLY = 0.05
"""Seconds that a clock may be ahead of another's idea of the same interval."""


def test_pings_come_at_the_interval_and_go_on_when_answered(open_wire: OpenWire, engine_with: ServerWith) -> None:
    wire = open_wire(engine_with(**QUICK).url)
    assert (wire.opening()["pingInterval"], wire.status) == (300, 101)
    for _ in range(4):
        before = time.monotonic()
        assert wire.packet() == "2"
        assert time.monotonic() - before > 0.3 - EARLY
        wire.send("3")


def test_an_unanswered_ping_ends_the_session_after_the_time_out(
    open_wire: OpenWire, engine_with: ServerWith, new_id: NewId
) -> None:
    api, user = engine_with(**QUICK), new_id("ann")
    wire = entered(open_wire, api, user)
    while wire.packet() != "2":
        pass
    pinged = time.monotonic()
    wire.wait_until_closed()
    assert time.monotonic() - pinged > 0.4 - EARLY
    assert api.wait_for_hook("disconnect", user) == [[user, "ping timeout"]]


def test_a_pong_before_its_ping_does_no_harm(open_wire: OpenWire, engine_with: ServerWith) -> None:
    wire = entered(open_wire, engine_with(**QUICK))
    wire.send("3", "3", "3")
    for _ in range(3):
        assert wire.receive_until_ping()
        wire.send("3")
    assert_answers(wire)


def test_any_packet_while_a_pong_is_awaited_extends_the_wait_once(open_wire: OpenWire, engine_with: ServerWith) -> None:
    wire = open_wire(engine_with(REALTIME_PING_INTERVAL=0.3, REALTIME_PING_TIMEOUT=3).url)
    wire.opening()
    assert wire.packet() == "2"
    pinged = time.monotonic()
    time.sleep(1.5)  # half the time-out: a moment in time is what the rule is about
    wire.send("6")
    wire.wait_until_closed()
    assert time.monotonic() - pinged > 1.5 + 3 - EARLY


def test_long_polling_is_pinged_and_timed_out_too(open_polling: OpenPolling, engine_with: ServerWith) -> None:
    api = engine_with(**QUICK)
    polling = open_polling(api.url)
    for _ in range(3):
        before = time.monotonic()
        assert polling.poll() == ["2"]
        assert time.monotonic() - before > 0.3 - EARLY
        assert polling.post("3").text == "ok"
    assert polling.poll() == ["2"]
    assert polling.poll() == ["1"]
    wait_until_gone(api, polling)


# Long polling -----------------------------------------------------------------------------------------


def test_a_post_is_answered_ok(open_polling: OpenPolling, api: Api) -> None:
    answer = open_polling(api.url).post("6")
    assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (200, "ok", "text/html")


def test_several_packets_come_and_go_in_one_payload(open_polling: OpenPolling, engine_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, engine_api, user)
    engine_api.post("/emit-many", {"user": user, "count": 3})
    assert polling.poll() == ['42["number",0]', '42["number",1]', '42["number",2]']
    polling.post('421["app:echo",1]', "6", '422["app:echo","\u00fc"]')
    assert polling.receive_until("432[") == ['431[{"echo":1}]', '432[{"echo":"\u00fc"}]']


def test_a_poll_waits_for_a_packet(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    waiting = Poll(api, polling)
    api.emit("send_to_user", user, "news")
    assert waiting.result() == (200, '42["news"]')


def test_a_second_poll_ends_the_session(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    first, second = Poll(api, polling), Poll(api, polling)
    assert first.result() == (200, "1")
    assert second.result()[0] == 400
    wait_until_gone(api, polling)
    api.wait_for_hook("disconnect", user)


def half_a_post(api: Api, polling: RawPolling) -> socket.socket:
    """A connection on which the server waits for the rest of a POST."""
    tcp = open_tcp(api.url)
    request = f"POST /socket.io/?{session_query(polling)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n4"
    tcp.sendall(request.encode())
    assert requests.get(f"{api.url}/ready", timeout=SECONDS).ok
    return tcp


def test_a_second_post_ends_the_session(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    with closing(half_a_post(api, polling)) as first:
        assert polling.post("6").status_code == 400
        wait_until_gone(api, polling)
        api.wait_for_hook("disconnect", user)
        first.settimeout(SECONDS)
        with suppress(ConnectionError):
            while first.recv(65_536):  # whatever the answer, the connection is over
                pass


def test_a_cancelled_poll_ends_the_session(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    Poll(api, polling).cancel()
    wait_until_gone(api, polling)
    api.wait_for_hook("disconnect", user)


def test_a_cancelled_post_ends_the_session(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    half_a_post(api, polling).close()
    wait_until_gone(api, polling)
    api.wait_for_hook("disconnect", user)


def test_close_ends_the_session_and_its_poll(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    waiting = Poll(api, polling)
    assert polling.post("1").text == "ok"
    assert waiting.result() == (200, "6")
    wait_until_gone(api, polling)
    api.wait_for_hook("disconnect", user)


@pytest.mark.parametrize("body", ["2", "2probe", "7", "9", "x", "", SEPARATOR, "49", "4", "6" + SEPARATOR + "z", "d="], ids=repr)
def test_a_malformed_payload_ends_the_session_and_its_poll(open_polling: OpenPolling, api: Api, new_id: NewId, body: str) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    waiting = Poll(api, polling)
    assert polling.post(body).status_code in {200, 400}
    assert waiting.result() == (200, "1")
    wait_until_gone(api, polling)


@pytest.mark.parametrize("packet", ["0", "3", "5", "6"])
def test_packets_that_mean_nothing_here_are_ignored(open_polling: OpenPolling, open_wire: OpenWire, api: Api, packet: str) -> None:
    polling = entered_polling(open_polling, api, "someone")
    assert polling.post(packet).text == "ok"
    settle(polling)
    wire = entered(open_wire, api)
    wire.send(packet)
    assert_answers(wire)


def test_a_payload_that_is_too_large_is_refused_and_the_session_lives_on(open_polling: OpenPolling, api: Api) -> None:
    polling = entered_polling(open_polling, api, "someone")
    assert polling.post("4" + "x" * MAX_MESSAGE).status_code == 413
    settle(polling)


def test_a_payload_as_binary_data_ends_the_session(open_polling: OpenPolling, api: Api) -> None:
    polling = entered_polling(open_polling, api, "someone")
    headers = {"Content-Type": "application/octet-stream"}
    assert requests.post(address(api, session_query(polling)), data="6", headers=headers, timeout=SECONDS).status_code == 400
    wait_until_gone(api, polling)


def test_a_client_that_the_server_disconnects_fetches_that(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    assert api.emit("disconnect_user", user) == 1
    assert "41" in polling.poll()


# The upgrade ------------------------------------------------------------------------------------------


def test_an_upgrade_moves_the_session_with_nothing_lost(
    open_polling: OpenPolling, open_wire: OpenWire, engine_api: Api, new_id: NewId
) -> None:
    api, user = engine_api, new_id("ann")
    polling = entered_polling(open_polling, api, user)
    waiting = Poll(api, polling)
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    assert waiting.result() == (200, "6")
    api.post("/emit-many", {"user": user, "count": 50})
    wire.send("5")
    wire.send('421["app:echo",1]')
    assert [wire.text() for _ in range(50)] == [f'42["number",{number}]' for number in range(50)]
    assert wire.text() == '431[{"echo":1}]'
    answer = requests.get(address(api, session_query(polling)), timeout=SECONDS)
    assert (answer.status_code, answer.json()) == (400, BAD_REQUEST)


def test_polls_during_the_probe_bring_what_is_sent_or_nothing(
    open_polling: OpenPolling, open_wire: OpenWire, api: Api, new_id: NewId
) -> None:
    user = new_id("ann")
    polling = entered_polling(open_polling, api, user)
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    assert polling.poll() == ["6"]
    api.emit("send_to_user", user, "news")
    got: list[str] = []
    while '42["news"]' not in got:
        got += polling.poll()
    assert set(got) <= {"6", '42["news"]'}
    wire.send("5")
    assert wire.call(1, "user:get-status", "nobody") == OFFLINE


def test_polls_end_for_as_long_as_the_probe_takes(open_polling: OpenPolling, open_wire: OpenWire, api: Api, new_id: NewId) -> None:
    polling = entered_polling(open_polling, api, new_id("ann"))
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    # The client may hear of the answer late, and changes over only when its poll has ended.
    assert [polling.poll() for _ in range(3)] == [["6"]] * 3
    wire.send("5")
    assert wire.call(1, "user:get-status", "nobody") == OFFLINE


def test_an_upgraded_session_has_its_heartbeat(open_polling: OpenPolling, open_wire: OpenWire, engine_with: ServerWith) -> None:
    api = engine_with(**QUICK)
    polling = open_polling(api.url)
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    wire.send("5")
    for _ in range(3):
        assert wire.receive_until_ping()
        wire.send("3")
    wire.wait_until_gone()
    wait_until_gone(api, polling)


@pytest.mark.parametrize(
    "sent",
    [
        masked_frame(TEXT, b'421["user:get-status","nobody"]'),
        masked_frame(TEXT, b"3probe"),
        masked_frame(TEXT, b"6"),
        masked_frame(TEXT, b"2probe") + masked_frame(TEXT, b"41"),
        masked_frame(CLOSE),
        masked_frame(0x3),
        b"",
    ],
    ids=str,
)
def test_a_probe_that_fails_leaves_the_session_on_long_polling(
    open_polling: OpenPolling, open_wire: OpenWire, api: Api, sent: bytes
) -> None:
    polling = entered_polling(open_polling, api, "someone")
    wire = open_wire(api.url, session_query(polling, "websocket"), behind=sent)
    if sent:
        wire.wait_until_gone()
    else:
        wire.close()
    settle(polling)
    second = open_wire(api.url, session_query(polling, "websocket"))
    second.send("2probe")
    assert second.packet() == "3probe"
    second.send("5")
    assert_answers(second)


def test_a_second_probe_is_closed_and_the_first_goes_on(open_polling: OpenPolling, open_wire: OpenWire, api: Api) -> None:
    polling = entered_polling(open_polling, api, "someone")
    first = open_wire(api.url, session_query(polling, "websocket"))
    first.send("2probe")
    assert first.packet() == "3probe"
    open_wire(api.url, session_query(polling, "websocket")).wait_until_gone()
    first.send("5")
    assert_answers(first)
    open_wire(api.url, session_query(polling, "websocket")).wait_until_gone()
    assert_answers(first)


def test_a_probe_goes_with_its_session(open_polling: OpenPolling, open_wire: OpenWire, api: Api) -> None:
    polling = entered_polling(open_polling, api, "someone")
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    polling.post("1")
    wire.wait_until_gone()


def test_an_upgrade_that_is_not_completed_is_given_up(open_polling: OpenPolling, open_wire: OpenWire, api: Api) -> None:
    polling = entered_polling(open_polling, api, "someone")
    wire = open_wire(api.url, session_query(polling, "websocket"))
    wire.send("2probe")
    assert wire.packet() == "3probe"
    wire.wait_until_gone()  # Node's server waits 10 s
    settle(polling)


# Frames: RFC 6455 -------------------------------------------------------------------------------------


def long_length(size: int) -> bytes:
    """The header of a text frame with its length in eight bytes."""
    return b"\x81\xff" + size.to_bytes(8, "big") + MASK


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x81\x016", 1002),
        (masked_frame(TEXT, b"6", reserved=0x40), 1002),
        (masked_frame(TEXT, b"6", reserved=0x20), 1002),
        (masked_frame(TEXT, b"6", reserved=0x10), 1002),
        (masked_frame(0x3), 1002),
        (masked_frame(0xB), 1002),
        (masked_frame(PING, b"a", fin=False), 1002),
        (masked_frame(PING, b"a" * 126), 1002),
        (masked_frame(CLOSE, b"\x03\xe8" + b"a" * 124), 1002),
        (masked_frame(CONTINUATION, b"6"), 1002),
        (masked_frame(TEXT, b"6", fin=False) + masked_frame(TEXT, b"6"), 1002),
        (masked_frame(TEXT, b"6", fin=False) + masked_frame(BINARY, b"6"), 1002),
        (b"\x81\xfe\x00\x01" + MASK + b"7", 1002),
        (b"\x81\xff" + (1).to_bytes(8, "big") + MASK + b"7", 1002),
        (b"\x81\xff" + (0xFFFF).to_bytes(8, "big") + MASK, 1002),
        (long_length(1 << 63), 1002),
        (masked_frame(TEXT, b"4\xff"), 1007),
        (masked_frame(TEXT, b"4\xed\xa0\x80"), 1007),
        (masked_frame(TEXT, b"4\xc3", fin=False) + masked_frame(CONTINUATION, b"a"), 1007),
        (long_length(MAX_MESSAGE + 1), 1009),
        (long_length((1 << 63) - 1), 1009),
        (b"\x82" + long_length(MAX_MESSAGE + 1)[1:], 1009),
        (masked_frame(TEXT, b"4", fin=False) + b"\x80" + long_length(MAX_MESSAGE)[1:], 1009),
        (masked_frame(CLOSE, b"a"), 1002),
        (masked_frame(CLOSE, (999).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (1004).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (1006).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (1015).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (2999).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, (5000).to_bytes(2, "big")), 1002),
        (masked_frame(CLOSE, b"\x03\xe8\xff"), 1007),
    ],
    ids=lambda value: value[:24].hex() if isinstance(value, bytes) else str(value),
)
def test_a_broken_frame_is_answered_with_its_close_code(
    open_wire: OpenWire, api: Api, new_id: NewId, sent: bytes, code: int
) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send_bytes(sent)
    assert wire.close_code() == code
    wire.wait_until_gone()
    api.wait_for_hook("disconnect", user)


@pytest.mark.parametrize(
    "sent",
    [
        masked_frame(TEXT, b"4abc\xff" + b"behind it" * 99)[:30],
        masked_frame(TEXT, b"4" + b"\xe2\x82(" + b"behind it" * 9)[:30],
        masked_frame(TEXT, b"4abc", fin=False) + masked_frame(CONTINUATION, b"\xf4\x90", fin=False),
        masked_frame(TEXT, b"4abc", fin=False) + masked_frame(CONTINUATION, b"a\xed\xa0" + b"behind it" * 9)[:30],
    ],
    ids=["frame", "small-frame", "fragment", "inside-a-fragment"],
)
def test_text_that_is_none_is_refused_before_its_message_is_complete(open_wire: OpenWire, api: Api, sent: bytes) -> None:
    wire = entered(open_wire, api)
    wire.send_bytes(sent)
    assert wire.close_code() == 1007
    wire.wait_until_gone()


@pytest.mark.parametrize(
    ("payload", "answered"),
    [
        (b"", b""),
        (b"\x03\xe8", b"\x03\xe8"),
        (b"\x03\xe8good-bye", b"\x03\xe8"),
        ((1001).to_bytes(2, "big"), (1001).to_bytes(2, "big")),
        ((1013).to_bytes(2, "big"), (1013).to_bytes(2, "big")),
        ((3000).to_bytes(2, "big"), (3000).to_bytes(2, "big")),
        ((4999).to_bytes(2, "big"), (4999).to_bytes(2, "big")),
    ],
)
def test_a_close_frame_is_answered_with_its_code(
    open_wire: OpenWire, api: Api, new_id: NewId, payload: bytes, answered: bytes
) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send_frame(CLOSE, payload)
    while (frame := wire.frame()).opcode != CLOSE:
        pass
    assert frame.payload[:2] == answered
    wire.wait_until_gone()
    api.wait_for_hook("disconnect", user)


def test_what_follows_a_close_frame_is_not_handled(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    wire.send_bytes(masked_frame(CLOSE, b"\x03\xe8") + masked_frame(TEXT, b'42["app:number",1]'))
    wire.wait_until_gone()
    engine_api.wait_for_hook("disconnect", user)
    assert entered(open_wire, engine_api, user).call(1, "app:numbers") == {"count": 0, "ordered": True}


def test_a_failure_inside_the_server_is_closed_with_1011(open_wire: OpenWire, engine_api: Api) -> None:
    wire = open_wire(engine_api.url)
    wire.opening()
    wire.send("40/broken,")
    assert wire.close_code() == 1011


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff" * 62])
def test_a_ping_frame_is_answered_and_a_pong_frame_ignored(open_wire: OpenWire, api: Api, payload: bytes) -> None:
    wire = entered(open_wire, api)
    wire.send_frame(PONG, payload)
    wire.send_frame(PING, payload)
    while (frame := wire.frame()).opcode == TEXT:
        pass
    assert frame == Frame(PONG, payload)
    assert_answers(wire)


def test_control_frames_may_come_between_fragments(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    text = '421["app:echo","\u00fc\u20ac\U0001f642"]'.encode()
    for index in range(len(text)):  # cut inside every character
        wire.send_frame(TEXT if index == 0 else CONTINUATION, text[index : index + 1], fin=False)
        wire.send_frame(PING, bytes([index]))
    wire.send_frame(CONTINUATION)
    pongs: list[bytes] = []
    while (frame := wire.frame()) != Frame(TEXT, '431[{"echo":"\u00fc\u20ac\U0001f642"}]'.encode()):
        pongs += [frame.payload] if frame.opcode == PONG else []
    assert pongs == [bytes([index]) for index in range(len(text))]


def test_a_close_frame_may_come_between_fragments(open_wire: OpenWire, api: Api) -> None:
    wire = entered(open_wire, api)
    wire.send_bytes(masked_frame(TEXT, b"4", fin=False) + masked_frame(CLOSE, b"\x0b\xb9"))
    assert wire.close_code() == 3001


def test_bytes_may_come_one_by_one(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    for byte in masked_frame(TEXT, b'421["app:echo","' + b"x" * 130 + b'"]'):
        wire.send_bytes(bytes([byte]))
    assert wire.receive_until("431[") == f'431[{{"echo":"{"x" * 130}"}}]'


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 900_000])
def test_answers_of_every_length_are_framed_right(open_wire: OpenWire, engine_api: Api, size: int) -> None:
    wire = entered(open_wire, engine_api)
    assert wire.call(1, "app:large", size) == "x" * size
    overhead = len('431[""]')
    if size > overhead:
        assert len(str(wire.call(2, "app:large", size - overhead))) == size - overhead


def test_a_message_of_the_largest_size_is_taken(open_wire: OpenWire, api: Api) -> None:
    wire = entered(open_wire, api)
    event = '421["user:get-status","' + '"]'
    wire.send(event[:-2] + "x" * (MAX_MESSAGE - len(event)) + event[-2:])
    assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "payload_too_large"
    assert_answers(wire)


def test_control_frames_never_come_inside_another_frame(
    open_wire: OpenWire, engine_api: Api, new_id: NewId, in_background: ThreadPoolExecutor
) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    letters = "abcdefgh"
    emits = [in_background.submit(engine_api.emit, "send_to_user", user, "large", letter * 100_000) for letter in letters]
    for number in range(100):
        wire.send_frame(PING, bytes([number]))
    texts: set[str] = set()
    pongs: list[bytes] = []
    while len(texts) < len(letters) or len(pongs) < 100:
        opcode, payload = wire.frame()
        if opcode == PONG:
            pongs.append(payload)
        elif payload.startswith(b'42["large"'):
            texts.add(payload.decode())
    assert pongs == [bytes([number]) for number in range(100)]
    assert texts == {f'42["large","{letter * 100_000}"]' for letter in letters}
    assert [emit.result() for emit in emits] == [True] * len(letters)


# Engine.IO packets on a WebSocket ---------------------------------------------------------------------


@pytest.mark.parametrize("packet", ["", "1", "2", "2probe", "7", "9", "x", "\U0001f642"])
def test_a_packet_that_a_client_must_not_send_closes(open_wire: OpenWire, api: Api, new_id: NewId, packet: str) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send(packet, '421["user:get-status","nobody"]')
    wire.wait_until_closed()
    api.wait_for_hook("disconnect", user)


# Socket.IO packets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    ['421["user:get-status","nobody"]', "41", "431[]", "44{}", "42/admin,[1]", '451-["app:bytes",{"_placeholder":true,"num":0}]'],
)
def test_nothing_may_come_before_connect(open_wire: OpenWire, engine_api: Api, packet: str) -> None:
    wire = open_wire(engine_api.url)
    wire.opening()
    wire.send(packet)
    if packet.startswith("45"):
        wire.send_frame(BINARY, b"\x00")
    assert wire.packets_until_closed() <= {"1"}


def test_an_unknown_namespace_is_refused_and_the_connection_lives_on(open_wire: OpenWire, api: Api) -> None:
    wire = open_wire(api.url)
    wire.opening()
    wire.send("40/admin,")
    assert wire.receive() == '44/admin,{"message":"Invalid namespace"}'
    wire.send('40/admin,{"token":"x"}')
    assert wire.receive() == '44/admin,{"message":"Invalid namespace"}'
    wire.send("40" + json.dumps({"token": api.token()}))
    assert wire.receive_until("40")
    assert_answers(wire)


def test_a_namespace_that_is_connected_cannot_be_connected_again(open_wire: OpenWire, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send("40" + json.dumps({"token": api.token(user)}))
    wire.wait_until_closed()
    api.wait_for_hook("disconnect", user)


def test_who_disconnected_may_connect_again_and_send_nothing_in_between(open_wire: OpenWire, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send("41")
    api.wait_for_hook("disconnect", user)
    wire.send("40" + json.dumps({"token": api.token(user)}))
    assert wire.receive_until("40")
    assert_answers(wire)
    wire.send("41", '421["user:get-status","nobody"]')
    wire.wait_until_closed()


def test_a_client_that_disconnects_is_told_nothing_more(open_wire: OpenWire, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send("41")
    api.wait_for_hook("disconnect", user)
    api.emit("send_to_user", user, "news")
    api.emit("broadcast_to_all", "news")
    wire.send("40/admin,")
    assert wire.text().startswith("44/admin,")


@pytest.mark.parametrize(
    "packet",
    [
        "4",
        "47[]",
        "49",
        "4x",
        "44{}",
        '42/admin,["x"]',
        "41/admin,",
        "43/admin,1[]",
        "431{}",
        '45["app:bytes"]',
        '45-["app:bytes"]',
        '450-["app:bytes"]',
        '4511-["app:bytes"]',
        '459999999999-["app:bytes"]',
        '451.5-["app:bytes"]',
        b"\x00",
        b"",
    ],
    ids=repr,
)
def test_a_malformed_packet_closes(open_wire: OpenWire, engine_api: Api, new_id: NewId, packet: str | bytes) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    if isinstance(packet, bytes):
        wire.send_frame(BINARY, packet)
    else:
        wire.send(packet)
    wire.wait_until_closed()
    engine_api.wait_for_hook("disconnect", user)


def test_acknowledgements_have_the_ids_of_their_events(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    for number in (0, 7, 999_999_999_999):
        wire.send(f'42{number}["app:echo",{number}]')
        assert wire.receive_until(f"43{number}[") == f'43{number}[{{"echo":{number}}}]'


def test_an_acknowledgement_that_nobody_waits_for_is_ignored(open_wire: OpenWire, api: Api) -> None:
    wire = entered(open_wire, api)
    wire.send("431[]", "430[1]", '4377["x",{}]')
    assert_answers(wire)


# Binary events ----------------------------------------------------------------------------------------

PLACEHOLDERS = ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(10))


def test_binary_attachments_come_and_go(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    attachments = [bytes([number]) * number for number in range(10)]
    wire.send(f'4510-1["app:bytes",{PLACEHOLDERS}]')
    for attachment in attachments:
        wire.send_frame(BINARY, attachment)
    assert wire.receive_until("46") == f'4610-1[{{"echo":[{PLACEHOLDERS}]}}]'
    assert [wire.receive() for _ in range(10)] == attachments


def test_binary_attachments_come_and_go_over_long_polling(open_polling: OpenPolling, engine_api: Api) -> None:
    polling = entered_polling(open_polling, engine_api, "someone")
    data = base64.b64encode(b"\x00\xff").decode()
    polling.post('451-1["app:bytes",{"_placeholder":true,"num":0}]', "b" + data)
    assert polling.receive_until("b") == ['461-1[{"echo":[{"_placeholder":true,"num":0}]}]', "b" + data]


def test_placeholders_may_be_anywhere_and_name_an_attachment_twice(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    one, two = '{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":0}'
    wire.send(f'452-1["app:bytes",{{"a":[{one},{{"b":{two}}}],"c":{one}}}]')
    wire.send_frame(BINARY, b"zero")
    wire.send_frame(BINARY, b"one")
    assert wire.receive_until("46").startswith("463-1[")
    assert [wire.receive() for _ in range(3)] == [b"one", b"zero", b"one"]


def test_an_event_that_declares_no_binary_data_refuses_it(open_wire: OpenWire, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    for event in ("app:echo", "join:conversation"):
        wire.send(f'451-1["{event}",{{"_placeholder":true,"num":0}}]')
        wire.send_frame(BINARY, b"\x00")
        assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "bad_request"
    assert_answers(wire)


@pytest.mark.parametrize("number", ["1", "-1", "0.5", '"0"', "null", "true", "1e999"])
def test_a_placeholder_without_an_attachment_is_a_bad_request(open_wire: OpenWire, engine_api: Api, number: str) -> None:
    wire = entered(open_wire, engine_api)
    wire.send(f'451-1["app:bytes",{{"_placeholder":true,"num":{number}}}]')
    wire.send_frame(BINARY, b"\x00")
    assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "bad_request"
    assert_answers(wire)


@pytest.mark.parametrize("instead", ['42["app:echo"]', "41", '451-["app:bytes"]', "43[]", ""])
def test_text_where_an_attachment_must_come_closes(open_wire: OpenWire, engine_api: Api, instead: str) -> None:
    wire = entered(open_wire, engine_api)
    wire.send('451-1["app:bytes",{"_placeholder":true,"num":0}]', "4" + instead)
    wire.wait_until_closed()


def test_pings_may_come_between_attachments(open_wire: OpenWire, engine_with: ServerWith) -> None:
    wire = entered(open_wire, engine_with(**QUICK))
    wire.send('451-1["app:bytes",{"_placeholder":true,"num":0}]')
    for _ in range(3):
        assert wire.receive_until_ping()
        wire.send("3")
    wire.send_frame(BINARY, b"\x00")
    assert wire.receive_until("461-1[")


# The connect time-out ---------------------------------------------------------------------------------

NO_CONNECT = {"REALTIME_CONNECT_TIMEOUT": 0.5}


@pytest.mark.parametrize("packets", [[], ["40/admin,"], ['40{"token":"x"}'], ["3"], ["6"]], ids=str)
def test_who_connects_to_no_namespace_in_time_is_closed(open_wire: OpenWire, engine_with: ServerWith, packets: list[str]) -> None:
    before = time.monotonic()
    wire = open_wire(engine_with(**NO_CONNECT).url)
    wire.opening()
    wire.send(*packets)
    wire.wait_until_closed()
    assert time.monotonic() - before > 0.5 - EARLY


def test_the_connect_time_out_holds_for_long_polling(open_polling: OpenPolling, engine_with: ServerWith) -> None:
    api = engine_with(**NO_CONNECT)
    polling = open_polling(api.url)
    assert polling.poll() == ["1"]
    wait_until_gone(api, polling)


def test_who_connected_in_time_stays(open_wire: OpenWire, open_polling: OpenPolling, engine_with: ServerWith) -> None:
    api = engine_with(**NO_CONNECT)
    wire, polling = entered(open_wire, api), entered_polling(open_polling, api, "someone")
    later = open_wire(api.url)  # its time-out comes after theirs
    later.wait_until_closed()
    assert_answers(wire)
    settle(polling)


# Emits around the connect hook ------------------------------------------------------------------------


def test_what_is_sent_while_a_connect_hook_runs_follows_the_admission_in_order(
    open_wire: OpenWire, engine_api: Api, new_id: NewId
) -> None:
    user = new_id("gated")
    wire = open_wire(engine_api.url)
    wire.opening()
    wire.send("40" + json.dumps({"token": engine_api.token(user)}), '421["app:echo",1]', '422["app:echo",2]')
    engine_api.wait_for_hook("connect", user)
    engine_api.post("/emit-many", {"user": user, "count": 50})
    engine_api.emit("broadcast_to_all", "news", user)
    engine_api.post(f"/gates/{user}", {})
    assert wire.text().startswith("40{")
    got = [wire.text()]
    while '432[{"echo":2}]' not in got:
        got.append(wire.text())
    numbers = [packet for packet in got if packet.startswith('42["number"')]
    assert numbers == [f'42["number",{number}]' for number in range(50)]
    assert got.index(f'42["news","{user}"]') > got.index('42["number",49]')
    assert got.index('431[{"echo":1}]') < got.index('432[{"echo":2}]')


def test_what_is_sent_while_a_connect_hook_refuses_reaches_nobody(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user = new_id("gatedrefused")
    wire = open_wire(engine_api.url)
    wire.opening()
    wire.send("40" + json.dumps({"token": engine_api.token(user)}))
    engine_api.wait_for_hook("connect", user)
    engine_api.post("/emit-many", {"user": user, "count": 5})
    engine_api.post(f"/gates/{user}", {})
    assert wire.text().startswith("44{")
    engine_api.emit("broadcast_to_all", "news")
    wire.send("40/admin,")
    assert wire.text().startswith("44/admin,")


def test_long_polling_gets_the_admission_first_too(open_polling: OpenPolling, engine_api: Api, new_id: NewId) -> None:
    user = new_id("gated")
    polling = open_polling(engine_api.url)
    polling.post("40" + json.dumps({"token": engine_api.token(user)}))
    engine_api.wait_for_hook("connect", user)
    engine_api.post("/emit-many", {"user": user, "count": 5})
    engine_api.post(f"/gates/{user}", {})
    packets = polling.receive_until('42["number",4]')
    assert packets[0].startswith("40{")
    assert [packet for packet in packets if "number" in packet] == [f'42["number",{number}]' for number in range(5)]
