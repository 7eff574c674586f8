"""Leases and events that are kept in files: what a successor finds, wherever its predecessor was killed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import pytest

from flask_realtime.backends.segments import SegmentFolder
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.gateway.recovery.history import Entry, History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.kept import KeptLeases
from flask_realtime.gateway.recovery.leases import Lease, Leases, new_lease
from flask_realtime.gateway.recovery.offsets import Offsets
from tests.clock import Clock

WINDOW = 120.0
LOGGER = "flask_realtime.gateway.recovery.kept"


class Heard:
    """A client's receiver, to which everything has arrived that was sent before a time."""

    def __init__(self, acknowledged_at: float) -> None:
        self.acknowledged_at = acknowledged_at


class Server:
    """A server that keeps its leases in a folder.

    Args:
        path: The folder.
        name: Its name, in offsets.
        max_bytes: Bytes of events that are kept.
        clock: The wall clock.
    """

    def __init__(self, path: Path, name: str = "a", max_bytes: int = 100_000, clock: Clock | None = None) -> None:
        leases = Leases(WINDOW, 20, monotonic)
        self.journal = Journal(leases, History(max_bytes, WINDOW + 45, monotonic), Offsets(name))
        self.journal.await_serving()
        self.tick: Callable[[], None] = lambda: None
        self.next_deadline: Callable[[], float | None] = lambda: None
        self.clock = clock or Clock()
        self.folder = SegmentFolder(path, max_bytes)
        self.slept = 0
        self.logged: list[str] = []
        about = (self.folder, self.journal, WINDOW, WINDOW + 45, self._sleep, self._new_timer, self.logged.append)
        self.kept = KeptLeases(*about, wall_clock=lambda: self.clock.now)

    def serve(self) -> Server:
        self.kept.begin()
        return self

    def die(self) -> None:
        """End as the process does: its files are closed, and its lock is free."""
        self.kept.release()

    def enter(self, user: str, *rooms: str) -> tuple[Lease, str]:
        lease, pid = new_lease(f"sid-{user}", user, self.journal.last)
        self.kept.open(lease, f"user:{user}", "token")
        self.journal.leases.add(lease)
        lease.connection = SimpleNamespace(identity=SimpleNamespace(claims={"jti": "token"}))
        for room in rooms:
            lease.enter(room, self.journal.last)
        return lease, pid

    def send(self, text: str, room: str | None, logged: str | None = None) -> str:
        """Send an event as `Rooms.send` does, and return its offset."""
        message = OutboundMessage([f'2["said","{text}"]'])
        message.logged = logged
        if self.journal.demand:
            with self.journal.turn:
                self.journal.record(message, room, (), None)
        return message.offset or ""

    def missed(self, pid: str, user: str, offset: str) -> list[str] | None:
        """Return the texts that a client has missed that comes back, or None for a gap."""
        lease, number = self.journal.leases.find(pid, user), self.journal.offsets.number(offset)
        if lease is None or number is None or not self.journal.history.is_complete_since(number, lease.arrived_at()):
            return None
        return [text_of(entry) for entry in self.journal.history.since(number) if lease.gets(entry)]

    def _sleep(self, _seconds: float) -> None:
        self.slept += 1
        self.tick()

    def _new_timer(self, next_deadline: Callable[[], float | None], tick: Callable[[], None]) -> Server:
        self.next_deadline, self.tick = next_deadline, tick
        return self

    def wake(self) -> None:
        """Do nothing: the tests tick."""


def text_of(entry: Entry) -> str:
    return str(entry.parts[0]).split('"')[3]


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.log"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "realtime"


def test_nothing_is_written_before_the_first_client_that_may_come_back(path: Path) -> None:
    server = Server(path).serve()
    server.send("nobody", None)
    assert not path.parent.exists()
    server.enter("ann")
    assert [file.stat().st_mode & 0o777 for file in (path, *segments(path), path / "lock")] == [0o700, 0o600, 0o600]
    server.die()


