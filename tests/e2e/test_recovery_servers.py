"""Recovery of lost connections on other servers than those that they were on, which may have been killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from flask_realtime import RealtimeEmitter
from tests.e2e.api import Api
from tests.e2e.clients import JSClient
from tests.e2e.conftest import NewId, Open
from tests.e2e.network import Network
from tests.e2e.servers import poll
from tests.e2e.test_many_servers import Cluster
from tests.e2e.test_recovery import QUICK, told
from tests.e2e.workers import Workers, running_workers
from tests.redis_server import RedisServer

ROUNDS = 100
"""How often a connection is lost in a row."""

SECONDS = 60.0
LONG_DELAY = 8
"""Seconds; a server that is killed long before they are over cannot have announced a departure itself."""


def port_of(api: Api) -> int:
    return urlsplit(api.url).port or 0


class Pair:
    """Two servers that share a Redis, and a network that leads to one of them at a time.

    Args:
        stack: Ends them.
        cluster: Starts them.
    """

    def __init__(self, stack: ExitStack, cluster: Cluster) -> None:
        cluster.settings |= QUICK
        self.servers = [cluster.start() for _ in range(2)]
        self.network = stack.enter_context(Network(port_of(self.servers[0][1])))
        self.emitter = RealtimeEmitter(cluster.redis.url)

    @property
    def apis(self) -> list[Api]:
        return [api for _, api in self.servers]

    def lead_to(self, number: int) -> None:
        self.network.lead_to(port_of(self.apis[number]))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def pair(redis: RedisServer, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(stack, Cluster(stack, redis, tmp_path))


@pytest.mark.parametrize("how", ["finish", "reset", "strand"])
def test_who_comes_back_to_another_server_each_time_has_everything_once_and_in_order(
    pair: Pair, open_client: Open, new_id: NewId, how: str
) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    client = open_client(pair.network.url, pair.apis[0], user)
    sid = client.sid
    client.call("join:conversation", conversation)
    expected = []
    for number in range(ROUNDS):
        for moment, api in zip(("before", "between", "after"), (*pair.apis, pair.apis[0]), strict=True):
            api.emit("send_to_conversation", conversation, "said", [number, moment])
            expected.append([number, moment])
            if moment == "before":
                client.wait_for_number("said", len(expected))  # Two servers have no order among what they send at the same time.
                pair.network.shut()
                pair.network.lose(how)
                pair.lead_to((number + 1) % 2)
            elif moment == "between":
                pair.network.open()
                client.wait_until_back(number + 1)
                client.wait_for_number("said", len(expected))
        client.wait_for_number("said", len(expected))
    client.settle()
    assert told(client, "said") == expected
    assert client.sid == sid
    assert client.recoveries == [False] + [True] * ROUNDS


def test_what_is_sent_into_a_network_that_stands_still_comes_from_another_server_when_the_client_has_noticed(
    pair: Pair, open_client: Open, new_id: NewId
) -> None:
    user = new_id("ann")
    client = open_client(pair.network.url, pair.apis[0], user)
    client.wait_for("realtime:ready")
    for number in range(5):
        pair.network.lose("freeze")
        pair.lead_to((number + 1) % 2)
        pair.apis[number % 2].emit("send_to_user", user, "told", number)
        client.wait_until_back(number + 1)
        client.wait_for_number("told", number + 1)
    client.settle()
    assert client.recoveries == [False, *[True] * 5]
    assert told(client, "told") == list(range(5))


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_page_that_was_reloaded_gets_what_it_missed_from_another_server(
    pair: Pair, open_client: Open, new_id: NewId, *, is_killed: bool
) -> None:
    user = new_id("ann")
    client = open_client(pair.network.url, pair.apis[0], user)
    sid = client.sid
    assert pair.emitter.send_to_user(user, "told", "before")
    client.wait_for("told")
    place = client.place()
    pair.network.shut()
    pair.network.lose("strand")
    client.disconnect()
    if is_killed:
        pair.servers[0][0].kill()
    assert pair.emitter.send_to_user(user, "told", "between")
    pair.lead_to(1)
    pair.network.open()
    reloaded = open_client(pair.network.url, pair.apis[1], user, **place)
    reloaded.settle()
    assert reloaded.sid == sid
    assert told(reloaded, "told") == ["between"]
    assert reloaded.received("realtime:ready")[0].args[0] == {"recovered": True, "gap": False}


def test_who_was_on_a_server_that_was_killed_has_everything_on_the_next_one(pair: Pair, open_client: Open, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    client = open_client(pair.network.url, pair.apis[0], user)
    sid = client.sid
    client.call("join:conversation", conversation)
    assert pair.emitter.send_to_conversation(conversation, "said", "before")
    client.wait_for_number("said", 1)
    pair.network.shut()
    pair.servers[0][0].kill()
    pair.lead_to(1)
    assert pair.emitter.send_to_conversation(conversation, "said", "between")
    pair.network.open()
    client.wait_until_back(1)
    assert pair.emitter.send_to_user(user, "said", "after")
    client.wait_for_number("said", 3)
    client.settle()
    assert told(client, "said") == ["before", "between", "after"]
    assert (client.sid, client.recoveries) == (sid, [False, True])


def test_who_has_received_nothing_before_its_server_was_killed_recovers_too(pair: Pair, open_client: Open, new_id: NewId) -> None:
    user = new_id("ann")
    client = open_client(pair.network.url, pair.apis[0], user)
    sid = client.sid
    pair.network.shut()
    pair.servers[0][0].kill()
    pair.lead_to(1)
    pair.emitter.send_to_user(user, "told", 1)
    pair.network.open()
    client.wait_until_back(1)
    client.wait_for_number("told", 1)
    assert (client.sid, client.recoveries) == (sid, [False, True])


def test_what_was_lost_while_the_server_was_dead_stays_lost(pair: Pair, open_client: Open, new_id: NewId) -> None:
    users, conversation = [new_id(name) for name in ("ann", "ben", "carol", "dora")], new_id("conversation")
    tokens = [pair.apis[0].token(user) for user in users]
    removed, kicked, revoked, kept = (
        open_client(pair.network.url, pair.apis[0], user, token=token) for user, token in zip(users, tokens, strict=True)
    )
    for client in (removed, kicked, revoked, kept):
        client.call("join:conversation", conversation)
    pair.network.shut()
    pair.servers[0][0].kill()
    pair.lead_to(1)
    there = pair.apis[1]
    there.emit("remove_from_conversation", conversation, users[0])
    there.emit("disconnect_user", users[1])
    there.emit("disconnect_token", there.token_id(tokens[2]))
    there.emit("send_to_conversation", conversation, "said", "a secret")
    pair.network.open()
    for client in (removed, kicked, revoked, kept):
        client.wait_until_back(1)
        client.settle()
    assert [client.recoveries[-1] for client in (removed, kicked, revoked, kept)] == [True, False, False, True]
    assert [told(client, "said") for client in (removed, kicked, revoked, kept)] == [[], [], [], ["a secret"]]
    assert kicked.received("realtime:ready")[-1].args[0] == {"recovered": False, "gap": True}


def test_nobody_hears_that_a_user_went_whose_open_connection_came_back_elsewhere(
    pair: Pair, open_client: Open, new_id: NewId
) -> None:
    user, friend = new_id("ann"), new_id("ben")
    watcher = open_client(pair.apis[1].url, pair.apis[1], friend)
    client = open_client(pair.network.url, pair.apis[0], user)
    watcher.wait_for("user:status-changed", lambda data: data["userId"] == user)
    for number in range(1, 11):
        pair.network.lose("strand")
        pair.lead_to(number % 2)
        client.wait_until_back(number)
        here = pair.apis[(number + 1) % 2]
        here.wait_for_hook("disconnect", user, count=number)
    watcher.settle()
    assert client.recoveries == [False] + [True] * 10
    assert [event for event in watcher.received("user:status-changed") if event.args[0]["userId"] == user] == []
    assert watcher.call("user:get-status", user)["status"] == "online"
    assert {reason for *_, reason in pair.apis[0].hooks("disconnect", user)} == {"taken over"}


def leave(client: JSClient, user: str, redis: RedisServer) -> None:
    """Disconnect a user's only client, and wait until Redis has the departure."""
    with Redis(port=redis.port) as records:
        client.disconnect()
        assert poll(lambda: records.zscore("{flask_realtime}:departed", user) is not None, SECONDS)


