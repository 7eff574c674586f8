"""Recovery where two servers share a Redis: each recovers its own connections and those of the other."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from redis import Redis

from flask_realtime import Realtime, RealtimeEmitter
from flask_realtime.backends.packing import pack
from flask_realtime.backends.redis.envelopes import Item, StreamId, fields_of
from flask_realtime.contract.effects import Emit
from flask_realtime.extension import gateway_of
from flask_realtime.gateway.delivery.envelopes import envelope_of
from tests.integration.conftest import MakeApp
from tests.integration.recovery_client import Place, come_back, enter, event, is_recovered, lose, names
from tests.integration.wire import Wire
from tests.redis_fleet import FleetServer
from tests.redis_server import RedisServer, wait_until


class Servers:
    """Two servers, and ann's connection to the first of them, which she lost.

    Args:
        make: Makes an application that shares a Redis.
        both_serve: Whether the second one has had a client before ann's connection is lost.
        config: Its settings.
    """

    def __init__(self, make: MakeApp, *, both_serve: bool = False, **config: Any) -> None:
        self.realtimes: list[Realtime] = []
        self.told: list[tuple[str, str]] = []
        self.here, self.there = make(on=self._set_up, **config), make(on=self._set_up, **config)
        if both_serve:  # From its first client on a server hears of the others.
            Wire(self.there)
        self.watcher = Wire(self.here)
        self.watcher.enter("watcher")
        wire = Wire(self.here)
        self.place: Place = enter(wire, "ann")
        wire.call("join:conversation", 7)
        lose(self.here, wire)

    def _set_up(self, realtime: Realtime) -> None:
        realtime.authorize_join(lambda _identity, _conversation_id: True)
        realtime.on_user_online(lambda user: self.told.append(("online", user)))
        realtime.on_user_offline(lambda user: self.told.append(("offline", user)))
        self.realtimes.append(realtime)

    def send(self, event: str) -> None:
        """Have the second server send something to ann's conversation, and wait until the first one has done so too."""
        with self.there.app_context():
            self.realtimes[1].send_to_conversation(7, event, {})
            self.realtimes[1].broadcast_to_all("marker", {})
        self.watcher.receive_until('2["marker"')

    def everybody_knows(self, app: Flask, *, online: bool) -> bool:
        """Whether a server knows that ann is online, or that she is not."""
        return bool(gateway_of(app).backend.connected_users.online(["ann"])) is online


class Played:
    """A server whose writing to Redis a test does for it.

    Args:
        name: Its name.
        redis: The Redis.
        servers: The other servers.
    """

    def __init__(self, name: str, redis: RedisServer, servers: Servers) -> None:
        self._name = name
        self._redis = redis
        self._stream: str = gateway_of(servers.here).backend._bus.stream_key  # type: ignore[attr-defined]
        self._last = 0

    def new(self, event: str, conversation: int, logged: str | None = None) -> Item:
        """Make an event for a conversation, which has a name in the application's log or not."""
        self._last += 1
        emit = Emit(event, ({},), (f"conversation:{conversation}",), logged=logged)
        head, body = pack(envelope_of(emit, (f'2["{event}",{{}}]',), self._last))
        return Item(0.0, head, body, len(head) + len(body), self._last)

    def write(self, *items: Item) -> None:
        """Write events, again if they were written before."""
        with Redis.from_url(self._redis.url) as client:
            entry: bytes = client.execute_command("XADD", self._stream, "*", *fields_of(self._name, items))
        for item in items:
            item.written = StreamId.parse(entry)

    def knows_lease(self) -> bool:
        """Return whether any lease is in Redis."""
        with Redis.from_url(self._redis.url) as client:
            return bool(client.keys("*:lease:*"))


@pytest.mark.parametrize("is_settled", [False, True])
def test_what_servers_write_again_after_a_restart_of_redis_comes_once(
    servers: Servers, redis: RedisServer, *, is_settled: bool
) -> None:
    third, fourth, wire = Played("third", redis, servers), Played("fourth", redis, servers), Wire(servers.there)
    place = enter(wire, "ben")
    wire.call("join:conversation", 7)
    told = third.new("told", 7)
    third.write(told)
    before = event(wire.receive_until('2["told"'))[-1]
    redis.restart()
    fourth.write(fourth.new("later", 7))
    offset = event(wire.receive_until('2["later"'))[-1]
    while is_settled and era_of(offset) == era_of(before):
        servers.send("said")
        offset = event(wire.receive_until('2["said"'))[-1]
    third.write(told)
    servers.send("again")
    wire.call("join:conversation", 8)  # So its server notices that Redis has forgotten its lease.
    wire.wait_until(third.knows_lease)
    lose(servers.there, wire, "ben")
    answer = come_back(Wire(servers.here), "ben", place._replace(offset=offset))
    assert "told" not in names(answer.missed)


