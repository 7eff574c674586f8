"""Clients that do what none should, on a real server: they lose their own connection at most, and nobody else notices.

What must stay flat is compared with a measurement made in the same test before; the margins are there to tell a bound from none,
not to measure speed.
"""

import json
import os
import re
import resource
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from tests.e2e.api import Api
from tests.e2e.conftest import ENGINE, ENGINE_APP, NewId, OpenPolling, OpenWire, ServerWith
from tests.e2e.servers import gunicorn, poll
from tests.e2e.test_tls import write_certificate
from tests.e2e.wire import BINARY, CONTINUATION, MASK, PING, TEXT, Wire, masked_frame, open_tcp, upgrade_request

pytestmark = pytest.mark.usefixtures("new_processes")  # Forks have parts of others' memory.

SECONDS = 20.0
MEBIBYTE = 1 << 20
QUICK = {"REALTIME_PING_INTERVAL": 0.3, "REALTIME_PING_TIMEOUT": 0.4}
OFFLINE = {"userId": "nobody", "status": "offline"}
SMALL_BUFFER = 4096


class Process:
    """The server's worker, seen from outside.

    Args:
        api: The server.
    """

    def __init__(self, api: Api) -> None:
        self._id = int(requests.get(f"{api.url}/process", timeout=SECONDS).json()["pid"])
        self._folder = Path("/proc") / str(self._id)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it do nothing for a while."""
        os.kill(self._id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._id, signal.SIGCONT)

    def sockets(self) -> int:
        """The sockets that it has open."""
        return sum(self._target(entry).startswith("socket:") for entry in (self._folder / "fd").iterdir())

    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """The bytes that it holds."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most bytes that it has held since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin to look for the peak anew."""
        (self._folder / "clear_refs").write_text("5")

    @staticmethod
    def _target(entry: Path) -> str:
        with suppress(FileNotFoundError):  # closed meanwhile
            return str(entry.readlink())
        return ""

    def _status(self, field: str) -> int:
        found = re.search(rf"{field}:\s+(\d+) kB", (self._folder / "status").read_text())
        assert found
        return int(found[1]) * 1024


@contextmanager
def flat_memory(api: Api, growth: float) -> Iterator[Process]:
    """Fail if the server ever holds more than ``growth`` MiB beyond what it held at first."""
    process = Process(api)
    process.forget_peak()
    before = process.peak()
    yield process
    grown = (process.peak() - before) / MEBIBYTE
    assert grown < growth, f"grown by {grown:.1f} MiB"


@contextmanager
def same_sockets(api: Api) -> Iterator[None]:
    """Fail unless the server closes every socket that it opened in the block, whether or not the peer does."""
    process = Process(api)
    before = process.sockets()
    yield
    # The sockets of requests that the test itself makes come and go.
    assert poll(lambda: process.sockets() <= before + 1, SECONDS), f"{process.sockets()} sockets, {before} before"


class Bystander:
    """A client that asks the server something again and again, in a thread of its own.

    Args:
        wire: Its connection, which has been let in.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._times: list[float] = []
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_for(self, count: int) -> None:
        """Wait for that many further round trips, all of which must be answered."""
        goal = len(self._times) + count
        assert poll(lambda: len(self._times) >= goal or self._error is not None, 6 * SECONDS)
        assert self._error is None, self._error

    def p99(self) -> float:
        """The 99th percentile of the round trips since the last call, in seconds."""
        times, self._times = self._times, []
        assert len(times) > 1
        return statistics.quantiles(times, n=100)[98]

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(SECONDS)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                before = time.monotonic()
                assert self._wire.call(1, "user:get-status", "nobody") == OFFLINE
                self._times.append(time.monotonic() - before)
                self._stopped.wait(0.002)
        except Exception as error:  # noqa: BLE001 - raised again where somebody waits
            self._error = error


@contextmanager
def undisturbed(open_wire: OpenWire, api: Api, *, factor: float = 20.0, allowance: float = 0.5) -> Iterator[Bystander]:
    """Fail if another client's round trips take much longer during the block than before it, or one is not answered."""
    bystander = Bystander(entered(open_wire, api, "bystander"))
    try:
        bystander.wait_for(100)
        usual = bystander.p99()
        yield bystander
        bystander.wait_for(20)
        disturbed = bystander.p99()
        assert disturbed < usual * factor + allowance, f"p99 {disturbed:.3f} s, {usual:.3f} s before"
    finally:
        bystander.stop()