def test_who_went_before_their_server_was_killed_that_waited_for_them_is_offline(
    redis: RedisServer, tmp_path: Path, open_client: Open, new_id: NewId
) -> None:
    with ExitStack() as stack:
        cluster = Cluster(stack, redis, tmp_path)
        cluster.settings["REALTIME_OFFLINE_DELAY"] = LONG_DELAY
        (server, here), (_, there) = cluster.start(), cluster.start()
        user = new_id("ann")
        watcher = open_client(there.url, there, new_id("ben"))
        client = open_client(here.url, here, user)
        watcher.wait_for("user:status-changed", lambda data: data["userId"] == user)
        leave(client, user, redis)
        here.wait_for_hook("disconnect", user)
        server.kill()
        watcher.wait_for("user:status-changed", lambda data: data == {"userId": user, "status": "offline"})
        there.wait_for_hook("offline", user)


def test_who_went_before_all_servers_were_killed_is_announced_by_one_that_starts_later(
    redis: RedisServer, tmp_path: Path, open_client: Open, new_id: NewId
) -> None:
    with ExitStack() as stack:
        cluster = Cluster(stack, redis, tmp_path)
        cluster.settings["REALTIME_OFFLINE_DELAY"] = LONG_DELAY
        server, here = cluster.start()
        user = new_id("ann")
        client = open_client(here.url, here, user)
        leave(client, user, redis)
        server.kill()
        _, there = cluster.start()
        there.wait_for_hook("offline", user)


