"""The link to Redis, with a real server that is stopped, frozen, cut off and restarted."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from redis.exceptions import ResponseError

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.errors import ConfigError
from flask_realtime.jitter import jitter
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script, start_script

PASSWORD = "a secret/with?signs#in@it"

MakeLink = Callable[..., RedisLink]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def make_link() -> Iterator[MakeLink]:
    links = []

    def make(url: str, timeout: float = 0.3, max_connections: int = 16) -> RedisLink:
        links.append(RedisLink(url, timeout, max_connections=max_connections, max_pause=0.1))
        return links[-1]

    yield make
    for link in links:
        link.close()


@pytest.fixture
def link(server: RedisServer, make_link: MakeLink) -> RedisLink:
    return make_link(server.url)


def ping(link: RedisLink) -> bool:
    return bool(link.call(lambda client: client.ping()))


def is_refused(link: RedisLink) -> bool:
    try:
        ping(link)
    except BackendUnavailable:
        return True
    return False


def clients(server: RedisServer) -> list[dict[str, str]]:
    """The connections that Redis has, but for the one that asks."""
    with closing(RedisLink(server.url)) as link:
        own = str(link.call(lambda client: client.client_id()))
        return [client for client in link.call(lambda client: client.client_list()) if client["id"] != own]


def cut_all(server: RedisServer) -> None:
    """Have Redis end every connection."""
    with closing(RedisLink(server.url)) as link:
        link.call(lambda client: client.client_kill_filter(_type="normal", skipme=True))


def seconds_of(function: Callable[[], object]) -> float:
    began = time.monotonic()
    function()
    return time.monotonic() - began


def test_a_call_returns_what_the_function_returns(link: RedisLink) -> None:
    assert link.call(lambda client: client.echo("hello")) == b"hello"
    assert link.is_up


def test_nothing_is_connected_before_the_first_call(server: RedisServer, make_link: MakeLink) -> None:
    before = set(threading.enumerate())
    link = make_link(server.url)
    assert clients(server) == []
    assert set(threading.enumerate()) <= before
    ping(link)
    assert len(clients(server)) == 1


def test_what_redis_refuses_is_no_outage(link: RedisLink) -> None:
    link.call(lambda client: client.set("text", "x"))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        link.call(lambda client: client.lpush("text", "y"))
    assert link.is_up


def test_while_redis_is_known_to_be_down_neither_a_call_nor_a_connection_tries_it(server: RedisServer, link: RedisLink) -> None:
    ping(link)
    server.kill()
    assert is_refused(link)
    for attempt in (link.connect, lambda: ping(link)):
        with pytest.raises(BackendUnavailable) as refused:
            attempt()
        assert refused.value.__context__ is None, "an attempt would have failed for a reason of its own"


def test_a_stopped_server_is_noticed_at_once_and_so_is_its_return(server: RedisServer, link: RedisLink) -> None:
    ping(link)
    server.stop()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        ping(link)
    assert not link.is_up
    server.start()
    wait_until(lambda: link.is_up)
    assert ping(link)


def test_a_server_that_is_not_there_yet_is_waited_for(server: RedisServer, link: RedisLink) -> None:
    server.stop()
    assert is_refused(link)
    server.start()
    assert link.wait(20)
    assert ping(link)


def test_a_frozen_server_holds_a_call_up_for_the_time_out_alone(server: RedisServer, link: RedisLink) -> None:
    ping(link)
    server.freeze()
    assert seconds_of(lambda: is_refused(link)) < 1
    # Each of these would wait for the time-out if it tried.
    assert seconds_of(lambda: [is_refused(link) for _ in range(1000)]) < 10
    server.thaw()
    wait_until(lambda: link.is_up)
    assert ping(link)


def test_calls_that_wait_for_a_connection_do_not_wait_for_a_frozen_server_too(server: RedisServer, make_link: MakeLink) -> None:
    link = make_link(server.url, max_connections=1)
    ping(link)
    server.freeze()
    with ThreadPoolExecutor(30) as threads:
        # One after the other they would take the time-out each.
        assert seconds_of(lambda: list(threads.map(lambda _: is_refused(link), range(30)))) < 4


def test_a_call_that_waited_for_a_connection_is_not_made_once_redis_is_known_to_be_away(
    server: RedisServer, make_link: MakeLink
) -> None:
    link = make_link(server.url, timeout=20, max_connections=1)
    is_held, go_on, is_called = threading.Event(), threading.Event(), threading.Event()

    def hold(_: object) -> None:
        is_held.set()
        go_on.wait()

    with ThreadPoolExecutor(2) as threads:
        holder = threads.submit(link.call, hold)
        assert is_held.wait(20)
        waiter = threads.submit(link.call, lambda _: is_called.set())
        semaphore: Any = link._slots
        wait_until(lambda: len(semaphore._cond._waiters) == 1)
        server.stop()
        with pytest.raises(BackendUnavailable):
            link.connect()
        go_on.set()
        holder.result()
        with pytest.raises(BackendUnavailable):
            waiter.result()
    assert not is_called.is_set()


def test_a_host_that_does_not_answer_is_given_up_in_time(make_link: MakeLink) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address), ThreadPoolExecutor(1) as threads:
            link = make_link(f"redis://127.0.0.1:{address[1]}")
            # The queue of connections is full; the kernel answers no more of them.
            assert threads.submit(lambda: seconds_of(lambda: is_refused(link))).result() < 1
    assert not link.is_up


def test_a_name_that_is_long_looked_up_is_given_up_in_time(make_link: MakeLink, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    look_up = socket.getaddrinfo

    def hang(*args: object) -> object:
        answered.wait()
        return look_up(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    link = make_link("redis://localhost:1")
    assert seconds_of(lambda: is_refused(link)) < 1
    answered.set()
    link.close()
    wait_until(lambda: not any(thread.name == "redis-connect" for thread in threading.enumerate()))


def test_a_server_that_does_not_shake_hands_is_given_up_in_time(make_link: MakeLink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = make_link(f"rediss://localhost:{listener.getsockname()[1]}")
        assert seconds_of(lambda: is_refused(link)) < 1


def test_more_calls_at_once_than_connections_all_get_their_turn(server: RedisServer, make_link: MakeLink) -> None:
    link = make_link(server.url, timeout=20, max_connections=3)
    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(lambda _: ping(link), range(200)))
    assert len(clients(server)) <= 3


def test_a_connection_that_was_idle_too_long_for_redis_is_no_outage(
    server: RedisServer, link: RedisLink, caplog: pytest.LogCaptureFixture
) -> None:
    ping(link)
    cut_all(server)
    assert ping(link)
    assert caplog.records == []


def test_attempts_to_reach_a_server_are_spread_and_soon_two_seconds_apart_at_most(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[tuple[float, float]] = []

    def choose(shortest: float, longest: float) -> float:
        pauses.append((shortest, longest))
        return 0.0

    monkeypatch.setattr(jitter, "uniform", choose)
    server.stop()
    with closing(RedisLink(server.url)) as link:
        assert is_refused(link)
        wait_until(lambda: len(pauses) >= 10)
    assert {shortest for shortest, _ in pauses} == {0}
    longest = [longest for _, longest in pauses[:10]]
    assert longest == sorted(longest)
    assert longest[0] < 0.5
    assert longest[-3:] == [2.0] * 3


def test_each_return_is_told_and_the_first_connection_is_none(server: RedisServer, link: RedisLink) -> None:
    told: list[tuple[bool, bool]] = []

    def fail() -> None:
        raise ValueError

    link.on_return(fail)
    link.on_return(lambda: told.append((ping(link), threading.current_thread() is threading.main_thread())))
    ping(link)
    for times in (1, 2):
        assert len(told) == times - 1
        server.stop()
        assert is_refused(link)
        server.start()
        wait_until(lambda times=times: len(told) == times)  # type: ignore[misc]
    assert told == [(True, False)] * 2


def test_whoever_was_refused_for_want_of_a_connection_is_told_of_the_return_too(server: RedisServer, make_link: MakeLink) -> None:
    link = make_link(server.url, max_connections=1)
    told = threading.Event()
    link.on_return(told.set)
    go_on = threading.Event()
    holder = threading.Thread(target=lambda: link.call(lambda _: go_on.wait()))
    holder.start()
    wait_until(lambda: is_refused(link))
    go_on.set()
    holder.join()
    assert told.wait(20)


def test_an_outage_is_logged_once_and_without_the_password(make_link: MakeLink, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flask_realtime")
    with RedisServer(password=PASSWORD) as server:
        link = make_link(server.url)
        assert ping(link)
        server.stop()
        for _ in range(3):
            assert is_refused(link)
        server.start()
        wait_until(lambda: link.is_up and len(caplog.records) == 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert f"redis://***@127.0.0.1:{server.port}/0 cannot be reached" in caplog.text
    assert not any(secret in caplog.text for secret in (PASSWORD, quote(PASSWORD, safe="")))


def test_a_wrong_password_is_an_outage_that_says_so(make_link: MakeLink, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(password=PASSWORD) as server:
        link = make_link(server.url.replace("secret", "hunter2"))
        with pytest.raises(BackendUnavailable, match=r"(?i)invalid (username-)?password|WRONGPASS") as refused:
            ping(link)
    assert "hunter2" not in str(refused.value) + caplog.text


@pytest.mark.parametrize(
    "url", ["http://:hunter2@host", "redis://:hunter2/@host", "redis://:hunter2@host:x", "redis://:hunter2@host?flavour=1", ""]
)
def test_a_url_that_cannot_work_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="is no URL of a Redis server: use redis://") as refused:
        RedisLink(url)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_options_in_the_url_do_not_undo_the_time_out(server: RedisServer, make_link: MakeLink) -> None:
    link = make_link(f"{server.url}?socket_timeout=60&protocol=3&decode_responses=yes&retry_on_timeout=yes&max_connections=1")
    assert link.call(lambda client: client.echo("hello")) == b"hello"
    server.freeze()
    assert seconds_of(lambda: is_refused(link)) < 1


def test_a_unix_socket_will_do(make_link: MakeLink) -> None:
    with RedisServer(password=PASSWORD) as server:
        link = make_link(server.unix_url)
        assert ping(link)
        assert PASSWORD not in str(link)


def test_an_own_connection_gets_refusals_in_their_places(link: RedisLink) -> None:
    connection = link.connect()
    first, refusal, last = connection.ask(("ECHO", "a"), ("NO-SUCH-COMMAND",), ("ECHO", b"b"))
    assert (first, last) == (b"a", b"b")
    assert isinstance(refusal, ResponseError)
    connection.close()


def test_an_own_connection_knows_when_it_is_cut(server: RedisServer, link: RedisLink) -> None:
    connection = link.connect()
    assert connection.is_open
    cut_all(server)
    wait_until(lambda: not connection.is_open)
    with pytest.raises(BackendUnavailable):
        connection.ask(("PING",), ("PING",))
    wait_until(lambda: link.is_up)


def test_an_own_connection_may_wait_longer_than_a_call(link: RedisLink) -> None:
    connection = link.connect(patience=20)
    assert connection.ask(("BLPOP", "nothing", 1)) == [None]
    connection.close()


def test_closing_leaves_nothing_behind(server: RedisServer, make_link: MakeLink) -> None:
    link = make_link(server.url)
    ping(link)
    server.freeze()
    assert is_refused(link)
    link.close()
    server.thaw()
    assert is_refused(link)
    wait_until(lambda: not any(thread.name.startswith("redis-") for thread in threading.enumerate()))
    wait_until(lambda: clients(server) == [])


FORKING = """
import os, sys
from flask_realtime.backends.redis.link import RedisLink

