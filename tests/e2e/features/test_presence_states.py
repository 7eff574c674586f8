"""What users set of their presence, with real clients: on one process, on four workers, and on four workers with the store."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis
from sqlalchemy import NullPool, create_engine, text

from tests.e2e.api import Api
from tests.e2e.clients import Client, JSDriver
from tests.e2e.conftest import RECONNECTING, ClientFactory, NewId
from tests.e2e.example import User
from tests.e2e.servers import poll
from tests.e2e.several_workers import several_workers
from tests.e2e.workers import running_workers
from tests.redis_server import RedisServer

OK = {"ok": True}
RECONNECTS: dict[str, Any] = dict(RECONNECTING)
CHANGED, STATUS = "presence:changed", "user:status-changed"
SECONDS = 100.0  # Four workers may take a while to start.
WATCHERS = 6


class Site(NamedTuple):
    """Something that serves an application.

    Args:
        api: Calls it.
        connect: Connects JavaScript clients to it.
    """

    api: Api
    connect: ClientFactory


@pytest.fixture(scope="module", params=[1, 4])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server of one process, or of four that share a Redis; all are told of users whose names begin with `seen`."""
    config: dict[str, Any] = {"count": request.param}
    with ExitStack() as stack:
        if request.param > 1:
            config["REALTIME_MESSAGE_QUEUE"] = stack.enter_context(RedisServer()).url
        folder = tmp_path_factory.mktemp("workers")
        yield stack.enter_context(running_workers(folder, **config)).api


@pytest.fixture
def site(driver: JSDriver, api: Api) -> Iterator[Site]:
    connect = ClientFactory("js-websocket", driver, api)
    yield Site(api, connect)
    connect.close()


def about(client: Client, event: str, user_id: str) -> list[Any]:
    """What a client got of an event about a user."""
    return [item.data for item in client.received(event) if item.data["userId"] == user_id]


def statuses(client: Client, user_id: str) -> list[str]:
    return [data["status"] for data in about(client, STATUS, user_id)]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    assert poll(condition, SECONDS)


def last(client: Client, user_id: str, **fields: Any) -> Any:
    """Wait until the last `presence:changed` about a user has some values, and return it."""
    eventually(lambda: any({key: data[key] for key in fields} == fields for data in about(client, CHANGED, user_id)[-1:]))
    return about(client, CHANGED, user_id)[-1]


def asked(client: Client, user_id: str) -> Any:
    """What a client is told of a user's presence."""
    (presence,) = client.call("presence:get", [user_id])
    return presence


def was_seen(client: Client, user_id: str) -> bool:
    """Ask when a user was last seen, which another worker writes within a second."""
    presence = asked(client, user_id)
    assert (presence["status"], presence["state"]) == ("offline", "offline")
    return presence["lastSeenAt"] is not None


def seen_is_stored(database_url: str, user_id: str) -> bool:
    """Ask the database when a user was last seen; a worker answers from its memory before that is written."""
    engine = create_engine(database_url, poolclass=NullPool)
    query = text("SELECT last_seen_at FROM realtime_user_presence WHERE user_id = :user_id")
    with engine.connect() as connection:
        return connection.execute(query, {"user_id": user_id}).scalar() is not None


def watchers(site: Site, new_id: NewId, conversation: str) -> list[Client]:
    """Connect some users, who are on all workers in all likelihood, and have them join a conversation."""
    clients = [site.connect(new_id("watcher")) for _ in range(WATCHERS)]
    assert [client.call("join:conversation", conversation) for client in clients] == [OK] * WATCHERS
    return clients


def test_a_state_reaches_everybody_and_ends(site: Site, new_id: NewId) -> None:
    ann, everybody = new_id("seen"), watchers(site, new_id, new_id("conversation"))
    client = site.connect(ann)
    until = (datetime.now(timezone.utc) + timedelta(seconds=3)).isoformat()
    assert client.call("presence:set", {"state": "busy", "text": "At lunch 🍜", "until": until}) == OK
    for watcher in everybody:
        busy = last(watcher, ann, state="busy")
        assert busy == {"userId": ann, "status": "online", "state": "busy", "text": "At lunch 🍜", "lastSeenAt": None}
    for watcher in everybody:
        assert last(watcher, ann, state="online") == asked(watcher, ann)
        assert len(about(watcher, CHANGED, ann)) == 2


def test_an_invisible_user_is_offline_to_everybody_on_every_worker(site: Site, new_id: NewId) -> None:
    ann, conversation = new_id("seen"), new_id("conversation")
    everybody = watchers(site, new_id, conversation)
    client = site.connect(ann)
    assert client.call("join:conversation", conversation) == OK
    client.emit("typing:start", {"conversationId": conversation})
    for watcher in everybody:
        watcher.wait_for("typing:start")
    assert client.call("presence:set", {"state": "invisible"}) == OK
    for watcher in everybody:
        watcher.wait_for("typing:stop")
        eventually(lambda watcher=watcher: statuses(watcher, ann) == ["online", "offline"])  # type: ignore[misc]
        assert watcher.call("user:get-status", ann) == {"userId": ann, "status": "offline"}
        assert ann not in watcher.call("conversation:get-online-users", conversation)
        eventually(lambda watcher=watcher: was_seen(watcher, ann))  # type: ignore[misc]
    phones = [site.connect(ann) for _ in range(4)]
    assert {asked(phone, ann)["state"] for phone in phones} == {"invisible"}
    for phone in [*phones, client]:
        phone.emit("typing:start", {"conversationId": conversation})
        phone.disconnect()
    eventually(lambda: site.api.emit("is_user_online", ann) is False)
    back = site.connect(ann)
    assert asked(back, ann)["state"] == "invisible"
    for watcher in everybody:
        watcher.assert_none("typing:start")
        assert statuses(watcher, ann) == ["online", "offline"]
        assert about(watcher, CHANGED, ann) == []
    assert back.call("presence:set", {"state": "online"}) == OK
    for watcher in everybody:
        eventually(lambda watcher=watcher: statuses(watcher, ann) == ["online", "offline", "online"])  # type: ignore[misc]
        assert asked(watcher, ann)["status"] == "online"
        assert about(watcher, CHANGED, ann) == []


