"""Long polling's bodies, at their exact bound."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import engineio
import pytest
from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.packet import CLOSE
from engineio.socket import Socket

from flask_realtime.engine.polling import MAX_PACKETS_IN_A_POST, read_post, receive_post

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


def test_a_socket_receives_each_packet_of_a_body_in_order() -> None:
    received: list[Any] = []
    socket = SimpleNamespace(server=SimpleNamespace(max_http_buffer_size=LIMIT), receive=received.append)
    receive_post(socket, environ(b"4a\x1e4b"))
    assert [packet.data for packet in received] == ["a", "b"]
    assert MAX_PACKETS_IN_A_POST == 10_000


@pytest.mark.parametrize("body", [b"4\xff", b"", b"zzz", b"9", b"4" * (LIMIT + 1)])
def test_a_malformed_body_closes_the_socket_without_waiting_for_a_poll(body: bytes) -> None:
    server = engineio.Server(async_mode="threading", max_http_buffer_size=LIMIT, monitor_clients=False)
    ended: list[tuple[str, str]] = []
    server.on("disconnect", lambda *args: ended.append(args))
    socket = server.sockets["s"] = Socket(server, "s")
    with pytest.raises(EngineIOError):
        receive_post(socket, environ(body))
    assert socket.closed
    assert [packet and packet.packet_type for packet in socket.queue.queue] == [CLOSE, None]
    assert ended == [("s", "transport error")]