link = RedisLink(sys.argv[1])

def own_connection():
    return link.call(lambda client: client.client_id())

first = own_connection()
children = []
for number in range(3):
    child = os.fork()
    if not child:
        ids = [own_connection() for _ in range(50)]
        os._exit(0 if first not in ids and len(set(ids)) == 1 else 1)
    children.append(child)
assert [own_connection() for _ in range(50)] == [first] * 50
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
"""


def test_a_forked_child_uses_connections_of_its_own(server: RedisServer) -> None:
    run_script(FORKING, server.url)


FORKING_DURING_AN_OUTAGE = """
import os, sys
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.link import RedisLink

link = RedisLink(sys.argv[1], timeout=0.2)
try:
    link.call(lambda client: client.ping())
except BackendUnavailable:
    pass
assert not link.is_up
child = os.fork()
if not child:
    print("forked", flush=True)
    sys.stdin.readline()
    os._exit(0 if link.wait(20) and link.call(lambda client: client.ping()) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_a_child_forked_during_an_outage_finds_redis_again(server: RedisServer) -> None:
    server.stop()
    with start_script(FORKING_DURING_AN_OUTAGE, server.url) as script:
        assert script.stdout is not None
        assert script.stdin is not None
        assert script.stdout.readline() == "forked\n"
        server.start()
        script.stdin.write("go on\n")
        script.stdin.flush()
        assert script.wait(30) == 0


MADE_BEFORE_GEVENTS_PATCHES = """
import signal, sys, warnings
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.link import RedisLink

signal.alarm(60)  # Whoever waits for an old lock stops everything.
link = RedisLink(sys.argv[1], timeout=30)
from gevent import monkey
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    monkey.patch_all()
import gevent

def is_refused():
    try:
        link.call(lambda client: client.blpop("nothing", 0))
    except BackendUnavailable:
        return True

callers = [gevent.spawn(is_refused) for _ in range(10)]
while link.call(lambda client: client.info("clients")["blocked_clients"]) < len(callers):
    gevent.sleep(0.01)
print("waiting", flush=True)
sys.stdin.readline()  # No greenlet has its turn meanwhile: all hear in the same moment that Redis is gone.
assert all(caller.get() for caller in callers)
print("refused", flush=True)
sys.stdin.readline()
assert link.wait(20) and link.call(lambda client: client.ping())
"""


def test_a_link_that_is_older_than_gevents_patches_works(server: RedisServer) -> None:
    with start_script(MADE_BEFORE_GEVENTS_PATCHES, server.url) as script:
        assert script.stdout is not None
        assert script.stdin is not None
        for said, act in (("waiting", server.kill), ("refused", server.start)):
            assert script.stdout.readline() == f"{said}\n"
            act()
            script.stdin.write("go on\n")
            script.stdin.flush()
        assert script.wait(60) == 0
