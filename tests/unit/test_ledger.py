"""Who writes a connection's entries in Redis, and what is made good after an outage."""

from __future__ import annotations

import itertools
import math
import time

import pytest

from flask_realtime.backends.base import Change
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.ledger import Ledger
from flask_realtime.backends.redis.outage import Outage


@pytest.fixture
def outage() -> Outage:
    return Outage(itertools.count(1).__next__, grace=60)


def weigh(_connection_id: str) -> int:
    return 1


def test_a_connection_has_one_writer_until_it_ends() -> None:
    ledger = Ledger()
    assert [ledger.begin("c1"), ledger.begin("c1"), ledger.begin("c2")] == [True, False, True]
    ledger.end("c1", "c3")
    assert [ledger.begin("c1"), ledger.begin("c2")] == [True, False]


def test_a_ledger_is_clear_once_everything_is_written() -> None:
    ledger = Ledger()
    assert ledger.is_clear
    ledger.begin("c1")
    assert not ledger.is_clear
    ledger.leave({"c1": "ann"})
    ledger.end("c1")
    assert not ledger.is_clear
    assert ledger.take(1, weigh) == {"c1": "ann"}
    assert not ledger.is_clear
    ledger.end("c1")
    assert ledger.is_clear


def test_connections_that_were_left_are_taken_once() -> None:
    ledger = Ledger()
    ledger.leave({"c1": "ann", "c2": "bob"})
    assert ledger.take(9, weigh) == {"c1": "ann", "c2": "bob"}
    assert ledger.take(9, weigh) == {}
    assert not ledger.begin("c1")
    ledger.end("c1")
    assert ledger.begin("c1")


def test_a_connection_that_somebody_writes_is_taken_another_time() -> None:
    ledger = Ledger()
    ledger.begin("c1")
    ledger.leave({"c1": "ann", "c2": "bob"})
    assert ledger.take(1, weigh) == {"c2": "bob"}
    ledger.end("c1")
    assert ledger.take(1, weigh) == {"c1": "ann"}


@pytest.mark.parametrize(("limit", "weight", "count"), [(2, 1, 2), (3, 2, 2), (4, 2, 2), (1, 9, 1), (0, 1, 0)])
def test_what_is_taken_at_once_is_bounded_by_its_weight(limit: int, weight: int, count: int) -> None:
    ledger = Ledger()
    ledger.leave({f"c{number}": "ann" for number in range(5)})
    assert list(ledger.take(limit, lambda _: weight)) == [f"c{number}" for number in range(count)]
    assert len(ledger.take(100, weigh)) == 5 - count


def test_who_comes_first_during_an_outage_came_online(outage: Outage) -> None:
    assert outage.came("ann", is_first=True) == Change(happened=True, version=1)
    assert outage.came("ann", is_first=False) == Change(happened=False, version=2)
    assert outage.told_online == {"ann": 1}


def test_who_went_during_an_outage_neither_went_offline_nor_came_online_again(outage: Outage) -> None:
    assert outage.went("ann") == Change(happened=False, version=1)
    assert outage.came("ann", is_first=True) == Change(happened=False, version=2)
    assert outage.came("bob", is_first=True).happened
    assert outage.told_online == {"bob": 3}
    assert (outage.due(), outage.next_settling) == ([], math.inf)


def test_what_was_told_without_an_answer_is_kept_until_there_is_one(outage: Outage) -> None:
    outage.unanswered(scripts.ADD, "c1")
    outage.unanswered(scripts.REMOVE, "c2")
    outage.unanswered(scripts.JOIN, "c3")
    assert (outage.unanswered_arrivals, outage.unanswered_removals) == ({"c1"}, {"c2"})
    outage.unanswered(scripts.REMOVE, "c1")
    outage.answered("c1")
    outage.answered("c3")
    assert (outage.unanswered_arrivals, outage.unanswered_removals) == (set(), {"c2"})
    outage.answered("c2")
    assert outage.unanswered_removals == set()


def test_an_unsettled_user_is_due_when_the_others_had_their_time(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    outage.came("ann", is_first=True)
    for user_id, is_there in (("ann", True), ("bob", False)):
        outage.written(user_id, scripts.UNSETTLED, is_there=is_there)
        now[0] += 30
    assert (outage.told_online, outage.next_settling, outage.due()) == ({}, 1060.0, ["ann"])
    now[0] = 1089.0
    assert outage.due() == ["ann"]
    now[0] = 1090.0
    assert outage.due() == ["ann", "bob"]
    outage.settled(["ann", "cid"])
    assert (outage.next_settling, outage.due()) == (1090.0, ["bob"])


def test_a_settled_answer_ends_the_waiting_where_the_connection_is_gone(outage: Outage) -> None:
    outage.went("ann")
    outage.written("ann", scripts.STAYS, is_there=True)
    assert not outage.came("ann", is_first=True).happened
    outage.written("ann", scripts.STAYS, is_there=False)
    assert outage.came("ann", is_first=True).happened
