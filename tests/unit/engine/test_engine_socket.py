"""One session, with a socket pair for its WebSocket and a fake of the server that it belongs to."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from types import MethodType, SimpleNamespace
from typing import Any

import gevent
import gevent.queue
import gevent.socket
import pytest
from engineio import packet as eio
from engineio.exceptions import ContentTooLongError, EngineIOError
from gevent.event import Event
from gevent.pywsgi import WSGIHandler

from flask_realtime.counts import Counts
from flask_realtime.engine import upgrade as module
from flask_realtime.engine.fan_out import deliver_to_all, find_websockets
from flask_realtime.engine.frames import Opcode, encode_close, encode_frame
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.engine.session import encode_packet
from flask_realtime.engine.socket import EngineSocket
from flask_realtime.engine.takeover import UPGRADE, Upgrade
from flask_realtime.engine.waiting_polls import WaitingPolls
from tests.unit.engine.websocket_client import SECONDS, WebSocketClient

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
LIMIT = 100_000
Session = Any


class Server:
    """The Engine.IO server, as far as a session knows it."""

    max_http_buffer_size = LIMIT
    max_backlog = 1000
    counts = Counts()
    ping_interval, ping_timeout = SECONDS, SECONDS
    reason = SimpleNamespace(
        TRANSPORT_ERROR="transport error", CLIENT_DISCONNECT="client disconnect", PING_TIMEOUT="ping timeout",
        SERVER_DISCONNECT="server disconnect",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ended: list[Any] = []
        self.forgotten: list[Any] = []
        self.answered: list[Any] = []
        self.failures: list[Any] = []
        self.installed: list[Any] = []
        self.handlers = {"disconnect": lambda *end: self.ended.append(end)}
        self.forget = self.forgotten.append
        self.heartbeat = SimpleNamespace(answered=self.answered.append)
        self.greenlets = SimpleNamespace(start_background_task=gevent.spawn)
        self.shutdown_signal = SimpleNamespace(install=self.installed.append)
        self.create_queue = gevent.queue.JoinableQueue
        self.polls = WaitingPolls()

    def get_queue_empty_exception(self) -> type[Exception]:
        """Return what gevent's queue raises."""
        return gevent.queue.Empty

    def on_failure(self, *failure: Any) -> None:
        """Note a failure."""
        self.failures.append(failure)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    session = EngineSocket(server, "the id")
    session.connected = True
    session.got = []
    session.on_message = session.got.append
    yield session
    for websocket in (session.websocket, None if session._probe is None else session._probe.websocket):
        if websocket is not None:
            websocket.abort()


class Client(WebSocketClient):
    """A client that asks for a WebSocket."""

    def __init__(self) -> None:
        super().__init__(*gevent.socket.socketpair())
        self.handler = SimpleNamespace(
            socket=self.server, is_read_to_the_end=True, server=SimpleNamespace(pool="the pool"), close_connection=False
        )
        self.environ = {UPGRADE: Upgrade(self.handler), "HTTP_SEC_WEBSOCKET_KEY": KEY, "wsgi.websocket": None}


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def text(data: str) -> bytes:
    return encode_frame(Opcode.TEXT, data.encode())


def until(is_so: Callable[[], object]) -> None:
    with gevent.Timeout(SECONDS):
        while not is_so():
            gevent.sleep(0.001)


def settle() -> None:
    for _ in range(5):
        gevent.sleep(0.001)


@pytest.fixture
def opened(session: Session, client: Client) -> Client:
    """A client whose session is on WebSocket."""
    assert session.open_websocket(client.environ, None, eio.Packet(eio.OPEN, "hello")) == []
    client.expect_handshake()
    client.expect(text("0hello"))
    return client


def waiting(session: Session) -> list[Any]:
    """Types and data of what waits for the next poll."""
    queue, packets = session.queue, []
    while not queue.empty():
        packet = queue.get_nowait()
        packets.append(packet and (packet.packet_type, packet.data))
    return packets


def message(data: Any) -> eio.Packet:
    return eio.Packet(eio.MESSAGE, data)


# WebSocket -----------------------------------------------------------------------------------------------


