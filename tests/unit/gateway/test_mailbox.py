"""A mailbox: one task at a time, in order, whoever posts and whenever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from flask_realtime.gateway.dispatch import mailbox as module
from flask_realtime.gateway.dispatch.mailbox import Mailbox

LIMIT = 3
SECONDS = 10.0

inherited: ContextVar[str] = ContextVar("inherited", default="nothing")


class Greenlets:
    """Background tasks that run when the test says so, and what was slept in between."""

    def __init__(self) -> None:
        self.started: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.slept: list[float] = []
        self.meanwhile: list[Callable[[], None]] = []

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        self.started.append((target, args))

    def sleep(self, seconds: float = 0) -> None:
        self.slept.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def run(self) -> None:
        """Run what has been started, and what that starts."""
        while self.started:
            target, args = self.started.pop(0)
            target(*args)


class Box:
    """A mailbox, its greenlets, and what was done."""

    def __init__(self) -> None:
        self.greenlets = Greenlets()
        self.mailbox = Mailbox(self.greenlets, threading.Event, LIMIT)
        self.done: list[Any] = []

    def post(self, *names: Any) -> None:
        for name in names:
            self.mailbox.post(lambda name=name: self.done.append(name))  # type: ignore[misc]  # mypy takes it for optional


@pytest.fixture
def box() -> Box:
    return Box()


def test_tasks_run_in_order_in_one_greenlet_that_ends_with_them(box: Box) -> None:
    box.post(1, 2, 3)
    assert (box.done, len(box.greenlets.started)) == ([], 1)
    box.greenlets.run()
    assert (box.done, box.mailbox.is_idle()) == ([1, 2, 3], True)
    box.post(4)
    assert not box.mailbox.is_idle()
    box.greenlets.run()
    assert box.done == [1, 2, 3, 4]


def test_what_a_task_posts_runs_behind_what_was_there(box: Box) -> None:
    box.mailbox.post(lambda: box.post("posted"))
    box.post("there")
    box.greenlets.run()
    assert box.done == ["there", "posted"]


def test_a_task_that_fails_keeps_none_of_the_others_from_running(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.mailbox.post(lambda: 1 / 0)  # type: ignore[arg-type]
    box.post("next")
    box.greenlets.run()
    assert (box.done, box.mailbox.is_idle()) == (["next"], True)
    assert "A task of a connection failed" in caplog.text


def test_a_task_knows_nothing_of_the_context_of_whoever_posted_it(box: Box) -> None:
    inherited.set("a request")
    box.mailbox.post(lambda: box.done.append(inherited.get()))
    inherited.set("nothing")
    box.greenlets.run()
    assert box.done == ["nothing"]


# The quick way ----------------------------------------------------------------------------------------


def test_a_turn_is_had_only_while_nothing_runs_or_waits(box: Box) -> None:
    assert box.mailbox.begin_turn()
    assert not box.mailbox.is_idle()
    assert not box.mailbox.begin_turn()
    box.mailbox.end_turn()
    assert box.mailbox.is_idle()
    box.post(1)
    assert not box.mailbox.begin_turn()
    box.greenlets.run()
    assert box.mailbox.begin_turn()


def test_what_is_posted_during_a_turn_runs_after_it(box: Box) -> None:
    assert box.mailbox.begin_turn()
    box.post(1, 2)
    box.greenlets.run()
    assert box.done == []
    assert not box.mailbox.is_idle()
    box.mailbox.end_turn()
    box.greenlets.run()
    assert (box.done, box.mailbox.is_idle()) == ([1, 2], True)


def test_a_turn_that_comes_upon_forgotten_tasks_starts_them_instead(box: Box) -> None:
    assert box.mailbox.begin_turn()
    box.post(1)
    box.mailbox._turn.release()  # As in the moment between a turn's end and its look at what came meanwhile.
    assert not box.mailbox.begin_turn()
    box.greenlets.run()
    assert (box.done, box.mailbox.is_idle()) == ([1], True)


# Bounds -----------------------------------------------------------------------------------------------


def test_a_mailbox_is_full_with_one_more_than_the_limit_waiting(box: Box) -> None:
    box.post("runs", *range(LIMIT))
    assert not box.mailbox.is_full
    box.post("one more")
    assert box.mailbox.is_full
    box.greenlets.run()
    assert not box.mailbox.is_full


def test_whoever_waits_for_space_is_told_once_there_is_some_and_once(box: Box) -> None:
    box.mailbox.on_drain(lambda: box.done.append("at once"))
    assert box.done == ["at once"]
    box.mailbox.post(lambda: box.post("late"))
    box.post(*range(LIMIT + 1))
    box.mailbox.on_drain(lambda: box.done.append("first"))
    box.mailbox.on_drain(lambda: box.done.append("second"))
    assert box.done == ["at once"]
    box.greenlets.run()
    assert box.done == ["at once", 0, 1, "first", "second", 2, 3, "late"]
    assert not box.mailbox.is_full


def test_nobody_waits_for_space_that_there_is(box: Box) -> None:
    waited: list[str] = []
    box.mailbox = Mailbox(box.greenlets, lambda: Recorded(waited), LIMIT)
    box.mailbox.wait_for_space()
    assert waited == ["set", "waited"]
    box.post(*range(LIMIT + 2))
    waited.clear()
    box.mailbox.wait_for_space()
    assert waited == ["waited"], "the event is set when there is space, not before"
    box.greenlets.run()
    assert waited == ["waited", "set"]


class Recorded:
    """An event that notes what is done with it instead of blocking."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def set(self) -> None:
        self._notes.append("set")

    def clear(self) -> None:
        self._notes.append("cleared")

    def wait(self, timeout: float | None = None) -> None:
        assert timeout is None
        self._notes.append("waited")


