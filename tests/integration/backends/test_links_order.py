"""The order of what different servers of one machine send, where one of them waits until all others have what it sent."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from flask_realtime.backends.links.links import MAX_SIZE
from tests.integration.backends.test_direct_links import LONG, MakeServer, Server, are_linked, event, events_of, folder, new_server
from tests.redis_server import RedisServer, wait_until
from tests.tcp_proxy import TcpProxy

__all__ = ["folder", "new_server"]

ROUNDS = 20
SLOW = 0.05
"""Seconds by which what Redis answers to those who read the stream is late: longer than anything takes over a link."""


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[TcpProxy]:
    """Leads to Redis, whose events come late over it."""
    with TcpProxy(redis.port) as proxy:
        proxy.delay_replies(SLOW, b"XREAD")
        yield proxy


def url_of(proxy: TcpProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def trio(new_server: MakeServer, proxy: TcpProxy, max_lag: float) -> tuple[Server, Server, Server]:
    """Return three servers that are linked; what is in the stream reaches the third one late."""
    options = {"long_linger": LONG, "max_lag": max_lag}
    ann, ben = new_server("ann", **options).start(), new_server("ben", **options).start()
    zoe = new_server("zoe", url=url_of(proxy), **options).start()
    wait_until(lambda: are_linked(ann, ben, zoe))
    return ann, ben, zoe


@pytest.mark.parametrize("how", [{}, {"is_direct": False}, {"parts": ("x" * (MAX_SIZE + 1),)}], ids=["link", "queue", "large"])
def test_what_another_server_sends_afterwards_comes_afterwards(
    new_server: MakeServer, proxy: TcpProxy, how: dict[str, Any]
) -> None:
    ann, ben, zoe = trio(new_server, proxy, LONG)  # So that no time but only what the servers say can be enough.
    for number in range(ROUNDS):
        ann.bus.publish(event(f"first {number}", **how))
        assert ann.bus.wait_passed(10)
        assert f"first {number}" in zoe.received
        assert f"first {number}" in ben.received
        ben.bus.publish(event(f"then {number}"))
        wait_until(lambda: f"then {number}" in zoe.received)  # noqa: B023 - called at once
    assert events_of(zoe) == [f"{which} {number}" for number in range(ROUNDS) for which in ("first", "then")]


def test_of_a_server_without_a_link_too(
    new_server: MakeServer, proxy: TcpProxy, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, ben, zoe = trio(new_server, proxy, 0.4)
    far = Server("far", redis.url, tmp_path_factory.mktemp("m"), ["ann", "ben", "far", "zoe"], max_lag=0.4).start()
    for number in range(3):
        far.bus.publish(event(f"first {number}"))
        assert far.bus.wait_passed(10)
        ben.bus.publish(event(f"then {number}"))
        wait_until(lambda: f"then {number}" in zoe.received)  # noqa: B023 - called at once
    assert events_of(zoe) == [f"{which} {number}" for number in range(3) for which in ("first", "then")]
    far.end()


def test_of_a_server_whose_link_is_gone_too(new_server: MakeServer, proxy: TcpProxy) -> None:
    ann, ben, zoe = trio(new_server, proxy, 0.4)
    ann.links._avoided = {"zoe": inf}
    ann.links._outbound["zoe"].close()
    wait_until(lambda: not ann.links.reaches_all)
    for number in range(3):
        ann.bus.publish(event(f"first {number}"))
        assert ann.bus.wait_passed(10)
        ben.bus.publish(event(f"then {number}"))
        wait_until(lambda: f"then {number}" in zoe.received)  # noqa: B023 - called at once
    assert events_of(zoe) == [f"{which} {number}" for number in range(3) for which in ("first", "then")]


def test_a_server_that_cannot_read_the_queue_takes_nothing_from_links_either(
    new_server: MakeServer, proxy: TcpProxy, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, ben, zoe = trio(new_server, proxy, 0.4)
    far = Server("far", redis.url, tmp_path_factory.mktemp("m"), ["ann", "ben", "far", "zoe"], max_lag=0.4).start()
    proxy.hold()
    far.bus.publish(event("first"))
    assert far.bus.wait_passed(10)
    ben.bus.publish(event("then"))
    assert zoe.bus._reader is not None
    intake = zoe.bus._reader.intake
    wait_until(lambda: intake.is_behind or events_of(zoe) != [])
    assert events_of(zoe) == []
    proxy.release()
    wait_until(lambda: len(events_of(zoe)) == 2)
    assert events_of(zoe) == ["first", "then"]
    far.end()


def test_a_server_that_does_not_answer_is_not_waited_for_long(new_server: MakeServer, proxy: TcpProxy) -> None:
    ann, ben, zoe = trio(new_server, proxy, 0.4)
    zoe.may_receive.clear()
    ann.bus.publish(event("first"))
    assert ann.bus.wait_passed(10)
    ben.bus.publish(event("then"))
    wait_until(lambda: "then" in ann.received)
    zoe.may_receive.set()
    wait_until(lambda: len(events_of(zoe)) == 2)
    assert events_of(zoe) == ["first", "then"]


def test_a_queue_that_does_not_answer_is_not_waited_for_long(new_server: MakeServer, proxy: TcpProxy, redis: RedisServer) -> None:
    ann, _, zoe = trio(new_server, proxy, 0.4)
    redis.freeze()
    zoe.may_receive.clear()
    ann.bus.publish(event("first"))
    is_certain = ann.bus.wait_passed(0.5)
    redis.thaw()
    assert not is_certain


def test_a_single_server_waits_for_nobody(redis: RedisServer, folder: Path) -> None:
    ann = Server("ann", redis.url, folder, ["ann"], max_lag=LONG).start()
    ann.bus.publish(event("first"))
    assert ann.bus.wait_passed(10)
    ann.end()
