"""Presence and conversations on several servers that share a Redis: who is told what, whatever fails."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle

import pytest
from redis import Redis

from flask_realtime.backends.base import BackendUnavailable, Change
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.lease import HELD, REAPED, Lease
from flask_realtime.backends.redis.maintenance import Reap, WriteLeft
from flask_realtime.backends.redis.pending_writes import PendingWrites
from tests.redis_fleet import LONG, SHORT, FleetServer, RemoteServer
from tests.redis_server import RedisServer, wait_until
from tests.tcp_proxy import TcpProxy

REMOTE_TTL = 2.0
"""Seconds: long enough for a server that gets little time, and short enough to wait for."""

NewServer = Callable[..., FleetServer]


@pytest.fixture
def new_server(redis: RedisServer) -> Iterator[NewServer]:
    """Makes servers, started; they end with the test."""
    with ExitStack() as stack:

        def make(server_id: str, url: str = redis.url, *, ttl: float = LONG, grace: float = SHORT) -> FleetServer:
            server = FleetServer(url, server_id, ttl=ttl, grace=grace)
            stack.callback(server.close)
            return server.start()

        yield make


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(redis.port) as proxy:
        yield proxy


def url_of(proxy: TcpProxy) -> str:
    """Where clients find Redis behind a proxy."""
    return f"redis://127.0.0.1:{proxy.port}/0"


def held_leases(client: Redis) -> int:
    """How many leases have not run out."""
    return int(client.zcount("{flask_realtime}:servers", time.time() * 1e6, "+inf"))


def kinds_of_keys(client: Redis) -> set[str]:
    """What comes after the channel in the names of the keys that there are."""
    return {str(key).split(":")[1] for key in client.scan_iter()}


def scripts_run(client: Redis) -> int:
    """How many scripts were run; nothing else is asked of Redis."""
    statistics = client.info("commandstats")
    return sum(statistics.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("eval", "evalsha"))


def wait_for(seconds: float) -> None:
    """Let time go by, for something that must not happen in it."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def is_settled(server: FleetServer) -> bool:
    """Whether a server has nothing left to write, and nothing to find out."""
    return server.entries.pending_writes.is_clear and server.entries.outage_journal.next_settling == float("inf")


# Who is first and last --------------------------------------------------------------------------------------------------------