def test_a_session_on_websocket_begins_with_its_greeting(session: Session, opened: Client, server: Server) -> None:
    assert (session.connected, session.upgraded, session.upgrading, session.closed) == (True, True, False, False)
    assert opened.handler.socket is None
    assert server.installed == ["the pool"]
    for data in ("a", "ä", ""):
        opened.send("4" + data)
    opened.send(b"\x00\x01")
    until(lambda: len(session.got) == 4)
    assert session.got == ["a", "ä", "", b"\x00\x01"]
    session.send(message("answer"))
    session.send(message(b"\x02"))
    session.ping()
    opened.expect(text("4answer") + encode_frame(Opcode.BINARY, b"\x02") + text("2"))


def test_what_is_no_message_is_not_handed_on(session: Session, opened: Client, server: Server) -> None:
    for kind in ("0", "5", "6", "3"):
        opened.send(kind)
    opened.send("4x")
    until(lambda: session.got)
    assert (session.got, server.answered, server.ended) == (["x"], [session], [])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("1", "client disconnect"), ("7", "transport error"), ("", "transport error"), ("2probe", "transport error")],
)
def test_a_packet_may_end_a_session(session: Session, opened: Client, server: Server, kind: str, reason: str) -> None:
    opened.send(kind)
    opened.send("4late")
    opened.expect_end(encode_close(1000))
    until(lambda: server.ended)
    settle()
    assert (server.ended, server.forgotten, session.got) == ([("the id", reason)], [session], [])
    assert (session.closed, session.closing) == (True, True)


def test_a_connection_that_is_lost_ends_its_session_once(session: Session, opened: Client, server: Server) -> None:
    opened.sock.close()
    until(lambda: server.ended)
    session.close()
    session.send(message("late"))
    session.time_out()
    settle()
    assert server.ended == [("the id", "transport close")]


@pytest.mark.parametrize("data", ["4x", b"x"])
def test_a_message_that_cannot_be_handled_ends_the_session(session: Session, opened: Client, server: Server, data: Any) -> None:
    error = ZeroDivisionError("broken")

    def fail(_data: object) -> None:
        raise error

    session.on_message = fail
    opened.send(data)
    opened.expect_end(encode_close(1011))
    until(lambda: server.ended)
    assert (server.failures, server.ended) == ([("the id", error)], [("the id", "transport error")])


def test_who_is_told_of_nothing_hears_of_no_message(server: Server) -> None:
    session = EngineSocket(server, "unknown")
    session.receive(message("early"))
    until(lambda: server.ended)
    assert isinstance(server.failures[0][1], RuntimeError)


def test_a_session_that_the_server_ends_says_so(session: Session, opened: Client, server: Server) -> None:
    session.close()
    session.close()
    opened.expect_end(text("1") + encode_close(1000))
    assert server.ended == [("the id", "server disconnect")]


def test_who_does_not_answer_a_ping_is_told_that_it_is_over(session: Session, opened: Client, server: Server) -> None:
    session.time_out()
    opened.expect_end(text("1") + encode_close(1000))
    assert (server.ended, session.check_ping_timeout()) == ([("the id", "ping timeout")], False)


