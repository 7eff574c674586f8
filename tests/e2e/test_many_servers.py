"""Several servers that share a Redis: what reaches whom, and what is left when a server or Redis goes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from flask_realtime import RealtimeEmitter
from flask_realtime.features.presence import Presence
from tests.e2e.api import Api
from tests.e2e.clients import PyClient, Refused
from tests.e2e.conftest import CONTRACT_APP, NewId
from tests.e2e.servers import Server, gunicorn, poll, process_environment
from tests.kafka_cluster import kafka_cluster
from tests.redis_cluster import RedisCluster
from tests.redis_server import RedisServer

LEASE = 2.0
"""Seconds; what production has as ten."""

SECONDS = 15.0
OK = {"ok": True}


class Cluster:
    """Servers of the contract application that share one Redis, each a gunicorn of its own."""

    redis: RedisServer
    """The Redis that a test may break; not where the servers share a Redis Cluster."""

    def __init__(self, stack: ExitStack, redis: RedisServer | RedisCluster, folder: Path) -> None:
        self._stack = stack
        if isinstance(redis, RedisServer):
            self.redis = redis
        self._notes = folder / "notes"
        self._notes.touch()
        self.settings = {"REALTIME_MESSAGE_QUEUE": redis.url, "REALTIME_SERVER_LEASE": LEASE}
        self._clients: list[PyClient] = []

    def environment(self) -> dict[str, str]:
        """The variables of a process that belongs to it."""
        return {"CONTRACT_APP_CONFIG": json.dumps(self.settings), "CONTRACT_APP_NOTES": str(self._notes)}

    def start(self, *options: str) -> tuple[Server, Api]:
        """Start one more server."""
        server = self._stack.enter_context(may_be_killed(gunicorn(CONTRACT_APP, self.environment(), *options)))
        return server, Api(server.url)

    def connect(self, api: Api, user_id: str, *conversations: str) -> PyClient:
        """A client of one of the servers, joined to conversations."""
        options = {"auth": {"token": api.token(user_id)}, "transports": ["websocket"]}
        client = PyClient(api.url, options)
        self._stack.callback(client.release)
        for conversation in conversations:
            assert client.call("join:conversation", conversation) == OK
        return client


@contextmanager
def may_be_killed(running: Any) -> Iterator[Server]:
    """A server that a test may kill: then it is not stopped once more."""
    server: Server = running.__enter__()
    try:
        yield server
    finally:
        if server.alive:
            running.__exit__(None, None, None)
        else:
            server.kill()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def cluster(redis: RedisServer, tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(stack, redis, tmp_path)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    assert poll(condition, SECONDS), what


def statuses(client: PyClient, user_id: str) -> list[str]:
    """Whether a client was told that a user came online or went offline, in the order told."""
    return [event.data["status"] for event in client.received("user:status-changed") if event.data["userId"] == user_id]


def test_events_typing_presence_and_ends_reach_across_servers(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)
    assert here.emit("emit_new_message", conversation, {"id": 1}) is True
    for client in (one, other):
        assert client.wait_for("message:new").data == {"id": 1}
    assert one.call("typing:start", {"conversationId": conversation}) == OK
    assert other.wait_for("typing:start").data["userId"] == ann
    assert one.call("user:get-status", ben)["status"] == "online"
    assert sorted(other.call("conversation:get-online-users", conversation)) == sorted([ann, ben])
    assert sorted(here.emit("get_online_users")) == sorted([ann, ben])
    assert here.emit("disconnect_user", ben) == 1
    other.wait_for_disconnect()
    eventually(lambda: statuses(one, ben)[-1:] == ["offline"], "the end on the other server is announced")


def test_a_user_with_a_device_on_each_server_comes_and_goes_once(cluster: Cluster, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben)
    phone, laptop = cluster.connect(here, ann), cluster.connect(there, ann)
    phone.disconnect()
    laptop.disconnect()
    eventually(lambda: statuses(watcher, ann)[-1:] == ["offline"], "the last device's end is announced")
    assert statuses(watcher, ann) == ["online", "offline"]
    assert [len(here.hooks(name, ann)) for name in ("online", "offline")] == [1, 1]


def test_a_sender_names_connections_of_its_own_on_whichever_server_and_nobody_elses(cluster: Cluster, new_id: NewId) -> None:
    ann, ben, carol = new_id("ann"), new_id("ben"), new_id("carol")
    (_, here), (_, there) = cluster.start(), cluster.start()
    phone, laptop, other = cluster.connect(here, ann), cluster.connect(there, ann), cluster.connect(there, ben)
    carols = here.token(carol)  # She is not connected: there is no connection that she could name.
    here.emit("broadcast_to_all", "news", "not carol's", sender=other.sid, token=carols, skip_sender=True)
    here.emit("broadcast_to_all", "news", "not ann's", sender=other.sid, token=here.token(ann), skip_sender=True)
    here.emit("broadcast_to_all", "news", "from the laptop", sender=laptop.sid, token=here.token(ann), skip_sender=True)
    here.emit("broadcast_to_all", "news", "the end")
    everyone = (phone, other, laptop)

    def heard() -> list[list[str]]:
        return [[event.data for event in client.received("news")] for client in everyone]

    eventually(lambda: all(news[-1:] == ["the end"] for news in heard()), "everything has come")
    refused = ["not carol's", "not ann's"]
    assert heard() == [[*refused, "from the laptop", "the end"]] * 2 + [[*refused, "the end"]]


def test_a_killed_servers_users_go_offline_once_and_others_stay(cluster: Cluster, new_id: NewId) -> None:
    ann, ben, both, conversation = new_id("ann"), new_id("ben"), new_id("both"), new_id("conversation")
    (_, here), (doomed, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben, conversation)
    cluster.connect(here, both)
    cluster.connect(there, both)
    cluster.connect(there, ann, conversation)
    eventually(lambda: statuses(watcher, ann) == ["online"], "the coming on the other server is announced")
    doomed.kill()
    eventually(lambda: statuses(watcher, ann)[-1:] == ["offline"], "a surviving server takes the dead one's place")
    assert statuses(watcher, ann) == ["online", "offline"]
    assert "offline" not in statuses(watcher, both)
    assert watcher.call("conversation:get-online-users", conversation) == [ben]
    assert len(here.hooks("offline", ann)) == 1


@pytest.mark.parametrize("are_linked", [False, True])
def test_who_typed_on_a_server_that_was_killed_types_no_more(cluster: Cluster, new_id: NewId, *, are_linked: bool) -> None:
    conversation, other, ann, ben = new_id("conversation"), new_id("other"), new_id("ann"), new_id("ben")
    cluster.settings["REALTIME_DIRECT_LINKS"] = are_linked
    (_, here), (doomed, there) = cluster.start(), cluster.start()
    watcher, own_phone = cluster.connect(here, ben, conversation), cluster.connect(here, ann, conversation)
    stranger, typist = cluster.connect(here, ben, other), cluster.connect(there, ann, conversation)
    about = {"conversationId": conversation, "userId": ann}
    typist.emit("typing:start", {"conversationId": conversation})
    assert watcher.wait_for("typing:start").data == about
    doomed.kill()
    assert watcher.wait_for("typing:stop").data == about
    for client in (watcher, own_phone, stranger):
        client.assert_none("typing:stop")


def test_the_users_of_a_killed_server_are_soon_offline_once_its_lease_has_run_out(cluster: Cluster, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    lease = cluster.settings["REALTIME_SERVER_LEASE"] = 6.0
    (_, here), (doomed, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben)
    cluster.connect(there, ann)
    eventually(lambda: statuses(watcher, ann) == ["online"], "the coming on the other server is announced")
    doomed.kill()
    began = time.monotonic()
    eventually(lambda: statuses(watcher, ann) == ["online", "offline"], "a surviving server takes the dead one's place")
    assert time.monotonic() - began < 2 * lease  # A fifth more than the lease; the rest is for a busy machine.


def test_a_server_that_hung_longer_than_its_lease_tells_of_its_users_again(cluster: Cluster, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    (_, here), (hung, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben)
    cluster.connect(there, ann)
    eventually(lambda: statuses(watcher, ann) == ["online"], "the coming on the other server is announced")
    os.killpg(hung.pid, signal.SIGSTOP)
    eventually(lambda: statuses(watcher, ann) == ["online", "offline"], "it is taken for dead")
    os.killpg(hung.pid, signal.SIGCONT)
    eventually(lambda: statuses(watcher, ann) == ["online", "offline", "online"], "it was not")
    assert here.emit("is_user_online", ann) is True


def test_what_was_sent_while_redis_was_hung_arrives_later_once_in_order(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)
    cluster.redis.freeze()
    took = []
    for number in range(20):
        began = time.monotonic()
        here.emit("emit_new_message", conversation, {"id": number})
        took.append(time.monotonic() - began)
        assert one.wait_for("message:new").data == {"id": number}, "this server's own connections have it at once"
    cluster.redis.thaw()
    assert [other.wait_for("message:new").data["id"] for _ in range(20)] == list(range(20))
    other.assert_none("message:new")
    assert max(took) < SECONDS / 5, "no view waits for a Redis that does not answer"


def test_a_redis_that_forgot_everything_costs_nothing(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)
    eventually(lambda: statuses(one, ben) == ["online"], "the coming on the other server is announced")
    cluster.redis.stop()
    eventually(lambda: here.emit("emit_new_message", conversation, {"id": 1}) is False, "an emit says that Redis is away")
    cluster.redis.start()
    eventually(lambda: here.emit("is_user_online", ben) is True, "presence is written anew")
    eventually(lambda: sorted(there.emit("get_online_users", conversation)) == sorted([ann, ben]), "rooms are written anew")
    eventually(lambda: here.emit("emit_new_message", conversation, {"id": 2}) is True, "the bus is back")
    ids: list[int] = []
    while not ids or ids[-1] != 2:
        ids.append(other.wait_for("message:new").data["id"])
    assert ids == sorted(ids)
    assert statuses(one, ben) == ["online"], "nobody was announced who was there all the time"


def test_a_view_that_asks_a_hung_redis_waits_a_second_at_most(cluster: Cluster, new_id: NewId) -> None:
    _, here = cluster.start()
    cluster.connect(here, new_id("ann"))
    cluster.redis.freeze()
    for helper, *args in (("is_user_online", new_id("ben")), ("get_online_users",), ("get_online_users", new_id("conversation"))):
        began = time.monotonic()
        here.emit(helper, *args)
        assert time.monotonic() - began < 1.5  # 0.8 for the first of them; the rest is for a busy machine.
    cluster.redis.thaw()


def test_the_settings_of_the_message_queue_are_kept_to(cluster: Cluster, new_id: NewId) -> None:
    lease = 8.0
    cluster.settings |= {
        "REALTIME_MESSAGE_QUEUE_CHANNEL": "shop",
        "REALTIME_MESSAGE_QUEUE_RETENTION": 7.0,
        "REALTIME_SERVER_LEASE": lease,
        "REALTIME_RECOVERY_WINDOW": None,  # With recovery, events are kept for longer.
    }
    _, here = cluster.start()
    cluster.connect(here, new_id("ann"))
    assert here.emit("emit_new_message", new_id("conversation"), {"id": 1}) is True
    with Redis(port=cluster.redis.port) as client:
        # A stream lives ten times as long as its entries, and a minute.
        eventually(lambda: 60_000 < client.pttl("{shop}:events") <= 130_000, "events are kept for so long")
        ((name, first),) = client.zrange("{shop}:servers", 0, -1, withscores=True)
        assert first - 1e6 * time.time() < 1e6 * lease, "a lease lasts so long"
        eventually(lambda: client.zscore("{shop}:servers", name) != first, "it is renewed")
        assert client.zscore("{shop}:servers", name) - first < 1e6 * lease, "and that in time"


def test_an_emitter_without_an_application_reaches_all_servers(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    clients = [cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)]
    emitter = RealtimeEmitter(cluster.redis.url)
    assert emitter.emit_new_message(conversation, {"id": 7}) is True
    for client in clients:
        assert client.wait_for("message:new").data == {"id": 7}
    assert emitter.is_user_online(ann)
    assert sorted(emitter.get_online_users(conversation)) == sorted([ann, ben])
    assert emitter.disconnect_user(ben) == 1
    clients[1].wait_for_disconnect()
    cluster.redis.stop()
    assert emitter.emit_new_message(conversation, {"id": 8}) is False
    emitter.close()


def test_a_change_of_a_user_that_comes_behind_a_later_one_is_not_told(cluster: Cluster, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    _, here = cluster.start()
    watcher = cluster.connect(here, ben)
    emitter = RealtimeEmitter(cluster.redis.url)
    for is_online, version in ((True, 2), (False, 1), (True, 3)):
        change = Presence.status_changed(ann, online=is_online, audience=None, version=version)
        assert emitter.emit(change)
    eventually(lambda: statuses(watcher, ann).count("online") == 2, "the others are told")
    assert statuses(watcher, ann) == ["online", "online"]
    emitter.close()


def test_the_shell_commands_reach_all_servers(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    (_, here), (_, there) = cluster.start(), cluster.start()
    one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)

    def shell(*command: str) -> str:
        done = run_command(cluster, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    shell("emit", "notice", '{"text": "hello"}', "--conversation", conversation)
    for client in (one, other):
        assert client.wait_for("notice").data == {"text": "hello"}
    assert shell("online").split() == sorted([ann, ben])
    assert re.fullmatch(rf"{ann}\n  \S+  since \S+  on \w+\n", shell("online", "--connections").partition(ben)[0])
    assert shell("rooms").split() == [conversation, "2", "2"]
    assert shell("kick", ben) == "1 connection\n"
    other.wait_for_disconnect()


def run_command(cluster: Cluster, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of the extension's shell commands."""
    run = [sys.executable, "-m", "flask", "--app", CONTRACT_APP, "realtime", *command]
    return subprocess.run(
        run, env=process_environment(cluster.environment()), capture_output=True, text=True, timeout=60, check=False
    )


