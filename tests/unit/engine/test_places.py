"""Who gives up a place in a server's pool: the connection that has waited longest for its client, and only where it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pool import Pool

from flask_realtime.engine.places import Places, hang_up
from tests.clock import Clock

ENOUGH = 6


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def pairs() -> Iterator[list[Any]]:
    """Connections: the client's end of each, and the server's."""
    pairs = [gevent.socket.socketpair() for _ in range(ENOUGH)]
    for _, server in pairs:
        server.settimeout(0)
    yield pairs
    for pair in pairs:
        for end in pair:
            end.close()


@pytest.fixture
def connections(pairs: list[Any]) -> list[Any]:
    return [server for _, server in pairs]


def server(free: int | None = 0) -> Any:
    """A server whose pool has so many places left, or that has none."""
    if free is None:
        return SimpleNamespace(pool=None)
    pool: Any = Pool(free + 1)
    pool.add(gevent.Greenlet())  # Takes a place, and never starts.
    return SimpleNamespace(pool=pool)


def ended(connections: list[Any]) -> list[int]:
    """Which connections have come to their end for their readers."""
    return [number for number, connection in enumerate(connections) if is_ended(connection)]


def is_ended(connection: Any) -> bool:
    try:
        return bool(connection.recv(1) == b"")
    except BlockingIOError:
        return False


@pytest.mark.parametrize("free", [None, 1])
def test_nobody_gives_up_a_place_that_nobody_needs(places: Places, connections: list[Any], free: int | None) -> None:
    roomy = server(free)
    for connection in connections:
        places.wait(connection, roomy)
    assert ended(connections) == []


def test_who_has_waited_longest_gives_up_its_place_and_one_is_enough(places: Places, connections: list[Any]) -> None:
    full = server()
    for connection in connections:
        places.wait(connection, full)
    assert ended(connections) == [0]
    places.forget(connections[0])
    places.wait(connections[-1], full)
    assert ended(connections) == [0, 1]


@pytest.mark.parametrize(
    ("seconds", "options", "who"),
    [
        (0.0, {}, 1),  # One that was served can go.
        (1.0, {}, 0),  # The newcomer has had its time.
        (0.0, {"is_new": True}, 0),  # Both have just come, and it came first.
        (0.0, {"is_idle": False}, 0),  # The other is in the middle of its request.
    ],
)
def test_who_has_just_come_has_a_moment_for_its_first_request(
    connections: list[Any], seconds: float, options: dict[str, bool], who: int
) -> None:
    clock, full = Clock(), server()
    places = Places(clock)
    places.wait(connections[0], full, is_new=True)
    clock.now += seconds
    places.wait(connections[1], full, **options)
    assert ended(connections) == [who]


def test_who_gives_up_its_place_is_not_asked_twice(places: Places, connections: list[Any]) -> None:
    full = server()
    places.wait(connections[0], full)
    places.wait(connections[1], full)
    places.hang_up_idle()
    assert ended(connections) == [0, 1]


def test_a_server_that_is_full_takes_no_place_from_another(places: Places, connections: list[Any]) -> None:
    roomy, full = server(1), server()
    places.wait(connections[0], roomy)
    places.wait(connections[1], full)
    places.wait(connections[2], roomy)
    places.wait(connections[3], full)
    assert ended(connections) == [1]
    other = server()
    places.wait(connections[4], other)
    places.wait(connections[5], other)
    assert ended(connections) == [1, 4], "one that leaves another server is nothing to this one"


@pytest.mark.parametrize("how", ["touch", "forget"])
def test_who_goes_on_keeps_its_place(places: Places, connections: list[Any], how: str) -> None:
    full = server()
    places.wait(connections[0], full)
    getattr(places, how)(connections[0])
    places.wait(connections[1], full)
    assert ended(connections) == []
    places.touch(connections[2])
    places.wait(connections[2], full, is_idle=False)
    assert ended(connections) == [1]
    places.hang_up_idle()
    assert ended(connections) == [1]


def test_who_does_not_read_gives_up_its_place_with_what_waits_for_it(places: Places, pairs: list[Any]) -> None:
    full = server()
    (_, slow), (_, newest) = pairs[:2]
    with suppress(BlockingIOError):
        while True:
            slow.send(bytes(1000))
    places.wait_to_send(slow, full)
    places.hang_up_idle()
    places.wait(newest, full)
    assert places.is_leaving(slow)
    assert not places.is_leaving(newest)
    with pytest.raises(BrokenPipeError):
        slow.send(b"more")


def test_who_has_read_something_has_waited_less_long(places: Places, connections: list[Any]) -> None:
    full = server()
    for connection in connections[:2]:
        places.wait_to_send(connection, full)
    places.touch(connections[1])
    assert places.is_leaving(connections[0])
    places.forget(connections[0])
    places.wait_to_send(connections[2], full)
    places.wait_to_send(connections[1], full)
    assert [places.is_leaving(connection) for connection in connections[:3]] == [False, False, True]


def test_who_is_hung_up_on_and_does_not_read_is_cut(places: Places, connections: list[Any]) -> None:
    full = server()
    for connection in connections[:2]:
        places.wait(connection, full)
    connections[0].send(b"last")
    places.wait_to_send(connections[0], full)
    with pytest.raises(BrokenPipeError):
        connections[0].send(b"more")


def test_who_waits_alone_is_left_where_something_else_gives_up_a_place(places: Places, connections: list[Any]) -> None:
    asked: list[str] = []

    def ask(name: str, *, is_free: bool) -> bool:
        asked.append(name)
        return is_free

    for name in ("none", "some", "more"):
        places.reserves.append(partial(ask, name, is_free=name != "none"))
    full = server()
    places.wait(connections[0], full)
    assert (ended(connections), asked) == ([], ["none", "some"])
    places.wait(connections[1], full)
    assert (ended(connections), asked) == ([0], ["none", "some"])


def test_only_idle_connections_are_hung_up(places: Places, connections: list[Any]) -> None:
    roomy = server(1)
    places.wait(connections[0], roomy)
    places.wait(connections[1], roomy, is_idle=False)
    places.wait(connections[2], roomy)
    places.touch(connections[2])
    places.hang_up_idle()
    assert ended(connections) == [0]


def test_who_is_hung_up_on_still_has_what_came_and_may_still_answer(pairs: list[Any]) -> None:
    client, server = pairs[0]
    client.sendall(b"last")
    hang_up(server)
    assert (server.recv(100), server.recv(100)) == (b"last", b"")
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"
    server.close()
    hang_up(server)