def test_a_failing_end_is_logged_and_ends_nothing_else(session: Session, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.handlers["disconnect"] = lambda *_: 1 / 0  # type: ignore[assignment]
    session.time_out()
    until(lambda: "could not be closed" in caplog.text)


def test_reading_stops_until_there_is_space(session: Session, opened: Client) -> None:
    spaces: list[Callable[[], None]] = []
    session.pause_reading(spaces.append, lambda: pytest.fail("nobody waits here"))
    assert session.heard_recently()
    opened.send("4x")
    settle()
    assert session.got == []
    spaces[0]()
    until(lambda: session.got)
    session.ping()
    assert not session.heard_recently()


def test_who_sends_something_else_is_excused_once_for_each_ping(session: Session, opened: Client) -> None:
    session.ping()
    assert not session.heard_recently()
    opened.send("4x")
    until(lambda: session.got)
    assert (session.heard_recently(), session.heard_recently()) == (True, False)
    opened.send("4x")
    until(lambda: len(session.got) == 2)
    assert not session.heard_recently()
    session.ping()
    session.receive(eio.Packet(eio.NOOP))
    assert (session.heard_recently(), session.heard_recently()) == (True, False)


@pytest.mark.parametrize("is_connected", [True, False])
def test_an_unclaimed_session_may_send_little(session: Session, opened: Client, server: Server, is_connected: bool) -> None:  # noqa: FBT001
    assert (session.max_message_size, session.max_post_size) == (9216, 4 * 9216)
    session.set_connected(is_connected=True)
    session.set_connected(is_connected=is_connected)
    assert session.max_message_size == (LIMIT if is_connected else 9216)
    assert session.max_post_size == (LIMIT if is_connected else 4 * 9216)
    opened.sock.sendall(b"\x81\xfe" + (9217).to_bytes(2, "big") + bytes(4) + b"4" + b"x" * 9216)
    if is_connected:
        until(lambda: session.got)
    else:
        opened.expect_end(encode_close(1009))
        until(lambda: server.ended)


def test_small_bounds_hold_before_a_session_is_claimed(server: Server) -> None:
    server.max_http_buffer_size = 100
    session = EngineSocket(server, "small")
    assert (session.max_message_size, session.max_post_size) == (100, 100)


# Changing over -------------------------------------------------------------------------------------------


def upgrade(session: Session, client: Client) -> Any:
    environ = {**client.environ, "HTTP_CONNECTION": "Upgrade", "HTTP_UPGRADE": "websocket"}
    return session.handle_get_request(environ, None)


def test_a_client_changes_over_and_loses_nothing(session: Session, client: Client, server: Server) -> None:
    session.send(message("first"))
    polled = session.queue.get_nowait()
    assert upgrade(session, client) == []
    client.expect_handshake()
    assert not session.upgraded
    client.send("2probe")
    client.expect(text("3probe"))
    assert waiting(session) == [(eio.NOOP, None)]
    session.send(polled)
    session.send(eio.Packet(eio.NOOP))
    session.send(message(b"second"))
    client.send("5")
    client.expect(text("4first") + encode_frame(Opcode.BINARY, b"second"))
    assert (session.upgraded, session.connected) == (True, True)
    assert find_websockets([session]) == (session.websocket,)
    session.send(message("third"))
    client.expect(text("4third"))
    client.send("4x")
    until(lambda: session.got)
    assert (session.got, server.ended) == (["x"], [])
    second = Client()
    upgrade(session, second)
    second.expect_handshake()
    second.expect_end(b"\x88\x00")
    second.sock.close()


def test_a_poll_that_waits_ends_when_the_client_changes_over(session: Session, client: Client) -> None:
    poll: Any
    upgrade(session, client)
    client.expect_handshake()
    poll = gevent.spawn(session.handle_get_request, {}, None)
    settle()
    assert session.is_polled
    client.send("2probe")
    assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.NOOP]
    assert not session.is_polled
    poll = gevent.spawn(session.handle_get_request, {}, None)
    assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.NOOP], "and so does the next one"
    poll = gevent.spawn(session.handle_get_request, {}, None)
    gevent.sleep(0)
    client.send("5")
    assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.NOOP]
    assert [packet.packet_type for packet in session.handle_get_request({}, None)] == [eio.NOOP]


@pytest.mark.parametrize("sent", [["5"], ["2"], ["4x"], ["2probe", "4x"]])
def test_who_changes_over_in_another_way_stays_on_long_polling(
    session: Session, client: Client, server: Server, sent: list[str]
) -> None:
    upgrade(session, client)
    client.expect_handshake()
    for item in sent:
        client.send(item)
    client.expect_end((text("3probe") if len(sent) > 1 else b"") + encode_close(1002))
    client.send(b"ignored")
    settle()
    assert (session.upgraded, session.websocket, server.ended, session.got) == (False, None, [], [])
    again = Client()
    upgrade(session, again)
    again.expect_handshake()
    again.send("5")
    again.expect_end(encode_close(1002))
    again.sock.close()


def test_a_connection_that_is_lost_before_it_is_used_may_be_tried_again(session: Session, client: Client, server: Server) -> None:
    upgrade(session, client)
    beside = Client()
    upgrade(session, beside)
    beside.expect_handshake()
    beside.expect_end(b"\x88\x00")
    client.send("2probe")
    client.expect_handshake()
    client.expect(text("3probe"))
    client.sock.close()
    settle()
    again = Client()
    upgrade(session, again)
    again.expect_handshake()
    again.send("5")
    again.expect_end(encode_close(1002))
    assert (server.ended, session.websocket) == ([], None)
    for one in (beside, again):
        one.sock.close()