def test_a_shell_command_that_reaches_nobody_fails_and_says_why(cluster: Cluster) -> None:
    cluster.redis.stop()
    unreachable = run_command(cluster, "emit", "notice", "--all")
    assert unreachable.returncode != 0
    assert "The message queue cannot be reached" in unreachable.stderr
    del cluster.settings["REALTIME_MESSAGE_QUEUE"]
    unknown = run_command(cluster, "emit", "notice", "--all")
    assert unknown.returncode != 0
    assert "REALTIME_MESSAGE_QUEUE is not set" in unknown.stderr


def test_an_orderly_stop_is_heard_at_once(cluster: Cluster, new_id: NewId) -> None:
    ann, ben = new_id("ann"), new_id("ben")
    (_, here), (leaving, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben)
    cluster.connect(there, ann)
    os.killpg(leaving.pid, signal.SIGTERM)
    eventually(lambda: statuses(watcher, ann) == ["online", "offline"], "its users are gone")
    leaving.wait()


def test_without_a_drain_a_stop_is_heard_long_before_the_lease_ends(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings |= {"REALTIME_SERVER_LEASE": 600, "REALTIME_DRAIN_TIME": 0}
    ann, ben = new_id("ann"), new_id("ben")
    (_, here), (leaving, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben)
    cluster.connect(there, ann)
    os.killpg(leaving.pid, signal.SIGTERM)
    eventually(lambda: statuses(watcher, ann) == ["online", "offline"], "its users are gone")
    assert here.emit("get_online_users") == [ben]
    leaving.wait()


def test_after_a_drain_nobody_is_offline_while_the_lease_lasts(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings |= {"REALTIME_SERVER_LEASE": 600, "REALTIME_DRAIN_TIME": 1}
    ann, ben, conversation = new_id("ann"), new_id("ben"), new_id("conversation")
    (_, here), (leaving, there) = cluster.start(), cluster.start()
    watcher = cluster.connect(here, ben, conversation)
    cluster.connect(there, ann)
    os.killpg(leaving.pid, signal.SIGTERM)
    leaving.wait()
    assert here.hooks("disconnect") == [[ann, "server shutting down"]]
    assert sorted(here.emit("get_online_users")) == sorted([ann, ben])
    assert watcher.call("user:get-status", ann) == {"userId": ann, "status": "online"}
    cluster.connect(here, ann, conversation)
    watcher.settle()
    assert statuses(watcher, ann) == ["online"]
    assert here.hooks("offline") == []
    assert here.hooks("online", ann) == [[ann]]


def test_over_a_broker_what_a_drained_server_says_last_arrives(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    with kafka_cluster() as url:
        cluster.settings |= {"REALTIME_MESSAGE_QUEUE": url, "REALTIME_DRAIN_TIME": 1}
        (_, here), (leaving, there) = cluster.start(), cluster.start()
        watcher, client = cluster.connect(here, ben, conversation), cluster.connect(there, ann, conversation)
        eventually(lambda: _arrives(there, conversation, watcher), "both servers are linked")
        os.killpg(leaving.pid, signal.SIGTERM)
        client.wait_for_disconnect()
        eventually(lambda: statuses(watcher, ann)[-1:] == ["offline"], "its users are gone")
        leaving.wait()
        assert here.hooks("disconnect", ann) == [[ann, "server shutting down"]]


def test_over_a_broker_events_and_ends_reach_across_servers(cluster: Cluster, new_id: NewId) -> None:
    conversation, ann, ben = new_id("conversation"), new_id("ann"), new_id("ben")
    with kafka_cluster() as url:
        cluster.settings["REALTIME_MESSAGE_QUEUE"] = url
        (_, here), (_, there) = cluster.start(), cluster.start()
        one, other = cluster.connect(here, ann, conversation), cluster.connect(there, ben, conversation)
        eventually(lambda: _arrives(here, conversation, other) and _arrives(there, conversation, one), "both servers listen")
        assert one.call("typing:start", {"conversationId": conversation}) == OK
        assert other.wait_for("typing:start").data["userId"] == ann
        assert here.emit("get_online_users") == [ann], "each server knows its own"
        here.emit("disconnect_user", ben)
        other.wait_for_disconnect()
        emitter = RealtimeEmitter(url)
        eventually(lambda: emitter.emit_new_message(conversation, {"id": 7}), "an emitter reaches the broker")
        while one.wait_for("message:new").data != {"id": 7}:
            pass
        emitter.close()


def _arrives(api: Api, conversation: str, client: PyClient) -> bool:
    before = len(client.received("message:new"))
    api.emit("emit_new_message", conversation, {"id": 0})
    return poll(lambda: len(client.received("message:new")) > before, 1.0)


def test_the_examples_health_follows_the_message_queue(redis: RedisServer, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/example.sqlite3"
    environment = {"MESSAGE_QUEUE_URL": redis.url, "DATABASE_URL": database, "JWT_SECRET_KEY": "k" * 32}

    def health() -> tuple[int, str]:
        answer = requests.get(f"{server.url}/healthz", timeout=SECONDS)
        return answer.status_code, answer.json()["checks"]["messageQueue"]

    with gunicorn("example_app:app", environment, ready="/healthz") as server:
        assert health() == (200, "ok")
        redis.freeze()
        eventually(lambda: health() == (503, "failed"), "it fails")
        redis.thaw()
        eventually(lambda: health() == (200, "ok"), "it is well again")
        redis.stop()
        eventually(lambda: health() == (503, "failed"), "it fails")
        redis.start()
        eventually(lambda: health() == (200, "ok"), "it is well again")


def test_the_examples_health_sees_that_redis_refuses_writes(redis: RedisServer, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/example.sqlite3"
    environment = {"MESSAGE_QUEUE_URL": redis.url, "DATABASE_URL": database, "JWT_SECRET_KEY": "k" * 32}

    def status() -> int:
        return requests.get(f"{server.url}/healthz", timeout=SECONDS).status_code

    with gunicorn("example_app:app", environment, ready="/healthz") as server, Redis(port=redis.port) as client:
        assert status() == 200
        client.config_set("maxmemory", "1")
        assert client.ping()
        eventually(lambda: status() == 503, "it is seen within a second")
        client.config_set("maxmemory", "0")
        eventually(lambda: status() == 200, "it is well again")


# Connections of one user ------------------------------------------------------------------------------------------------------


def test_a_users_connections_on_all_servers_count(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings["REALTIME_MAX_CONNECTIONS_PER_USER"] = 2
    ann = new_id("ann")
    (_, here), (_, there) = cluster.start(), cluster.start()
    first, _second = cluster.connect(here, ann), cluster.connect(there, ann)
    for api in (here, there):
        with pytest.raises(Refused) as caught:
            cluster.connect(api, ann)
        assert caught.value.code == "too_many_connections"
    assert here.wait_for_hook("disconnect", ann, count=2) == [[ann, "too many connections"]] * 2, (
        "as the connect hooks had seen them"
    )
    assert len(here.emit("get_user_connections", ann)) == 2
    assert cluster.connect(here, new_id("ben")).connected
    first.disconnect()
    assert cluster.connect(there, ann).connected
    assert here.hooks("online", ann) == [[ann]]
    assert here.hooks("offline", ann) == []


def test_who_comes_back_from_a_server_that_was_killed_is_let_in(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings["REALTIME_MAX_CONNECTIONS_PER_USER"] = 2
    ann = new_id("ann")
    (_, here), (killed, there) = cluster.start(), cluster.start()
    for _ in range(2):
        cluster.connect(there, ann)
    os.killpg(killed.pid, signal.SIGKILL)
    with ThreadPoolExecutor(2) as threads:
        assert all(client.connected for client in threads.map(lambda _: cluster.connect(here, ann), range(2)))


def test_who_may_be_one_too_many_does_not_hold_up_a_drain(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings |= {"REALTIME_SERVER_LEASE": 600, "REALTIME_DRAIN_TIME": 1, "REALTIME_MAX_CONNECTIONS_PER_USER": 1}
    ann = new_id("ann")
    (_, here), (leaving, there) = cluster.start(), cluster.start("--graceful-timeout", "60")
    cluster.connect(here, ann)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(cluster.connect, there, ann)
        eventually(lambda: len(here.emit("get_user_connections", ann)) == 2, "the second one waits for a sign of life")
        os.killpg(leaving.pid, signal.SIGTERM)
        leaving.wait(60)
        assert waiting.result().sid, "it was let in, to be told to come back as the others are"


def test_who_comes_back_from_a_server_that_is_drained_is_let_in_at_once(cluster: Cluster, new_id: NewId) -> None:
    cluster.settings |= {"REALTIME_SERVER_LEASE": 600, "REALTIME_DRAIN_TIME": 1, "REALTIME_MAX_CONNECTIONS_PER_USER": 2}
    ann, ben = new_id("ann"), new_id("ben")
    (_, here), (leaving, there) = cluster.start(), cluster.start()
    old = [cluster.connect(there, ann) for _ in range(2)]
    cluster.connect(there, ben).emit("app:sleep", 300)
    there.wait_for_hook("sleep", ben)
    os.killpg(leaving.pid, signal.SIGTERM)
    for client in old:
        client.wait_for_disconnect()
        assert cluster.connect(here, ann).connected
    assert leaving.alive, "it has not marked its end in Redis yet"
    leaving.kill()
    assert here.hooks("offline", ann) == []
