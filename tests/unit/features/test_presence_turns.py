"""Turns of users: in order for each of them, and nobody waits for anybody else."""

import threading
from collections.abc import Callable
from contextvars import Context, ContextVar
from functools import partial
from typing import Any

import gevent
import pytest
from gevent.event import Event

from flask_realtime.engine.concurrency import Greenlets
from flask_realtime.features.presence.turns import Turns

SECONDS = 10.0
number: ContextVar[int] = ContextVar("number", default=0)


class World:
    """Turns whose tasks run when they are told to."""

    def __init__(self) -> None:
        self.started: list[Callable[[], object]] = []
        self.done: list[str] = []
        self.turns = Turns(self.start, threading.Lock())

    def start(self, function: Callable[..., object], *args: Any) -> None:
        self.started.append(lambda: function(*args))

    def post(self, user_id: str, what: str) -> None:
        self.turns.post(user_id, lambda: self.done.append(what))


@pytest.fixture
def world() -> World:
    return World()


def test_one_users_tasks_run_in_order_and_the_next_one_is_started_only_then(world: World) -> None:
    for what in ("first", "second", "third"):
        world.post("ann", what)
    assert len(world.started) == 1
    for expected in (["first"], ["first", "second"], ["first", "second", "third"]):
        world.started.pop()()
        assert world.done == expected
    assert world.started == []


def test_different_users_tasks_are_started_side_by_side(world: World) -> None:
    world.post("ann", "ann's")
    world.post("ben", "ben's")
    assert len(world.started) == 2
    world.started.pop()()
    assert world.done == ["ben's"]


def test_they_are_idle_only_when_nothing_runs_or_waits(world: World) -> None:
    assert world.turns.is_idle
    seen: list[bool] = []
    world.turns.post("ann", lambda: seen.append(world.turns.is_idle))
    world.post("ann", "second")
    world.started.pop()()
    assert seen == [False]
    assert not world.turns.is_idle
    world.started.pop()()
    assert world.turns.is_idle


def test_a_task_that_posts_another_about_the_same_user_does_not_run_it_at_once(world: World) -> None:
    def first() -> None:
        world.post("ann", "second")
        world.done.append("first")

    world.turns.post("ann", first)
    world.started.pop()()
    world.started.pop()()
    assert world.done == ["first", "second"]


def test_a_failure_is_logged_and_stops_none_of_the_others(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError

    world.turns.post("ann", fail)
    world.post("ann", "second")
    world.started.pop()()
    world.started.pop()()
    assert world.done == ["second"]
    assert [record.message for record in caplog.records] == ["A task about a user failed"]


def test_a_task_that_is_killed_stops_none_of_the_others(world: World) -> None:
    def leave() -> None:
        raise SystemExit

    world.turns.post("ann", leave)
    world.post("ann", "second")
    with pytest.raises(SystemExit):
        world.started.pop()()
    world.started.pop()()
    assert world.done == ["second"]
    assert world.turns.is_idle


def test_each_task_begins_with_an_empty_context(world: World) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(number.get())
        number.set(2)

    def run() -> None:
        number.set(1)
        while world.started:
            world.started.pop()()

    for _ in range(2):
        world.turns.post("ann", look)
    Context().run(run)
    assert seen == [0, 0]


def test_a_task_that_waits_holds_up_its_own_user_alone() -> None:
    gate, done = Event(), []
    turns = Turns(Greenlets().start_background_task, threading.Lock())

    def wait() -> None:
        assert gate.wait(SECONDS)
        done.append("ann")

    turns.post("ann", wait)
    for user_id, what in (("ann", "ann again"), ("ben", "ben"), ("cem", "cem")):
        turns.post(user_id, partial(done.append, what))
    settle()
    assert done == ["ben", "cem"]
    gate.set()
    settle()
    assert done == ["ben", "cem", "ann", "ann again"]
    assert turns.is_idle


def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        gevent.sleep(0)
