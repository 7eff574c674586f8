"""Bytes that go through this process both ways, to the end of either side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from flask_realtime.engine.handoff.tls_proxy import TlsProxy

SECONDS = 10.0


class Relayed:
    """A relayed connection: the client's end, the owner's end, and what is between them."""

    def __init__(self, relays: TlsProxy) -> None:
        self.client, inner = gevent.socket.socketpair()
        self.owner, link = gevent.socket.socketpair()
        self.between = (inner, link)
        for end in (self.client, self.owner):
            end.settimeout(SECONDS)
        for end in self.between:
            end.settimeout(0)
        self.running = gevent.spawn(relays.run, inner, link)
        gevent.sleep(0)

    def close(self) -> None:
        """Close everything."""
        for end in (self.client, self.owner, *self.between):
            end.close()


@pytest.fixture
def relays() -> TlsProxy:
    return TlsProxy()


@pytest.fixture
def relayed(relays: TlsProxy) -> Iterator[Relayed]:
    relayed = Relayed(relays)
    yield relayed
    relayed.close()


def read(sock: Any, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := sock.recv(size - len(data))):
        data += piece
    return data


def test_bytes_go_both_ways_unchanged(relays: TlsProxy, relayed: Relayed) -> None:
    for source, sink in ((relayed.client, relayed.owner), (relayed.owner, relayed.client)):
        for size in (1, 200_000):
            data = os.urandom(size)
            gevent.spawn(source.sendall, data)
            assert read(sink, size) == data
    assert len(relays.ends()) == 1


def test_a_client_that_has_said_all_still_gets_its_answer(relays: TlsProxy, relayed: Relayed) -> None:
    relayed.client.sendall(b"last")
    relayed.client.shutdown(gevent.socket.SHUT_WR)
    assert read(relayed.owner, 100) == b"last"
    relayed.owner.sendall(b"answer")
    assert read(relayed.client, 6) == b"answer"
    assert not relayed.running.ready()
    relayed.owner.close()
    relayed.running.get(timeout=SECONDS)
    assert relays.ends() == []


def test_the_owner_ends_it_behind_what_it_sent(relays: TlsProxy, relayed: Relayed) -> None:
    relayed.owner.sendall(b"last")
    relayed.owner.close()
    relayed.running.get(timeout=SECONDS)
    assert read(relayed.client, 4) == b"last"
    relayed.client.sendall(b"x")
    gevent.sleep(0.005)
    relayed.between[0].settimeout(0)
    assert relayed.between[0].recv(1) == b"x", "nobody reads for it any more"
    assert relays.ends() == []


def test_a_client_that_is_gone_ends_it(relayed: Relayed) -> None:
    relayed.client.close()
    assert read(relayed.owner, 1) == b""
    relayed.owner.sendall(b"x")
    relayed.running.get(timeout=SECONDS)


def test_each_can_be_ended_and_only_once(relays: TlsProxy, relayed: Relayed) -> None:
    second = Relayed(relays)
    for end in relays.ends()[:]:
        end()
        end()
    for one in (relayed, second):
        assert read(one.owner, 1) == b""
        one.running.get(timeout=SECONDS)
    relays.stop()
    second.close()


def test_an_end_that_comes_late_touches_nothing(relays: TlsProxy, relayed: Relayed) -> None:
    (end,) = relays.ends()
    relayed.owner.close()
    relayed.running.get(timeout=SECONDS)
    for one in relayed.between:
        one.close()
    end()
    third = Relayed(relays)
    relays.stop()
    assert read(third.owner, 1) == b""
    third.running.get(timeout=SECONDS)
    third.close()
