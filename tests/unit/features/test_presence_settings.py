"""What users set of their presence, what every server remembers of it, and when it is written and announced."""

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from flask_realtime.backends.base import BackendUnavailable, PresenceEntry
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord
from flask_realtime.contract.records import Stored
from flask_realtime.features.presence.change_queue import ChangeQueue
from flask_realtime.features.presence.deadlines import Deadlines
from flask_realtime.features.presence.events import set_presence
from flask_realtime.features.presence.idle_devices import IdleDevices, is_away
from flask_realtime.features.presence.last_seen import BATCH, DELAY, LastSeen
from flask_realtime.features.presence.recorded_settings import SEEN_TTL, SeenHere
from flask_realtime.features.presence.settings import PLAIN, PresenceSettings, is_text
from flask_realtime.features.presence.visibility import Visibility
from tests.clock import Clock

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
BUSY = PresenceSettings("busy", "there", NOON + timedelta(hours=1), version=3)
HIDDEN = PresenceSettings("invisible", version=1)


class Now:
    """A time of day that the test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def visibility(now: Now) -> Visibility:
    """One that has been loaded, and knows of nobody."""
    visibility = Visibility(now, threading.Lock())
    visibility.load(list)
    return visibility


def test_settings_are_over_at_their_time() -> None:
    assert BUSY.at(NOON) is BUSY
    over = BUSY.at(NOON + timedelta(hours=1))
    assert over == PresenceSettings(version=3)
    assert over.is_plain
    assert PLAIN.at(NOON) is PLAIN


def test_plain_online_has_no_end() -> None:
    assert PLAIN.with_state("online", None, NOON).until is None
    assert PLAIN.with_state("online", "text", NOON).until == NOON
    assert PLAIN.with_state("away", None, NOON).until == NOON


def test_privacy_is_changed_one_by_one() -> None:
    silent = PLAIN.with_privacy(send_typing=False, send_receipts=None)
    assert (silent.sends_typing, silent.sends_receipts) == (False, True)
    both = silent.with_privacy(send_typing=None, send_receipts=False)
    assert (both.sends_typing, both.sends_receipts) == (False, False)
    assert [one.is_exception for one in (PLAIN, silent, PLAIN.with_privacy(send_typing=None, send_receipts=False), BUSY)] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("settings", [PLAIN, BUSY, HIDDEN, PresenceSettings(sends_typing=False, sends_receipts=False, version=9)])
def test_settings_are_the_same_after_json(settings: PresenceSettings) -> None:
    assert PresenceSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["", "a" * 100, "Zoë ☃ 👩‍🚀 日本", "-"])
def test_a_text_is_one_printable_line(text: str) -> None:
    assert is_text(text)


@pytest.mark.parametrize("text", ["a" * 101, "\n", "a\0", "\u202e", "\ud800", "\x1b[0m", "\u2028"])
def test_anything_else_is_none(text: str) -> None:
    assert not is_text(text)


def test_an_empty_text_is_no_text_and_a_time_is_taken_to_utc() -> None:
    wanted = set_presence("busy", "  ", "2999-01-01T02:00:00+02:00")
    assert wanted == ("busy", None, datetime(2999, 1, 1, tzinfo=timezone.utc))
    assert set_presence("busy", "", "2999-01-01T00:00:00.5Z").until == datetime(2999, 1, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc)


def test_nobody_is_visible_before_the_settings_are_known(now: Now) -> None:
    visibility = Visibility(now, threading.Lock())
    assert (visibility.is_hidden("ann"), visibility.is_silent("ann")) == (True, True)
    assert visibility.visible(["ann", "ben"], "ben") == {"ben"}
    with pytest.raises(LookupError):
        visibility.load(_failing)
    assert visibility.is_hidden("ann")
    visibility.load(lambda: [("ben", HIDDEN)])
    assert visibility.visible(["ann", "ben", "cat"]) == {"ann", "cat"}


def _failing() -> Iterable[tuple[str, PresenceSettings]]:
    raise LookupError


def test_whoever_is_invisible_is_hidden_from_others_until_their_time(visibility: Visibility, now: Now) -> None:
    assert visibility.note("ann", PresenceSettings("invisible", until=NOON + timedelta(minutes=1), version=1))
    assert (visibility.is_hidden("ann"), visibility.is_silent("ann")) == (True, True)
    assert visibility.visible(["ann"], "ann") == {"ann"}
    assert visibility.ends() == {"ann": NOON + timedelta(minutes=1)}
    now.at += timedelta(minutes=1)
    assert (visibility.is_hidden("ann"), visibility.is_silent("ann")) == (False, False)
    assert visibility.settings("ann").is_plain
    assert visibility.kept("ann").is_invisible


def test_whoever_sends_no_typing_is_silent_and_visible(visibility: Visibility) -> None:
    visibility.note("ann", PresenceSettings(sends_typing=False, version=1))
    assert (visibility.is_hidden("ann"), visibility.is_silent("ann")) == (False, True)


def test_news_that_come_late_change_nothing(visibility: Visibility) -> None:
    assert visibility.note("ann", PresenceSettings("busy", version=5))
    assert not visibility.note("ann", PresenceSettings("invisible", version=5))
    assert visibility.note("ann", PresenceSettings(version=6))
    assert len(visibility) == 0
    assert not visibility.note("ann", PresenceSettings("invisible", version=4)), "after the user is plain again, too"
    assert not visibility.is_hidden("ann")


def test_what_is_not_kept_any_more_is_forgotten_unless_it_was_set_meanwhile(visibility: Visibility) -> None:
    visibility.note("ann", PresenceSettings("busy", version=5))
    visibility.note("ben", HIDDEN)

    def read() -> Iterable[tuple[str, PresenceSettings]]:
        visibility.note("cat", HIDDEN)
        return [("ben", PresenceSettings("away", version=2)), ("cat", PresenceSettings("away", version=0))]

    visibility.load(read)
    assert [visibility.kept(name).state for name in ("ann", "ben", "cat")] == ["online", "away", "invisible"]
    visibility.load(list)
    assert len(visibility) == 0


def test_deadlines_are_taken_in_order() -> None:
    deadlines = Deadlines(threading.Lock())
    assert deadlines.next_deadline() is None
    for key, at in (("a", 3.0), ("b", 1.0), ("c", 2.0), ("a", 0.5)):
        deadlines.set(key, at)
    deadlines.drop("c")
    deadlines.drop("unknown")
    assert (len(deadlines), deadlines.next_deadline()) == (2, 0.5)
    assert deadlines.take_due(1.0) == ["a", "b"]
    assert deadlines.take_due(9.0) == []


class Devices:
    """Idle devices of a few connections."""

    def __init__(self) -> None:
        self.users = MemoryConnectedUsers()
        self.idle = IdleDevices(MemoryRecord(60.0), self.users.connections)

    def connect(self, *connections: str) -> None:
        for connection in connections:
            self.users.add("ann", connection)


def test_a_user_is_away_when_every_device_is_idle() -> None:
    devices = Devices()
    devices.connect("phone", "laptop")
    assert not devices.idle.note("ann", "phone", idle=True)
    assert devices.idle.away(["ann", "ben"]) == set()
    assert devices.idle.note("ann", "laptop", idle=True)
    assert devices.idle.away(["ann", "ben"]) == {"ann"}
    assert not devices.idle.note("ann", "laptop", idle=True), "again"
    assert devices.idle.note("ann", "phone", idle=False)
    assert devices.idle.away(["ann"]) == set()
    assert devices.idle.idle("ann") == {"laptop"}


def test_devices_that_are_gone_count_no_more() -> None:
    devices = Devices()
    devices.connect("phone", "laptop")
    assert not devices.idle.note("ann", "phone", idle=True)
    devices.users.remove("ann", "laptop")
    assert devices.idle.away(["ann"]) == {"ann"}
    assert devices.idle.recheck("ann")
    assert not devices.idle.recheck("ann")
    devices.connect("tablet")
    assert devices.idle.away(["ann"]) == set()
    assert devices.idle.recheck("ann")


def test_whoever_was_offline_meanwhile_becomes_away_anew() -> None:
    devices = Devices()
    devices.connect("phone")
    assert devices.idle.note("ann", "phone", idle=True)
    devices.users.remove("ann", "phone")
    devices.connect("laptop")
    assert devices.idle.away(["ann"]) == set()
    assert devices.idle.note("ann", "laptop", idle=True), "it was not away any more"


def test_without_connections_nobody_is_away() -> None:
    assert not is_away(set(), ["phone"])
    assert not is_away({"phone"}, [])
    assert not Devices().idle.recheck("ann")


class Broken(MemoryRecord):
    """A record that cannot be reached."""

    def get(self, record_id: str) -> Stored:
        raise BackendUnavailable(record_id)


def test_while_redis_is_away_nobody_else_is() -> None:
    devices = IdleDevices(Broken(60.0), lambda _user_id: [PresenceEntry("phone", "", 0.0)])
    assert (devices.idle("ann"), devices.away(["ann"]), devices.recheck("ann")) == (frozenset(), set(), False)


@pytest.fixture
def last_seen(now: Now, clock: Clock) -> LastSeen:
    return LastSeen(now, clock, threading.Lock())


def test_times_are_written_together_after_a_while(last_seen: LastSeen, now: Now, clock: Clock) -> None:
    written: list[Mapping[str, datetime]] = []
    assert last_seen.next_deadline() is None
    assert last_seen.note("ann") == clock.now + DELAY
    now.at += timedelta(seconds=1)
    last_seen.note("ben")
    last_seen.note("ann")
    assert last_seen.next_deadline() == clock.now + DELAY
    assert (last_seen.latest("ann", None), last_seen.latest("eve", None), last_seen.is_idle) == (now.at, None, False)
    last_seen.write(written.append)
    assert written == [{"ben": now.at, "ann": now.at}]
    assert (last_seen.latest("ann", None), last_seen.next_deadline(), last_seen.is_idle) == (None, None, True)
    last_seen.write(written.append)
    assert len(written) == 1


def test_what_another_server_writes_is_known_meanwhile(last_seen: LastSeen, now: Now, clock: Clock) -> None:
    last_seen.heard("ann")
    assert (last_seen.latest("ann", None), last_seen.next_deadline(), last_seen.is_idle) == (NOON, None, True)
    now.at += timedelta(seconds=1)
    clock.now += 4
    last_seen.heard("ben")
    last_seen.note("ben")
    last_seen.heard("ann")
    assert (last_seen.latest("ann", None), last_seen.latest("ben", None)) == (now.at, now.at)
    clock.now += 4
    assert last_seen.latest("ann", None) == now.at
    clock.now += 1
    assert last_seen.latest("ann", None) is None
    last_seen.heard("eve")
    assert last_seen.latest("eve", None) == now.at
    earlier = now.at - timedelta(minutes=1)
    just_now = now.at - timedelta(milliseconds=13)
    assert [last_seen.latest("eve", written) for written in (earlier, just_now)] == [now.at, just_now]
    assert [last_seen.latest(user, earlier) for user in ("ann", "fay")] == [earlier, earlier]


def test_more_than_a_batch_is_written_at_once_after_another(last_seen: LastSeen, clock: Clock) -> None:
    written: list[Any] = []
    for number in range(BATCH + 1):
        last_seen.note(str(number))
    last_seen.write(written.append)
    assert len(written[0]) == BATCH
    assert last_seen.next_deadline() == clock.now
    last_seen.write(written.append)
    assert list(written[1]) == [str(BATCH)]


def test_what_cannot_be_written_waits(last_seen: LastSeen, clock: Clock) -> None:
    last_seen.note("ann")
    clock.now += DELAY
    with pytest.raises(LookupError):
        last_seen.write(lambda _times: _raise())
    assert last_seen.next_deadline() == clock.now + DELAY
    assert not last_seen.is_idle


def _raise() -> None:
    raise LookupError


def test_what_is_noted_during_a_write_is_written_next(last_seen: LastSeen, now: Now) -> None:
    last_seen.note("ann")

    def write(_times: Mapping[str, datetime]) -> None:
        assert last_seen.next_deadline() is None, "one writes at a time"
        last_seen.write(lambda _again: _raise())
        now.at += timedelta(seconds=1)
        last_seen.note("ann")

    last_seen.write(write)
    assert last_seen.latest("ann", None) == now.at


@pytest.fixture
def queue(clock: Clock) -> ChangeQueue:
    return ChangeQueue(clock, threading.Lock())


def test_a_few_changes_are_announced_at_once_and_then_the_last_state(queue: ChangeQueue, clock: Clock) -> None:
    assert [queue.changed("ann", for_others=True) for _ in range(6)] == [True] * 6
    assert queue.take("ann")
    assert queue.next_deadline() is None
    assert [queue.changed("ann", for_others=False) for _ in range(3)] == [False] * 3
    due = queue.next_deadline()
    assert due == clock.now + 10
    assert queue.take_due() == []
    clock.now = due
    assert queue.take_due() == ["ann"]
    assert not queue.take("ann"), "its own devices alone"
    assert (queue.take_due(), queue.next_deadline()) == ([], None)


def test_at_most_twelve_a_minute_are_announced(queue: ChangeQueue, clock: Clock) -> None:
    announced = []
    for _ in range(600):
        clock.now += 0.1
        if queue.changed("ann", for_others=True) or queue.take_due():
            queue.take("ann")
            announced.append(clock.now)
    assert 6 < len(announced) <= 12


def test_a_change_that_another_server_delays_is_announced_here_if_that_one_does_not(queue: ChangeQueue, clock: Clock) -> None:
    for _ in range(6):
        queue.heard("ann", announced=True)
    queue.heard("ann", announced=False)
    due = queue.next_deadline()
    assert due is not None
    assert clock.now + 11 <= due <= clock.now + 12
    queue.heard("ann", announced=True)
    clock.now = due
    assert queue.take_due() == []
    queue.heard("ann", announced=False)
    clock.now += 30
    assert queue.take_due() == ["ann"]
    assert queue.take("ann")


def test_users_who_do_nothing_are_forgotten(queue: ChangeQueue, clock: Clock) -> None:
    for number in range(100):
        queue.changed(str(number), for_others=True)
        queue.take(str(number))
    clock.now += 60
    queue.changed("ann", for_others=True)
    assert len(queue) == 1


def test_one_servers_own_times_are_the_latest_of_each_user(now: Now) -> None:
    times = SeenHere(threading.Lock(), now)
    times.seen({"ann": NOON, "ben": NOON})
    times.seen({"ann": NOON - timedelta(seconds=1), "ben": NOON + timedelta(seconds=1)})
    assert times.last_seen(["ben", "eve", "ann"]) == {"ben": NOON + timedelta(seconds=1), "ann": NOON}


def test_one_servers_own_times_are_forgotten_after_a_month(now: Now) -> None:
    times, month = SeenHere(threading.Lock(), now), timedelta(seconds=SEEN_TTL)
    times.seen({"ann": NOON, "ben": NOON})
    times.seen({"ann": NOON + timedelta(seconds=1)})
    now.at += month
    assert times.last_seen(["ann", "ben"]) == {"ann": NOON + timedelta(seconds=1), "ben": NOON}
    now.at += timedelta(seconds=1)
    assert times.last_seen(["ann", "ben"]) == {"ann": NOON + timedelta(seconds=1)}
    now.at += timedelta(seconds=1)
    assert times.last_seen(["ann", "ben"]) == {}
