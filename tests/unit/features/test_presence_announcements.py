"""Which changes of users' presence are announced, and when."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.features.presence.announcements import Announcement, Announcements
from tests.clock import Clock

MINUTE = 60.0


class Server:
    """One server's announcements, and what it announced, with the time."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.announcements = Announcements(clock, threading.Lock())
        self.said: list[tuple[float, bool]] = []
        self.others: list[Server] = []

    def change(self, version: int, *, online: bool) -> None:
        announced = self.announcements.changed("ann", online=online, version=version)
        if announced:
            self.said.append((self.clock.now, online))
        self._pass_on(version, online=online, announced=announced)

    def tick(self) -> None:
        """Do what is due."""
        for user_id in self.announcements.take_due():
            due = self.announcements.release(user_id)
            if due is None:
                continue
            self.said.append((self.clock.now, due.online))
            self._pass_on(due.version, online=due.online, announced=True)

    def _pass_on(self, version: int, *, online: bool, announced: bool) -> None:
        for other in self.others:
            other.announcements.heard("ann", online=online, version=version, announced=announced)


def advance(clock: Clock, seconds: float, *servers: Server) -> None:
    """Let time go by in tenths of a second."""
    for _ in range(round(seconds * 10)):
        clock.now += 0.1
        for server in servers:
            server.tick()


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(start <= time <= start + MINUTE for time in times) for start in times)


def test_a_few_changes_are_announced_at_once(clock: Clock) -> None:
    server = Server(clock)
    for version in range(6):
        server.change(version, online=version % 2 == 0)
    assert [online for _, online in server.said] == [True, False] * 3
    assert server.announcements.next_deadline() is None


@pytest.mark.parametrize("cycles", [100, 101, 1000])
def test_one_who_comes_and_goes_without_end_is_announced_twelve_times_a_minute_at_most(clock: Clock, cycles: int) -> None:
    server, online = Server(clock), True
    for version in range(cycles):
        server.change(version, online=online)
        online = not online
        advance(clock, 0.3, server)
    assert most_in_a_minute([at for at, _ in server.said]) <= 12
    assert len(server.said) >= cycles * 0.3 / MINUTE * 5, "nor is it ever silent"
    advance(clock, 10.1, server)
    assert server.said[-1][1] is not online, "the last state is known within ten seconds"
    pairs = zip(server.said, server.said[1:], strict=False)
    assert all(one[1] != other[1] or other[0] - one[0] > 1 for one, other in pairs), "each is news, or was delayed"


def test_the_latest_status_is_known_with_its_version(clock: Clock) -> None:
    server = Server(clock)
    assert server.announcements.latest("ann") == (None, -1)
    server.change(7, online=True)
    assert server.announcements.latest("ann") == (True, 7)


def test_a_change_back_to_what_was_announced_is_announced_once_for_whoever_asked_meanwhile(clock: Clock) -> None:
    server = Server(clock)
    for version in range(8):
        server.change(version, online=version % 2 == 0)
    assert len(server.said) == 6
    advance(clock, 10.2, server)
    assert [online for _, online in server.said[6:]] == [False]
    advance(clock, MINUTE, server)
    assert len(server.said) == 7


def test_an_absence_is_told_once_it_is_announced(clock: Clock) -> None:
    server = Server(clock)
    assert server.announcements.is_absence_told("ann"), "of whom nothing is known"
    for version in range(6):
        server.change(version, online=version % 2 == 0)
        assert server.announcements.is_absence_told("ann") is (version % 2 == 1)
    server.change(6, online=True)
    server.change(7, online=False)
    assert not server.announcements.is_absence_told("ann"), "it is delayed"
    advance(clock, 10.2, server)
    assert server.announcements.is_absence_told("ann")


def test_one_who_is_quiet_is_forgotten(clock: Clock) -> None:
    announcements = Announcements(clock, threading.Lock())
    for number in range(100):
        assert announcements.changed(f"user-{number}", online=True, version=number)
    clock.now += MINUTE
    assert announcements.changed("late", online=True, version=1)
    assert len(announcements) == 1


def test_a_change_that_is_older_than_a_known_one_is_not_announced(clock: Clock) -> None:
    announcements = Announcements(clock, threading.Lock())
    announcements.heard("ann", online=True, version=7, announced=True)
    assert not announcements.changed("ann", online=False, version=6)
    assert announcements.next_deadline() is None


def test_an_announcement_of_another_server_that_was_overtaken_is_put_right(clock: Clock) -> None:
    server = Server(clock)
    server.change(1, online=True)
    server.change(3, online=True)
    said = len(server.said)
    server.announcements.heard("ann", online=False, version=2, announced=True)
    advance(clock, 1, server)
    assert len(server.said) == said, "it is late, and everybody knows"
    server.announcements.heard("ann", online=False, version=4, announced=True)
    server.announcements.heard("ann", online=True, version=5, announced=False)
    advance(clock, 15, server)
    assert [online for _, online in server.said[said:]] == [True]


def test_another_server_announces_what_one_that_is_gone_held_back(clock: Clock) -> None:
    dying, other = Server(clock), Server(clock)
    dying.others = [other]
    for version in range(7):
        dying.change(version, online=version % 2 == 0)
    assert (len(dying.said), other.said) == (6, [])
    advance(clock, 13, other)
    assert [online for _, online in other.said] == [True]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 3)), min_size=1, max_size=150))
def test_on_several_servers_the_last_state_is_announced_and_not_too_often(steps: list[tuple[int, float]]) -> None:
    clock = Clock(1000.0)
    servers = [Server(clock) for _ in range(4)]
    said: list[tuple[float, bool]] = []
    for server in servers:
        server.others, server.said = [other for other in servers if other is not server], said
    online = False
    for version, (index, pause) in enumerate(steps):
        online = not online
        servers[index].change(version, online=online)
        advance(clock, pause, *servers)
    advance(clock, 15, *servers)
    assert said[-1][1] is online
    assert most_in_a_minute([at for at, _ in said]) <= 12


def test_what_is_due_says_the_latest_state_with_its_version(clock: Clock) -> None:
    announcements = Announcements(clock, threading.Lock())
    for version in range(9):
        announcements.changed("ann", online=version % 2 == 0, version=version)
    deadline = announcements.next_deadline()
    assert deadline is not None
    assert announcements.take_due() == []
    clock.now = deadline + 0.1
    assert announcements.take_due() == ["ann"]
    assert announcements.release("ann") == Announcement("ann", online=True, version=8)
    assert announcements.release("ann") is None, "once"


def test_what_all_servers_together_have_no_allowance_for_is_held_back(clock: Clock) -> None:
    announcements = Announcements(clock, threading.Lock())
    assert announcements.changed("ann", online=True, version=1)
    assert not announcements.changed("ann", online=False, version=2, hold=5)
    clock.now += 5
    assert announcements.take_due() == ["ann"]
    announcements.hold("ann", 3)
    assert announcements.release("ann") is None
    clock.now += 3
    assert announcements.take_due() == ["ann"]
    assert announcements.changed("ann", online=True, version=3), "back before it was announced"
    assert announcements.release("ann") is None, "once"
