"""Administration without sockets: how long servers report, what is collected, and who gets in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from werkzeug.security import generate_password_hash

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.records import NOTHING, Stored
from flask_realtime.errors import BadRequest, ConnectionRefused
from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.serving import Traffic
from flask_realtime.features.administration.audience import Audience
from flask_realtime.features.administration.collector import MAX_CHANGES, MAX_EVENTS, Collector
from flask_realtime.features.administration.events import Action, LogIn, SocketDetails, event_arguments, parse_action, parse_log_in
from flask_realtime.features.administration.leases import LEASE_SECONDS, Leases
from flask_realtime.features.administration.login import LogIns
from flask_realtime.features.administration.settings import AdminSettings
from tests.clock import Clock

PASSWORD = "correct horse battery"
NO_TRAFFIC = Traffic(0, 0, 0, 0)
SETTINGS = AdminSettings("root", generate_password_hash(PASSWORD, "pbkdf2:sha256:1"), is_development=False, is_read_only=False)
RIGHT = LogIn("root", PASSWORD, None)


def test_a_server_that_is_not_heard_of_is_reported_to_until_its_lease_ends() -> None:
    leases = Leases()
    leases.renew("a", 10.0)
    leases.renew("b", 20.0)
    assert leases.next_end() == 10.0 + LEASE_SECONDS
    leases.expire(10.0 + LEASE_SECONDS)
    assert leases.next_end() == 20.0 + LEASE_SECONDS
    leases.end("b")
    assert (bool(leases), leases.next_end()) == (False, None)


class Connected:
    """A connection, as a collector sees it."""

    def __init__(self, sid: str) -> None:
        self.id, self.namespace, self.transport = sid, "/", "polling"


def collector(*, shows_events: bool = True, traffic: Sequence[Traffic] = ()) -> Collector:
    """Return a collector at a time, which reads the traffic that is given, and then none any more."""
    readings = iter(traffic)

    def describe(connection: ServedConnection) -> SocketDetails:
        return SocketDetails(connection.id, "", "polling", "/", "", "", "", "", is_secure=False, opened_at=0.0, rooms=())

    options = (frozenset({"auth:refresh"}), lambda: 7.5, lambda: next(readings, NO_TRAFFIC))
    return Collector(describe, *options, shows_events=shows_events)


def test_numbers_are_counted_by_the_second() -> None:
    before, after = Traffic(5, 50, 6, 60), Traffic(7, 70, 12, 180)
    found = collector(shows_events=False, traffic=[before, after, after])
    found.session_opened()
    found.session_closed("transport close")
    counts = {(kind, subtype): count for (second, kind, subtype), count in found.take_counts().items() if second == 7}
    assert counts == {
        ("rawConnection", None): 1,
        ("rawDisconnection", "transport close"): 1,
        ("packetsIn", None): 2,
        ("bytesIn", None): 20,
        ("packetsOut", None): 6,
        ("bytesOut", None): 120,
    }
    assert found.take_counts() == {}


def test_with_numbers_alone_nothing_else_is_kept() -> None:
    found = collector(shows_events=False)
    connection = cast("ServedConnection", Connected("a"))
    found.connected(connection)
    found.room_joined("/", "desk", "a")
    found.room_left("/", "desk", "a")
    found.disconnected(connection, "client disconnect")
    assert found.take_items() == []


def test_changes_and_events_are_bounded() -> None:
    found = collector()
    for number in range(MAX_CHANGES):
        found.room_joined("/", str(number), "a")
    assert not found.take_loss()
    found.room_joined("/", "one more", "a")
    taken = 0
    while found.takes_event("/"):
        found.event_received("/", "a", "say", [])
        taken += 1
    assert (taken, len(found.take_items()), found.take_loss(), found.take_loss()) == (
        MAX_EVENTS,
        MAX_CHANGES + MAX_EVENTS,
        True,
        False,
    )


def test_the_administrators_own_events_are_not_shown() -> None:
    assert not collector().takes_event("/admin")


def test_a_connection_that_changes_over_to_websocket_is_reported_once() -> None:
    found, connection = collector(), Connected("a")
    found.note_transport(cast("ServedConnection", connection))
    assert found.take_items() == []
    connection.transport = "websocket"
    assert found.take_items() == [("socket_updated", ({"id": "a", "nsp": "/", "transport": "websocket"},))]
    assert found.take_items() == []


def nested(depth: int, inner: Any = 1) -> Any:
    """Return lists in lists."""
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (
            [{"accessToken": "x", "list": [{"Password": "x"}], "text": "y"}],
            [{"accessToken": "(hidden)", "list": [{"Password": "(hidden)"}], "text": "y"}],
        ),
        (["x" * 5000], ["(5004 characters)"]),
        ([], []),
        ([nested(14)], [nested(14)]),
        ([nested(900)], [nested(15, "(nested)")]),
    ],
    ids=["secrets", "long", "none", "nested", "too nested"],
)
def test_events_are_shown_without_secrets_and_not_at_length(args: list[Any], shown: list[Any]) -> None:
    assert event_arguments("say", args, is_secret=False) == ["say", *shown]
    assert event_arguments("say", args, is_secret=True) == ["say", "(hidden)"]


def test_actions_are_read_as_the_page_sends_them() -> None:
    assert parse_action("emit", ["/", "", "news", 1, 2]) == Action("emit", "/", None, ("news", 1, 2))
    assert parse_action("join", ["/", "desk"]) == Action("join", "/", None, ("desk",))
    assert parse_action("leave", ["/", "desk", "a"]) == Action("leave", "/", "a", ("desk",))
    assert parse_action("_disconnect", ["/", False, "a"]) == Action("_disconnect", "/", "a", (False,))
    with pytest.raises(BadRequest):
        parse_action("emit", ["/", None, "news", b"binary"])


class Sessions:
    """A record in memory, which can fail."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.is_away = False

    def get(self, record_id: str) -> Stored:
        """Return a value."""
        self._fail()
        return Stored(self.values[record_id], 1) if record_id in self.values else NOTHING

    def put(self, record_id: str, value: Any, *, expected: int) -> int:
        """Keep a value."""
        self._fail()
        self.values[record_id] = value
        return expected + 1

    def _fail(self) -> None:
        if self.is_away:
            raise BackendUnavailable


