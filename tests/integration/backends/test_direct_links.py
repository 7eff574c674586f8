"""Links between the servers of one machine, beside a real Redis that is frozen, killed and restarted empty."""

from __future__ import annotations

import os
import random
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.links import links as direct_links
from flask_realtime.backends.links import outbound
from flask_realtime.backends.links.greeting import INTEREST, Greeting
from flask_realtime.backends.links.links import DirectLinks
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.envelopes import read
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.socket_folder import SocketFolder
from tests.redis_server import RedisServer, wait_until
from tests.scripts import run_script
from tests.temporary_files import is_in_use

STREAM = "{flask_realtime}:events"
LONG = 3600.0


def event(
    value: Any,
    *,
    is_direct: bool = True,
    is_urgent: bool = False,
    parts: tuple[str | bytes, ...] = ("a packet",),
    rooms: tuple[str, ...] | None = None,
) -> Envelope:
    return Envelope("send", {"event": value}, parts, is_direct=is_direct, is_urgent=is_urgent, rooms=rooms)


class Server:
    """A server as far as the bus is concerned, linked to the others of its folder.

    Args:
        name: Its id.
        url: Where it finds Redis.
        folder: Where it finds the other servers.
        others: The ids of all servers.
        application: The application that it serves.
        options: How its bus works.
    """

    def __init__(
        self, name: str, url: str, folder: Path, others: list[str], application: str = "an application", **options: Any
    ) -> None:
        self.name = name
        self.redis = RedisLink(url, 0.3, max_pause=0.1)
        self.links = DirectLinks(SocketFolder(folder, os.geteuid()), application, lambda: others, 0.002)
        options = {"block": 0.1, "max_lag": LONG, **options}
        self.bus = RedisBus(self.redis, name, "flask_realtime", BusOptions(**options), self.links)
        self.received: list[Any] = []
        self.may_receive = threading.Event()
        self.may_receive.set()

    def start(self) -> Server:
        self.bus.start(self._receive)
        return self

    def end(self) -> None:
        self.may_receive.set()
        self.redis.close()
        self.bus.stop(0)

    def _receive(self, envelope: Envelope) -> None:
        self.may_receive.wait()
        if envelope.kind == "send":
            self.received.append(envelope.header["event"])


MakeServer = Callable[..., Server]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")  # Short: the path of a socket has no more than a hundred characters.