# Fairness ---------------------------------------------------------------------------------------------


def test_others_run_between_two_tasks_and_sockets_are_looked_at_when_the_turn_is_over(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    box.post(1, 2, 3)
    box.greenlets.meanwhile = [lambda: now.__setitem__(0, now[0] + module._TURN)]
    box.greenlets.run()
    assert box.greenlets.slept == [0, module._MOMENT]
    box.greenlets.slept.clear()
    box.post(*range(6))
    box.greenlets.meanwhile = [lambda: now.__setitem__(0, now[0] + module._TURN)]
    box.greenlets.run()
    assert box.greenlets.slept == [0, module._MOMENT, 0, 0, 0], "then another turn begins"
    assert box.done == [1, 2, 3, *range(6)]


def test_one_task_alone_lets_nobody_wait(box: Box) -> None:
    box.post(1)
    box.greenlets.run()
    assert box.greenlets.slept == []


def test_threads_that_post_at_once_lose_nothing_and_never_run_two_tasks_together() -> None:
    class Threads:
        def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
            threading.Thread(target=target, args=args, daemon=True).start()

        def sleep(self, _seconds: float = 0) -> None:
            """Let nobody run: threads do so anyway."""

    mailbox, inside, finished = Mailbox(Threads(), threading.Event, LIMIT), threading.Lock(), threading.Event()
    done: list[tuple[int, int]] = []

    def task(poster: int, number: int) -> None:
        assert inside.acquire(blocking=False)
        done.append((poster, number))
        inside.release()
        if len(done) == 800:
            finished.set()

    def post(poster: int) -> None:
        for number in range(200):
            mailbox.post(lambda number=number: task(poster, number))  # type: ignore[misc]  # as above

    posters = [threading.Thread(target=post, args=(poster,)) for poster in range(4)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join(SECONDS)
    assert finished.wait(SECONDS), len(done)
    assert [[number for poster, number in done if poster == wanted] for wanted in range(4)] == [list(range(200))] * 4
