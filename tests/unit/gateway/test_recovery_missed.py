"""A client that comes from another server: what it has missed, and what becomes of its lease."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from flask_realtime.backends.recovery import LeaseRecord, LoggedEvent, Place
from flask_realtime.gateway.delivery.envelopes import KEPT, SEND, TAKEN
from flask_realtime.gateway.recovery.leases import Lease
from tests.clock import Clock
from tests.unit.gateway.sharing_server import KEY, Server

OFFSET = "there.5.ab12-20-0-0"
RECORD = LeaseRecord(
    sid="c1",
    owner="there",
    turn=2,
    token_id="token",
    since="there.2.ab12-5-0-0",
    known="",
    rooms={"blue": "there.3.ab12-10-0-0"},
    seen={"third": 4, "here": 1},
)


def add(
    server: Server, origin: str, number: int | None, at: int, kind: str = SEND, *, is_uncertain: bool = False, **header: Any
) -> None:
    """Put an event that is named after its place into the order of all servers."""
    header = {"rooms": ("blue",), "except_rooms": (), "except_sid": None, "volatile": False, "number": number, **header}
    server.store.events.append(LoggedEvent(Place(at, 0, 0), origin, kind, header, (f'2["{at}"]',), is_uncertain))


def missed(server: Server, record: LeaseRecord = RECORD, offset: object = OFFSET) -> list[list[str]] | None:
    """Return the events that ann missed, each with its offset; None if she cannot come back."""
    found = server.elsewhere.find(KEY, "ann", offset, record)
    return None if found is None else [json.loads(str(part)[1:]) for part in found.missed]


@pytest.fixture
def server() -> Server:
    return Server(Clock())


@pytest.mark.parametrize(
    ("origin", "number", "at", "is_missed"),
    [
        ("there", 6, 21, True),
        ("there", 5, 30, False),
        ("there", None, 30, False),  # Its own clients did not get it.
        ("third", 9, 21, True),
        ("third", 9, 20, False),
        ("third", None, 21, True),
        ("third", 5, 21, True),
        ("third", 4, 21, False),  # The connection was there before, and had it already.
        ("third", 9, 50, True),
        ("third", 9, 51, False),  # This server sends it itself.
        ("here", 3, 21, True),
        ("here", 4, 21, False),
        ("here", 1, 21, False),
    ],
)
def test_a_client_gets_what_it_lacks_and_what_this_server_does_not_send_later(
    server: Server, origin: str, number: int | None, at: int, *, is_missed: bool
) -> None:
    add(server, origin, number, at)
    found = missed(server)
    assert found is not None
    assert [name for name, _ in found] == [f"{at}"] * is_missed


def test_nobody_comes_back_to_a_server_that_does_not_know_its_place_in_the_same_order(server: Server) -> None:
    server.store.era = "cd34"
    add(server, "there", 6, 60)  # Redis was restarted, and this server has passed it on already.
    assert missed(server, offset="there.5.cd34-55-0-0") is None
    server.store.passed("cd34-60-0-0")
    assert missed(server, offset="there.5.cd34-55-0-0") == [["60", "~there.6.cd34-60-0-0"]]


@pytest.mark.parametrize("at", [21, 51])
def test_nobody_comes_back_for_whom_something_is_of_which_nobody_knows_who_had_it(server: Server, at: int) -> None:
    add(server, "third", 9, at, is_uncertain=True)
    assert missed(server) is None


@pytest.mark.parametrize(
    ("origin", "number", "at", "header"),
    [("third", 9, 20, {}), ("third", 4, 21, {}), ("there", 5, 30, {}), ("third", 9, 21, {"rooms": ("red",)})],
)
def test_what_a_client_has_or_was_not_for_it_keeps_nobody_from_coming_back(
    server: Server, origin: str, number: int, at: int, header: dict[str, Any]
) -> None:
    add(server, origin, number, at, is_uncertain=True, **header)
    add(server, "third", 10, 22)
    found = missed(server)
    assert found is not None
    assert [name for name, _ in found] == ["22"]


def test_what_two_servers_sent_does_not_come_from_the_second_where_the_first_was_before_the_place(server: Server) -> None:
    add(server, "third", 9, 19, logged="a")
    server.store.earlier = [server.store.events.pop()]
    add(server, "fourth", 1, 21, logged="a")
    add(server, "fourth", 2, 22, logged="b")
    found = missed(server)
    assert found is not None
    assert [name for name, _ in found] == ["22"]


@pytest.mark.parametrize(("origin", "is_missed"), [("there", True), ("third", False), ("here", False)])
def test_what_a_server_sent_to_its_own_clients_is_for_its_own_alone(server: Server, origin: str, *, is_missed: bool) -> None:
    server.journal.history.last = 9
    add(server, origin, 9, 21, kind=KEPT)
    found = missed(server)
    assert found is not None
    assert len(found) == is_missed


@pytest.mark.parametrize(
    ("header", "is_missed"),
    [
        ({"rooms": None}, True),
        ({"rooms": ("red", "blue")}, True),
        ({"rooms": ("c1",)}, True),
        ({"rooms": ("red",)}, False),
        ({"rooms": ("c2",)}, False),
        ({"except_rooms": ("red",)}, True),
        ({"except_rooms": ("red", "blue")}, False),
        ({"rooms": None, "except_rooms": ("c1",)}, False),
        ({"except_sid": "c2"}, True),
        ({"except_sid": "c1"}, False),
        ({"volatile": True}, False),
    ],
)
def test_a_client_gets_what_its_connection_would_have_got(server: Server, header: dict[str, Any], *, is_missed: bool) -> None:
    add(server, "third", 9, 21, **header)
    found = missed(server)
    assert found is not None
    assert len(found) == is_missed


@pytest.mark.parametrize("rooms", [("blue",), None])
@pytest.mark.parametrize(("origin", "number", "at"), [("third", 9, 25), ("there", 7, 40)])
def test_a_client_gets_nothing_from_before_it_entered_or_connected(
    server: Server, origin: str, number: int, at: int, rooms: tuple[str, ...] | None
) -> None:
    add(server, origin, number, at, rooms=rooms)
    add(server, origin, number + 1, at + 1, rooms=rooms)
    began = "there.7.ab12-25-0-0"
    found = missed(server, replace(RECORD, since=began, rooms={"blue": began}))
    assert found is not None
    assert [name for name, _ in found] == [f"{at + 1}"]


def test_where_it_began_counts_for_what_everyone_gets_and_where_it_entered_for_a_room(server: Server) -> None:
    add(server, "third", 9, 25)
    add(server, "third", 10, 26, rooms=None)
    found = missed(server, replace(RECORD, since="there.2.ab12-26-0-0"))
    assert found is not None
    assert [name for name, _ in found] == ["25"]


def test_each_missed_event_brings_the_clients_offset_forward(server: Server) -> None:
    add(server, "there", 6, 21)
    add(server, "third", 9, 22)
    add(server, "here", 2, 23)
    add(server, "there", 8, 24)
    assert missed(server) == [
        ["21", "~there.6.ab12-21-0-0"],
        ["22", "~there.6.ab12-22-0-0"],
        ["23", "~there.6.ab12-23-0-0"],
        ["24", "~there.8.ab12-24-0-0"],
    ]


def test_what_is_known_to_have_arrived_is_not_missed(server: Server) -> None:
    add(server, "there", 6, 22)
    add(server, "third", 9, 23)
    add(server, "third", 10, 24)
    found = missed(server, replace(RECORD, known="there.6.ab12-23-0-0"))
    assert found is not None
    assert [name for name, _ in found] == ["24"]


def test_a_lease_that_was_taken_is_this_servers_with_its_rooms(server: Server) -> None:
    found = server.elsewhere.find(KEY, "ann", OFFSET, RECORD)
    assert found is not None
    lease = found.lease
    assert found.number == 3
    assert (lease.key, lease.sid, lease.user_id, lease.turn, lease.token_id) == (KEY, "c1", "ann", 2, "token")
    assert lease.is_in("blue")
    assert not lease.is_over
    assert server.journal.leases.by_key == {KEY: lease}
    assert server.journal.leases.lost("ann") == [lease]
    assert server.written() == [("see", {"third": 4, "there": 5})]
    server.shared.left(lease, "blue")
    assert server.written() == [("leave", "blue")]
    assert server.published[1:] == []


def test_a_connection_without_a_token_has_none_here(server: Server) -> None:
    found = server.elsewhere.find(KEY, "ann", OFFSET, replace(RECORD, token_id=""))
    assert found is not None
    assert found.lease.token_id is None


def test_a_lease_that_is_here_already_keeps_the_rooms_that_it_has(server: Server) -> None:
    lease = server.open()
    add(server, "third", 9, 21)
    add(server, "third", 10, 22, rooms=None)
    found = server.elsewhere.find(KEY, "ann", OFFSET, RECORD)
    assert found is not None
    assert found.lease is lease
    assert [json.loads(str(part)[1:])[0] for part in found.missed] == ["22"], "it has left the other room meanwhile"


def test_a_lease_that_is_over_here_is_none(server: Server) -> None:
    server.open().give_up()
    found = server.elsewhere.find(KEY, "ann", OFFSET, RECORD)
    assert found is not None
    assert not found.lease.is_over


def test_what_the_client_has_of_other_servers_does_not_come_again_when_they_write_it(server: Server) -> None:
    assert missed(server, offset="there.5.ab12-20-0-0") == []
    assert server.journal.who_has("there", 6) == ()
    assert missed(server) == []
    assert server.journal.who_has("there", 5) == ("c1",)
    assert server.journal.who_has("third", 4) == ("c1",)
    assert server.journal.who_has("here", 1) == ()


@pytest.mark.parametrize(
    ("offset", "seen"),
    [
        ("third.9.ab12-20-0-0", {"third": 9}),
        ("third.3.ab12-20-0-0", {"third": 4}),
        ("fourth.9.ab12-20-0-0", {"third": 4}),  # Where the client was never known to be.
        ("there.0.ab12-20-0-0", {"third": 4, "there": 0}),
    ],
)
def test_a_clients_own_word_counts_of_servers_that_it_was_on(server: Server, offset: str, seen: dict[str, int]) -> None:
    missed(server, offset=offset)
    assert server.written() == [("see", seen)]


def test_only_the_servers_that_a_client_was_on_last_are_remembered(server: Server) -> None:
    missed(server, replace(RECORD, seen={f"s{number}": number for number in range(10)}))
    ((_, seen),) = server.written()
    assert list(seen) == [*(f"s{number}" for number in range(3, 10)), "there"]


@pytest.mark.parametrize("offset", [None, 7, "nonsense", "there.5"])
def test_without_a_useful_offset_nobody_comes_back(server: Server, offset: object) -> None:
    assert missed(server, offset=offset) is None


@pytest.mark.parametrize("fault", ["is_complete", "is_sent", "is_up"])
def test_who_cannot_be_told_everything_has_no_lease_anywhere_any_more(server: Server, fault: str) -> None:
    setattr(server.store, fault, False)
    assert missed(server) is None
    assert len(server.journal.leases) == 0
    assert server.written()[-1] == ("end",)
    told = server.published[-1]
    assert (told.kind, told.header) == (TAKEN, {"owner": "there", "key": KEY.hex(), "turn": 2})


def test_a_server_tells_itself_nothing(server: Server) -> None:
    lease = Lease(KEY, "c1", "ann", 0)
    server.elsewhere.tell_owner("here", lease)
    assert server.published[1:] == []
    server.elsewhere.tell_owner("there", lease)
    assert len(server.published) == 2


def test_a_lease_is_taken_from_whoever_has_it_unless_that_is_not_known(server: Server) -> None:
    server.store.records[KEY.hex(), "ann"] = RECORD
    assert server.elsewhere.take(KEY, "ann") == RECORD
    assert server.elsewhere.take(KEY, "ben") is None
    server.store.is_up = False
    assert server.elsewhere.take(KEY, "ann") is None
