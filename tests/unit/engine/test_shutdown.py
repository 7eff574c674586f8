"""What happens when the process is told to stop: a farewell, once, that the server waits for."""

from __future__ import annotations

import signal
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.pool import Pool

from flask_realtime.engine import shutdown as module
from flask_realtime.engine.shutdown import Shutdown

SECONDS = 10.0


class Process:
    """A process, as far as signals go.

    Args:
        previous: What handled the signal before.
    """

    SIGTERM, SIG_DFL = signal.SIGTERM, signal.SIG_DFL

    def __init__(self, previous: Any) -> None:
        self.handler = previous
        self.killed: list[Any] = []
        self.installed = 0

    def signal(self, number: int, handler: Any) -> Any:
        """Set a handler."""
        assert number == signal.SIGTERM
        previous, self.handler = self.handler, handler
        self.installed += 1
        return previous

    def kill(self, pid: int, number: int) -> None:
        """Note a signal."""
        self.killed.append((pid, number, self.handler))

    def getpid(self) -> int:
        """Return a number."""
        return 7


class Life:
    """A shutdown, and what became of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, previous: Any = signal.SIG_DFL) -> None:
        self.process = Process(previous)
        monkeypatch.setattr(module, "signal", self.process)
        monkeypatch.setattr(module, "os", self.process)
        self.done: list[str] = []
        self.may_end = Event()
        self.ended = Event()
        self.shutdown = Shutdown(self.farewell, lambda: self.done.append("hurry"))

    def farewell(self) -> None:
        """Take its time."""
        self.done.append("begun")
        assert self.may_end.wait(SECONDS)
        self.done.append("ended")
        self.ended.set()

    def stop(self) -> None:
        """Have the signal come."""
        self.process.handler(signal.SIGTERM, "frame")
        gevent.sleep(0)

    def finish(self) -> None:
        """Let the farewell end."""
        self.may_end.set()
        assert self.ended.wait(SECONDS)
        gevent.sleep(0.001)


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(monkeypatch)


def test_a_process_of_its_own_ends_behind_the_farewell(life: Life) -> None:
    life.shutdown.install(None)
    life.stop()
    assert (life.done, life.process.killed) == (["begun"], [])
    life.stop()
    assert life.done == ["begun", "hurry"]
    life.finish()
    assert life.done == ["begun", "hurry", "ended"]
    assert life.process.killed == [(7, signal.SIGTERM, signal.SIG_DFL)]


def test_the_server_hears_of_each_signal_and_ends_the_process_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    life = Life(monkeypatch, lambda *signal: heard.append(signal))
    pool = Pool(1)
    life.shutdown.install(pool)
    life.stop()
    life.stop()
    assert heard == [(signal.SIGTERM, "frame")] * 2
    assert life.done == ["begun"], "gunicorn repeats itself, and is in no hurry"
    assert pool.free_count() == 0
    life.finish()
    assert (life.process.killed, pool.free_count()) == ([], 1)


def test_a_full_pool_holds_nothing_up_and_waits_for_the_farewell_all_the_same(life: Life) -> None:
    pool, busy = Pool(1), Event()
    pool.spawn(busy.wait)
    life.shutdown.install(pool)
    life.stop()
    assert life.done == ["begun"]
    busy.set()
    gevent.sleep(0.001)
    assert pool.free_count() == 0, "the farewell has the place"
    assert not pool.join(timeout=0.001)
    life.finish()
    assert pool.join(timeout=SECONDS)


def test_the_signal_is_listened_for_once(life: Life) -> None:
    first = Pool(1)
    life.shutdown.install(first)
    life.shutdown.install(Pool(1))
    assert life.process.installed == 1
    life.stop()
    assert first.free_count() == 0
    life.finish()


def test_where_nobody_may_listen_that_is_no_error(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(life.process, "signal", refuse)
    life.shutdown.install(None)
    life.shutdown.install(None)