def entered(open_wire: OpenWire, api: Api, user: str, **options: Any) -> Wire:
    """A WebSocket that has been let in."""
    wire: Wire = open_wire(api.url, **options)
    assert wire.enter(api.token(user)).startswith("40{")
    return wire


def send_until_cut(wire: Wire, data: bytes, times: int) -> None:
    """Send the same bytes again and again, until the server has had enough."""
    with suppress(OSError):
        for _ in range(times):
            wire.send_bytes(data)


@pytest.fixture(scope="module")
def tls_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    options = write_certificate(authority, folder)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    settings = json.dumps({"REALTIME_ENGINE": ENGINE, **QUICK})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))
        with gunicorn(ENGINE_APP, {"CONTRACT_APP_CONFIG": settings}, *options, scheme="https") as server:
            yield Api(server.url)


@pytest.fixture(params=["plain", "tls"])
def quick_api(request: pytest.FixtureRequest, engine_with: ServerWith) -> Api:
    """A server with quick pings, on a plain socket and on TLS."""
    if request.param == "plain":
        return engine_with(**QUICK)
    api: Api = request.getfixturevalue("tls_api")
    return api


# Too much at once -------------------------------------------------------------------------------------


def too_long_a_frame() -> bytes:
    return b"\x81\xff" + (50_000_000).to_bytes(8, "big") + MASK


def test_a_frame_over_the_limit_is_refused_at_its_header(open_wire: OpenWire, quick_api: Api, new_id: NewId) -> None:
    def send(times: int) -> None:
        for _ in range(times):
            wire = open_wire(quick_api.url)
            wire.opening()
            wire.send_bytes(too_long_a_frame())
            assert wire.close_code() == 1009
        for _ in range(times):
            wire = entered(open_wire, quick_api, new_id("ann"))
            wire.send_bytes(too_long_a_frame())
            send_until_cut(wire, bytes(500_000), 100)
            wire.wait_until_gone()

    send(1)  # What a server loads for its first clients is not theirs.
    with flat_memory(quick_api, 24), undisturbed(open_wire, quick_api), same_sockets(quick_api):
        send(10)


def test_fragments_over_the_limit_are_refused_at_the_header_that_passes_it(
    open_wire: OpenWire, quick_api: Api, new_id: NewId
) -> None:
    with flat_memory(quick_api, 32), undisturbed(open_wire, quick_api), same_sockets(quick_api):
        for _ in range(10):
            wire = entered(open_wire, quick_api, new_id("ann"))
            wire.send_frame(BINARY, b"x" * 500_000, fin=False)
            wire.send_frame(CONTINUATION, b"x" * 499_999, fin=False)
            wire.send_bytes(b"\x00\x82" + MASK)
            assert wire.close_code() == 1009
            wire.wait_until_gone()


