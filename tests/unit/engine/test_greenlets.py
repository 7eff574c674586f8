"""Greenlets that are used again: nothing waits for another, and nothing is kept of what is over."""

import gc
import itertools
import threading
import time
import weakref
from contextvars import ContextVar

import gevent
import greenlet
import pytest
from gevent.event import Event

from flask_realtime.engine import concurrency
from flask_realtime.engine.concurrency import Greenlets

SECONDS = 10.0
number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture
def greenlets() -> Greenlets:
    return Greenlets()


def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        gevent.sleep(0)


def test_functions_run_in_the_order_in_which_they_were_started(greenlets: Greenlets) -> None:
    done: list[int] = []
    for item in range(100):
        greenlets.start_background_task(done.append, item)
    assert done == []
    settle()
    assert done == list(range(100))


def test_functions_that_do_not_wait_share_a_greenlet(greenlets: Greenlets) -> None:
    used: set[int] = set()
    for _ in range(100):
        greenlets.start_background_task(lambda: used.add(id(greenlet.getcurrent())))
    settle()
    assert len(used) == 1
    assert id(greenlet.getcurrent()) not in used


def test_a_function_that_waits_holds_up_no_other(greenlets: Greenlets) -> None:
    gates, done = [Event() for _ in range(50)], []

    def wait(index: int) -> None:
        assert gates[index].wait(SECONDS)
        done.append(index)

    for index in range(50):
        greenlets.start_background_task(wait, index)
        greenlets.start_background_task(done.append, -1)
    settle()
    assert done == [-1] * 50
    for index in reversed(range(50)):
        gates[index].set()
        settle()
    assert done[50:] == list(reversed(range(50)))
    greenlets.start_background_task(done.append, 50)
    settle()
    assert done[-1] == 50


def test_each_begins_with_an_empty_context(greenlets: Greenlets) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(number.get())
        number.set(7)

    number.set(1)
    for _ in range(3):
        greenlets.start_background_task(look)
    settle()
    assert seen == [0, 0, 0]


def test_nothing_is_kept_of_what_is_over(greenlets: Greenlets) -> None:
    class Task:
        def __call__(self, _argument: object) -> None:
            gevent.sleep(0)

    kept = []
    for _ in range(3):
        task, argument = Task(), Task()
        kept += [weakref.ref(task), weakref.ref(argument)]
        greenlets.start_background_task(task, argument)
        del task, argument
        settle()
    assert [reference() for reference in kept] == [None] * 6


def test_the_greenlets_go_with_their_pool(greenlets: Greenlets) -> None:
    found: list[weakref.ref[greenlet.greenlet]] = []
    own = Greenlets()
    own.start_background_task(lambda: found.append(weakref.ref(greenlet.getcurrent())))
    greenlets.start_background_task(lambda: found.append(weakref.ref(greenlet.getcurrent())))
    settle()
    assert [reference() is None for reference in found] == [False, False]
    del own
    gc.collect()
    assert [reference() is None for reference in found] == [True, False]


def test_one_that_was_killed_while_it_waited_is_not_used_again(greenlets: Greenlets) -> None:
    workers: list[greenlet.greenlet] = []
    greenlets.start_background_task(lambda: workers.append(greenlet.getcurrent()))
    settle()
    gevent.kill(workers[0])
    settle()
    greenlets.start_background_task(lambda: workers.append(greenlet.getcurrent()))
    settle()
    assert workers[0].dead
    assert workers[1] is not workers[0]


def test_a_crowd_leaves_no_more_than_a_few_behind(greenlets: Greenlets) -> None:
    gate, found = Event(), []

    def wait() -> None:
        found.append(weakref.ref(greenlet.getcurrent()))
        assert gate.wait(SECONDS)

    for _ in range(200):
        greenlets.start_background_task(wait)
    settle()
    gate.set()
    settle()
    gc.collect()
    assert 0 < sum(reference() is not None for reference in found) <= 20


def test_who_sleeps_lets_others_run(greenlets: Greenlets) -> None:
    done: list[int] = []
    greenlets.start_background_task(done.append, 1)
    with gevent.Timeout(0.5):
        greenlets.sleep()
    assert done == [1]


def test_who_sleeps_does_so_for_as_long_as_asked(greenlets: Greenlets) -> None:
    began = time.monotonic()
    greenlets.sleep(0.05)
    assert time.monotonic() - began >= 0.05


# Turns ------------------------------------------------------------------------------------------------


def order_of(greenlets: Greenlets, count: int) -> list[object]:
    """The order in which some functions run, and a callback of the event loop that was scheduled after them."""
    done: list[object] = []
    for item in range(count):
        greenlets.start_background_task(done.append, item)
    gevent.get_hub().loop.run_callback(done.append, "other")
    for _ in range(count):
        settle()
    return done


def test_functions_that_take_no_time_run_one_after_the_other(greenlets: Greenlets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "monotonic", lambda: 0.0)
    assert order_of(greenlets, 3) == [0, 1, 2, "other"]


def test_others_have_their_turn_after_functions_that_take_long(greenlets: Greenlets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "monotonic", itertools.count(0.0, 0.006).__next__)
    assert order_of(greenlets, 3) == [0, "other", 1, 2]


def test_one_that_fails_takes_no_other_with_it(greenlets: Greenlets, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[type[BaseException]] = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda _context, kind, *_: failures.append(kind))
    done: list[int] = []
    greenlets.start_background_task(done.append, 1)
    greenlets.start_background_task(done.remove, 0)
    greenlets.start_background_task(done.append, 2)
    settle()
    greenlets.start_background_task(done.append, 3)
    settle()
    assert (done, failures) == ([1, 2, 3], [ValueError])


def test_a_callback_of_the_event_loop_runs_a_function_at_once(greenlets: Greenlets) -> None:
    done, gate = [], Event()

    def wait() -> None:
        done.append("begun")
        assert gate.wait(SECONDS)
        done.append(f"over {number.get()}")

    def callback() -> None:
        number.set(3)
        greenlets.run(done.append, "first")
        greenlets.run(wait)
        done.append("back")

    gevent.get_hub().loop.run_callback(callback)
    settle()
    assert done == ["first", "begun", "back"]
    gate.set()
    settle()
    assert done[3:] == ["over 0"]


def test_each_thread_has_greenlets_of_its_own(greenlets: Greenlets) -> None:
    done: list[int] = []

    def elsewhere() -> None:
        for _ in range(2):
            greenlets.start_background_task(lambda: done.append(threading.get_ident()))
        settle()
        gevent.get_hub().destroy(destroy_loop=True)

    for _ in range(2):
        greenlets.start_background_task(lambda: done.append(threading.get_ident()))
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(SECONDS)
        assert len(done) == 2, "those of this thread wait for their turn"
        settle()
        assert len(set(done)) == 2
        assert done.pop() == threading.get_ident()
        done.clear()