class Door:
    """Log-ins with a clock, whose checks a test can come between."""

    def __init__(self, settings: AdminSettings = SETTINGS, sessions: Sessions | None = None) -> None:
        self.clock, self.sessions = Clock(), sessions or Sessions()
        self.meanwhile: list[Any] = []
        self.log_ins = LogIns(settings, cast("Any", self.sessions), self._compute, nullcontext(), self.clock)

    def code(self, log_in: LogIn, address: str = "192.0.2.1") -> str:
        """Try a log-in, and return the code of the refusal, if there is one."""
        try:
            self.log_ins.authenticate(log_in, address)
        except ConnectionRefused as error:
            return error.code
        return ""

    def _compute(self, function: Any, *args: Any) -> Any:
        while self.meanwhile:
            self.meanwhile.pop()()
        return function(*args)


def test_a_session_is_accepted_until_the_password_changes() -> None:
    door = Door()
    session_id = door.log_ins.authenticate(RIGHT, "192.0.2.1")
    assert door.log_ins.authenticate(LogIn(None, None, session_id), "192.0.2.1") is None
    assert not any(str(session_id) in str(item) for item in door.sessions.values.items())
    other = Door(SETTINGS._replace(password_hash=generate_password_hash(PASSWORD, "pbkdf2:sha256:2")), door.sessions)
    assert other.code(LogIn(None, None, session_id)) == "connection_refused"


def test_without_the_record_the_password_still_works() -> None:
    door = Door()
    session_id = door.log_ins.authenticate(RIGHT, "192.0.2.1")
    door.sessions.is_away = True
    assert door.code(LogIn(None, None, session_id)) == "connection_refused"
    assert door.log_ins.authenticate(RIGHT, "192.0.2.1") is None


def test_an_address_that_failed_too_often_waits_and_may_try_again() -> None:
    door = Door()
    codes = [door.code(RIGHT._replace(password="guess")) for _ in range(11)]
    assert codes == ["connection_refused"] * 10 + ["rate_limited"]
    assert (door.code(RIGHT), door.code(RIGHT, "192.0.2.2")) == ("rate_limited", "")
    door.clock.now += 11.0
    assert door.code(RIGHT) == ""


def test_one_address_cannot_have_two_passwords_checked_at_once() -> None:
    door = Door()
    found: list[str] = []
    door.meanwhile.append(lambda: found.append(door.code(RIGHT)))
    assert door.code(RIGHT) == ""
    assert (found, door.code(RIGHT)) == (["rate_limited"], "")


