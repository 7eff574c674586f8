"""What a peer can do before it is admitted, and with packets that are no events: little, and it fills neither memory nor logs."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.e2e import forks
from tests.e2e.api import Api
from tests.e2e.conftest import ENGINE_APP, NewId, OpenPolling, OpenWire, Servers, ServerWith
from tests.e2e.servers import gunicorn, poll
from tests.e2e.wire import MASK, TEXT, Wire, masked_frame

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
SESSIONS = 1_500
MOST_BYTES = 8_192
CONNECT_BYTES = 9_216
"""A token of 8 KiB and what there is beside it."""


def entered(open_wire: OpenWire, api: Api, user: str = "someone") -> Wire:
    """A raw connection that has been let in."""
    wire = open_wire(api.url)
    assert wire.enter(api.token(user)).startswith("40{")
    return wire


def opened(open_wire: OpenWire, api: Api) -> Wire:
    """A raw connection that has not sent CONNECT yet."""
    wire = open_wire(api.url)
    wire.opening()
    return wire


# Memory -----------------------------------------------------------------------------------------------


def handshakes(api: Api, count: int, headers: dict[str, str], each_on: int) -> None:
    """Open sessions, so many on each connection."""
    for first in range(0, count, each_on):
        with closing(HTTPConnection(urlsplit(api.url).netloc, timeout=30)) as connection:
            for _ in range(first, min(first + each_on, count)):
                connection.request("GET", HANDSHAKE, headers=headers)
                answer = connection.getresponse()
                assert answer.status == 200
                answer.read()


LONG_HEADERS = {f"X-Header-{number}": f"{number:03}" * 110 for number in range(80)}


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("headers", LONG_HEADERS),
        ("own handlers", LONG_HEADERS),
        ("small headers", {f"X-{number}": "x" for number in range(80)}),
        ("a cookie", {"Cookie": "name=" + "x" * 8_000}),
        ("a token", {"Authorization": "x" * 4_000, **{f"X-{number}": "x" * 300 for number in range(60)}}),
        ("no token", {"Authorization": "x" * 8_200}),
    ],
)
def test_a_session_that_is_not_admitted_keeps_what_authentication_needs(
    servers: Servers, name: str, headers: dict[str, str]
) -> None:
    has_handlers = name == "own handlers"
    with forks.only_new_processes():  # Forks have parts of others' memory.
        api = servers.get({"REALTIME_CONNECT_TIMEOUT": 300, "TEST_OF": name, "TEST_HAS_OWN_HANDLER": has_handlers}, ENGINE_APP)
    each_on = 1 if has_handlers else SESSIONS  # A request holds on to its connection.
    handshakes(api, 200, headers, each_on)  # What the first ones take is not theirs alone.
    before = api.get("/memory")
    handshakes(api, SESSIONS, headers, each_on)
    after = api.get("/memory")
    assert after["sessions"] - before["sessions"] == SESSIONS
    assert (after["bytes"] - before["bytes"]) / SESSIONS < MOST_BYTES


def test_what_a_token_loader_may_look_at_is_kept(open_wire: OpenWire, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(TEST_NOTE_REQUEST=True)
    user = new_id("ann")
    headers = {"Cookie": "theme=dark", "User-Agent": "Mozilla/5.0", "X-Tenant": "blue", "Origin": api.url}
    wire = open_wire(api.url, "EIO=4&transport=websocket&from=here", headers=headers)
    assert wire.enter(api.token(user)).startswith("40{")
    assert api.hooks("request", user) == [[user, "dark", "Mozilla/5.0", "blue", api.url, "here", "127.0.0.1"]]


# Sizes ------------------------------------------------------------------------------------------------


def long_header(size: int) -> bytes:
    """The header of a text frame, and none of its bytes."""
    return bytes([0x81, 0xFE]) + size.to_bytes(2, "big") + MASK


def connect_packet(size: int) -> str:
    """A CONNECT packet of so many bytes."""
    packet = '40{"token":"%s"}'
    return packet % ("x" * (size - len(packet) + 2))


def test_the_longest_connect_packet_is_answered(open_wire: OpenWire, engine_api: Api) -> None:
    wire = opened(open_wire, engine_api)
    wire.send(connect_packet(CONNECT_BYTES))
    assert '"code":"token_malformed"' in wire.receive_until("44")


def test_a_message_before_admission_is_refused_at_its_header(open_wire: OpenWire, engine_api: Api) -> None:
    wire = opened(open_wire, engine_api)
    wire.send_bytes(long_header(CONNECT_BYTES + 1))
    assert wire.close_code() == 1009
    refused = opened(open_wire, engine_api)
    refused.send('40{"token":"x"}')
    refused.receive_until("44")
    refused.send_bytes(long_header(CONNECT_BYTES + 1))
    assert refused.close_code() == 1009


def test_who_is_admitted_may_send_more(open_wire: OpenWire, open_polling: OpenPolling, engine_api: Api) -> None:
    wire = entered(open_wire, engine_api)
    assert wire.call(1, "app:echo", "x" * 60_000) == {"echo": "x" * 60_000}
    polling = open_polling(engine_api.url)
    assert polling.post("4" + "x" * 40_000).status_code == 413
    assert polling.post("40" + json.dumps({"token": engine_api.token()})).ok
    polling.receive_until("40{")
    assert polling.post("421" + json.dumps(["app:echo", "x" * 60_000])).ok
    polling.receive_until("431[")


def test_who_has_left_may_send_little_again(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    wire.send("41")
    engine_api.wait_for_hook("disconnect", user)
    wire.send_bytes(long_header(CONNECT_BYTES + 1))
    assert wire.close_code() == 1009


@pytest.mark.parametrize("size", [4_096, 4_097])
def test_events_that_wait_for_an_admission_have_a_bound(open_wire: OpenWire, engine_api: Api, new_id: NewId, size: int) -> None:
    user = new_id("gated")
    wire = opened(open_wire, engine_api)
    wire.send("40" + json.dumps({"token": engine_api.token(user)}))
    engine_api.wait_for_hook("connect", user)
    body = '["app:echo","%s"]'
    event = body % ("x" * (size - len(body) + 2))
    wire.send(f"421{event}", f"422{event}")
    if size > 4_096:
        wire.wait_until_closed()
    engine_api.post(f"/gates/{user}", {})
    if size == 4_096:
        assert wire.receive_until("432[")


# Packets that are no events ---------------------------------------------------------------------------


def test_a_session_whose_connects_are_refused_again_and_again_ends(open_wire: OpenWire, engine_api: Api) -> None:
    wire = opened(open_wire, engine_api)
    with suppress(OSError):  # the server closes before all of them are sent
        for _ in range(100):
            wire.send_bytes(masked_frame(TEXT, b'40{"token":"x"}') * 200)
    refusals = [packet for packet in wire.packets_until_closed() if str(packet).startswith("44")]
    assert len(refusals) <= 1, "a set: they are all the same"
    wire.wait_until_gone()


def test_five_refusals_and_no_more(open_wire: OpenWire, open_polling: OpenPolling, engine_api: Api) -> None:
    wire = opened(open_wire, engine_api)
    for _ in range(5):
        wire.send('40{"token":"x"}')
        assert wire.text().startswith("44{")
    wire.wait_until_closed()
    polling = open_polling(engine_api.url)
    for _ in range(5):
        assert polling.post('40{"token":"x"}').ok
        polling.receive_until("44{")
    assert polling.post("40" + json.dumps({"token": engine_api.token()})).ok
    assert not any(packet.startswith("40") for packet in packets_until_the_end(polling))


def packets_until_the_end(polling: object) -> Iterator[str]:
    """What still comes to a long-polling session until it is over."""
    with suppress(Exception):
        while True:
            yield from polling.poll()  # type: ignore[attr-defined]


def test_an_admission_forgives_earlier_refusals(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = opened(open_wire, engine_api)
    for times in range(2):
        for _ in range(4):
            wire.send('40{"token":"x"}')
            wire.receive_until("44{")
        wire.send("40" + json.dumps({"token": engine_api.token(user)}))
        wire.receive_until("40{")
        wire.send("41")
        engine_api.wait_for_hook("disconnect", user, count=times + 1)


@pytest.mark.parametrize("packet", ["431[]", "437" + json.dumps(["x" * 900_000])], ids=["small", "large"])
def test_acknowledgements_that_nothing_waits_for_are_counted(
    open_wire: OpenWire, engine_api: Api, new_id: NewId, packet: str
) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    frame = masked_frame(TEXT, packet.encode())
    with suppress(OSError):
        for _ in range(200):
            wire.send_bytes(frame)
    engine_api.wait_for_hook("disconnect", user)
    wire.wait_until_gone()


@pytest.mark.parametrize("size", [65_536, 65_537])
def test_an_acknowledgement_has_the_bound_of_an_event(open_wire: OpenWire, engine_api: Api, new_id: NewId, size: int) -> None:
    wire = entered(open_wire, engine_api, new_id("ann"))
    wire.send('421["app:ask"]')
    number = wire.receive_until("42")[2:].partition("[")[0]
    wire.send(f"43{number}" + json.dumps(["x" * (size - 4)]))
    if size == 65_536:
        assert wire.receive_until("431[").endswith('xx"]')
    else:
        wire.wait_until_gone()


def test_an_acknowledgement_counts_once(open_wire: OpenWire, engine_api: Api, servers: Servers, new_id: NewId) -> None:
    wire = entered(open_wire, engine_api, new_id("ann"))
    wire.send('421["app:ask"]')
    number = wire.receive_until("42")[2:].partition("[")[0]
    wire.send(*[f'43{number}["first"]'] * 20)
    assert wire.receive_until("431[") == '431["first"]'
    assert "Unknown callback" not in servers.new_lines()


@pytest.mark.parametrize("packet", ["40", "41"])
def test_comings_and_goings_of_one_session_are_counted(open_wire: OpenWire, engine_api: Api, new_id: NewId, packet: str) -> None:
    wire = entered(open_wire, engine_api, new_id("ann"))
    token = json.dumps({"token": engine_api.token(new_id("ann"))})
    with suppress(OSError):
        wire.send(*["41", f"40{token}"] * 200, packet)
    wire.wait_until_gone()


# Logs -------------------------------------------------------------------------------------------------


def test_no_peer_fills_the_log_and_nothing_goes_uncounted(open_wire: OpenWire) -> None:
    with gunicorn(ENGINE_APP) as server:
        api = Api(server.url)
        began = time.monotonic()
        for _ in range(60):
            wire = opened(open_wire, api)
            for _ in range(5):
                wire.send('40{"token":"x"}')
            wire.wait_until_gone()

        def counted() -> tuple[int, int]:
            lines = "\n".join(server.lines)
            return lines.count("refused: code="), sum(map(int, re.findall(r"left out: lines=(\d+) peer=127\.0\.0\.1 ", lines)))

        assert poll(lambda: sum(counted()) == 300, 20), counted()
        assert counted()[0] <= 10 + 3 * (time.monotonic() - began)


@pytest.mark.parametrize("packet", ["4", "44{}", "47", "43", "42[", '451-["x"]', "40{"], ids=str)
def test_malformed_packets_fill_no_log(open_wire: OpenWire, servers: Servers, packet: str) -> None:
    api = servers.get({"TEST_OF": "logs"}, ENGINE_APP)
    before = servers.new_lines().count("\n")
    for _ in range(30):
        wire = opened(open_wire, api)
        wire.send(*[packet] * 50)
        wire.wait_until_gone()
    assert "Traceback" not in servers.new_lines()
    assert servers.new_lines().count("\n") - before < 30 * 3


def test_no_packet_forges_a_line_of_the_log(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api = servers.get({"TEST_LOG_LEVEL": "INFO"}, ENGINE_APP)
    wire = entered(open_wire, api, new_id("ann"))
    forged = "x\nFORGED user=admin\r\x1b[2K\u2028FORGED\x85FORGED"
    assert wire.call(1, forged)["error"]["code"] == "unknown_event"
    assert wire.call(2, "app:raise", forged)["error"]["code"] == "internal_error"
    assert wire.call(3, "app:say", "done") == {"ok": True}
    assert poll(lambda: "said: done" in servers.new_lines(), 10)
    lines = servers.new_lines()
    assert lines.count(r"x\nFORGED user=admin\r\x1b[2K\u2028FORGED\x85FORGED") == 2
    assert not any(line.startswith("FORGED") for line in lines.splitlines())
