"""Scripts that many run at once, in a real Redis that is frozen, restarted and has forgotten them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis import script
from flask_realtime.backends.redis.grouped_calls import MAX_GROUP, GroupedCalls
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.script import Script
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script

MANY = 3 * MAX_GROUP


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(script, "_FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def echo(folder: Path) -> Script:
    """Returns its arguments, and counts."""
    (folder / "echo.lua").write_text("return {redis.call('INCR', KEYS[1]), ARGV[1], ARGV[2]}")
    return Script("echo")


@pytest.fixture
def refused(folder: Path) -> Script:
    """Is refused by Redis."""
    (folder / "refused.lua").write_text("return redis.error_reply('no')")
    return Script("refused")


@pytest.fixture
def link(redis: RedisServer) -> Iterator[RedisLink]:
    link = RedisLink(redis.url, 0.5, max_pause=0.1)
    yield link
    link.close()


@pytest.fixture
def calls(link: RedisLink) -> Iterator[GroupedCalls]:
    calls = GroupedCalls(link, "count")
    yield calls
    calls.close()


def run(calls: GroupedCalls, script: Script, text: str) -> Any:
    return calls.run(script, lambda: 7, text)


def outcome(calls: GroupedCalls, script: Script, text: str) -> Any:
    try:
        return run(calls, script, text)
    except (BackendUnavailable, UnicodeEncodeError) as error:
        return type(error)


def test_each_of_many_gets_its_own_answer_over_one_connection(calls: GroupedCalls, echo: Script, client: Redis) -> None:
    connections = len(client.client_list())
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda number: run(calls, echo, f"n{number}"), range(MANY)))
    assert [answer[1:] for answer in answers] == [[b"7", f"n{number}".encode()] for number in range(MANY)]
    assert sorted(answer[0] for answer in answers) == list(range(1, MANY + 1))
    assert len(client.client_list()) == connections + 1


def test_what_fails_for_one_fails_for_nobody_else(calls: GroupedCalls, echo: Script, refused: Script) -> None:
    scripts = [echo, refused, echo, echo]
    texts = ["fine", "fine", "\ud800", "Zoë"]
    with ThreadPoolExecutor(32) as threads:
        outcomes = list(threads.map(lambda number: outcome(calls, scripts[number % 4], texts[number % 4]), range(MANY)))
    assert [found if isinstance(found, type) else found[2].decode() for found in outcomes[:4]] == [
        *("fine", BackendUnavailable, UnicodeEncodeError, "Zoë")
    ]
    assert sum(isinstance(found, type) for found in outcomes) == MANY // 2


def test_the_text_of_a_refusal_is_redis_own(calls: GroupedCalls, refused: Script) -> None:
    with pytest.raises(BackendUnavailable, match="Redis refused a script: no"):
        run(calls, refused, "")


def test_scripts_that_redis_has_forgotten_are_sent_again(calls: GroupedCalls, echo: Script, client: Redis) -> None:
    run(calls, echo, "first")
    client.script_flush()
    with ThreadPoolExecutor(8) as threads:
        assert {answer[2] for answer in threads.map(lambda _: run(calls, echo, "again"), range(8))} == {b"again"}
    assert client.get("count") == "9"


def test_while_redis_gives_no_answer_nobody_waits_for_long_and_no_answer_goes_astray(
    calls: GroupedCalls, echo: Script, link: RedisLink, redis: RedisServer
) -> None:
    run(calls, echo, "before")
    redis.freeze()
    with ThreadPoolExecutor(32) as threads:
        assert set(threads.map(lambda number: outcome(calls, echo, f"lost {number}"), range(MANY))) == {BackendUnavailable}
        redis.thaw()
        wait_until(lambda: link.is_up)
        answers = list(threads.map(lambda number: run(calls, echo, f"n{number}"), range(MANY)))
    assert [answer[2] for answer in answers] == [f"n{number}".encode() for number in range(MANY)]


def test_it_goes_on_after_a_restart_of_redis(calls: GroupedCalls, echo: Script, redis: RedisServer) -> None:
    run(calls, echo, "before")
    redis.restart()
    wait_until(lambda: outcome(calls, echo, "after") is not BackendUnavailable)
    assert run(calls, echo, "later")[1:] == [b"7", b"later"]


def test_a_connection_that_was_closed_meanwhile_is_made_again(
    calls: GroupedCalls, echo: Script, link: RedisLink, client: Redis
) -> None:
    run(calls, echo, "before")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert run(calls, echo, "after")[1:] == [b"7", b"after"]
    assert link.outages == 0


FORKED = """
import os, sys
from pathlib import Path
from flask_realtime.backends.redis import script
from flask_realtime.backends.redis.grouped_calls import GroupedCalls
from flask_realtime.backends.redis.link import RedisLink

script._FOLDER = Path(sys.argv[2])
echo, calls = script.Script("echo"), GroupedCalls(RedisLink(sys.argv[1]), "count")
answers = lambda name: [calls.run(echo, lambda: 7, name)[2].decode() for _ in range(200)] == [name] * 200
assert answers("before")
child = os.fork()
if child == 0:
    os._exit(0 if answers("child") else 1)
assert answers("parent")
sys.exit(os.waitpid(child, 0)[1] != 0)
"""


def test_a_forked_child_has_a_connection_of_its_own(redis: RedisServer, folder: Path, echo: Script) -> None:
    assert echo.name == "echo"
    run_script(FORKED, redis.url, str(folder))


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys
from pathlib import Path
import gevent
from flask_realtime.backends.redis import script
from flask_realtime.backends.redis.grouped_calls import GroupedCalls
from flask_realtime.backends.redis.link import RedisLink

script._FOLDER = Path(sys.argv[2])
echo, calls = script.Script("echo"), GroupedCalls(RedisLink(sys.argv[1]), "count")
calls.run(echo, lambda: 7, "first")

def ask(number):
    return calls.run(echo, lambda: 7, str(number))[2].decode()

asking = [gevent.spawn(ask, number) for number in range(100)]
gevent.sleep(0)
asking[0].kill(block=False)
gevent.joinall(asking)
found = [(number, greenlet.value) for number, greenlet in enumerate(asking) if greenlet.successful()]
assert all(value in {str(number), None} or isinstance(value, gevent.GreenletExit) for number, value in found), found
assert ask("after") == "after"
"""


def test_whoever_is_ended_while_it_sends_leaves_no_answer_to_others(redis: RedisServer, folder: Path, echo: Script) -> None:
    assert echo.name == "echo"
    run_script(GREENLETS, redis.url, str(folder))