def test_whatever_was_sent_is_there_wherever_the_server_is_killed(path: Path, tmp_path: Path) -> None:
    server = Server(path).serve()
    (_, ann), (_, bob) = server.enter("ann", "blue"), server.enter("bob", "red")
    start = server.journal.position()
    offsets = {}
    for number in range(6):
        room = ("blue", "red", None)[number % 3]
        offsets[number] = server.send(str(number), room)
    server.die()
    (segment,) = segments(path)
    written = segment.read_bytes()
    assert written.endswith(b"\n")
    first = written.index(b'["e"')
    for end in range(first, len(written) + 1):
        copy = tmp_path / f"copy-{end}"
        shutil.copytree(path, copy)
        segments(copy)[0].write_bytes(written[:end] + bytes(100))  # The space that it had taken is there still.
        sent = written[:end].count(b"\n") - written[:first].count(b"\n")
        successor = Server(copy, "b").serve()
        for has in range(-1, sent):
            offset = start if has < 0 else offsets[has]
            missing = range(has + 1, sent)
            assert successor.missed(ann, "ann", offset) == [str(number) for number in missing if number % 3 != 1]
            assert successor.missed(bob, "bob", offset) == [str(number) for number in missing if number % 3 != 0]
        successor.die()


def test_what_the_successor_sends_is_missed_too_and_so_on_from_server_to_server(path: Path) -> None:
    server = Server(path, "server-0").serve()
    _, pid = server.enter("ann", "blue")
    offset = server.send("0", "blue")
    for number in range(1, 6):
        server.die()
        server = Server(path, f"server-{number}").serve()
        assert server.send(str(number), "blue")
    assert server.missed(pid, "ann", offset) == ["1", "2", "3", "4", "5"]
    assert server.missed(pid, "bob", offset) is None
    assert server.missed("another", "ann", offset) is None
    assert server.missed(pid, "ann", "server-9.0") is None
    server.die()


def test_rooms_that_were_left_and_leases_that_ended_are_so_for_the_successor(path: Path) -> None:
    server = Server(path).serve()
    (ann, of_ann), (bob, of_bob) = server.enter("ann", "blue", "red"), server.enter("bob", "blue")
    start = server.journal.position()
    ann.leave_room("red")
    bob.end()
    server.die()
    successor = Server(path, "b").serve()
    successor.send("1", "blue")
    successor.send("2", "red")
    assert successor.missed(of_ann, "ann", start) == ["1"]
    assert successor.missed(of_bob, "bob", start) is None
    successor.die()


def test_the_time_to_come_back_goes_on_over_a_restart(path: Path) -> None:
    clock = Clock()
    server = Server(path, clock=clock).serve()
    (lost, of_lost), (back, of_back), (there, of_there) = (server.enter(user) for user in ("lost", "back", "there"))
    start = server.journal.position()
    for lease in (lost, back):
        server.journal.leases.lose(lease, "token")
        server.kept.lost(lease)
    there.connection.identity.claims["jti"] = "a new one"
    clock.now += WINDOW - 1
    server.kept.resumed(back, "another", 0)
    server.tick()
    server.die()
    clock.now += 2
    successor = Server(path, "b", clock=clock).serve()
    assert [successor.missed(pid, user, start) for pid, user in ((of_lost, "lost"), (of_back, "back"), (of_there, "there"))] == [
        None,
        [],
        [],
    ]
    assert {lease.token_id for lease in successor.journal.leases.lost()} == {"another", "a new one"}
    successor.die()
    clock.now += WINDOW + 60
    late = Server(path, "c", clock=clock).serve()
    assert late.missed(of_there, "there", start) is None
    late.die()


def test_it_is_known_when_the_server_was_alive_also_where_nobody_was_there_before(path: Path) -> None:
    clock = Clock()
    server = Server(path, clock=clock).serve()
    server.enter("ann")[0].end()
    server.journal.leases.by_key.clear()
    assert server.next_deadline() is not None
    clock.now += 10 * WINDOW
    server.tick()
    _, pid = server.enter("ben")
    start = server.journal.position()
    server.die()
    successor = Server(path, "b", clock=clock).serve()
    assert successor.missed(pid, "ben", start) == []
    successor.die()