def test_a_user_is_away_when_the_last_device_becomes_idle(site: Site, new_id: NewId) -> None:
    ann, watcher = new_id("seen"), site.connect(new_id("watcher"))
    names = ["Phone", "Laptop", "Tablet"]
    devices = [site.connect(auth={"token": site.api.token(ann), "device": name}) for name in names]
    for device in devices[:2]:
        assert device.call("presence:idle") == OK
    assert asked(watcher, ann)["state"] == "online"
    devices[2].disconnect()
    last(watcher, ann, state="away")
    own = asked(devices[0], ann)
    assert [(one["device"], one["state"]) for one in own["devices"]] == [("Phone", "idle"), ("Laptop", "idle")]
    assert devices[1].call("presence:active") == OK
    assert last(watcher, ann, state="online") == asked(watcher, ann)
    told = last(devices[0], ann, state="online")
    assert [one["state"] for one in told["devices"]] == ["idle", "active"]


def test_typing_is_kept_back_on_every_worker_at_once(site: Site, new_id: NewId) -> None:
    ann, conversation = new_id("seen"), new_id("conversation")
    everybody = watchers(site, new_id, conversation)
    devices = [site.connect(ann) for _ in range(4)]
    for device in devices:
        assert device.call("join:conversation", conversation) == OK
    typing = {"conversationId": conversation}
    devices[0].emit("typing:start", typing)
    for watcher in everybody:
        watcher.wait_for("typing:start")
    site.api.emit("set_privacy", ann, send_typing=False)
    for watcher in everybody:
        watcher.wait_for("typing:stop")
    assert devices[0].call("presence:set", {"state": "busy"}) == OK
    for device in devices:  # Whoever has heard of the later change has heard of the earlier one.
        last(device, ann, state="busy")
        assert [device.call(event, typing) for event in ("typing:start", "typing:stop")] == [OK, OK]
    for watcher in everybody:
        watcher.assert_none("typing:start")
    site.api.emit("set_privacy", ann, send_typing=True)
    eventually(lambda: _is_heard(devices[0], everybody[0], typing))


def _is_heard(typist: Client, watcher: Client, typing: Any) -> bool:
    assert typist.call("typing:start", typing) == OK
    return len(watcher.received("typing:start")) > 1


def test_invisibility_survives_the_death_of_every_worker(driver: JSDriver, tmp_path: Path) -> None:
    with several_workers("postgresql", tmp_path) as (workers, database_url):
        alice, bob = User(workers.url, "alice"), User(workers.url, "bob")
        connect = ClientFactory("js-websocket", driver, workers.api)
        try:
            watcher = connect(token=bob.token, **RECONNECTS)
            client = connect(token=alice.token, **RECONNECTS)
            assert client.call("presence:set", {"state": "invisible", "text": "writing"}) == OK
            eventually(lambda: statuses(watcher, alice.id)[-1:] == ["offline"])
            eventually(lambda: seen_is_stored(database_url, alice.id))
            gone = asked(watcher, alice.id)
            for pid in workers.booted():
                os.kill(pid, signal.SIGKILL)
            for one in (client, watcher):
                eventually(lambda one=one: len(one.recoveries) > 1)  # type: ignore[misc]
            eventually(lambda: asked(client, alice.id)["state"] == "invisible")
            assert asked(client, alice.id)["text"] == "writing"
            assert asked(watcher, alice.id) == gone
            assert watcher.call("user:get-status", alice.id)["status"] == "offline"
            assert statuses(watcher, alice.id)[-1] == "offline"
            assert statuses(watcher, alice.id).count("online") == 1
        finally:
            connect.close()


def test_invisibility_survives_a_key_that_redis_loses_and_then_the_death_of_every_worker(
    driver: JSDriver, tmp_path: Path, new_id: NewId
) -> None:
    with RedisServer() as redis, running_workers(tmp_path, count=2, REALTIME_MESSAGE_QUEUE=redis.url) as workers:
        connect = ClientFactory("js-websocket", driver, workers.api)
        ann = new_id("seen")
        try:
            watcher = connect(new_id("watcher"), **RECONNECTS)
            client = connect(ann, **RECONNECTS)
            assert client.call("presence:set", {"state": "invisible"}) == OK
            eventually(lambda: statuses(watcher, ann) == ["online", "offline"])
            with Redis.from_url(redis.url, decode_responses=True) as store:
                lost = [key for kind in ("exceptions", "settings") for key in store.scan_iter(f"*:presence:{kind}:*")]
                assert store.delete(*lost) == 2
                eventually(lambda: store.exists(*lost) == 2)
            for pid in workers.booted():
                os.kill(pid, signal.SIGKILL)
            for one in (client, watcher):
                eventually(lambda one=one: len(one.recoveries) > 1)  # type: ignore[misc]
            eventually(lambda: asked(client, ann)["state"] == "invisible")
            assert watcher.call("user:get-status", ann)["status"] == "offline"
            assert statuses(watcher, ann) == ["online", "offline"]
        finally:
            connect.close()
