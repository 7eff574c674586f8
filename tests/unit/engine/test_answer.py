"""Responses to clients that read slowly or not at all, over TCP."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from flask_realtime.engine import answer as module
from flask_realtime.engine.answer import AnswerUnread, SteadyWriter, send_at_once

SECONDS = 10.0
LARGE = bytes(range(256)) * 32_768


class Places:
    """Notes who waits."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def wait_to_send(self, _connection: Any, server: Any) -> None:
        """Note that the client has to read."""
        assert server == "server"
        self.noted.append("wait")

    def touch(self, _connection: Any) -> None:
        """Note that it has."""
        self.noted.append("go on")


class Response:
    """A response, and its client, who reads nothing of its own accord."""

    def __init__(self) -> None:
        with gevent.socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            self.client: Any = gevent.socket.socket()
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self.client.settimeout(SECONDS)
            self.client.connect(listener.getsockname())
            self.socket: Any = listener.accept()[0]
        self.server = "server"
        self.places = Places()

    def send(self, patience: float, data: bytes = LARGE) -> None:
        """Send bytes, as far as the client reads them."""
        sent = send_at_once(self.socket, data)
        assert sent < len(data)
        SteadyWriter(self, patience, sent).send(memoryview(data)[sent:])


@pytest.fixture
def response() -> Iterator[Response]:
    response = Response()
    yield response
    response.client.close()
    response.socket.close()


def test_what_the_kernel_takes_is_sent_without_waiting(response: Response) -> None:
    assert send_at_once(response.socket, b"small") == 5
    assert response.client.recv(100) == b"small"
    while send_at_once(response.socket, LARGE):
        pass
    assert response.socket.gettimeout() is None
    assert response.places.noted == []


def test_who_reads_slowly_gets_everything(response: Response) -> None:
    sending = gevent.spawn(response.send, 0.2)
    received = bytearray()
    while len(received) < len(LARGE):
        received += response.client.recv(65_536)
        gevent.sleep(0.001)
    sending.get(timeout=SECONDS)
    assert received == LARGE
    noted = response.places.noted
    assert noted[0] == "wait"
    assert noted[-1] == "go on"
    assert noted[1:-1] == ["go on", "wait"] * (len(noted) // 2 - 1)
    assert len(noted) > 2
    assert response.socket.gettimeout() is None


def test_progress_shows_before_the_kernel_takes_more(response: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK", 0.01)
    sending = gevent.spawn(response.send, SECONDS)
    gevent.sleep(0.05)
    before = len(response.places.noted)
    with gevent.Timeout(SECONDS):
        while len(response.places.noted) <= before:
            response.client.recv(2048)
            gevent.sleep(0.02)
    sending.kill()


def test_who_does_not_read_is_given_up(response: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PAUSE", 0.0)
    with pytest.raises(AnswerUnread) as raised:
        response.send(0.2)
    assert raised.value.errno == errno.ECONNRESET
    response.socket.close()
    with pytest.raises(ConnectionResetError):
        response.client.sendall(b"more")
    assert response.places.noted[-1] == "go on"


def test_who_reads_too_slowly_is_given_up(response: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_RATE", 10**9)
    sending = gevent.spawn(response.send, 0.2)
    with gevent.Timeout(SECONDS):
        while not sending.ready():
            response.client.recv(1000)
            gevent.sleep(0.01)
    with pytest.raises(AnswerUnread):
        sending.get()


def test_the_end_of_the_connection_ends_it(response: Response) -> None:
    sending = gevent.spawn(response.send, SECONDS)
    gevent.sleep(0)
    response.client.close()
    with pytest.raises(AnswerUnread):
        sending.get(timeout=SECONDS)


def test_without_word_of_what_has_arrived_it_counts_what_was_sent(response: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    monkeypatch.setattr(module, "_MAX_PAUSE", 0.0)
    with pytest.raises(AnswerUnread):
        response.send(0.2)