def test_lines_of_another_kind_than_expected_do_not_keep_the_server_from_serving(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(path).serve()
    lease, _ = server.enter("ann")
    server.die()
    (segment,) = segments(path)
    segment.write_bytes(segment.read_bytes().replace(lease.key.hex().encode(), b"no key"))
    successor = Server(path, "b").serve()
    assert "what was kept there cannot be used" in caplog.text
    assert segments(path) == []
    _, pid = successor.enter("ben")
    start = successor.journal.position()
    successor.send("1", None)
    assert successor.missed(pid, "ben", start) == ["1"]


def test_a_client_that_is_quiet_is_not_told_of_a_gap_by_what_others_were_sent(path: Path) -> None:
    server = Server(path, max_bytes=20_000).serve()
    (quiet, of_quiet), (silent, of_silent) = server.enter("quiet"), server.enter("silent")
    start = server.journal.position()
    silent.receiver = Heard(0.0)
    for _ in range(2_000):
        server.send("x" * 50, "user:somebody")
        quiet.receiver = Heard(monotonic())
    server.die()
    assert sum(file.stat().st_size for file in segments(path)) < 50_000
    successor = Server(path, "b", max_bytes=20_000).serve()
    assert successor.missed(of_quiet, "quiet", start) == []
    assert successor.missed(of_silent, "silent", start) is None
    successor.die()


def test_a_successor_waits_for_its_predecessor_and_keeps_what_is_sent_meanwhile(path: Path) -> None:
    old = Server(path, "old").serve()
    _, pid = old.enter("ann")
    start = old.journal.position()
    new = Server(path, "new").serve()
    _, of_bob = new.enter("bob")
    between = new.send("2", None)
    old.send("1", "user:ann")
    assert new.missed(pid, "ann", start) is None
    old.die()
    looks_at = new.next_deadline()
    assert looks_at is not None
    assert looks_at == new.next_deadline()
    new.kept.wait_for_predecessor()
    assert new.slept == 1
    assert (new.next_deadline() or 0.0) > looks_at + 1
    assert new.missed(pid, "ann", start) == ["1", "2"]
    new.send("3", None)
    assert new.missed(of_bob, "bob", between) == ["3"]
    new.die()
    third = Server(path, "third").serve()
    assert third.missed(pid, "ann", start) == ["1", "2", "3"]
    assert third.missed(of_bob, "bob", between) == ["3"]
    third.die()


def test_who_waits_in_vain_says_so_and_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = Server(path, "old").serve()
    _, pid = old.enter("ann")
    new = Server(path, "new").serve()
    new.kept._waits_until = monotonic() - 1
    old.kept.begin_to_leave()
    new.tick()
    assert new.journal.demand  # A predecessor that is about to leave is given more time.
    new.kept._waits_until = monotonic() - 60
    new.kept.wait_for_predecessor()
    assert not new.journal.demand
    assert "another process keeps its own there" in caplog.text
    start = new.journal.position()
    _, of_bob = new.enter("bob")
    new.send("1", None)
    assert new.missed(of_bob, "bob", start) == ["1"]
    assert old.missed(pid, "ann", old.journal.position()) == []
    old.die()


def test_what_a_successor_sent_that_died_while_it_waited_is_a_gap(path: Path) -> None:
    old = Server(path, "old").serve()
    _, pid = old.enter("ann")
    start = old.journal.position()
    died = Server(path, "died").serve()
    died.send("1", "user:ann")
    died.die()
    old.die()
    new = Server(path, "new").serve()
    assert new.missed(pid, "ann", start) is None
    _, of_bob = new.enter("bob")
    start = new.journal.position()
    new.die()
    last = Server(path, "last").serve()
    assert last.missed(of_bob, "bob", start) == []
    last.die()


def test_one_of_several_workers_leaves_nothing(path: Path) -> None:
    server = Server(path).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    server.kept.give_up()
    server.send("1", "user:ann")
    assert server.missed(pid, "ann", start) == ["1"]
    assert segments(path) == []
    assert server.folder.acquire()
    server.die()


def test_a_forked_child_leaves_the_files_to_its_parent(path: Path) -> None:
    server = Server(path).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    child = multiprocessing.get_context("fork").Process(target=lambda: server.send("of the child", "user:ann"))
    child.start()
    child.join()
    server.send("1", "user:ann")
    assert not SegmentFolder(path, 1).acquire()
    server.die()
    successor = Server(path, "b").serve()
    assert successor.missed(pid, "ann", start) == ["1"]
    successor.die()


def test_what_was_sent_before_the_server_served_is_a_gap(path: Path) -> None:
    old = Server(path, "old").serve()
    _, pid = old.enter("ann")
    start = old.journal.position()
    old.die()
    new = Server(path, "new")
    new.send("too early", None)
    new.serve()
    assert new.missed(pid, "ann", start) is None
    new.die()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b'["server",1,', b'["server",2,'),
        lambda text: text.replace(b'["e",', b'["f",'),
        lambda text: text.replace(b'["e",', b"[", 1),
        lambda text: text[:40] + b"\x00" * 40 + text[80:],
        lambda text: text + text.splitlines(keepends=True)[-1],
        lambda text: text.partition(b"\n")[2],
    ],
)
def test_what_cannot_be_read_is_dropped_and_said(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(path).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    server.send("1", None)
    server.send("2", None)
    server.die()
    (segment,) = segments(path)
    segment.write_bytes(damage(segment.read_bytes()))
    successor = Server(path, "b").serve()
    assert successor.missed(pid, "ann", start) is None
    assert f"What was kept in {path} for connections to be recovered was dropped" in caplog.text
    _, of_bob = successor.enter("bob")
    start = successor.journal.position()
    successor.send("3", None)
    successor.die()
    third = Server(path, "c").serve()
    assert third.missed(of_bob, "bob", start) == ["3"]
    third.die()


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """Lets no file of this process grow beyond some bytes."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_ends_it_with_a_line_and_nothing_incomplete_is_found(
    path: Path, full_disk: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(path, max_bytes=20_000).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    full_disk(5_000)
    sent: list[str] = []
    while segments(path):
        sent.append(f"{len(sent)} {'x' * 1_000}")
        server.send(sent[-1], None)
    sent.append("and on")
    server.send("and on", None)
    assert [record.levelno for record in caplog.records if record.name == LOGGER] == [logging.WARNING]
    assert "Set REALTIME_RECOVERY_FOLDER" in caplog.text
    assert server.missed(pid, "ann", start) == sent
    server.die()


def test_a_folder_that_others_may_write_to_is_not_used(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)
    path.chmod(0o777)
    server = Server(path).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    server.send("1", None)
    assert f"{path} cannot be used: others may write to it." in caplog.text
    assert segments(path) == []
    assert server.missed(pid, "ann", start) == ["1"]


def test_a_room_whose_name_is_no_text_ends_what_a_successor_could_do(path: Path) -> None:
    server = Server(path).serve()
    lease, pid = server.enter("ann")
    start = server.journal.position()
    lease.enter(("a", 1), server.journal.last)
    server.send("1", None)
    assert server.missed(pid, "ann", start) == ["1"]
    server.die()
    successor = Server(path, "b").serve()
    assert successor.missed(pid, "ann", start) is None
    successor.die()


def test_files_take_their_space_where_the_system_has_no_call_for_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    server = Server(path, max_bytes=5_000_000).serve()
    _, pid = server.enter("ann")
    start = server.journal.position()
    assert segments(path)[0].stat().st_blocks * 512 >= 2_500_000
    server.send("1", None)
    server.die()
    successor = Server(path, "b").serve()
    assert successor.missed(pid, "ann", start) == ["1"]
    successor.die()


def test_a_successor_knows_which_events_of_the_log_were_sent(path: Path) -> None:
    first = Server(path).serve()
    _, pid = first.enter("ann")
    offset = first.send("one", None, logged="1-7.0")
    first.send("two", None)
    first.send("three", None, logged="2-7.0")
    first.die()
    second = Server(path, "b").serve()
    assert second.logged == ["1-7.0", "2-7.0"]
    assert second.missed(pid, "ann", offset) == ["two", "three"]
    second.die()
