"""A user who connects and disconnects without end: how often one may, and how often others hear of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, PyClient
from tests.e2e.conftest import NewId, ServerWith
from tests.e2e.raw import RawSocket
from tests.e2e.servers import poll
from tests.e2e.workers import running_workers
from tests.redis_server import RedisServer

CHANGED = "user:status-changed"
SECONDS = 40.0
MINUTE = 60.0


@contextmanager
def one_process(folder: Path, application: str) -> Iterator[Api]:
    with running_workers(folder, application=application, count=1) as workers:
        yield workers.api


@contextmanager
def four_workers(folder: Path, application: str) -> Iterator[Api]:
    with RedisServer() as redis, running_workers(folder, application=application, REALTIME_MESSAGE_QUEUE=redis.url) as workers:
        yield workers.api


@pytest.fixture(params=[one_process, four_workers])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """A server whose hooks hear of presence."""
    with request.param(tmp_path, "tests.e2e.apps.workers_app:create_app()") as api:
        yield api


def watch(stack: ExitStack, api: Api, user: str) -> Client:
    client = PyClient(api.url, {"auth": {"token": api.token(user)}, "transports": ["websocket"]})
    stack.callback(client.release)
    return client


def statuses(client: Client, user: str) -> list[str]:
    """What a client heard of a user."""
    return [event.data["status"] for event in client.received(CHANGED) if event.data["userId"] == user]


def status(client: Client, user: str) -> Any:
    """What a client is told when it asks."""
    return client.call("user:get-status", user)["status"]


@pytest.mark.parametrize("last", ["online", "offline"])
def test_who_comes_and_goes_without_end_is_announced_now_and_then(api: Api, new_id: NewId, last: str) -> None:
    user = new_id("seen")
    with ExitStack() as stack:
        watcher, began, token = watch(stack, api, new_id("ben")), time.monotonic(), api.token(user)
        for number in range(30):
            raw = stack.enter_context(closing(RawSocket(api.url)))
            assert raw.enter(token).startswith("40")
            assert status(watcher, user) == "online", "who asks hears the truth at once"
            assert number > 1 or poll(lambda: statuses(watcher, user)[-1:] == ["online"], SECONDS), "the first ones at once"
            if number < 29 or last == "offline":
                raw.close()
                assert poll(lambda: status(watcher, user) == "offline", SECONDS)
                assert number > 1 or poll(lambda: statuses(watcher, user)[-1:] == ["offline"], SECONDS), "the first ones at once"
        assert poll(lambda: statuses(watcher, user)[-1] == last, SECONDS), "the last one always"
        heard = statuses(watcher, user)
        assert len(heard) <= 12 * (1 + (time.monotonic() - began) // MINUTE)


def test_a_user_may_connect_so_often_and_no_more(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_CONNECTS_PER_USER="1/hour, burst 3")
    token = api.token(new_id("ann"))
    assert [attempt(api, token) for _ in range(3)] == [None] * 3
    refusal = attempt(api, token)
    assert refusal is not None
    assert refusal["message"] == "You have connected too often; try again later"
    assert refusal["data"] == {"code": "rate_limited", "retryAfter": refusal["data"]["retryAfter"]}
    assert 3500 < refusal["data"]["retryAfter"] <= 3604
    assert attempt(api, api.token(new_id("ben"))) is None, "others are not concerned"


def test_after_the_time_to_wait_a_user_may_connect_again(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_CONNECTS_PER_USER="1/second, burst 2")
    token = api.token(new_id("ann"))
    refusal = None
    while refusal is None:
        refusal = attempt(api, token)
    again = time.monotonic() + refusal["data"]["retryAfter"]
    assert poll(lambda: time.monotonic() > again, SECONDS)
    assert attempt(api, token) is None


def test_by_default_the_hundred_and_twenty_first_in_a_row_waits_a_second(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with()
    token, began, admitted = api.token(new_id("ann")), time.monotonic(), 0
    while (refusal := attempt(api, token)) is None:
        admitted += 1
    assert 120 <= admitted <= 121 + time.monotonic() - began
    assert refusal["data"]["code"] == "rate_limited"
    assert 0 < refusal["data"]["retryAfter"] <= 1.01


def test_refusals_of_the_application_do_not_count(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_CONNECTS_PER_USER="1/hour")
    user = new_id("gatedrefused")
    api.post(f"/gates/{user}", {})
    for _ in range(3):
        refusal = attempt(api, api.token(user))
        assert refusal is not None
        assert refusal["data"] == {"code": "connection_refused"}


def attempt(api: Api, token: str) -> dict[str, Any] | None:
    """Connect and go; what the refusal says, or None."""
    with closing(RawSocket(api.url)) as raw:
        answer = raw.enter(token)
    assert answer.startswith(("40", "44"))
    refusal: dict[str, Any] | None = json.loads(answer[2:]) if answer.startswith("44") else None
    return refusal