def test_who_takes_too_long_stays_on_long_polling(
    session: Session, client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (module.UPGRADE_TIMEOUT, module.POLL_CHECK) == (10.0, 0.1)
    monkeypatch.setattr(module, "UPGRADE_TIMEOUT", 0.05)
    upgrade(session, client)
    client.expect_handshake()
    client.expect_end(encode_close(1000))
    assert (session.upgraded, server.ended) == (False, [])


@pytest.mark.parametrize("end", ["2probe 5", "2probe 2", "lost"])
def test_an_upgrade_that_is_over_waits_for_nothing(
    session: Session, client: Client, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UPGRADE_TIMEOUT", 1000.0)  # Whatever waits for that is found by the watch over every test.
    upgrade(session, client)
    client.expect_handshake()
    if end == "lost":
        client.sock.close()
    else:
        for item in end.split():
            client.send(item)
    until(lambda: session._probe is None)


def test_a_session_that_ends_takes_a_connection_along_that_is_being_tried(session: Session, client: Client) -> None:
    upgrade(session, client)
    client.expect_handshake()
    session.close()
    client.expect_end(encode_close(1000))
    assert waiting(session) == [(eio.CLOSE, None), None]


def test_a_connection_that_is_being_tried_has_the_sessions_bounds(session: Session, client: Client) -> None:
    upgrade(session, client)
    client.expect_handshake()
    session.set_connected(is_connected=True)
    client.sock.sendall(b"\x81\xfe" + (9217).to_bytes(2, "big") + bytes(4) + b"x" * 9217)
    client.expect_end(encode_close(1002))


# Long polling --------------------------------------------------------------------------------------------


def post(body: bytes) -> dict[str, Any]:
    return {"CONTENT_LENGTH": f"{len(body)}", "wsgi.input": io.BytesIO(body)}


def test_a_poll_takes_what_waits(session: Session, server: Server) -> None:
    for number in range(3):
        session.send(message(f"{number}"))
    assert [packet.data for packet in session.handle_get_request({}, None)] == ["0", "1", "2"]
    session.ping()
    assert [packet.packet_type for packet in session.handle_get_request({}, None)] == [eio.PING]
    assert (session.is_polled, server.ended) == (False, [])


def test_a_poll_that_gives_way_ends_with_nothing_and_its_connection_with_it(session: Session, server: Server) -> None:
    handler: Any = WSGIHandler.__new__(WSGIHandler)
    handler.close_connection = False
    start_response = MethodType(lambda *_answer: None, handler)
    for is_asked in (True, False):
        poll: Any = gevent.spawn(session.handle_get_request, {}, start_response)
        settle()
        if is_asked:
            session.give_way()
        else:
            session.ping()
        assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.NOOP if is_asked else eio.PING]
        assert handler.close_connection is is_asked
        handler.close_connection = False
    assert (server.ended, server.polls.free_one()) == ([], False)


def test_what_a_client_posts_is_handled_in_order(session: Session, server: Server) -> None:
    session.handle_post_request(post(b"4a\x1e3\x1e6\x1e4b"))
    session.handle_post_request(post(b"4c"))
    assert (session.got, server.answered, server.ended) == (["a", "b", "c"], [session], [])
    with pytest.raises(EngineIOError):
        session.handle_post_request(post(b""))
    with pytest.raises(ContentTooLongError):
        session.handle_post_request(post(b"4" * (4 * 9216 + 1)))
    session.handle_post_request(post(b"4d"))
    assert session.got[-1] == "d"


def test_a_client_may_say_good_bye_on_long_polling(session: Session, server: Server) -> None:
    session.handle_post_request(post(b"1\x1e4late"))
    assert (server.ended, session.got) == ([("the id", "client disconnect")], [])
    assert waiting(session) == [(eio.NOOP, None), None]


def test_a_packet_that_no_client_may_send_ends_the_session(session: Session, server: Server) -> None:
    session.handle_post_request(post(b"2"))
    assert (server.ended, waiting(session)) == ([("the id", "transport error")], [(eio.CLOSE, None), None])


def test_a_poll_beside_another_ends_the_session(session: Session, server: Server) -> None:
    poll: Any = gevent.spawn(session.handle_get_request, {}, None)
    gevent.sleep(0)
    with pytest.raises(EngineIOError, match="overlapping"):
        session.handle_get_request({}, None)
    assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.CLOSE]
    assert server.ended == [("the id", "transport error")]


def test_a_post_beside_another_ends_the_session(session: Session, server: Server) -> None:
    handling, done = Event(), Event()

    def handle(_data: object) -> None:
        handling.set()
        done.wait(SECONDS)

    session.on_message = handle
    first = gevent.spawn(session.handle_post_request, post(b"4a\x1e4b"))
    assert handling.wait(SECONDS)
    assert session.heard_recently(), "nobody can read an answer to a ping there"
    with pytest.raises(EngineIOError, match="overlapping"):
        session.handle_post_request(post(b"4c"))
    done.set()
    first.get(timeout=SECONDS)
    assert server.ended == [("the id", "transport error")]


