"""What one process tells another of a connection: nothing is read before all of it has come, and nothing is lost behind it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from flask_realtime.engine.handoff.progress import Progress, ResumedSocket


@pytest.mark.parametrize("address", [("192.0.2.1", 1234), ("2001:db8::1", 1, 0, 0), "/run/socket", ""])
@pytest.mark.parametrize("received", [b"", b"G", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_message_is_read_once_all_of_it_is_there(address: Any, received: bytes) -> None:
    progress = Progress(received, address, is_answered=True, session_id="one")
    message = progress.encode()
    assert [Progress.decode(message[:size]) for size in range(len(message))] == [None] * len(message)
    assert Progress.decode(message) == progress
    assert Progress.decode(message + b"more") == progress._replace(received=received + b"more")


def test_a_process_that_has_answered_says_so() -> None:
    for is_answered in (True, False):
        decoded = Progress.decode(Progress(b"", "", is_answered=is_answered, session_id="two").encode())
        assert decoded is not None
        assert (decoded.is_answered, decoded.session_id) == (is_answered, "two")


def test_what_was_received_before_comes_first_and_then_what_the_client_sends() -> None:
    client, server = socket.socketpair()
    with client:
        resumed = ResumedSocket(server.detach(), Progress(b"GET /", "", is_answered=False, session_id="one"))
        client.sendall(b" HTTP")
        assert resumed.session_id == "one"
        buffer = bytearray(8)
        assert [bytes(buffer[: resumed.recv_into(memoryview(buffer)[:size])]) for size in (3, 8, 8)] == [b"GET", b" /", b" HTTP"]
        resumed.close()
