"""Turns: sections of one name run one after the other, unless that would take too long."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_realtime.backends.redis.turns import Turns

LONG = 60.0


def test_sections_of_one_name_run_one_after_the_other() -> None:
    turns, inside, seen = Turns(LONG), set[int](), list[int]()

    def section(number: int) -> None:
        with turns.take("a"):
            inside.add(number)
            seen.append(len(inside))
            threading.Event().wait(0.001)
            inside.remove(number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(section, range(50)))
    assert seen == [1] * 50


def test_sections_of_two_names_do_not_wait_for_each_other() -> None:
    turns, both = Turns(LONG), threading.Barrier(2)

    def section(name: str) -> None:
        with turns.take(name):
            both.wait(LONG)

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(section, "ab")) == [None, None]


def test_a_section_within_one_of_the_same_name_runs_at_once() -> None:
    turns, ran = Turns(LONG), []
    with turns.take("a"), turns.take("a"):
        ran.append("inner")
    with ThreadPoolExecutor(1) as threads:
        threads.submit(enter, turns, ran).result(LONG)
    assert ran == ["inner", "other"]


def test_a_section_that_would_wait_too_long_runs_out_of_turn() -> None:
    turns, ran = Turns(0.01), list[str]()
    with ThreadPoolExecutor(1) as threads, turns.take("a"):
        threads.submit(enter, turns, ran).result(LONG)
        ran.append("first")
    assert ran == ["other", "first"]
    with turns.take("a"):
        ran.append("last")
    assert ran[-1] == "last"


def test_a_section_that_fails_lets_the_next_one_in() -> None:
    turns, ran = Turns(LONG), list[str]()
    with pytest.raises(ZeroDivisionError), turns.take("a"):
        _ = 1 / 0
    with ThreadPoolExecutor(1) as threads:
        threads.submit(enter, turns, ran).result(LONG)
    assert ran == ["other"]


def enter(turns: Turns, ran: list[str]) -> None:
    with turns.take("a"):
        ran.append("other")