def test_on_two_servers_coming_and_going_alternate(new_server: NewServer) -> None:
    servers = [new_server("a"), new_server("b")]
    changes: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    start = threading.Barrier(6)

    def come_and_go(number: int) -> None:
        presence = servers[number % 2].presence
        users = cycle(("ann", "bob"))
        start.wait()
        for turn in range(120):
            user, connection = next(users), f"c{number}-{turn}"
            came, went = presence.add(user, connection), presence.remove(user, connection)
            changes[user] += [
                (change.version, is_online) for change, is_online in ((came, True), (went, False)) if change.status_changed
            ]

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(come_and_go, range(6)))
    for user in ("ann", "bob"):
        told = [is_online for _, is_online in sorted(changes[user])]
        assert told == [True, False] * (len(told) // 2)
        assert len({version for version, _ in changes[user]}) == len(told) >= 2
    assert [server.presence.count() for server in servers] == [0, 0]
    assert [server.told for server in servers] == [[], []]


def test_on_two_servers_one_of_many_is_the_first_and_one_the_last(new_server: NewServer) -> None:
    servers = [new_server("a"), new_server("b")]
    places = [(servers[number % 2].presence, f"c{number}") for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            came = list(threads.map(lambda place: place[0].add("ann", place[1]).status_changed, places))
            went = list(threads.map(lambda place: place[0].remove("ann", place[1]).status_changed, places))
            assert (sum(came), sum(went)) == (1, 1)


def test_every_server_knows_the_connections_of_all(new_server: NewServer) -> None:
    first, second = new_server("a"), new_server("b")
    first.presence.add("ann", "c1", "phone")
    second.presence.add("ann", "c2")
    second.presence.add("bob", "c3")
    first.conversations.join("7", "ann", "c1")
    second.conversations.join("7", "bob", "c3")
    for server in (first, second):
        assert server.presence.online(["ann", "bob", "zed"]) == set(server.presence.users()) == {"ann", "bob"}
        assert server.presence.count() == 2
        assert set(server.conversations.users("7")) == {"ann", "bob"}
        entries = {entry.connection_id: (entry.server_id, entry.device) for entry in server.presence.connections("ann")}
        assert entries == {"c1": ("a", "phone"), "c2": ("b", "")}


def test_a_connection_that_is_removed_has_left_its_conversations(new_server: NewServer, client: Redis) -> None:
    first, second = new_server("a"), new_server("b")
    first.presence.add("ann", "c1")
    first.conversations.join("7", "ann", "c1")
    first.conversations.join("8", "ann", "c1")
    first.presence.remove("ann", "c1")
    assert first.conversations.leave_all("c1") == []
    assert second.conversations.users("7") == second.conversations.users("8") == []
    assert not kinds_of_keys(client) & {"joined", "conversations", "server"}


def test_each_operation_is_one_round_trip(redis: RedisServer, client: Redis) -> None:
    server = FleetServer(redis.url, "a")  # It keeps no house: nothing else asks Redis here.
    other = FleetServer(redis.url, "b")

    def use(user: str, connection: str) -> list[Callable[[], object]]:
        presence, conversations = server.presence, server.conversations
        return [
            lambda: presence.add(user, connection),
            lambda: conversations.join("7", user, connection),
            lambda: conversations.users("7"),
            lambda: other.presence.online([user]),
            presence.users,
            presence.count,
            lambda: presence.connections(user),
            lambda: conversations.leave("7", connection),
            lambda: conversations.join("8", user, connection),
            lambda: (presence.remove(user, connection), conversations.leave_all(connection)),
        ]

    for operation in use("ann", "c1"):
        operation()
    for operation in use("bob", "c2"):
        before = scripts_run(client)
        operation()
        assert scripts_run(client) == before + 1
    server.close()
    other.close()


# Servers that die, hang, or end -----------------------------------------------------------------------------------------------


def test_who_was_on_a_dead_server_alone_is_reported_once(redis: RedisServer, new_server: NewServer, client: Redis) -> None:
    survivors = [new_server("a"), new_server("b")]
    alone = [f"user{number}" for number in range(1200)]
    with RemoteServer(redis.url, "dead", ttl=REMOTE_TTL) as dead:
        dead.call("presence", "add", *((user, f"c-{user}") for user in alone), ("bob", "c1"), ("carol", "c2"))
        dead.call("conversations", "join", ("7", "user0", "c-user0"), ("7", "bob", "c1"))
        survivors[0].presence.add("bob", "c3")
        survivors[0].conversations.join("7", "bob", "c3")
        came = survivors[1].presence.add("carol", "c4")
        assert not came.status_changed
        assert survivors[1].presence.count() == 1202
        dead.kill()
    wait_until(lambda: sum(len(server.told) for server in survivors) >= len(alone))
    wait_until(lambda: client.zcard("{flask_realtime}:servers") == len(survivors))
    assert Counter(user for server in survivors for user in server.of("offline")) == Counter(alone)
    assert not survivors[0].of("online") + survivors[1].of("online")
    for server in survivors:
        assert set(server.presence.users()) == {"bob", "carol"}
        assert server.conversations.users("7") == ["bob"]
        assert [entry.connection_id for entry in server.presence.connections("bob")] == ["c3"]
    versions = [version for server in survivors for _, _, version in server.told]
    assert len(set(versions)) == len(versions)
    back = survivors[0].presence.add("user0", "c5")
    assert back.status_changed
    assert back.version > max(versions)


def test_a_dead_server_does_not_count_before_anybody_has_reaped_it(redis: RedisServer, client: Redis) -> None:
    asking = FleetServer(redis.url, "asking")
    with RemoteServer(redis.url, "dead", ttl=REMOTE_TTL) as dead:
        dead.call("presence", "add", ("ann", "c1"), ("bob", "c2"))
        dead.call("conversations", "join", ("7", "ann", "c1"))
        assert asking.presence.online(["ann", "zed"]) == {"ann"}
        assert asking.presence.count() == 2
        dead.kill()
    wait_until(lambda: asking.presence.count() == 0)
    assert asking.presence.users() == asking.conversations.users("7") == []
    assert asking.presence.connections("ann") == []
    assert asking.presence.online(["ann", "bob"]) == set()
    assert client.exists("{flask_realtime}:user:ann")  # Asking changes nothing: nobody was told yet.
    assert client.zcard("{flask_realtime}:servers") == 1
    asking.close()


def test_a_user_who_is_also_on_a_live_server_counts_while_the_dead_one_is_not_reaped(redis: RedisServer) -> None:
    asking, alive = FleetServer(redis.url, "asking"), FleetServer(redis.url, "alive")
    with RemoteServer(redis.url, "dead", ttl=REMOTE_TTL) as dead:
        dead.call("presence", "add", ("ann", "c1"), ("bob", "c2"))
        assert not alive.presence.add("ann", "c3").status_changed
        dead.kill()
    wait_until(lambda: asking.presence.count() == 1)
    assert asking.presence.users() == ["ann"]
    assert asking.presence.online(["ann", "bob"]) == {"ann"}
    assert [entry.server_id for entry in asking.presence.connections("ann")] == ["alive"]
    asking.close()
    alive.close()


def test_connections_elsewhere_count_for_certain_once_their_server_gave_a_sign_of_life(redis: RedisServer, client: Redis) -> None:
    here, there = FleetServer(redis.url, "here"), FleetServer(redis.url, "there")
    here.presence.add("ann", "c1")
    there.presence.add("ann", "c2")
    assert here.presence.add("ann", "c3").connections == 3
    assert [here.presence.exceeds_limit(number, "ann", 0) for number in (1, 2, 3)] == [True, None, False]
    assert [here.presence.exceeds_limit(number, "ann", LONG) for number in (2, 3)] == [True, False]
    there.housekeeping.begin_to_leave()
    assert there.lease.renew() == HELD
    assert [here.presence.exceeds_limit(number, "ann", LONG) for number in (1, 2)] == [True, False]
    there.close()
    assert here.presence.exceeds_limit(1, "ann", LONG)
    assert Reap(here.lease).perform() is None, "the lease of a server that leaves runs out by itself"
    client.zadd("{flask_realtime}:servers", {there.lease.name: 1})  # As time does.
    assert Reap(here.lease).perform() == []
    assert "leaving" not in kinds_of_keys(client)
    here.close()


def test_connections_of_a_server_that_was_killed_do_not_count_when_its_lease_has_run_out(redis: RedisServer) -> None:
    here = FleetServer(redis.url, "here")
    with RemoteServer(redis.url, "dead", ttl=REMOTE_TTL) as dead:
        dead.call("presence", "add", ("ann", "c1"))
        dead.kill()
    began = time.monotonic()
    here.presence.add("ann", "c2")
    answers: list[bool | None] = []

    def is_known() -> bool:
        answers.append(here.presence.exceeds_limit(1, "ann", time.monotonic() - began))
        return answers[-1] is not None

    wait_until(is_known)
    assert True not in answers
    here.close()


def test_without_redis_the_connections_of_this_server_count(redis: RedisServer) -> None:
    here, there = FleetServer(redis.url, "here"), FleetServer(redis.url, "there")
    here.presence.add("ann", "c1")
    there.presence.add("ann", "c2")
    redis.stop()
    assert here.presence.add("ann", "c3").connections == 2
    assert [here.presence.exceeds_limit(number, "ann", 0) for number in (1, 2)] == [True, False]
    for each in (here, there):
        each.close()


def test_a_server_that_was_frozen_writes_everything_again(redis: RedisServer, new_server: NewServer) -> None:
    survivor = new_server("a")
    with RemoteServer(redis.url, "frozen", ttl=REMOTE_TTL) as frozen:
        frozen.call("presence", "add", ("ann", "c1", "phone"), ("bob", "c2"))
        frozen.call("conversations", "join", ("7", "ann", "c1"))
        survivor.presence.add("bob", "c3")
        frozen.freeze()
        wait_until(lambda: survivor.of("offline") == ["ann"])
        assert survivor.presence.users() == ["bob"]
        assert survivor.conversations.users("7") == []
        frozen.thaw()
        wait_until(lambda: set(survivor.presence.users()) == {"ann", "bob"})
        wait_until(lambda: len(frozen.told) > 0)
        assert survivor.conversations.users("7") == ["ann"]
        assert [(entry.server_id, entry.device) for entry in survivor.presence.connections("ann")] == [("frozen", "phone")]
        # She was said to be offline; he never was.
        assert [told[:2] for told in frozen.told] == [["online", "ann"]]
        assert frozen.told[0][2] > survivor.told[0][2]
        [went] = frozen.call("presence", "remove", ("ann", "c1"))
        assert Change(*went).status_changed
    assert survivor.of("offline") == ["ann"]


def test_an_orderly_end_leaves_nothing_behind(new_server: NewServer, client: Redis) -> None:
    ending, staying = new_server("a"), new_server("b")
    for number in range(600):
        ending.presence.add(f"user{number}", f"c{number}")
        ending.conversations.join("7", f"user{number}", f"c{number}")
    ending.presence.add("bob", "c-bob")
    staying.presence.add("bob", "c2")
    ending.housekeeping.stop()
    assert Counter(ending.of("offline")) == Counter(f"user{number}" for number in range(600))
    assert staying.presence.users() == ["bob"]
    assert staying.conversations.users("7") == []
    assert staying.told == []
    assert kinds_of_keys(client) <= {"servers", "reaped", "server", "online", "user", "gone", "answer", "version"}
    assert client.zcard("{flask_realtime}:servers") == 1


def test_a_server_that_has_ended_writes_nothing_more(new_server: NewServer, client: Redis) -> None:
    server = new_server("a")
    server.presence.add("ann", "c1")
    server.housekeeping.stop()
    server.presence.add("bob", "c2")
    server.presence.remove("ann", "c1")
    assert client.zcard("{flask_realtime}:servers") == 0
    assert not client.exists("{flask_realtime}:user:bob")


def test_servers_of_one_name_have_leases_of_their_own(redis: RedisServer) -> None:
    first, second = FleetServer(redis.url, "same"), FleetServer(redis.url, "same")
    first.presence.add("ann", "c1")
    second.presence.add("bob", "c2")
    first.housekeeping.stop()
    assert second.presence.users() == ["bob"]
    assert second.presence.count() == 1
    second.close()


def test_a_connection_has_one_writer_at_a_time() -> None:
    pending_writes = PendingWrites()
    assert pending_writes.begin("c1")
    assert not pending_writes.begin("c1")
    pending_writes.leave({"c1": "ann", "c2": "bob"})
    assert pending_writes.take(10, lambda _: 1) == {"c2": "bob"}
    assert not pending_writes.begin("c2")
    pending_writes.end("c1", "c2")
    assert pending_writes.begin("c2")
    assert pending_writes.take(10, lambda _: 1) == {"c1": "ann"}
    assert not pending_writes.begin("c1")
    assert not pending_writes.is_clear


def test_users_of_a_server_that_was_taken_for_dead_long_ago_are_online_again(redis: RedisServer, client: Redis) -> None:
    server, other = FleetServer(redis.url, "a"), FleetServer(redis.url, "b")
    server.presence.add("ann", "c1")
    assert other.presence.add("bob", "c2").status_changed
    assert [report.user_id for report in Reap(other.lease, server.lease.name).perform() or []] == ["ann"]
    assert client.delete("{flask_realtime}:gone:ann")  # As time does.
    server.start()
    wait_until(lambda: server.of("online") == ["ann"])
    for each in (server, other):
        each.close()


# Redis away -------------------------------------------------------------------------------------------------------------------


def test_what_redis_forgot_is_written_again_and_nobody_is_told(redis: RedisServer, new_server: NewServer) -> None:
    first, second = new_server("a"), new_server("b")
    first.presence.add("ann", "c1")
    first.presence.add("carol", "c0")
    second.presence.add("ann", "c2")
    second.presence.add("bob", "c3")
    second.conversations.join("7", "bob", "c3")
    redis.restart()
    servers = (first, second)
    wait_until(lambda: all(set(server.presence.users()) == {"ann", "bob", "carol"} for server in servers))
    wait_until(lambda: all(server.conversations.users("7") == ["bob"] for server in servers))
    wait_until(lambda: all(len(server.presence.connections("ann")) == 2 for server in servers))
    # Whoever goes while the servers come back is told of later, once it is certain; nobody else is.
    assert not first.presence.remove("ann", "c1").status_changed
    first.presence.remove("carol", "c0")
    wait_until(lambda: is_settled(first) and is_settled(second))
    wait_until(lambda: "carol" not in second.presence.users())
    assert second.told == []
    assert first.of("online") == []
    assert "ann" not in first.of("offline")
    assert set(second.presence.users()) == {"ann", "bob"}
    assert second.presence.remove("ann", "c2").status_changed


def test_what_redis_forgot_is_written_again_as_soon_as_it_is_back(redis: RedisServer, client: Redis) -> None:
    server = FleetServer(redis.url, "a", renew=LONG).start()
    server.presence.add("ann", "c1")
    redis.stop()
    wait_until(lambda: not server.link.is_up)
    redis.start()
    wait_until(lambda: client.hkeys("{flask_realtime}:user:ann") == ["c1"])
    server.close()


def test_who_is_on_a_server_that_is_not_back_yet_does_not_go_offline(
    redis: RedisServer, new_server: NewServer, proxy: TcpProxy, client: Redis
) -> None:
    first, second = new_server("a", grace=LONG), new_server("b", url_of(proxy))
    first.presence.add("ann", "c1")
    second.presence.add("ann", "c2")
    proxy.cut()
    redis.restart()
    wait_until(lambda: client.hkeys("{flask_realtime}:user:ann") == ["c1"])
    assert not first.presence.remove("ann", "c1").status_changed
    proxy.mend()
    wait_until(lambda: client.hkeys("{flask_realtime}:user:ann") == ["c2"])
    assert first.presence.users() == ["ann"]
    assert first.told == second.told == []


def test_redis_that_came_back_from_its_disk_with_old_news_is_put_right(new_server: NewServer, redis: RedisServer) -> None:
    first, second = new_server("a", ttl=REMOTE_TTL), new_server("b", ttl=REMOTE_TTL)
    first.presence.add("ann", "c1")
    first.presence.add("bob", "c2")
    with Redis(port=redis.port) as client:
        client.save()
    assert first.presence.remove("bob", "c2").status_changed
    second.presence.add("carol", "c3")
    redis.restart()
    asking = FleetServer(redis.url, "asking")
    wait_until(lambda: set(asking.presence.users()) == {"ann", "carol"})
    assert first.of("online") == second.of("online") == []
    assert not {"ann", "carol"} & {*first.of("offline"), *second.of("offline")}
    asking.close()


@pytest.mark.parametrize("outage", ["stop", "freeze"])
def test_no_operation_waits_long_while_redis_is_away(outage: str, redis: RedisServer, new_server: NewServer) -> None:
    first, second = new_server("a"), new_server("b")
    first.presence.add("ann", "c1")
    second.presence.add("bob", "c2")
    first.conversations.join("7", "ann", "c1")
    getattr(redis, outage)()
    presence, conversations = first.presence, first.conversations
    operations: list[tuple[Callable[[], object], object]] = [
        (lambda: presence.add("carol", "c3").status_changed, True),
        (lambda: presence.add("carol", "c4").status_changed, False),
        (lambda: conversations.join("7", "carol", "c3"), True),
        (lambda: conversations.join("7", "carol", "c3"), False),
        (lambda: conversations.users("7"), ["ann", "carol"]),
        (lambda: conversations.leave("7", "c3"), True),
        (lambda: conversations.leave_all("c1"), ["7"]),
        (lambda: presence.online(["ann", "bob", "carol"]), {"ann", "carol"}),
        (lambda: sorted(presence.users()), ["ann", "carol"]),
        (presence.count, 2),
        (lambda: [entry.connection_id for entry in presence.connections("carol")], ["c3", "c4"]),
        (lambda: presence.remove("carol", "c3").status_changed, False),
        (lambda: presence.remove("carol", "c4").status_changed, False),
        (lambda: presence.remove("nobody", "c9").status_changed, False),
    ]
    for operation, expected in operations:
        begin = time.monotonic()
        assert operation() == expected
        assert time.monotonic() - begin < 1.5  # 0.8 for the first of them; the rest is for a busy machine.
    redis.thaw()
    redis.start()


def test_who_went_while_redis_was_away_is_reported_once(redis: RedisServer, new_server: NewServer) -> None:
    servers = [new_server("a"), new_server("b")]
    first, second = servers
    for user in ("ann", "bob", "carol", "dave"):
        first.presence.add(user, f"{user}-1")
    for user in ("ann", "bob"):
        second.presence.add(user, f"{user}-2")
    redis.stop()
    wait_until(lambda: not first.link.is_up and not second.link.is_up)
    changes = [
        first.presence.remove("ann", "ann-1"),  # Gone everywhere.
        second.presence.remove("ann", "ann-2"),
        first.presence.remove("bob", "bob-1"),  # Still on the other server.
        first.presence.remove("carol", "carol-1"),  # Gone, and back before anybody was told.
        first.presence.add("carol", "carol-3"),
        first.presence.remove("dave", "dave-1"),  # Gone, and back on the other server, which cannot know.
    ]
    assert not any(change.status_changed for change in changes)
    assert second.presence.add("dave", "dave-2").status_changed
    redis.start()
    wait_until(lambda: first.link.is_up and second.link.is_up)
    wait_until(lambda: sum(len(server.told) for server in servers) == 1)
    wait_until(lambda: all(is_settled(server) for server in servers))
    assert [told[:2] for server in servers for told in server.told] == [("offline", "ann")]
    assert set(first.presence.users()) == set(second.presence.users()) == {"bob", "carol", "dave"}
    assert second.presence.remove("bob", "bob-2").status_changed


def test_nobody_is_reaped_because_redis_hung_longer_than_the_leases_last(
    redis: RedisServer, new_server: NewServer, proxy: TcpProxy, client: Redis
) -> None:
    quick, slow = new_server("quick", ttl=1.0, grace=LONG), new_server("slow", url_of(proxy), ttl=1.0, grace=LONG)
    quick.presence.add("ann", "c1")
    slow.presence.add("bob", "c2")
    quick.housekeeping._reap_at = 0.0  # It has been there long enough to reap.
    proxy.hold()
    redis.freeze()
    wait_for(1.5)  # All leases have run out.
    redis.thaw()
    wait_until(lambda: held_leases(client) == 1)
    wait_for(0.7)  # It could have looked for dead servers several times.
    proxy.release()
    wait_until(lambda: held_leases(client) == 2 or quick.told != [])
    assert [quick.told, slow.told] == [[], []]
    assert set(quick.presence.users()) == {"ann", "bob"}


def test_redis_that_refuses_to_write_is_as_good_as_away(new_server: NewServer, client: Redis) -> None:
    first, second = new_server("a"), new_server("b")
    first.presence.add("ann", "c1")
    client.config_set("maxmemory", "1")
    assert first.presence.add("bob", "c2").status_changed
    assert first.conversations.join("7", "bob", "c2")
    assert first.presence.online(["ann", "bob"]) == {"ann", "bob"}
    assert second.presence.users() == ["ann"]
    client.config_set("maxmemory", "0")
    wait_until(lambda: set(second.presence.users()) == {"ann", "bob"})
    wait_until(lambda: second.conversations.users("7") == ["bob"])
    assert first.told == second.told == []


# One server's link -----------------------------------------------------------------------------------------------------------


def test_a_server_that_was_cut_off_and_taken_for_dead_puts_it_right(new_server: NewServer, proxy: TcpProxy) -> None:
    cut_off, other = new_server("a", url_of(proxy), ttl=REMOTE_TTL), new_server("b")
    for user in ("ann", "bob", "carol"):
        assert cut_off.presence.add(user, f"{user}-1").status_changed
    other.presence.add("bob", "bob-2")
    proxy.hold()
    assert cut_off.presence.add("dave", "dave-1").status_changed
    assert not cut_off.presence.add("ann", "ann-3").status_changed
    assert not cut_off.presence.remove("carol", "carol-1").status_changed
    wait_until(lambda: set(other.of("offline")) == {"ann", "carol"})
    proxy.release()
    wait_until(lambda: set(other.presence.users()) == {"ann", "bob", "dave"})
    wait_until(lambda: is_settled(cut_off) and cut_off.of("online") != [])
    assert cut_off.of("online") == ["ann"]  # Of dave others were told already; bob was never gone.
    assert cut_off.of("offline") == []  # Of carol too.
    assert sorted(other.of("offline")) == ["ann", "carol"]
    assert len(other.presence.connections("ann")) == 2


def lose_answers(server: FleetServer, proxy: TcpProxy) -> None:
    """Let a server hear nothing of what Redis does for it, which it goes on asking over the connection that it has."""

    def is_connected() -> bool:
        with suppress(BackendUnavailable):
            server.link.ping()
            return True
        return False

    wait_until(is_connected)
    proxy.lose_replies()


@contextmanager
def lost_answers(server: FleetServer, proxy: TcpProxy) -> Iterator[None]:
    """Let a server hear nothing of what Redis does for it, until the context ends and the link is back."""
    lose_answers(server, proxy)
    yield
    proxy.lose_replies(lost=False)
    wait_until(lambda: server.link.is_up)


def visit(server: FleetServer) -> None:
    """Come and go, so that Redis knows the scripts: without an answer nobody would show them to it."""
    server.presence.add("visitor", "v1")
    server.presence.remove("visitor", "v1")


def test_a_removal_whose_answer_was_lost_is_reported(new_server: NewServer, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    server.presence.add("ann", "ann-1")
    visit(other)
    lose_answers(server, proxy)
    assert not server.presence.remove("ann", "ann-1").status_changed
    wait_until(lambda: "ann" not in other.presence.users())
    proxy.lose_replies(lost=False)
    wait_until(lambda: server.link.is_up)
    server.start()
    wait_until(lambda: server.of("offline") == ["ann"])
    wait_until(lambda: is_settled(server))
    assert len(server.told) == 1
    assert other.told == []
    server.close()


def test_an_arrival_whose_answer_was_lost_is_not_reported_twice(new_server: NewServer, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    server.presence.add("zed", "z1")
    lose_answers(server, proxy)
    assert server.presence.add("ann", "c1").status_changed
    wait_until(lambda: "ann" in other.presence.users())
    proxy.lose_replies(lost=False)
    wait_until(lambda: server.link.is_up)
    server.start()
    wait_until(lambda: is_settled(server))
    assert not other.presence.add("ann", "c2").status_changed
    assert server.told == other.told == []
    server.close()


def lose_an_arrival(server: FleetServer, other: FleetServer, proxy: TcpProxy) -> int:
    """Have ann go offline with another server, and come to this one, which is not told that she was gone, nor that she came.

    Returns:
        The version with which she went.
    """
    server.presence.add("ann", "ann-1")
    other.presence.add("ann", "ann-2")
    visit(other)
    with lost_answers(server, proxy):
        server.presence.remove("ann", "ann-1")
        wait_until(lambda: len(other.presence.connections("ann")) == 1)
    gone = other.presence.remove("ann", "ann-2")
    assert gone.status_changed
    visit(server)  # Over a new connection, which could not be made without answers.
    with lost_answers(server, proxy):
        assert not server.presence.add("ann", "ann-3").status_changed
        wait_until(lambda: other.presence.users() == ["ann"])
    return gone.version


@pytest.mark.parametrize("stays", [True, False])
def test_an_arrival_of_which_nobody_heard_is_reported(new_server: NewServer, proxy: TcpProxy, stays: bool) -> None:  # noqa: FBT001
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    version = lose_an_arrival(server, other, proxy)
    assert not other.presence.add("ann", "ann-4").status_changed
    if not stays:
        server.presence.remove("ann", "ann-3")
    server.start()
    wait_until(lambda: is_settled(server))
    assert [(told, user) for told, user, _ in server.told] == [("online", "ann")]
    assert server.told[0][2] > version
    assert other.told == []
    server.close()


def test_who_was_there_only_while_nobody_heard_is_offline_as_before(new_server: NewServer, client: Redis, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    lose_an_arrival(server, other, proxy)
    client.set("{flask_realtime}:settling", "1")
    server.presence.remove("ann", "ann-3")
    server.start()
    wait_until(lambda: is_settled(server))
    assert server.told == other.told == []
    assert other.presence.add("ann", "ann-4").status_changed
    server.close()


def test_an_arrival_is_not_reported_after_a_departure_of_which_nobody_heard(new_server: NewServer, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    assert server.presence.add("ann", "ann-1").status_changed
    visit(other)
    with lost_answers(server, proxy):
        assert not server.presence.remove("ann", "ann-1").status_changed
        wait_until(lambda: other.presence.users() == [])
    visit(server)
    with lost_answers(server, proxy):
        assert not server.presence.add("ann", "ann-2").status_changed
        wait_until(lambda: other.presence.users() == ["ann"])
    server.start()
    wait_until(lambda: is_settled(server))
    assert server.told == other.told == []
    server.close()


def test_an_arrival_told_with_a_clock_that_is_late_is_told_again(new_server: NewServer, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), new_server("b")
    server.presence.add("zed", "z1")
    other.presence.add("ann", "ann-1")
    gone = other.presence.remove("ann", "ann-1")
    server.lease.clock.set(server.lease.clock.now() - 400_000)  # As after an answer that took long.
    with lost_answers(server, proxy):
        came = server.presence.add("ann", "ann-2")
    assert came.status_changed
    assert came.version < gone.version
    server.start()
    wait_until(lambda: is_settled(server))
    assert [(told, user) for told, user, _ in server.told] == [("online", "ann")]
    assert server.told[0][2] > gone.version
    server.close()


def test_users_whose_reaping_was_not_answered_are_reported_when_it_is_repeated(redis: RedisServer, proxy: TcpProxy) -> None:
    with RemoteServer(redis.url, "dead", ttl=REMOTE_TTL) as dead:
        dead.call("presence", "add", ("ann", "c1"), ("bob", "c2"))
        dead.kill()
    server, other = FleetServer(url_of(proxy), "a"), FleetServer(redis.url, "b")
    assert server.presence.add("zed", "c3").status_changed
    assert Reap(other.lease).perform() is None  # From now on Redis knows the script.
    wait_until(lambda: server.presence.count() == 1)
    lose_answers(server, proxy)
    reap = Reap(server.lease)
    with pytest.raises(BackendUnavailable):
        reap.perform()
    proxy.lose_replies(lost=False)
    wait_until(lambda: server.link.is_up)
    assert Reap(other.lease).perform() is None
    assert sorted(report.user_id for report in reap.perform() or []) == ["ann", "bob"]
    assert reap.perform() is None
    for each in (server, other):
        each.close()


def test_users_whose_return_was_not_answered_are_reported_when_it_is_repeated(redis: RedisServer, proxy: TcpProxy) -> None:
    server, other = FleetServer(url_of(proxy), "a"), FleetServer(redis.url, "b")
    server.presence.add("ann", "c1")
    other.presence.add("bob", "c2")
    other.entries.leave_all_to_be_written()
    assert WriteLeft(other.entries).perform() == []  # From now on Redis knows the script.
    assert [report.user_id for report in Reap(other.lease, server.lease.name).perform() or []] == ["ann"]
    assert server.lease.renew() == REAPED
    server.lease.begin_anew(has_lost_data=False)
    server.entries.leave_all_to_be_written()
    assert server.lease.renew() == HELD
    lose_answers(server, proxy)
    write = WriteLeft(server.entries)
    with pytest.raises(BackendUnavailable):
        write.perform()
    wait_until(lambda: "ann" in other.presence.users())
    proxy.lose_replies(lost=False)
    wait_until(lambda: server.link.is_up)
    assert [(report.user_id, report.online) for report in write.perform() or []] == [("ann", True)]
    assert write.perform() is None
    for each in (server, other):
        each.close()


def test_what_redis_comes_to_too_late_is_not_done(redis: RedisServer, client: Redis) -> None:
    server = FleetServer(redis.url, "a")
    impatient = Lease(server.link, "a", patience=-1.0)
    with pytest.raises(BackendUnavailable, match="after its deadline"):
        impatient.run(scripts.add("ann", "c1", "0 "))
    assert not client.exists("{flask_realtime}:user:ann")
    server.close()


# Everything at once ----------------------------------------------------------------------------------------------------------


class World:
    """What somebody believes who hears every announcement and lets a late one lose."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, bool]] = {}

    def hear(self, user_id: str, version: int, *, online: bool) -> None:
        with self._lock:
            self._last[user_id] = max(self._last.get(user_id, (0, False)), (version, online))

    @property
    def online(self) -> set[str]:
        with self._lock:
            return {user_id for user_id, (_, is_online) in self._last.items() if is_online}


class Visitor:
    """Has connections come and go on one server, and tells the world."""

    def __init__(self, server: FleetServer, world: World, seed: int) -> None:
        self._server = server
        self._world = world
        self._random = random.Random(seed)
        self.connections: dict[str, str] = {}

    def act(self) -> None:
        """Have one connection come or go."""
        if self.connections and self._random.random() < 0.5:
            connection = self._random.choice(list(self.connections))
            user = self.connections.pop(connection)
            self._hear(user, self._server.presence.remove(user, connection), online=False)
        else:
            user, connection = f"user{self._random.randrange(8)}", f"c{self._random.getrandbits(64):x}"
            self.connections[connection] = user
            self._hear(user, self._server.presence.add(user, connection), online=True)
            self._server.conversations.join("7", user, connection)

    def _hear(self, user: str, change: Change, *, online: bool) -> None:
        if change.status_changed:
            self._world.hear(user, change.version, online=online)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_fails_in_the_end_everybody_believes_what_is_true(seed: int, redis: RedisServer, new_server: NewServer) -> None:
    world, chance = World(), random.Random(seed)
    with ExitStack() as stack:
        proxies = [stack.enter_context(TcpProxy(redis.port)) for _ in range(2)]
        servers = [new_server(name, url_of(proxy)) for name, proxy in zip("ab", proxies, strict=True)]
        visitors = [Visitor(server, world, seed + number) for number, server in enumerate(servers)]
        failures = [proxy.hold for proxy in proxies] + [proxy.lose_replies for proxy in proxies] + [redis.restart]
        for _ in range(6):
            for _ in range(25):
                chance.choice(visitors).act()
            fail = chance.choice(failures)
            if fail == redis.restart:  # What is unwritten when Redis forgets what is written may contradict it.
                wait_until(lambda: all(server.link.is_up and is_settled(server) for server in servers))
            fail()
            for _ in range(25):
                chance.choice(visitors).act()
            for proxy in proxies:
                proxy.release()
                proxy.lose_replies(lost=False)
        wait_until(lambda: all(server.link.is_up and is_settled(server) for server in servers))
        truth = {user for visitor in visitors for user in visitor.connections.values()}

        def believed() -> set[str]:
            for server in servers:
                for told, user, version in list(server.told):
                    world.hear(user, version, online=told == "online")
            return world.online

        wait_until(lambda: believed() == truth)
        for server in servers:
            assert set(server.presence.users()) == set(server.conversations.users("7")) == truth
            assert server.presence.count() == len(truth)