def test_no_more_than_four_passwords_are_checked_at_once() -> None:
    door = Door()
    found: list[str] = []

    def next_one(number: int) -> None:
        if number < 5:
            door.meanwhile.append(lambda: next_one(number + 1))
            found.append(door.code(RIGHT, f"192.0.2.{number}"))

    next_one(0)
    assert sorted(found) == ["", "", "", "", "rate_limited"]


@pytest.mark.parametrize("auth", [None, "x", 7, [], {}, {"username": 1, "password": [], "sessionId": ""}, {"password": "x" * 257}])
def test_a_log_in_that_is_none_is_read_as_nothing(auth: object) -> None:
    assert parse_log_in(auth) == LogIn(None, None, None)


class Desk:
    """An audience of one administrator, and what it was sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.loads: list[str] = []
        self.clock = Clock()
        context = SimpleNamespace(clock=self.clock, server=SimpleNamespace(send=self._send))
        self.audience = Audience(cast("FeatureContext", context), self.loads.append)
        self.audience.add(cast("ServedConnection", Connected("page")))
        self.audience.load("page")

    def _send(self, _namespace: str, _room: str, event: str, args: Any, *, volatile: bool) -> None:  # noqa: ARG002
        self.sent.append((event, *args))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and do what is due."""
        self.clock.now += seconds
        self.audience.do_due()


def test_the_first_lists_of_servers_become_one() -> None:
    desk = Desk()
    left = ("room_left", ("/", "desk", "a", "then"))
    desk.audience.take("first", None, [left])
    desk.audience.take("first", "page", [("all_sockets", ([{"id": "a"}],))])
    desk.audience.take("second", "page", [("all_sockets", ([{"id": "b"}],))])
    desk.audience.take("second", None, [left])
    desk.audience.take("second", "other", [("all_sockets", ([{"id": "c"}],))])
    assert desk.sent == []
    desk.pass_time(1.0)
    assert desk.sent == [("all_sockets", [{"id": "a"}, {"id": "b"}]), (left[0], *left[1])]


def test_a_later_part_of_a_list_is_sent_as_new_connections() -> None:
    desk = Desk()
    desk.pass_time(1.0)
    desk.audience.take("first", "page", [("all_sockets", ([{"id": "a"}, {"id": "b"}],))])
    assert [item[:2] for item in desk.sent[1:]] == [("socket_connected", {"id": "a"}), ("socket_connected", {"id": "b"})]


def test_lost_changes_bring_a_new_list_not_too_often() -> None:
    desk = Desk()
    desk.pass_time(1.0)
    for _ in range(2):
        desk.audience.take("first", None, [("reload", ())])
    desk.pass_time(3.9)
    assert desk.loads == ["page"]
    desk.pass_time(0.2)
    assert (desk.loads, desk.audience.next_deadline()) == (["page", "page"], desk.clock.now + 1.0)


def test_a_server_that_is_silent_for_too_long_takes_its_connections_off_the_page() -> None:
    desk = Desk()
    stats: Any = ("server_stats", ({},))
    for server in ("first", "second"):
        desk.audience.take(server, None, [stats])
    desk.pass_time(1.0)
    began = desk.clock.now
    while len(desk.loads) == 1:
        desk.audience.take("first", None, [stats])
        desk.pass_time(1.0)
    assert LEASE_SECONDS - 1.0 <= desk.clock.now - began <= LEASE_SECONDS
    desk.audience.take("first", "page", [("all_sockets", ([{"id": "a"}],))])
    desk.pass_time(1.0)
    assert desk.sent[-1] == ("all_sockets", [{"id": "a"}])
    for _ in range(60):
        desk.audience.take("first", None, [stats])
        desk.pass_time(1.0)
    assert len(desk.loads) == 2


def test_the_connections_of_a_server_that_comes_later_are_listed() -> None:
    desk = Desk()
    desk.audience.take("first", "page", [("all_sockets", ([],))])
    desk.pass_time(10.0)
    for _ in range(2):
        desk.audience.take("second", None, [("server_stats", ({},))])
        desk.pass_time(0.0)
    assert desk.loads == ["page", "page"]


def test_nothing_is_listed_to_a_page_that_shows_numbers_alone() -> None:
    desk = Desk()
    desk.audience.remove(cast("ServedConnection", Connected("page")))
    desk.audience.add(cast("ServedConnection", Connected("numbers")))
    desk.pass_time(10.0)
    desk.audience.take("first", None, [("server_stats", ({},))])
    desk.pass_time(LEASE_SECONDS + 1.0)
    assert desk.loads == ["page"]
