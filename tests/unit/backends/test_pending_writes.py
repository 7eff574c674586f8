"""Who writes a connection's entries in Redis, and what is made good after an outage."""

from __future__ import annotations

import itertools
import math
import time

import pytest

from flask_realtime.backends.base import Change
from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.outage_journal import OutageJournal
from flask_realtime.backends.redis.pending_writes import PendingWrites
from tests.clock import Clock


@pytest.fixture
def outage() -> OutageJournal:
    return OutageJournal(itertools.count(1).__next__, grace=60)


def weigh(_connection_id: str) -> int:
    return 1


def test_a_connection_has_one_writer_until_it_ends() -> None:
    pending_writes = PendingWrites()
    assert [pending_writes.begin("c1"), pending_writes.begin("c1"), pending_writes.begin("c2")] == [True, False, True]
    pending_writes.end("c1", "c3")
    assert [pending_writes.begin("c1"), pending_writes.begin("c2")] == [True, False]


def test_a_ledger_is_clear_once_everything_is_written() -> None:
    pending_writes = PendingWrites()
    assert pending_writes.is_clear
    pending_writes.begin("c1")
    assert not pending_writes.is_clear
    pending_writes.leave({"c1": "ann"})
    pending_writes.end("c1")
    assert not pending_writes.is_clear
    assert pending_writes.take(1, weigh) == {"c1": "ann"}
    assert not pending_writes.is_clear
    pending_writes.end("c1")
    assert pending_writes.is_clear


def test_connections_that_were_left_are_taken_once() -> None:
    pending_writes = PendingWrites()
    pending_writes.leave({"c1": "ann", "c2": "bob"})
    assert pending_writes.take(9, weigh) == {"c1": "ann", "c2": "bob"}
    assert pending_writes.take(9, weigh) == {}
    assert not pending_writes.begin("c1")
    pending_writes.end("c1")
    assert pending_writes.begin("c1")


def test_a_connection_that_somebody_writes_is_taken_another_time() -> None:
    pending_writes = PendingWrites()
    pending_writes.begin("c1")
    pending_writes.leave({"c1": "ann", "c2": "bob"})
    assert pending_writes.take(1, weigh) == {"c2": "bob"}
    pending_writes.end("c1")
    assert pending_writes.take(1, weigh) == {"c1": "ann"}


@pytest.mark.parametrize(("limit", "weight", "count"), [(2, 1, 2), (3, 2, 2), (4, 2, 2), (1, 9, 1), (0, 1, 0)])
def test_what_is_taken_at_once_is_bounded_by_its_weight(limit: int, weight: int, count: int) -> None:
    pending_writes = PendingWrites()
    pending_writes.leave({f"c{number}": "ann" for number in range(5)})
    assert list(pending_writes.take(limit, lambda _: weight)) == [f"c{number}" for number in range(count)]
    assert len(pending_writes.take(100, weigh)) == 5 - count


def test_who_comes_first_during_an_outage_came_online(outage: OutageJournal) -> None:
    assert outage.came("ann", is_first=True) == Change(status_changed=True, version=1)
    assert outage.came("ann", is_first=False) == Change(status_changed=False, version=2)
    assert outage.told_online == {"ann": 1}


def test_who_went_during_an_outage_neither_went_offline_nor_came_online_again(outage: OutageJournal) -> None:
    assert outage.went("ann") == Change(status_changed=False, version=1)
    assert outage.came("ann", is_first=True) == Change(status_changed=False, version=2)
    assert outage.came("bob", is_first=True).status_changed
    assert outage.told_online == {"bob": 3}
    assert (outage.due(), outage.next_settling) == ([], math.inf)


def test_what_was_told_without_an_answer_is_kept_until_there_is_one(outage: OutageJournal) -> None:
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


def test_an_unsettled_user_is_due_when_the_others_had_their_time(outage: OutageJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(1000.0)
    monkeypatch.setattr(time, "monotonic", clock)
    outage.came("ann", is_first=True)
    for user_id, is_there in (("ann", True), ("bob", False)):
        outage.written(user_id, answers.UNSETTLED, is_there=is_there)
        clock.now += 30
    assert (outage.told_online, outage.next_settling, outage.due()) == ({}, 1060.0, ["ann"])
    clock.now = 1089.0
    assert outage.due() == ["ann"]
    clock.now = 1090.0
    assert outage.due() == ["ann", "bob"]
    outage.settled(["ann", "cid"])
    assert (outage.next_settling, outage.due()) == (1090.0, ["bob"])


def test_a_settled_answer_ends_the_waiting_where_the_connection_is_gone(outage: OutageJournal) -> None:
    outage.went("ann")
    outage.written("ann", answers.STAYS, is_there=True)
    assert not outage.came("ann", is_first=True).status_changed
    outage.written("ann", answers.STAYS, is_there=False)
    assert outage.came("ann", is_first=True).status_changed