def test_who_posts_while_the_application_is_behind_waits(session: Session) -> None:
    waited: list[bool] = []
    session.pause_reading(lambda _call: pytest.fail("nothing to register"), lambda: waited.append(True))
    assert waited == [True]


def test_a_body_that_is_still_read_ends_with_its_session_and_is_no_excuse(session: Session, client: Client) -> None:
    reader = client.server.makefile("rb")
    body = SimpleNamespace(rfile=reader, read=reader.read)
    posting = gevent.spawn(session.handle_post_request, {"CONTENT_LENGTH": "100", "wsgi.input": body})
    settle()
    assert not session.heard_recently()
    session.close()
    with pytest.raises(EngineIOError):
        posting.get(timeout=SECONDS)
    reader.close()


def test_a_client_that_hangs_up_during_its_poll_is_gone(session: Session, client: Client, server: Server) -> None:
    reader = client.server.makefile("rb")
    poll: Any = gevent.spawn(session.handle_get_request, {"wsgi.input": SimpleNamespace(rfile=reader)}, None)
    settle()
    client.sock.close()
    assert poll.get(timeout=SECONDS) is not None
    assert server.ended == [("the id", "transport error")]
    reader.close()


@pytest.mark.parametrize("data", ["x", b"x"])
def test_as_much_may_wait_for_a_poll_as_is_allowed(session: Session, server: Server, data: Any) -> None:
    for _ in range(2):
        session.send(message(data * 1000))
        session.send(eio.Packet(eio.PING))
        session.send(message({"not": "counted"}))
        settle()
        assert server.ended == []
        assert len(session.handle_get_request({}, None)) == 3
    session.send(message(data * 1000))
    session.send(message(data))
    until(lambda: server.ended)
    assert server.ended == [("the id", "transport error")]


# Many ----------------------------------------------------------------------------------------------------


def test_one_message_goes_to_all_in_their_own_ways(session: Session, opened: Client, server: Server) -> None:
    polling = EngineSocket(server, "polling")
    deliver_to_all([session, polling], OutboundMessage(["2[]", b"\x01"]))
    session.deliver(OutboundMessage(["3[]"]))
    opened.expect(text("42[]") + encode_frame(Opcode.BINARY, b"\x01") + text("43[]"))
    assert waiting(polling) == [(eio.MESSAGE, "2[]"), (eio.MESSAGE, b"\x01")]
    assert find_websockets([session, polling]) is None
    assert find_websockets([]) == ()


@pytest.mark.parametrize(("packet", "frame"), [(message("ä"), text("4ä")), (message(b"\x00"), b"\x82\x01\x00")])
def test_a_packet_is_a_frame(packet: Any, frame: bytes) -> None:
    assert encode_packet(packet) == frame


def test_what_applications_keep_stays(session: Session) -> None:
    assert session.session == {}
    session.session["a"] = 1
    assert session.session == {"a": 1}
    session.session = {"b": 2}
    assert session.session == {"b": 2}


# Leaving -------------------------------------------------------------------------------------------------


def test_who_leaves_has_what_waits_first(session: Session, server: Server) -> None:
    session.send(message("last"))
    session.leave("shutting down")
    assert server.ended == []
    packets = session.handle_get_request({}, None)
    assert [packet.packet_type for packet in packets] == [eio.MESSAGE, eio.CLOSE]
    assert server.ended == [("the id", "shutting down")]


def test_a_poll_that_waits_ends_at_once(session: Session, server: Server) -> None:
    poll: Any = gevent.spawn(session.handle_get_request, {}, None)
    gevent.sleep(0)
    session.leave("shutting down")
    assert [packet.packet_type for packet in poll.get(timeout=SECONDS)] == [eio.CLOSE]
    assert server.ended == [("the id", "shutting down")]


def test_a_websocket_ends_when_nothing_waits_for_it(session: Session, opened: Client, server: Server) -> None:
    session.websocket.put_off(text("4last"))
    session.leave("shutting down")
    assert server.ended == []
    opened.expect(text("4last"))
    settle()
    session.leave("shutting down")
    assert server.ended == [("the id", "shutting down")]
    opened.expect_end(text("1") + encode_close(1000))