def test_fragments_without_end_take_no_memory(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    wire = entered(open_wire, engine_api, new_id("ann"))
    with flat_memory(engine_api, 6), undisturbed(open_wire, engine_api):
        wire.send_frame(TEXT, b'421["app:', fin=False)
        send_until_cut(wire, masked_frame(CONTINUATION, fin=False) * 10_000, 150)
        wire.send_frame(CONTINUATION, b'echo",1]')
        assert wire.receive_until("431[") == '431[{"echo":1}]'


def test_attachments_over_the_limit_are_not_held(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    with flat_memory(engine_api, 32), undisturbed(open_wire, engine_api):
        wires = [entered(open_wire, engine_api, new_id("ann")) for _ in range(10)]
        for wire in wires:
            wire.send('4510-1["app:bytes",{"_placeholder":true,"num":0}]')
            for _ in range(9):
                wire.send_frame(BINARY, b"x" * 900_000)
            wire.send_frame(PING)
            while wire.frame().opcode == TEXT:  # the answer to the ping says that all of it has been read
                pass
    for wire in wires:
        wire.send_frame(BINARY, b"x")
        assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "payload_too_large"


# Who does not read ------------------------------------------------------------------------------------


def test_a_stalled_reader_is_cut_off_at_its_backlog(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    reader = entered(open_wire, engine_api, new_id("ben"))
    assert reader.call(1, "join:conversation", conversation) == {"ok": True}
    with flat_memory(engine_api, 40), undisturbed(open_wire, engine_api), same_sockets(engine_api):
        for _ in range(5):
            stalled = entered(open_wire, engine_api, user, receive_buffer=SMALL_BUFFER)
            assert stalled.call(1, "join:conversation", conversation) == {"ok": True}
        for number in range(100):
            engine_api.emit("emit_new_message", conversation, {"id": number, "content": "x" * 100_000})
            assert json.loads(reader.receive_until('42["message:new"')[2:])[1]["id"] == number
        engine_api.wait_for_hook("disconnect", user, count=5)
        assert engine_api.emit("is_user_online", user) is False


def test_a_stalled_reader_behind_tls_is_cut_off(open_wire: OpenWire, tls_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    with flat_memory(tls_api, 40), undisturbed(open_wire, tls_api), same_sockets(tls_api):
        for _ in range(5):
            entered(open_wire, tls_api, user, receive_buffer=SMALL_BUFFER)
        for _ in range(100):
            tls_api.emit("send_to_user", user, "large", "x" * 100_000)
        tls_api.wait_for_hook("disconnect", user, count=5)
        assert tls_api.emit("is_user_online", user) is False


def test_a_session_that_is_never_polled_keeps_no_more_than_its_backlog(
    open_polling: OpenPolling, engine_api: Api, new_id: NewId
) -> None:
    user = new_id("ann")
    polling = open_polling(engine_api.url)
    polling.post("40" + json.dumps({"token": engine_api.token(user)}))
    polling.receive_until("40")
    with flat_memory(engine_api, 24):
        for _ in range(200):
            engine_api.emit("send_to_user", user, "large", "x" * 300_000)
        engine_api.wait_for_hook("disconnect", user)


def test_typing_and_presence_are_dropped_at_half_the_backlog(open_wire: OpenWire, engine_with: ServerWith, new_id: NewId) -> None:
    # The kernel holds some MiB as well: the limit is large beside that, and what is sent is between half of it and all.
    api = engine_with(REALTIME_MAX_BACKLOG_BYTES=64 * MEBIBYTE)
    user, conversation, visitor = new_id("ann"), new_id("conversation"), new_id("seen")
    slow, typist = entered(open_wire, api, user, receive_buffer=SMALL_BUFFER), entered(open_wire, api, new_id("ben"))
    for wire in (slow, typist):
        assert wire.call(1, "join:conversation", conversation) == {"ok": True}
    assert typist.call(2, "typing:start", {"conversationId": conversation}) == {"ok": True}
    for number in range(48):
        api.emit("send_to_user", user, "large", f"{number:02}" + "x" * (MEBIBYTE - 100))
    for _ in range(5):
        assert typist.call(3, "typing:stop", {"conversationId": conversation}) == {"ok": True}
        assert typist.call(4, "typing:start", {"conversationId": conversation}) == {"ok": True}
    entered(open_wire, api, visitor).close()
    api.wait_for_hook("disconnect", visitor)
    api.emit("send_to_user", user, "last")
    packets: list[str] = []
    while not packets or packets[-1] != '42["last"]':
        packets.append(slow.text())
    assert [int(packet[12:14]) for packet in packets if packet.startswith('42["large"')] == list(range(48))
    assert sum("typing:" in packet for packet in packets) == 1
    assert not any(visitor in packet for packet in packets)
    assert typist.call(5, "typing:stop", {"conversationId": conversation}) == {"ok": True}
    assert slow.receive_until('42["typing:stop"')


# Who does not answer, or never says what it wants -----------------------------------------------------


def test_peers_that_never_pong_are_gone_with_their_tcp(open_wire: OpenWire, quick_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    with undisturbed(open_wire, quick_api), same_sockets(quick_api):
        for _ in range(20):
            entered(open_wire, quick_api, user)
        quick_api.wait_for_hook("disconnect", user, count=20)
        assert quick_api.emit("is_user_online", user) is False


def test_peers_that_never_connect_are_gone_with_their_tcp(open_wire: OpenWire, engine_with: ServerWith) -> None:
    api = engine_with(REALTIME_CONNECT_TIMEOUT=0.5)
    with same_sockets(api):
        for _ in range(20):
            open_wire(api.url).opening()


HALF_A_BODY = "POST /socket.io/?{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n4"


def test_half_a_body_is_given_up(open_polling: OpenPolling, engine_with: ServerWith) -> None:
    api = engine_with(REALTIME_CONNECT_TIMEOUT=0.5, **QUICK)
    query = f"EIO=4&transport=polling&sid={open_polling(api.url).handshake['sid']}"
    with same_sockets(api), closing(open_tcp(api.url)) as tcp:
        tcp.sendall(HALF_A_BODY.format(query).encode())
        tcp.settimeout(SECONDS)
        with suppress(ConnectionError):
            while tcp.recv(65_536):
                pass


def test_half_a_frame_holds_nobody_up(open_wire: OpenWire, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(**QUICK), new_id("ann")
    with undisturbed(open_wire, api), same_sockets(api):
        for data in (b"\x81", b"\x81\xff\x00", b"\x81\xfe\xff\xff" + MASK + b"4", masked_frame(TEXT, b"42[", fin=False)):
            entered(open_wire, api, user).send_bytes(data)
        api.wait_for_hook("disconnect", user, count=4)


# Who sends too much -----------------------------------------------------------------------------------


def number_frames(numbers: range, padding: str = "") -> bytes:
    """Events that the application counts, and looks whether they come in order."""
    return b"".join(masked_frame(TEXT, f'42["app:number",{number},"{padding}"]'.encode()) for number in numbers)


def test_a_burst_of_events_is_handled_in_order_and_nobody_else_notices(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    burst = number_frames(range(100_000))
    flood = entered(open_wire, engine_api, new_id("ann"))
    with flat_memory(engine_api, 32), undisturbed(open_wire, engine_api), ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood.send_bytes, burst)
        flood.tcp.settimeout(4 * SECONDS)
        sending.result()
        assert flood.call(1, "app:numbers") == {"count": 100_000, "ordered": True}


def test_between_two_events_of_a_burst_others_have_their_turn(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user, count = new_id("ann"), 60
    flood, other = entered(open_wire, engine_api, user), entered(open_wire, engine_api, new_id("ben"))
    flood.send('421["app:work",0]', *(f'42["app:work",{number}]' for number in range(1, count)))
    assert flood.receive_until("431[") == '431[{"ok":true}]'
    assert 1 <= other.call(1, "app:worked", user) < count / 4
    assert flood.call(2, "app:numbers") == {"count": count, "ordered": True}


def test_a_burst_of_events_that_need_no_application_leaves_time_for_others(
    open_wire: OpenWire, engine_api: Api, new_id: NewId
) -> None:
    conversation = new_id("conversation")
    flood = entered(open_wire, engine_api, new_id("ann"))
    flood.tcp.settimeout(4 * SECONDS)
    event = masked_frame(TEXT, f'42["typing:start",{{"conversationId":"{conversation}"}}]'.encode())
    assert flood.call(1, "join:conversation", conversation) == {"ok": True}
    with flat_memory(engine_api, 32), undisturbed(open_wire, engine_api):
        flood.send_bytes(event * 100_000)
        assert flood.call(2, "typing:stop", {"conversationId": conversation}) == {"ok": True}


def test_reading_pauses_while_the_application_is_behind(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    gate, padding = new_id("gate"), "x" * 1000
    flood = entered(open_wire, engine_api, new_id("ann"))
    flood.tcp.settimeout(4 * SECONDS)
    burst = number_frames(range(30_000), padding)
    with flat_memory(engine_api, 24), undisturbed(open_wire, engine_api) as bystander, ThreadPoolExecutor(1) as pool:
        flood.send(f'42["app:wait","{gate}"]')
        sending = pool.submit(flood.send_bytes, burst)
        bystander.wait_for(200)
        assert not sending.done(), "30 MB were read while nothing was handled"
        engine_api.post(f"/gates/{gate}", {})
        sending.result()
        assert flood.call(1, "app:numbers") == {"count": 30_000, "ordered": True}


def test_a_slow_handler_holds_up_its_own_connection_alone(open_wire: OpenWire, engine_with: ServerWith, new_id: NewId) -> None:
    api, user, gate = engine_with(**QUICK), new_id("ann"), new_id("gate")
    slow = entered(open_wire, api, user)
    slow.send(f'421["app:wait","{gate}"]', '422["app:echo",2]')
    for _ in range(5):  # pings, far beyond the time-out
        assert slow.receive_until_ping()
        slow.send("3")
    assert entered(open_wire, api, user).call(1, "app:echo", 1) == {"echo": 1}
    api.post(f"/gates/{gate}", {})
    assert slow.receive_until("431[") == '431[{"ok":true}]'
    assert slow.receive() == '432[{"echo":2}]'


def test_a_full_mailbox_is_no_reason_to_time_out(open_wire: OpenWire, engine_with: ServerWith, new_id: NewId) -> None:
    api, gate = engine_with(REALTIME_MAX_PENDING_EVENTS=4, **QUICK), new_id("gate")
    slow, other = entered(open_wire, api, new_id("ann")), entered(open_wire, api, new_id("ben"))
    slow.send(f'42["app:wait","{gate}"]', *(f'42["app:number",{number}]' for number in range(500)))
    for _ in range(6):  # pings of another connection: for this one, far beyond the time-out
        assert other.receive_until_ping()
        other.send("3")
    api.post(f"/gates/{gate}", {})
    assert slow.call(1, "app:numbers") == {"count": 500, "ordered": True}


def test_the_disconnect_hook_follows_the_events_that_were_sent_before(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user, gate = new_id("ann"), new_id("gate")
    wire = entered(open_wire, engine_api, user)
    wire.send(f'42["app:wait","{gate}"]', *(f'42["app:number",{number}]' for number in range(100)))
    wire.close()
    assert poll(lambda: engine_api.emit("is_user_online", user) is False, SECONDS)
    assert engine_api.hooks("disconnect", user) == []
    engine_api.post(f"/gates/{gate}", {})
    engine_api.wait_for_hook("disconnect", user)
    assert entered(open_wire, engine_api, user).call(1, "app:numbers") == {"count": 100, "ordered": True}


def test_of_those_that_leave_at_once_nobody_waits_for_anothers_hook_or_its_failure(
    open_wire: OpenWire, engine_api: Api, new_id: NewId
) -> None:
    watcher = entered(open_wire, engine_api, new_id("watcher"))
    held = [new_id("leavegated"), new_id("askgated")]
    users = [*held, new_id("leavebroken"), new_id("askbroken"), *(new_id("seen") for _ in range(5))]
    wires = [entered(open_wire, engine_api, user) for user in users]
    with Process(engine_api).stopped():  # So that the event loop hears of all of them in one turn.
        for wire in wires:
            wire.close()
    offline = {watcher.receive_until('42["user:status-changed"') for _ in range(2 * 5)}
    for user in users[4:]:
        assert f'42["user:status-changed",{{"userId":"{user}","status":"offline"}}]' in offline
    for user in users:
        engine_api.wait_for_hook("disconnect", user)
        engine_api.wait_for_hook("ask", user)
        assert engine_api.emit("is_user_online", user) is False
    for user in held:
        engine_api.post(f"/gates/{user}", {})
        assert entered(open_wire, engine_api, user).call(1, "app:echo", user) == {"echo": user}


def test_a_hundred_thousand_rooms_are_bearable(open_wire: OpenWire, engine_api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    hoarder = entered(open_wire, engine_api, user)
    hoarder.tcp.settimeout(8 * SECONDS)
    frames = b"".join(masked_frame(TEXT, f'42["join:conversation","room-{number}"]'.encode()) for number in range(100_000))
    with flat_memory(engine_api, 160), undisturbed(open_wire, engine_api) as bystander:
        hoarder.send_bytes(frames)
        assert hoarder.call(1, "join:conversation", "last") == {"ok": True}
        assert engine_api.emit("get_online_users", "room-99999") == [user]
        bystander.wait_for(20)
        hoarder.close()
        engine_api.wait_for_hook("disconnect", user)
    assert engine_api.emit("get_online_users", "room-99999") == []


# Packets that no well-behaved client sends ------------------------------------------------------------


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"])
def test_no_binary_or_polled_event_forges_the_life_cycle(
    open_wire: OpenWire, open_polling: OpenPolling, engine_api: Api, new_id: NewId, name: str
) -> None:
    user = new_id("ann")
    wire = entered(open_wire, engine_api, user)
    wire.send(f'451-1["{name}",{{"_placeholder":true,"num":0}}]')
    wire.send_frame(BINARY, b"x")
    assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "bad_request"
    polling = open_polling(engine_api.url)
    polling.post("40" + json.dumps({"token": engine_api.token(user)}), f'421["{name}","transport close"]')
    (answer,) = [packet for packet in polling.receive_until("431[") if packet.startswith("43")]
    assert json.loads(answer[3:])[0]["error"]["code"] == "bad_request"
    assert len(engine_api.hooks("connect", user)) == 2
    assert engine_api.hooks("disconnect", user) == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_json_number_goes_no_further(open_wire: OpenWire, engine_api: Api, number: str) -> None:
    wire = entered(open_wire, engine_api, "someone")
    wire.send(f'421["app:echo",{number}]')
    assert json.loads(wire.receive_until("431[")[3:])[0]["error"]["code"] == "bad_request"
    wire.send(f'451-2["app:bytes",{{"_placeholder":true,"num":0}},{number}]')
    wire.send_frame(BINARY, b"x")
    assert json.loads(wire.receive_until("432[")[3:])[0]["error"]["code"] == "bad_request"


# Sockets that end badly -------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[Wire], None]] = {"half-closed": Wire.half_close, "reset": Wire.reset, "closed": Wire.close}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_socket_that_ends_without_a_word_is_noticed(open_wire: OpenWire, engine_api: Api, new_id: NewId, ending: str) -> None:
    user = new_id("ann")
    with undisturbed(open_wire, engine_api), same_sockets(engine_api):
        wires = [entered(open_wire, engine_api, user) for _ in range(20)]
        for wire in wires:
            ENDINGS[ending](wire)
        engine_api.wait_for_hook("disconnect", user, count=20)
        assert engine_api.emit("is_user_online", user) is False


@pytest.mark.parametrize("ending", ["reset", "closed"])
def test_sockets_that_end_during_a_broadcast_hold_up_nobody(
    open_wire: OpenWire, engine_api: Api, new_id: NewId, ending: str
) -> None:
    user, reader = new_id("ann"), entered(open_wire, engine_api, new_id("ben"))
    with same_sockets(engine_api):
        wires = [entered(open_wire, engine_api, user) for _ in range(20)]
        for number, wire in enumerate(wires):
            engine_api.emit("broadcast_to_all", "before", number)
            ENDINGS[ending](wire)
            engine_api.emit("broadcast_to_all", "after", number)
            assert reader.receive_until('42["after"') == f'42["after",{number}]'
        engine_api.wait_for_hook("disconnect", user, count=20)


@pytest.mark.parametrize("sent", [b"", b"half", b"whole"])
def test_a_handshake_that_is_reset_leaves_nothing_behind(engine_with: ServerWith, sent: bytes) -> None:
    api = engine_with(REALTIME_CONNECT_TIMEOUT=0.5, **QUICK)
    request = upgrade_request(api.url)
    with same_sockets(api):
        for _ in range(20):
            tcp = open_tcp(api.url)
            tcp.sendall({b"": b"", b"half": request[:50], b"whole": request}[sent])
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            tcp.close()
    assert requests.get(f"{api.url}/ready", timeout=SECONDS).ok


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_what_belonged_to_a_client_goes_without_the_garbage_collector(
    engine_with: ServerWith, open_wire: OpenWire, new_id: NewId, ending: str
) -> None:
    api, user = engine_with(**QUICK), new_id("ann")
    api.get("/cycles")
    wires = [entered(open_wire, api, user) for _ in range(5)]
    for wire in wires:
        assert wire.call(1, "join:conversation", "c1") == {"ok": True}
        wire.send('42["typing:start",{"conversationId":"c1"}]')
        ENDINGS[ending](wire)
    api.wait_for_hook("disconnect", user, count=5)
    assert not {"Connection", "Session", "EngineSocket", "WebSocket"} & set(api.get("/cycles")["types"])


# Many at once -----------------------------------------------------------------------------------------

MANY = 1200


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for that many sockets in this process, and in the servers that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MANY
    assert hard == resource.RLIM_INFINITY or hard >= wanted, f"no more than {hard} open files are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def own_api(many_files: None) -> Iterator[Api]:  # noqa: ARG001 - it holds for the server
    """A server that nobody else uses."""
    with gunicorn(ENGINE_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}) as server:
        yield Api(server.url)


def crowd(open_wire: OpenWire, api: Api, count: int, new_id: NewId) -> list[Wire]:
    """Connections of users whom nobody watches."""
    users = [new_id("crowd") for _ in range(count)]
    tokens = api.post("/tokens", users)["tokens"]
    wires = [open_wire(api.url) for _ in users]
    for wire, token in zip(wires, tokens, strict=True):
        assert wire.enter(token).startswith("40{")
    return wires


def test_more_sockets_than_worker_connections_leave_plain_http_answering(open_wire: OpenWire, own_api: Api, new_id: NewId) -> None:
    wires = crowd(open_wire, own_api, MANY, new_id)
    for _ in range(20):
        assert requests.get(f"{own_api.url}/ready", timeout=SECONDS).text == "ready"
    own_api.emit("broadcast_to_all", "news")
    assert {wire.receive_until('42["news"') for wire in wires} == {'42["news"]'}
    assert own_api.emit("get_online_users_count") == MANY


def test_a_mass_disconnect_takes_time_in_proportion(open_wire: OpenWire, own_api: Api, new_id: NewId) -> None:
    few, many = 250, 1000
    cost = {count: disconnecting(open_wire, own_api, count, new_id) for count in (few, few, many)}
    # Four times as many: a cost that grew with their square would be sixteen times as high.
    assert cost[many] < 9 * max(cost[few], 0.05), cost


def disconnecting(open_wire: OpenWire, api: Api, count: int, new_id: NewId) -> float:
    """The processor time that the server needs to see off that many connections, each in rooms of its own and in one with all."""
    wires = crowd(open_wire, api, count, new_id)
    for number, wire in enumerate(wires):
        wire.send(*(f'42["join:conversation","{count}-{number}-{room}"]' for room in range(15)))
    for wire in wires:
        assert wire.call(1, "join:conversation", "all") == {"ok": True}
    process = Process(api)
    before, gone = process.cpu_seconds(), len(api.hooks("disconnect"))
    for wire in wires:
        wire.close()
    assert poll(lambda: len(api.hooks("disconnect")) == gone + count, 3 * SECONDS, interval=0.25)
    return process.cpu_seconds() - before


# The end of the server --------------------------------------------------------------------------------


def test_sigterm_closes_connections_in_order(open_wire: OpenWire, open_polling: OpenPolling, new_id: NewId) -> None:
    with gunicorn(
        ENGINE_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}, "--graceful-timeout", "20"
    ) as server:
        api, users = Api(server.url), [new_id("ann") for _ in range(20)]
        wires = [entered(open_wire, api, user) for user in users]
        polling, polled = open_polling(api.url), new_id("polled")
        polling.post("40" + json.dumps({"token": api.token(polled)}))
        polling.receive_until("40")
        for user in users:
            api.post("/emit-many", {"user": user, "count": 50})
        os.kill(server.pid, 15)
        for wire in wires:
            assert wire.receive_until('42["number",49]')
            assert wire.close_code() in {1000, 1001}
            wire.wait_until_gone()
        assert server.wait(3 * SECONDS) == 0
        gone = [match[1] for line in server.lines if (match := re.match(r"gone: ([^,]+),", line))]
        assert sorted(gone) == sorted([*users, polled])


def test_sigterm_lets_handlers_finish_and_disconnect_hooks_follow(open_wire: OpenWire, new_id: NewId) -> None:
    with gunicorn(
        ENGINE_APP, {"CONTRACT_APP_CONFIG": json.dumps({"REALTIME_ENGINE": ENGINE})}, "--graceful-timeout", "20"
    ) as server:
        api, user = Api(server.url), new_id("ann")
        wire = entered(open_wire, api, user)
        wire.send('42["app:pause",0.5]', '42["app:say","after the pause"]')
        server.wait_for_line("^pausing$")
        os.kill(server.pid, 15)
        wire.wait_until_gone()
        assert server.wait(3 * SECONDS) == 0
        said = [line for line in server.lines if line.startswith(("said:", "gone:"))]
        assert [line.partition(",")[0] for line in said] == ["said: after the pause", f"gone: {user}"]