@pytest.fixture
def workers(redis: RedisServer, tmp_path: Path) -> Iterator[Workers]:
    with running_workers(tmp_path, REALTIME_MESSAGE_QUEUE=redis.url, REALTIME_DRAIN_TIME=1) as workers:
        yield workers


def has_booted(workers: Workers, number: int) -> bool:
    """Return whether so many workers have been started."""
    return len(workers.booted()) == number


def have_heard_or_lost(clients: list[JSClient], number: int) -> bool:
    """Return whether each client has heard so many events, or was not recovered."""
    return all(len(told(client, "said")) >= number or False in client.recoveries[1:] for client in clients)


def have_ended(pids: list[int]) -> bool:
    """Return whether none of these processes is left."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_clients_of_workers_that_are_killed_one_after_the_other_lose_nothing(
    workers: Workers, redis: RedisServer, open_client: Open, new_id: NewId
) -> None:
    emitter, conversation = RealtimeEmitter(redis.url), new_id("conversation")
    clients = [open_client(workers.url, workers.api, new_id("user")) for _ in range(25)]
    sids = [client.sid for client in clients]
    for client in clients:
        client.call("join:conversation", conversation)
    sent = 0
    while sum(len(client.recoveries) - 1 for client in clients) < ROUNDS:
        lost = len(workers.booted())
        for pid in workers.booted()[-4:][:2]:
            os.kill(pid, signal.SIGKILL)
            emitter.send_to_conversation(conversation, "said", sent)
            sent += 1
        assert poll(partial(has_booted, workers, lost + 2), SECONDS)
        emitter.send_to_conversation(conversation, "said", sent)
        sent += 1
        # A client that is not recovered is in no conversation any more.
        assert poll(partial(have_heard_or_lost, clients, sent), SECONDS), [told(client, "said") for client in clients]
        assert [client.recoveries for client in clients if False in client.recoveries[1:]] == []
    for client in clients:
        client.settle()
        assert told(client, "said") == list(range(sent))
    assert [client.sid for client in clients] == sids


def test_clients_of_servers_that_are_restarted_one_after_the_other_lose_nothing(
    workers: Workers, redis: RedisServer, open_client: Open, new_id: NewId
) -> None:
    emitter, conversation = RealtimeEmitter(redis.url), new_id("conversation")
    clients = [open_client(workers.url, workers.api, new_id("user")) for _ in range(25)]
    for client in clients:
        client.call("join:conversation", conversation)
    sent = 0
    for times in range(1, 5):
        old = workers.booted()[-4:]
        os.kill(workers.server.pid, signal.SIGHUP)
        for number in range(sent, sent + 25):
            emitter.send_to_conversation(conversation, "said", number)
        sent += 25
        for client in clients:
            client.wait_for_number("said", sent, SECONDS)
        assert poll(partial(have_ended, old), SECONDS)
        for client in clients:
            client.wait_until_back(times)
    for client in clients:
        client.settle()
        assert told(client, "said") == list(range(sent))
        assert set(client.recoveries[1:]) == {True}