@pytest.fixture
def new_server(redis: RedisServer, folder: Path) -> Iterator[MakeServer]:
    """Makes servers that are the only ones, and ends them."""
    servers: list[Server] = []
    names: list[str] = []

    def make(name: str, *, url: str | None = None, **options: Any) -> Server:
        names.append(name)
        servers.append(Server(name, url or redis.url, folder, names, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.end()


def are_linked(*servers: Server) -> bool:
    """Return whether each reaches all others over links, after something that they might have to say has been said."""
    for server in servers:
        server.bus.publish(event(None))
    # One that began before the others takes itself for the only one for a moment.
    return all(server.links.reaches_all and len(server.links._outbound) >= len(servers) - 1 for server in servers)


@pytest.fixture
def two(new_server: MakeServer) -> tuple[Server, Server]:
    """Two servers that are linked."""
    ann, ben = new_server("ann", long_linger=LONG).start(), new_server("ben", long_linger=LONG).start()
    wait_until(lambda: are_linked(ann, ben))
    return ann, ben


def events_of(server: Server) -> list[Any]:
    return [value for value in server.received if value is not None]


def test_what_is_published_arrives_while_redis_gives_no_answer(two: tuple[Server, Server], redis: RedisServer) -> None:
    ann, ben = two
    redis.freeze()
    for number in range(100):
        ann.bus.publish(event(number))
        ben.bus.publish(event(number))
    wait_until(lambda: len(events_of(ann)) == len(events_of(ben)) == 100)
    assert events_of(ann) == events_of(ben) == list(range(100))
    redis.thaw()


@pytest.mark.parametrize("how", [{"is_direct": False}, {"is_urgent": True}])
def test_redis_gets_all_of_it_too_when_something_is_to_be_written_at_once(
    two: tuple[Server, Server], client: Redis, how: dict[str, Any]
) -> None:
    ann, ben = two
    numbers = count()

    def is_late() -> bool:
        """Return whether the next number reaches the other server before Redis; the first ones may be written with others."""
        number = next(numbers)
        ann.bus.publish(event(number))
        wait_until(lambda: number in ben.received)
        return number not in written(client, "ann")

    wait_until(is_late)
    last = next(numbers)
    ann.bus.publish(event(last, **how))
    wait_until(lambda: written(client, "ann") == list(range(last + 1)))
    wait_until(lambda: events_of(ben) == list(range(last + 1)))


def written(client: Redis, origin: str) -> list[Any]:
    """Return the events that a server has written to the stream."""
    found: Any = client.xrange(STREAM)
    entries = [read([part.encode() for field in fields.items() for part in field]) for _, fields in found]
    heads = [head for entry in entries if entry.origin == origin for head in entry.heads]
    return [header["event"] for kind, header, _ in heads if kind == "send" and header["event"] is not None]


def test_waiting_for_what_was_published_has_it_written(two: tuple[Server, Server], client: Redis) -> None:
    ann, _ = two
    ann.bus.publish(event(1))
    assert ann.bus.wait_sent(10)
    assert written(client, "ann") == [1]


def test_what_is_published_before_the_end_is_written(two: tuple[Server, Server], client: Redis) -> None:
    ann, ben = two
    ann.bus.publish(event(1))
    ann.bus.stop(5)
    assert written(client, "ann") == [1]
    wait_until(lambda: events_of(ben) == [1])


def test_the_order_is_that_of_publishing_whichever_way_each_takes(two: tuple[Server, Server]) -> None:
    ann, ben = two
    for number in range(300):
        ann.bus.publish(event(number, is_direct=number % 7 != 0))
    wait_until(lambda: len(events_of(ben)) == 300)
    assert events_of(ben) == list(range(300))


def test_what_is_too_large_for_a_link_takes_the_other_way(two: tuple[Server, Server]) -> None:
    ann, ben = two
    sizes = [10, direct_links.MAX_SIZE, direct_links.MAX_SIZE + 1, 3 * direct_links.MAX_SIZE, 10]
    for number, size in enumerate(sizes):
        ann.bus.publish(event(number, parts=("x" * size,)))
    ann.bus.wait_sent(10)
    wait_until(lambda: events_of(ben) == list(range(len(sizes))))


def test_a_server_that_comes_later_gets_what_is_published_from_then_on(
    two: tuple[Server, Server], new_server: MakeServer, redis: RedisServer
) -> None:
    ann, ben = two
    zoe = new_server("zoe", long_linger=LONG).start()
    ann.bus.publish(event("before"))
    wait_until(lambda: are_linked(ann, ben, zoe))
    redis.freeze()
    for number in range(20):
        ann.bus.publish(event(number))
    wait_until(lambda: len(events_of(zoe)) == 21)
    assert events_of(zoe) == events_of(ben) == ["before", *range(20)]
    redis.thaw()


def test_links_may_break_whenever_they_like(new_server: MakeServer) -> None:
    servers = [new_server(name, long_linger=0.05).start() for name in ("ann", "ben", "zoe")]
    wait_until(lambda: are_linked(*servers))
    moods = random.Random(15)
    for number in range(600):
        for server in servers:
            server.bus.publish(event((server.name, number), is_direct=moods.random() < 0.9))
            if moods.random() < 0.02:
                for link in tuple(server.links._outbound.values()):
                    link.close()
                server.links._met("somebody")
    for server in servers:
        wait_until(lambda: len(events_of(server)) >= 1200)  # noqa: B023 - called at once
        for other in servers:
            of_other = [number for name, number in events_of(server) if name == other.name]
            assert of_other == ([] if other is server else list(range(600)))


def test_redis_may_restart_empty_meanwhile(two: tuple[Server, Server], redis: RedisServer) -> None:
    ann, ben = two
    for number in range(200):
        if number in {50, 120}:
            redis.restart()
        ann.bus.publish(event(number, is_direct=number % 10 != 0))
    wait_until(lambda: len(events_of(ben)) == 200)
    assert events_of(ben) == list(range(200))
    assert ben.bus.lost == 0


def test_a_server_that_does_not_read_holds_up_little_and_gets_all_of_it_from_redis(
    new_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "MAX_BACKLOG", 50_000)
    ann, ben = new_server("ann", long_linger=0.05).start(), new_server("ben", long_linger=0.05).start()
    wait_until(lambda: are_linked(ann, ben))
    (link,) = ann.links._outbound.values()
    ben.may_receive.clear()
    for number in range(2000):
        ann.bus.publish(event(number, parts=("x" * 1000,)))
    wait_until(lambda: link.has_stalled and not ann.links.reaches_all)
    assert not link.has_backlog
    ben.may_receive.set()
    wait_until(lambda: len(events_of(ben)) == 2000)
    assert events_of(ben) == list(range(2000))


def test_what_a_server_does_not_read_for_long_is_dropped(new_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_STALL", 0.05)
    ann, ben = new_server("ann", long_linger=0.05).start(), new_server("ben", long_linger=0.05).start()
    wait_until(lambda: are_linked(ann, ben))
    (link,) = ann.links._outbound.values()
    ben.may_receive.clear()
    for number in range(600):
        ann.bus.publish(event(number, parts=("x" * 1000,)))
    wait_until(lambda: link.has_stalled)
    ben.may_receive.set()
    wait_until(lambda: len(events_of(ben)) == 600)
    assert events_of(ben) == list(range(600))


def test_a_server_on_another_machine_has_everything_written_at_once(
    new_server: MakeServer, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ann, ben = new_server("ann", long_linger=LONG).start(), new_server("ben", long_linger=LONG).start()
    wait_until(lambda: are_linked(ann, ben))
    far = Server("far", redis.url, tmp_path_factory.mktemp("m"), ["ann", "ben", "far"], long_linger=LONG).start()
    ann.links._server_ids = lambda: ["ann", "ben", "far"]
    wait_until(lambda: not ann.links.reaches_all)
    for number in range(20):
        ann.bus.publish(event(number))
    wait_until(lambda: len(events_of(far)) >= 20)
    assert events_of(far) == list(range(20))
    far.end()


def test_many_servers_on_other_machines_are_not_counted_all_the_time(new_server: MakeServer, folder: Path) -> None:
    ann = new_server("ann")
    counts: list[int] = []

    def all_servers() -> list[str]:
        counts.append(100)
        return ["ann", *(f"far {number}" for number in range(99))]

    ann.links._server_ids = all_servers
    ann.start()
    wait_until(lambda: counts != [])
    for _ in range(3):  # Each look finds a socket that a server has left.
        os.utime(abandoned_socket(folder, "gone"), (0, 0))
        ann.links._met("somebody")
        wait_until(lambda: len(list(folder.glob("*/links-*"))) == 1)
    assert counts == [100]


def test_another_application_is_not_linked(two: tuple[Server, Server], new_server: MakeServer) -> None:
    ann, _ = two
    other = new_server("other", application="another application").start()
    wait_until(lambda: not ann.links.reaches_all)
    ann.bus.publish(event(1))
    wait_until(lambda: events_of(other) == [1])
    assert list(other.links._outbound) == []
    assert list(ann.links._outbound) == ["ben"]


def socket_of(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"*/links-*-{name}")
    return path


def test_the_sockets_are_for_their_user_alone(two: tuple[Server, Server], folder: Path) -> None:
    path = socket_of(folder, "ann")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ann, _ = two
    ann.end()
    assert not path.exists()


def test_a_process_of_another_user_is_refused_on_either_side(
    two: tuple[Server, Server], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, _ = two
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(PermissionError):
        outbound.Outbound(socket_of(folder, "ann"), Greeting("any", "zoe"), lambda: None)
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(os.fspath(socket_of(folder, "ann")))
        assert link.recv(1) == b""
    monkeypatch.undo()
    assert ann.links.reaches_all


@pytest.mark.parametrize("data", [b"no greeting\n", b"x" * 1000, b'[1,"another","zoe"]\n', b""])
def test_whoever_does_not_greet_properly_is_refused(two: tuple[Server, Server], folder: Path, data: bytes) -> None:
    ann, ben = two
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(os.fspath(socket_of(folder, "ann")))
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    ben.bus.publish(event(1))
    wait_until(lambda: events_of(ann) == [1])


@pytest.mark.parametrize(
    "frame", [b"\xff" * 16, bytes(4) + b"\xff" * 12, bytes([0, 0, 0, 2, 0, 0, 0, 0]) + (10**6).to_bytes(8, "big") + b"[1"]
)
def test_a_link_that_brings_no_frames_is_ended(
    two: tuple[Server, Server], folder: Path, frame: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = two
    greeting = Greeting(ann.links._application, "ben")
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(10)
        link.connect(os.fspath(socket_of(folder, "ann")))
        link.sendall(greeting.encode() + frame)
        assert link.recv(2) == INTEREST
        assert link.recv(1) == b""
    wait_until(lambda: "is ended" in caplog.text)
    ben.bus.publish(event(1))
    wait_until(lambda: events_of(ann) == [1])


def test_the_socket_of_a_server_that_was_killed_is_removed(two: tuple[Server, Server], folder: Path) -> None:
    ann, ben = two
    new, old = abandoned_socket(folder, "new"), abandoned_socket(folder, "old")
    os.utime(old, (0, 0))
    ann.links._met("somebody")
    wait_until(lambda: not old.exists())
    assert new.exists()  # Its server may be about to listen.
    assert are_linked(ann, ben)


def abandoned_socket(folder: Path, name: str) -> Path:
    """A socket that a server has left."""
    path = socket_of(folder, "ann").with_name(socket_of(folder, "ann").name.replace("-ann", f"-{name}"))
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(os.fspath(path))
    return path


@pytest.mark.usefixtures("two")
def test_the_sockets_of_the_living_are_no_old_files(folder: Path) -> None:
    assert [is_in_use(socket_of(folder, name)) for name in ("ann", "ben")] == [True, True]


def test_a_socket_never_becomes_old(new_server: MakeServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_links, "KEEP_INTERVAL", 0.01)
    new_server("ann").start()
    os.utime(socket_of(folder, "ann"), (0, 0))
    wait_until(lambda: socket_of(folder, "ann").stat().st_mtime > 0)


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.parent.rename(path.parent.with_name("old"))])
def test_a_socket_that_somebody_removes_is_made_anew(
    new_server: MakeServer, folder: Path, remove: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_links, "KEEP_INTERVAL", 0.01)
    ann, ben = new_server("ann").start(), new_server("ben").start()
    wait_until(lambda: are_linked(ann, ben))
    path = socket_of(folder, "ann")
    remove(path)
    wait_until(lambda: path.exists() and stat.S_IMODE(path.stat().st_mode) == 0o600)
    zoe = new_server("zoe").start()
    wait_until(lambda: are_linked(ann, ben, zoe))
    ann.end()
    wait_until(lambda: not path.exists())


def test_without_a_folder_events_take_the_message_queue(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = tmp_path / "missing"
    ann, ben = (Server(name, redis.url, missing, ["ann", "ben"]).start() for name in ("ann", "ben"))
    ann.bus.publish(event(1))
    wait_until(lambda: events_of(ben) == [1])
    assert "cannot be linked directly" in caplog.text
    for server in (ann, ben):
        server.end()


FORKED = """
import os, sys
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.links.links import DirectLinks
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.socket_folder import SocketFolder
from pathlib import Path
from tests.redis_server import wait_until

def server(name):
    links = DirectLinks(SocketFolder(Path(sys.argv[2]), os.geteuid()), "an application", lambda: ["ann", "ben"], 0.002)
    return links, RedisBus(RedisLink(sys.argv[1]), name, links=links)

def linked():
    for bus in (ann, ben):
        bus.publish(Envelope("send", {}, is_direct=True))
    return ann_links.reaches_all and ben_links.reaches_all

(ann_links, ann), (ben_links, ben) = server("ann"), server("ben")
heard = []
ann.start(lambda envelope: None)
ben.start(lambda envelope: heard.append(envelope.header.get("text")))
wait_until(linked)
child = os.fork()
if child == 0:
    heard.clear()
    ann.start(lambda envelope: None)
    wait_until(lambda: len(ann_links._outbound) == 2)  # To both servers of the parent.
    ann.publish(Envelope("send", {"text": "from the child"}, is_direct=True))
    os._exit(0 if ann.wait_sent(10) and heard == [] else 1)
_, status = os.waitpid(child, 0)
wait_until(lambda: "from the child" in heard)
assert linked()
ann.publish(Envelope("send", {"text": "from the parent"}, is_direct=True))
wait_until(lambda: "from the parent" in heard)
sys.exit(status != 0)
"""


def test_a_forked_child_has_links_of_its_own(redis: RedisServer, folder: Path) -> None:
    run_script(FORKED, redis.url, str(folder))
