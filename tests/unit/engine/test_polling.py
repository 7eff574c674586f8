"""Long polling's bodies, at their exact bound."""

from __future__ import annotations

import io
from typing import Any

import engineio
import pytest
from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.packet import CLOSE, MESSAGE, Packet
from engineio.socket import Socket

from flask_realtime.engine.polling import MAX_PACKETS_IN_A_POST, OneAtATime, is_upgrade, read_post

LIMIT = 20


def environ(body: bytes, **options: Any) -> dict[str, Any]:
    return {"CONTENT_LENGTH": f"{len(body)}", "wsgi.input": io.BytesIO(body), **options}


def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_refused_unread() -> None:
    (packet,) = read_post(environ(b"4" + b"x" * (LIMIT - 1)), LIMIT)
    assert packet.data == "x" * (LIMIT - 1)
    refused = environ(b"4" + b"x" * LIMIT)
    with pytest.raises(ContentTooLongError):
        read_post(refused, LIMIT)
    assert refused["wsgi.input"].tell() == 0


def test_all_packets_of_a_body_arrive_in_order_as_many_as_are_allowed() -> None:
    bodies = [b"\x1e".join(b"4%d" % number for number in range(count)) for count in (17, MAX_PACKETS_IN_A_POST)]
    for body in bodies:
        packets = read_post(environ(body), 1_000_000)
        assert [packet.data for packet in packets] == [f"{number}" for number in range(body.count(b"\x1e") + 1)]
    with pytest.raises(EngineIOError):
        read_post(environ(bodies[1] + b"\x1e4"), 1_000_000)


@pytest.mark.parametrize(
    "bad",
    [
        environ(b""),
        environ(b"4x", CONTENT_LENGTH="3"),
        environ(b"4x", CONTENT_TYPE="application/octet-stream"),
        environ(b"4\xff"),
        environ(b"x"),
        environ(b"4x", CONTENT_LENGTH=""),
    ],
)
def test_what_is_no_body_of_packets_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(EngineIOError):
        read_post(bad, LIMIT)


def open_socket(kind: type[Socket] = Socket) -> tuple[Socket, list[tuple[str, str]]]:
    """Return a session of python-engineio's, and what is heard of it."""
    server = engineio.Server(async_mode="threading", async_handlers=False, max_http_buffer_size=LIMIT, monitor_clients=False)
    heard: list[tuple[str, str]] = []
    for event in ("message", "disconnect"):
        server.on(event, lambda *args: heard.append(args))
    socket = server.sockets["s"] = kind(server, "s")
    OneAtATime(socket)
    return socket, heard


def test_a_socket_receives_each_packet_of_a_body_in_order() -> None:
    socket, heard = open_socket()
    socket.handle_post_request(environ(b"4a\x1e4b"))
    socket.handle_post_request(environ(b"4c"))
    assert heard == [("s", "a"), ("s", "b"), ("s", "c")]
    assert MAX_PACKETS_IN_A_POST == 10_000


@pytest.mark.parametrize("body", [b"4\xff", b"", b"zzz", b"9", b"4" * (LIMIT + 1)])
def test_a_malformed_body_closes_the_socket_without_waiting_for_a_poll(body: bytes) -> None:
    socket, heard = open_socket()
    with pytest.raises(EngineIOError):
        socket.handle_post_request(environ(body))
    assert socket.closed
    assert [packet and packet.packet_type for packet in socket.queue.queue] == [CLOSE, None]
    assert heard == [("s", "transport error")]


def test_what_follows_the_end_of_a_session_in_a_body_is_ignored() -> None:
    socket, heard = open_socket()
    socket.handle_post_request(environ(b"4a\x1e1\x1e4b"))
    assert heard == [("s", "a"), ("s", "client disconnect")]


def test_a_second_poll_ends_the_first_and_the_session() -> None:
    class Overlapped(Socket):  # type: ignore[misc]  # python-engineio has no types
        def poll(self) -> Any:
            with pytest.raises(EngineIOError, match="overlapping"):
                self.handle_get_request({}, None)
            return super().poll()

    socket, heard = open_socket(Overlapped)
    assert [packet.packet_type for packet in socket.handle_get_request({}, None)] == [CLOSE]
    assert heard == [("s", "transport error")]


def test_polls_may_follow_each_other() -> None:
    socket, heard = open_socket()
    for data in ("a", "b"):
        socket.send(Packet(MESSAGE, data))
        assert [packet.data for packet in socket.handle_get_request({}, None)] == [data]
    assert heard == []


def test_a_second_post_ends_the_session_and_nothing_of_the_first_is_handled() -> None:
    socket, heard = open_socket()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            with pytest.raises(EngineIOError, match="overlapping"):
                socket.handle_post_request(environ(b"4b"))
            return super().read(size)

    socket.handle_post_request(environ(b"4a", **{"wsgi.input": Slow(b"4a")}))
    assert heard == [("s", "transport error")]


@pytest.mark.parametrize(
    ("connection", "upgrade", "asks"),
    [("keep-alive, Upgrade", "WebSocket", True), ("upgraded", "websocket", False), ("upgrade", "h2c", False)],
)
def test_an_upgrade_is_what_python_engineio_takes_for_one(connection: str, upgrade: str, *, asks: bool) -> None:
    assert is_upgrade({"HTTP_CONNECTION": connection, "HTTP_UPGRADE": upgrade}) is asks
    assert is_upgrade({}) is False