def test_a_server_that_has_just_started_gives_nobody_again_what_two_servers_have_sent(
    servers: Servers, make_sharing: MakeApp, redis: RedisServer
) -> None:
    third, fourth, wire = Played("third", redis, servers), Played("fourth", redis, servers), Wire(servers.here)
    place = enter(wire, "ben")
    wire.call("join:conversation", 7)
    third.write(third.new("told", 7, logged="1-1.0"))
    offset = event(wire.receive_until('2["told"'))[-1]
    started = make_sharing()
    watcher = Wire(started)
    watcher.enter("watcher-2")
    fourth.write(fourth.new("told", 7, logged="1-1.0"))
    servers.send("said")
    watcher.receive_until('2["marker"')
    lose(servers.here, wire, "ben")
    answer = come_back(Wire(started), "ben", place._replace(offset=offset))
    assert is_recovered(place, answer)
    assert names(answer.missed) == ["said", "marker"]


def era_of(offset: str) -> str:
    """Return what the place of an offset is numbered in."""
    return offset.split(".")[2].split("-", maxsplit=1)[0]


@pytest.fixture
def servers(make_sharing: MakeApp) -> Servers:
    return Servers(make_sharing)


def test_what_another_server_sent_is_recovered(servers: Servers) -> None:
    servers.watcher.wait_until(lambda: servers.everybody_knows(servers.there, online=False))
    servers.send("said")
    wire = Wire(servers.here)
    answer = come_back(wire, "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert names(answer.missed).count("said") == 1
    servers.watcher.wait_until(lambda: servers.everybody_knows(servers.there, online=True))
    servers.send("heard")
    assert event(wire.receive_until('2["heard"'))[1] == {}
    wire.wait_until(lambda: servers.realtimes[0].get_online_users(7) == ["ann"])


def test_another_server_recovers_what_both_have_sent(servers: Servers) -> None:
    servers.send("said")
    with servers.here.app_context():
        servers.realtimes[0].send_to_conversation(7, "heard", {})
        servers.realtimes[0].send_to_conversation(8, "secret", {})
    wire = Wire(servers.there)
    answer = come_back(wire, "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert [name for name in names(answer.missed) if name != "marker"] == ["said", "heard"]
    wire.wait_until(lambda: servers.realtimes[0].get_online_users(7) == ["ann"])
    servers.send("spoken")
    assert event(wire.receive_until('2["spoken"'))[1] == {}


def test_what_a_server_sent_to_its_own_clients_alone_is_recovered_on_another(servers: Servers) -> None:
    with servers.here.app_context():
        servers.realtimes[0].socketio.emit("own", {"id": 1}, to="conversation:7")
    with servers.there.app_context():
        servers.realtimes[1].socketio.emit("others", {}, to="conversation:7")
    answer = come_back(Wire(servers.there), "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert names(answer.missed) == ["own"]


def test_who_goes_from_server_to_server_has_everything_once(servers: Servers) -> None:
    place, apps = servers.place, [servers.there, servers.here]
    for number in range(6):
        servers.send(f"said {number}")
        wire = Wire(apps[number % 2])
        answer = come_back(wire, "ann", place)
        assert is_recovered(place, answer)
        assert [name for name in names(answer.missed) if name != "marker"] == [f"said {number}"]
        place = place._replace(offset=answer.offset)
        if number % 3:
            lose(apps[number % 2], wire)


@pytest.mark.parametrize("where", ["here", "there"])
def test_who_loses_the_answer_comes_back_with_the_offset_of_before_and_of_each_missed_event(servers: Servers, where: str) -> None:
    for number in range(3):
        servers.send(f"said {number}")
    seen = []
    first = come_back(Wire(servers.there), "ann", servers.place)
    for offset in (servers.place.offset, *(missed[-1] for missed in first.missed)):
        answer = come_back(Wire(getattr(servers, where)), "ann", servers.place._replace(offset=offset))
        assert is_recovered(servers.place, answer)
        seen.append(names(answer.missed))
    assert seen == [names(first.missed)[number:] for number in range(len(first.missed) + 1)]


def test_what_came_before_a_join_does_not_come_on_another_server(servers: Servers) -> None:
    wire = Wire(servers.here)
    place = enter(wire, "ben")
    servers.send("before")
    wire.call("join:conversation", 7)
    servers.send("after")
    lose(servers.here, wire, "ben")
    answer = come_back(Wire(servers.there), "ben", place)
    assert is_recovered(place, answer)
    assert names(answer.missed) == ["marker", "after", "marker"]


def test_the_connection_that_was_open_on_another_server_ends(servers: Servers) -> None:
    wire = Wire(servers.here)
    place = enter(wire, "ben")
    assert is_recovered(place, come_back(Wire(servers.there), "ben", place))
    servers.watcher.wait_until(lambda: not gateway_of(servers.here)._registry.of_user("ben"))
    users = gateway_of(servers.here).backend.connected_users
    servers.watcher.wait_until(lambda: [entry.connection_id for entry in users.connections("ben")] == [place.sid])
    assert users.online(["ben"]) == {"ben"}


def test_another_user_recovers_nothing_on_another_server(servers: Servers) -> None:
    assert not is_recovered(servers.place, come_back(Wire(servers.there), "ben", servers.place))


@pytest.mark.parametrize("offset", ["", "nonsense", "abc.7", "abc.7.00000000-1-0-0", 7, None])
def test_an_offset_that_says_nothing_is_a_gap_on_another_server(servers: Servers, offset: object) -> None:
    answer = come_back(Wire(servers.there), "ann", servers.place, offset=offset)
    assert not is_recovered(servers.place, answer)


def test_what_another_server_took_away_stays_lost(servers: Servers) -> None:
    servers.realtimes[1].remove_from_conversation(7, "ann")
    servers.send("secret")
    wire = Wire(servers.here)
    answer = come_back(wire, "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert "secret" not in names(answer.missed)
    assert wire.call("typing:start", {"conversationId": 7})["error"]["code"] == "not_joined"


@pytest.mark.parametrize("number", [0, 1])
def test_what_was_taken_away_stays_lost_on_another_server(servers: Servers, number: int) -> None:
    servers.realtimes[number].remove_from_conversation(7, "ann")
    servers.send("secret")
    answer = come_back(Wire(servers.there), "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert names(answer.missed) == ["marker"]


@pytest.mark.parametrize("number", [0, 1])
def test_who_was_kicked_does_not_recover_on_another_server(servers: Servers, number: int) -> None:
    servers.realtimes[number].disconnect_user("ann")
    servers.send("marked")
    assert not is_recovered(servers.place, come_back(Wire(servers.there), "ann", servers.place))


def test_who_was_kicked_by_another_server_does_not_recover(servers: Servers) -> None:
    servers.realtimes[1].disconnect_user("ann")
    servers.send("marked")
    assert not is_recovered(servers.place, come_back(Wire(servers.here), "ann", servers.place))


def test_a_redis_that_takes_long_to_answer_makes_no_gap(servers: Servers, redis: RedisServer) -> None:
    Wire(servers.there).enter("somebody")  # So the second server knows its place before.
    servers.watcher.wait_until(lambda: servers.everybody_knows(servers.there, online=False))
    servers.send("said")
    with Redis.from_url(redis.url) as client:
        client.client_pause(1_200)
    answer = come_back(Wire(servers.there), "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert names(answer.missed).count("said") == 1


def statuses(servers: Servers, wire: Wire, user: str) -> list[str]:
    """Ask for a user's status over a connection to the second server, and in all other ways there."""
    realtime, emitter = servers.realtimes[1], RealtimeEmitter(servers.there.config["REALTIME_MESSAGE_QUEUE"])
    with servers.there.app_context():
        answers = [wire.call("user:get-status", user), *wire.call("users:get-status", [user]), *realtime.get_presence([user])]
        others = [user in realtime.get_online_users(), realtime.is_user_online(user), emitter.is_user_online(user)]
        counts = {realtime.get_online_users_count() == len(realtime.get_online_users())}
    emitter.close()
    assert counts == {True}
    return [answer["status"] for answer in answers] + ["online" if online else "offline" for online in others]


@pytest.mark.parametrize("serves_first", ["before the departure", "after it"])
def test_who_is_back_on_another_server_before_the_delay_is_over_was_never_offline(make_sharing: MakeApp, serves_first: str) -> None:
    servers = Servers(make_sharing, both_serve=serves_first == "before the departure", REALTIME_OFFLINE_DELAY=60)
    servers.watcher.wait_until(lambda: gateway_of(servers.here)._notifier._departures.waits("ann"))
    watcher = Wire(servers.there)
    watcher.enter("watcher-2")
    assert set(statuses(servers, watcher, "ann")) == {"online"}
    assert is_recovered(servers.place, come_back(Wire(servers.there), "ann", servers.place))
    servers.watcher.wait_until(lambda: not gateway_of(servers.here)._notifier._departures.waits("ann"))
    watcher.wait_until(lambda: not gateway_of(servers.there)._notifier._departures.waits("ann"))
    assert set(statuses(servers, watcher, "ann")) == {"online"}
    assert servers.told.count(("online", "ann")) == 1
    assert ("offline", "ann") not in servers.told


def test_who_is_back_after_the_delay_was_offline_once_on_all_servers(make_sharing: MakeApp) -> None:
    servers = Servers(make_sharing, REALTIME_OFFLINE_DELAY=0.3)
    watcher = Wire(servers.there)
    watcher.enter("watcher-2")
    servers.watcher.wait_until(lambda: ("offline", "ann") in servers.told)
    assert set(statuses(servers, watcher, "ann")) == {"offline"}
    assert is_recovered(servers.place, come_back(Wire(servers.there), "ann", servers.place))
    watcher.wait_until(lambda: servers.told.count(("online", "ann")) == 2)
    assert servers.told.count(("offline", "ann")) == 1


def test_a_departure_that_redis_has_forgotten_is_announced_by_its_server(make_sharing: MakeApp, redis: RedisServer) -> None:
    servers = Servers(make_sharing, both_serve=True, REALTIME_OFFLINE_DELAY=1)
    servers.watcher.wait_until(lambda: gateway_of(servers.here)._notifier._departures.waits("ann"))
    with Redis.from_url(redis.url) as client:
        client.flushall()
    servers.watcher.wait_until(lambda: ("offline", "ann") in servers.told)
    departures = [gateway_of(app)._notifier._departures for app in (servers.here, servers.there)]
    servers.watcher.wait_until(lambda: not any(of.waits("ann") for of in departures))
    assert servers.told.count(("offline", "ann")) == 1


def test_a_departure_whose_server_died_after_taking_it_is_announced_by_another(make_sharing: MakeApp, redis: RedisServer) -> None:
    servers = Servers(make_sharing, REALTIME_OFFLINE_DELAY=0.5)
    dead = FleetServer(redis.url, "dead", offline_delay=0.5)
    dead.presence.add("zed", "of zed")
    version = dead.presence.remove("zed", "of zed").version
    gateway_of(servers.here)._notifier.departed("zed", version)
    assert dead.presence.take_departure("zed", version)
    servers.watcher.wait_until(lambda: ("offline", "zed") in servers.told)
    dead.close()


@pytest.mark.parametrize("is_reachable", [True, False])
def test_a_server_that_starts_announces_whom_dead_ones_waited_for(
    make_sharing: MakeApp, redis: RedisServer, *, is_reachable: bool
) -> None:
    dead = FleetServer(redis.url, "dead", offline_delay=0.5)
    for user in ("ann", "ben"):
        dead.presence.add(user, f"of {user}")
        dead.presence.remove(user, f"of {user}")
    told: list[str] = []
    apps = [make_sharing(on=lambda realtime: realtime.on_user_offline(told.append), REALTIME_OFFLINE_DELAY=0.5) for _ in range(3)]
    if not is_reachable:
        with Redis.from_url(redis.url) as client:
            client.client_pause(2_500)  # So the first attempt fails.
    for app in apps:
        gateway_of(app).on_serving()
    notifiers = [gateway_of(app)._notifier for app in apps]
    wait_until(lambda: len(told) >= 2)
    wait_until(lambda: all(notifier._overdue for notifier in notifiers))
    wait_until(lambda: not any(notifier._departures.users() for notifier in notifiers))
    wait_until(lambda: all(notifier.is_idle for notifier in notifiers))
    assert sorted(told) == ["ann", "ben"]
    dead.close()


def test_a_departure_of_which_its_dead_server_told_nobody_is_announced_by_another(
    make_sharing: MakeApp, redis: RedisServer
) -> None:
    servers = Servers(make_sharing, REALTIME_OFFLINE_DELAY=0.5, REALTIME_SERVER_LEASE=1)
    notifiers = [gateway_of(app)._notifier for app in (servers.here, servers.there)]
    for app in (servers.here, servers.there):
        gateway_of(app).on_serving()
    servers.watcher.wait_until(lambda: all(notifier._overdue for notifier in notifiers))
    dead = FleetServer(redis.url, "dead", offline_delay=0.5)
    dead.presence.add("zed", "of zed")
    dead.presence.remove("zed", "of zed")
    servers.watcher.wait_until(lambda: ("offline", "zed") in servers.told)
    dead.close()
