"""The log: who sends an event, when it is recorded, and what the relay does about the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flask import Flask

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.memory import MemoryRecord
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.effects import Emit
from flask_realtime.errors import ConfigError, UnknownEvent
from flask_realtime.feature.context import BeforeCommit, FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.log import listener, relay
from flask_realtime.features.log.events import SyncAnswer, SyncRequest, sync_page
from flask_realtime.features.log.hooks import OUTBOX
from flask_realtime.features.log.outbox import LoggedEvent
from flask_realtime.features.log.state import Log
from tests.clock import Clock

BEFORE_A_RESERVATION_ENDS = 2.4
WRITTEN = datetime(2026, 11, 29, tzinfo=timezone.utc)
REQUEST = SyncRequest(None, 100)


class Table:
    """The log's table: rows that several servers share.

    Args:
        clock: The database's clock.
    """

    logged_by_hooks = frozenset({"note"})

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rows: dict[int, LoggedEvent] = {}
        self.reserved: dict[int, float] = {}
        self.about: dict[int, str] = {}
        self.recorded: list[list[int]] = []
        self.trims: list[datetime] = []
        self.left_to_trim = self.notices = 0
        self.hear: Callable[[], None] | None = None
        """Tells the server that listens of a notice."""
        self.is_away = self.is_mute = False

    def add(
        self, event: str, arguments: str, rooms: Sequence[str | None], *, reserved_for: float, about: str | None = None
    ) -> list[LoggedEvent]:
        added = [LoggedEvent(number, event, arguments, room, WRITTEN) for number, room in enumerate(rooms, len(self.rows) + 1)]
        self.rows |= {event.number: event for event in added}
        self.about |= {event.number: about for event in added if about is not None}
        self.reserved |= {event.number: self._clock() + reserved_for for event in added}
        return added

    def rewrite(self, subjects: Sequence[str], revise: Callable[[str, str, str], str]) -> None:
        for number, about in self.about.items():
            if about in subjects:
                event = self.rows[number]
                self.rows[number] = event._replace(arguments=revise(about, event.event, event.arguments))

    def take(self, most: int, reserved_for: float) -> list[LoggedEvent]:
        self._require()
        free = [number for number, until in self.reserved.items() if until < self._clock()][:most]
        self.reserved |= dict.fromkeys(free, self._clock() + reserved_for)
        return [self.rows[number] for number in free]

    def reserve(self, numbers: Sequence[int], reserved_for: float) -> None:
        self.reserved |= dict.fromkeys(numbers, self._clock() + reserved_for)

    def finish(self, numbers: Iterable[int]) -> None:
        self._require()
        self.recorded.append(list(numbers))
        for number in self.recorded[-1]:
            del self.reserved[number]

    def trim(self, before: datetime) -> bool:
        self.trims.append(before)
        self.left_to_trim -= 1
        return self.left_to_trim > 0

    def notify(self) -> None:
        self._require()
        self.notices += 1

    def listen(self, heard: Callable[[], None], wait: Callable[[int, float], bool], goes_on: Callable[[], bool]) -> bool:
        if self.is_mute:
            raise OSError
        self.hear = heard
        return wait(0, 5.0) or goes_on()

    def page(self, user_id: str, request: SyncRequest) -> SyncAnswer:
        assert (user_id, request) == ("ann", REQUEST)
        return sync_page([], 7, more=False)

    def _require(self) -> None:
        if self.is_away:
            msg = "the database is away"
            raise OSError(msg)


class Server:
    """One server: the surroundings of its log, and what it sent.

    Args:
        clock: Its clock.
        table: The table; None if there is no log.
        lease: The record that it shares with others.
        is_local: Whether it is the only one.
    """

    def __init__(self, clock: Clock, table: Table | None, lease: Any = None, *, is_local: bool = True) -> None:
        self.clock, self.config = clock, RealtimeConfig()
        self.app = Flask("unit")
        self.backend = SimpleNamespace(is_local=is_local)
        self._table, self._lease = table, lease
        self._committing: list[tuple[Callable[[], object], BeforeCommit | None]] = []
        self.served: list[Any] = []
        self.seconds_to_commit = 0.0
        self.is_handling_request = False
        self.background: list[Callable[[], None]] = []
        self.sent: list[tuple[Any, ...]] = []
        self.heard_of: set[str] = set()
        """The events that other servers sent."""
        self.rooms: list[tuple[Any, ...] | None] = []
        self.left_out: list[tuple[str, ...]] = []
        self.log = Log(cast("FeatureContext", self))

    def functions(self, hook: Hook) -> list[Any]:
        assert hook is OUTBOX
        return [] if self._table is None else [lambda: self._table]

    def timer(self, next_deadline: Callable[[], float | None], expire: Callable[[], Iterable[Emit]]) -> Any:
        self._next_deadline, self._expire = next_deadline, expire
        return SimpleNamespace(wake=lambda: None, wake_by=lambda _deadline: None)

    def record(self, _kind: str, *, ttl: float) -> Any:
        return self._lease if self._lease is not None else MemoryRecord(ttl, None, self.clock)

    def after_commit(self, _name: str, function: Callable[[], object], before: BeforeCommit | None = None) -> bool:
        self._committing.append((function, before))
        return True

    def emit(self, emit: Emit) -> bool:
        self.sent.append((emit.event, *emit.args))
        self.rooms.append(emit.rooms)
        self.left_out.append(emit.except_rooms)
        return True

    def new_mailbox(self) -> Any:
        return SimpleNamespace(post=self.background.append)

    def handles_request(self) -> bool:
        return self.is_handling_request

    def wait_readable(self, _fileno: int, _seconds: float) -> bool:
        return False

    def was_sent(self, logged: str) -> bool:
        return logged in self.heard_of

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def has_connections(self) -> bool:
        return bool(self.served)

    def connections(self) -> list[Any]:
        return self.served

    def let_others_run(self) -> None:
        pass

    def connect(self, after: float = 0.0, *, recovered: bool = False) -> None:
        """A client connects, so many seconds after the events were written."""
        name = f"connection {len(self.served)}"
        self.served.append(SimpleNamespace(id=name, opened_at=WRITTEN.timestamp() + after, recovered=recovered))
        self.log.start_relay()

    def write(self, *args: Any, about: str | None = None) -> None:
        """Log an event for ann."""
        self.log.append(Emit("note", args, ("user:ann",)), about=about)

    def commit(self) -> None:
        """Commit, which takes a while."""
        committing, self._committing = self._committing, []
        for _, before in committing:
            if before is not None:
                before.function([before.subject])
        self.clock.now += self.seconds_to_commit
        for function, _ in committing:
            function()

    def pass_time(self, seconds: float) -> None:
        """Let the timer run until so much time has passed."""
        end = self.clock.now + seconds
        for _ in range(1000):
            deadline = self._next_deadline()
            if deadline is None or deadline > end:
                break
            self.clock.now = max(self.clock.now, deadline)
            assert list(self._expire()) == []
        else:
            pytest.fail("the timer never rests")
        self.clock.now = end

    @property
    def rests(self) -> bool:
        """Whether the timer waits for nothing."""
        return self._next_deadline() is None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    return Table(clock)


def test_events_are_sent_after_the_commit_and_recorded_together(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1, {"a": None})
    server.write(2)
    assert server.sent == []
    server.commit()
    assert server.sent == [("note", 1, {"a": None}), ("note", 2)]
    assert table.rows[1] == LoggedEvent(1, "note", '[1,{"a":null}]', "user:ann", WRITTEN)
    server.pass_time(0.5)
    assert table.recorded == [[1, 2]]
    server.pass_time(60)
    assert (len(server.sent), table.recorded) == (2, [[1, 2]])


def test_while_it_is_not_recorded_nobody_else_takes_an_event(clock: Clock, table: Table) -> None:
    server, other = Server(clock, table, is_local=False), Server(clock, table, is_local=False)
    other.connect()
    server.write(1)
    other.pass_time(BEFORE_A_RESERVATION_ENDS)
    assert other.sent == []


def test_what_a_dead_server_left_behind_is_sent_within_five_seconds(clock: Clock, table: Table) -> None:
    lease = MemoryRecord(2.0, None, clock)
    dead, living = (Server(clock, table, lease, is_local=False) for _ in range(2))
    dead.connect()
    living.connect()
    dead.pass_time(1.0)
    dead.write(1)
    living.pass_time(4.9)
    assert (living.sent, table.recorded) == ([("note", 1)], [[1]])


def test_what_is_rewritten_is_sent_so_by_the_relay(clock: Clock, table: Table) -> None:
    dead, living = (Server(clock, table, is_local=False) for _ in range(2))
    dead.connect()
    living.connect()
    for about in ("message:1", None, "message:2"):
        dead.write("secret", about=about)
    living.log.rewrite({"message:1": lambda event, arguments: [event, arguments, None], "message:3": lambda _event, _arguments: []})
    living.pass_time(5)
    assert living.sent == [("note", "note", ["secret"], None), ("note", "secret"), ("note", "secret")]


def test_what_a_dead_server_has_sent_is_only_recorded(clock: Clock, table: Table) -> None:
    dead, living = (Server(clock, table, is_local=False) for _ in range(2))
    dead.connect()
    living.connect()
    for number in (1, 2):
        dead.write(number)
        dead.commit()
    living.heard_of = {table.rows[1].name}
    living.pass_time(5)
    assert living.sent == [("note", 2)]
    assert table.recorded == [[1, 2]]


def test_the_metrics_say_what_the_relay_took_and_how_old_it_was(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    assert list(server.log.figures()) == []
    server.connect()
    server.pass_time(5)
    assert list(server.log.figures()) == [("log_relayed", (), 0), ("log_lag_seconds", (), 0.0), ("log_unrecorded", (), 0)]
    for number in range(3):
        table.add("note", f"[{number}]", [None], reserved_for=-1.0)
    server.pass_time(relay.INTERVAL)
    relayed, lag, _ = (value for _, _, value in server.log.figures())
    assert (relayed, lag > 60) == (3, True)
    server.pass_time(relay.INTERVAL)
    assert [value for _, _, value in server.log.figures()] == [3, 0, 0]


def lag(server: Server) -> float:
    """What the metrics say of how late the relay is."""
    (value,) = (value for name, _, value in server.log.figures() if name == "log_lag_seconds")
    return value


def leave_one_behind(table: Table) -> None:
    table.add("note", "[1]", [None], reserved_for=-1.0)


def test_the_lag_of_a_relay_that_nobody_needs_is_none(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    leave_one_behind(table)
    server.connect()
    server.pass_time(relay.INTERVAL)
    assert lag(server) > 60
    server.served = []
    server.pass_time(60)
    assert lag(server) == 0
    server.connect()
    assert lag(server) == 0, "it has found nothing yet"


def test_the_lag_of_a_relay_that_another_server_replaces_is_none(clock: Clock, table: Table) -> None:
    lease = MemoryRecord(2.0, None, clock)
    first, second = (Server(clock, table, lease, is_local=False) for _ in range(2))
    first.connect()
    second.connect()
    leave_one_behind(table)
    first.pass_time(relay.INTERVAL)
    assert lag(first) > 60
    clock.now += 3
    second.pass_time(0)
    first.pass_time(relay.INTERVAL)
    assert lag(first) == 0


def test_a_log_that_cannot_be_read_is_as_late_as_it_could_not(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    table.is_away = True
    server.pass_time(40)
    assert 35 < lag(server) < 40
    table.is_away = False
    server.pass_time(2)
    assert lag(server) == 0
    table.is_away = True
    server.write(1)
    server.commit()
    server.pass_time(2)
    assert lag(server) > 0
    server.served = []
    server.pass_time(60)
    assert lag(server) == 0, "nobody waits for it"


def test_events_of_a_database_that_was_made_anew_have_other_names(table: Table) -> None:
    (event,) = table.add("note", "[1]", [None], reserved_for=0.0)
    later = event._replace(created_at=WRITTEN + timedelta(microseconds=1))
    assert len({event.name, later.name, event._replace(number=2).name}) == 3


def test_one_relay_of_all_servers_works_until_it_renews_its_lease_no_more(clock: Clock, table: Table) -> None:
    lease = MemoryRecord(2.0, None, clock)
    first, second = (Server(clock, table, lease, is_local=False) for _ in range(2))
    first.connect()
    second.connect()
    for number in range(5):
        table.add("note", f"[{number}]", [None], reserved_for=-1.0)
        first.pass_time(1.0)
        second.pass_time(0.0)
    assert (len(first.sent), second.sent) == (5, [])
    table.add("note", "[5]", [None], reserved_for=-1.0)
    second.pass_time(1.0)
    assert second.sent == []
    second.pass_time(2.0)
    assert second.sent == [("note", 5)]


def test_without_its_backend_a_relay_works_all_the_same(clock: Clock, table: Table) -> None:
    def get(_key: str) -> None:
        raise BackendUnavailable

    server = Server(clock, table, SimpleNamespace(get=get), is_local=False)
    server.connect()
    table.add("note", "[1]", [None], reserved_for=-1.0)
    server.pass_time(1.5)
    assert server.sent == [("note", 1)]


def test_much_that_was_left_behind_is_sent_in_order_at_one_go(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    for number in range(250):
        table.add("note", f"[{number}]", [None], reserved_for=-1.0)
    server.pass_time(1.0)
    assert server.sent == [("note", number) for number in range(250)]
    assert [len(numbers) for numbers in table.recorded] == [100, 100, 50]


def test_what_was_left_behind_is_sent_to_whom_it_was_for(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    for room in ("user:ann", None, "conversation:7"):
        table.add("note", "[]", [room], reserved_for=-1.0)
    server.pass_time(1.0)
    assert server.rooms == [("user:ann",), None, ("conversation:7",)]


def test_the_events_of_a_transaction_that_took_long_are_sent_after_its_commit(clock: Clock, table: Table) -> None:
    server, other = Server(clock, table, is_local=False), Server(clock, table, is_local=False)
    server.connect()
    other.connect()
    server.write(1)
    clock.now += 60
    server.write(2)
    server.commit()
    server.write(3)
    server.commit()
    assert server.sent == [("note", 1), ("note", 2), ("note", 3)]
    other.pass_time(BEFORE_A_RESERVATION_ENDS)
    assert other.sent == [], "all of them are reserved still"


def test_an_event_whose_commit_took_long_is_left_to_the_relay(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1)
    server.seconds_to_commit = 1.6
    server.commit()
    assert server.sent == []
    server.pass_time(3)
    assert (server.sent, table.recorded) == ([("note", 1)], [[1]])


def test_what_was_written_later_in_a_transaction_whose_commit_took_long_is_not_sent_before_the_rest(
    clock: Clock, table: Table
) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1)
    clock.now += 0.4
    server.write(2)
    server.write(3)
    server.seconds_to_commit = 1.2
    server.commit()
    server.pass_time(5)
    assert server.sent == [("note", 1), ("note", 2), ("note", 3)]
    assert sorted(number for numbers in table.recorded for number in numbers) == [1, 2, 3]


def test_a_transaction_that_follows_one_whose_commit_took_long_is_sent_at_once(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1)
    server.seconds_to_commit = 1.6
    server.commit()
    server.seconds_to_commit = 0.0
    clock.now += 0.001
    server.write(2)
    server.commit()
    assert server.sent == [("note", 2)]


def test_a_process_that_reaches_nobody_leaves_its_events_to_a_server(clock: Clock, table: Table) -> None:
    command, server = Server(clock, table), Server(clock, table)
    server.connect()
    command.write(1)
    command.commit()
    assert (command.rests, table.recorded) == (True, [])
    server.pass_time(1.5)
    assert (server.sent, table.recorded) == ([("note", 1)], [[1]])


def test_what_a_process_that_reaches_nobody_tells_of_is_sent_at_once(clock: Clock, table: Table) -> None:
    command, server = Server(clock, table), Server(clock, table)
    server.connect()
    (listen,) = server.background
    listen()
    assert table.hear is not None
    for number, moment in ((1, 0.2), (2, 0.04), (3, 0.04)):
        clock.now += moment
        command.write(number)
        command.commit()
    assert table.notices == 2
    clock.now += 0.01
    table.hear()
    server.pass_time(0.01)
    assert server.sent == [("note", 1), ("note", 2), ("note", 3)]
    command.write(4)
    command.commit()
    assert table.notices == 2, "it has just told"
    server.clock.now += relay.NOTICE_INTERVAL
    command.is_handling_request = True
    command.write(5)
    command.commit()
    assert table.notices == 2, "it is the server itself"
    server.pass_time(relay.AFTER_NOTICE)
    assert server.sent[3:] == [("note", 4), ("note", 5)]


def test_a_process_that_cannot_tell_of_its_events_writes_them_all_the_same(clock: Clock, table: Table) -> None:
    command, server = Server(clock, table), Server(clock, table)
    server.connect()
    command.write(1)
    table.is_away = True
    command.commit()
    table.is_away = False
    server.pass_time(1.1)
    assert server.sent == [("note", 1)]


def test_a_server_that_cannot_listen_tries_again_later(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    table.is_mute = True
    server.connect()
    for _ in range(2):
        server.background.pop()()
        server.pass_time(listener.RETRY_SECONDS - 0.5)
        assert server.background == []
        server.pass_time(2.0)
    table.is_mute = False
    server.background.pop()()
    assert table.hear is not None


def test_a_server_among_several_does_not_listen(clock: Clock, table: Table) -> None:
    server = Server(clock, table, is_local=False)
    server.connect()
    assert server.background == []


def test_what_a_server_sent_before_anybody_was_connected_is_not_sent_again(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.write(1)
    server.commit()
    clock.now += 3600
    server.connect()
    server.pass_time(60)
    assert (server.sent, table.recorded) == ([("note", 1)], [[1]])


def test_a_process_with_a_message_queue_and_no_connections_sends_and_records_at_once(clock: Clock, table: Table) -> None:
    command = Server(clock, table, is_local=False)
    command.write(1)
    command.commit()
    assert (command.sent, table.recorded, command.rests) == ([("note", 1)], [[1]], True)


def test_what_cannot_be_recorded_is_recorded_later_and_not_sent_again_meanwhile(
    clock: Clock, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1)
    server.commit()
    table.is_away = True
    server.pass_time(10)
    assert [record.levelno for record in caplog.records] == [logging.ERROR], "once for all attempts"
    table.is_away = False
    server.pass_time(2)
    assert (server.sent, table.recorded) == ([("note", 1)], [[1]])
    table.is_away = True
    server.pass_time(5)
    assert len(caplog.records) == 2, "another failure is another line"


def test_nothing_runs_without_connections_and_it_goes_on_with_the_next(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    server.served = []
    server.pass_time(5)
    assert server.rests
    table.add("note", "[1]", [None], reserved_for=-1.0)
    server.connect()
    server.pass_time(0.9)
    assert server.sent == [], "whoever comes back can join until then"
    server.pass_time(0.2)
    assert server.sent == [("note", 1)]


def test_whoever_comes_long_after_an_event_was_left_behind_has_its_effect_and_not_the_event(clock: Clock, table: Table) -> None:
    table.add("note", "[1]", [None], reserved_for=-1.0)
    server = Server(clock, table)
    server.connect(after=relay.NEWS + 1)
    server.pass_time(2.0)
    assert (server.sent, table.recorded) == ([], [[1]])
    table.add("note", "[2]", [None], reserved_for=-1.0)
    server.pass_time(2.0)
    assert server.sent == [("note", 2)], "it has just been committed, whenever it was written"


def test_what_was_left_behind_long_ago_is_sent_to_whom_was_there_or_comes_back(clock: Clock, table: Table) -> None:
    table.add("note", "[1]", [None], reserved_for=-1.0)
    server = Server(clock, table)
    server.connect(after=relay.NEWS + 1)
    server.connect(after=relay.NEWS + 1, recovered=True)
    server.connect(after=relay.NEWS - 1)
    server.connect(after=relay.NEWS + 2)
    server.pass_time(2.0)
    assert server.sent == [("note", 1)]
    assert server.left_out == [("connection 0", "connection 3")]


def test_other_servers_may_have_older_connections(clock: Clock, table: Table) -> None:
    table.add("note", "[1]", [None], reserved_for=-1.0)
    server = Server(clock, table, is_local=False)
    server.connect(after=relay.NEWS + 1)
    server.pass_time(2.0)
    assert (server.sent, server.left_out) == ([("note", 1)], [()])


def test_an_unreachable_database_is_left_alone_when_nobody_is_connected(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    server.write(1)
    server.commit()
    server.served, table.is_away = [], True
    server.pass_time(5)
    assert server.rests
    table.is_away = False
    server.connect()
    server.pass_time(5)
    assert (server.sent, table.recorded) == ([("note", 1)], [[1]])


def test_old_events_are_deleted_once_a_minute_and_a_little_at_a_time(clock: Clock, table: Table) -> None:
    server = Server(clock, table)
    server.connect()
    table.left_to_trim = 25
    server.pass_time(1.0)
    assert len(table.trims) == 10
    server.pass_time(2.0)
    assert len(table.trims) == 25
    kept = datetime.now(timezone.utc) - table.trims[0]
    assert timedelta(days=7) <= kept < timedelta(days=7, minutes=1)
    server.pass_time(57.0)
    assert len(table.trims) == 25
    server.pass_time(5.0)
    assert len(table.trims) == 26


def test_an_application_without_a_log_is_told_so(clock: Clock) -> None:
    server = Server(clock, None)
    server.connect()
    assert (server.rests, server.log.is_logged("note")) == (True, False)
    with pytest.raises(ConfigError, match="has no log"):
        server.write(1)
    with pytest.raises(UnknownEvent, match="does not take sync"):
        server.log.page("ann", REQUEST)


def test_what_handlers_need_not_send_is_what_their_hooks_log(clock: Clock, table: Table) -> None:
    log = Server(clock, table).log
    assert (log.is_logged("note"), log.is_logged("order:update")) == (True, False)
    assert log.page("ann", REQUEST) == {"events": [], "cursor": "log-7", "more": False}
