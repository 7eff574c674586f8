"""What a test leaves behind is found, and said with the place where it was started."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import gevent
import pytest

from tests import leaks


def a_thread(stack: ExitStack) -> str:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    stack.callback(thread.join)
    stack.callback(done.set)
    return r"thread \d+ forgotten, started at .*test_leaks\.py:\d+"


def a_greenlet(stack: ExitStack) -> str:
    greenlet = gevent.spawn_later(1000, print)
    stack.callback(greenlet.kill)
    return r"greenlet .*, started at .*test_leaks\.py:\d+"


def a_process(stack: ExitStack) -> str:
    process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
    stack.callback(process.kill)
    return r"process \d+, started at .*input.*test_leaks\.py:\d+"


def a_socket(stack: ExitStack) -> str:
    stack.enter_context(socket.socket())
    return r"descriptor \d+ socket:.*, started at .*test_leaks\.py:\d+"


@pytest.mark.parametrize("leave", [a_thread, a_greenlet, a_process, a_socket])
def test_what_is_left_is_named(leave: Callable[[ExitStack], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SECONDS", 0.0)
    with ExitStack() as stack:
        left: list[Any] = []
        with pytest.raises(AssertionError) as raised, leaks.nothing_left_by_a_test(lambda: False):
            left.append(leave(stack))
        raised.match(left[0])


def test_what_a_wider_fixture_starts_may_stay() -> None:
    with ExitStack() as stack:
        with leaks.nothing_left_by_a_test(lambda: False), leaks.lasting("some fixture"):
            a_thread(stack)
        leaks.forget("some fixture")


def test_what_a_test_ends_itself_is_not_left() -> None:
    with leaks.nothing_left_by_a_test(lambda: False), ExitStack() as stack:
        for start in (a_thread, a_greenlet, a_process, a_socket):
            start(stack)


def test_the_pool_in_which_gevent_looks_names_up_is_no_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SECONDS", 0.0)
    gevent.get_hub().threadpool.kill()
    with leaks.nothing_left():
        gevent.get_hub().threadpool.apply(bool)


def test_what_a_module_leaves_is_named_though_greenlets_are_looked_for_once_before_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SECONDS", 0.0)
    monkeypatch.setattr(leaks, "_waiting", [])
    with ExitStack() as stack:
        a_greenlet(stack)
        for _ in range(2):
            with leaks.nothing_left_by_a_module(leaks.EVERYTHING):
                pass
        with pytest.raises(AssertionError, match=r"greenlet .*test_leaks"), leaks.nothing_left_by_a_module(leaks.EVERYTHING):
            a_greenlet(stack)
        leaks.look_again()
        with leaks.nothing_left_by_a_module(leaks.EVERYTHING):
            pass
