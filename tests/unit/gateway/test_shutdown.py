"""The end of a server: the application hears of every end first, within the time that there is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.shutdown import GatewayShutdown
from tests.clock import Clock

PATIENCE = 25.0
"""Seconds that there are for all ends; gunicorn's own patience ends after 30."""


class Server:
    """A server that stops: time goes by while it sleeps.

    Args:
        clock: Its clock.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.forgotten: list[str] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.patience: list[float] = []
        self.is_leaving = False
        self.is_announced = True
        self.tasks: list[Callable[[], None]] = []

    def sleep(self, seconds: float = 0) -> None:
        self.clock.now += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def forget(self, session_id: str) -> None:
        self.forgotten.append(session_id)

    def begin_to_leave(self) -> None:
        self.is_leaving = True

    def stop(self, patience: float) -> None:
        self.patience.append(patience)

    def start_background_task(self, target: Callable[..., None], *args: Any) -> None:
        self.tasks.append(lambda: target(*args))

    def session(self, session_id: str) -> Any:
        """Return a session that is over."""
        return Session(self, session_id)


class Session:
    """A session that is over.

    Args:
        server: Its server.
        session_id: Its id.
    """

    def __init__(self, server: Server, session_id: str) -> None:
        self.id = session_id
        self.mailbox = Mailbox(server, threading.Event, 8)
        self.forget_connections = lambda: server.forgotten.append("connections")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return Server(clock)


@pytest.fixture
def shutdown(server: Server) -> GatewayShutdown:
    backend: Any = server
    return GatewayShutdown(backend, server.sleep, backend, [lambda: server.is_announced])


def test_a_session_that_has_nothing_left_to_do_is_forgotten_at_once(server: Server, shutdown: GatewayShutdown) -> None:
    shutdown.forget(server.session("one"))
    assert server.forgotten == ["one", "connections"]
    shutdown.wait_idle()
    assert server.clock.now == 100.0
    assert server.patience == [PATIENCE]


def test_what_a_session_still_has_to_do_is_waited_for(server: Server, shutdown: GatewayShutdown) -> None:
    session, done = server.session("one"), []
    session.mailbox.post(lambda: done.append("last"))
    shutdown.forget(session)
    assert server.forgotten == []
    server.meanwhile = [lambda: None, server.tasks.pop()]
    shutdown.wait_idle()
    assert (done, server.forgotten) == (["last"], ["one", "connections"])
    assert server.clock.now < 101.0
    assert server.patience == [pytest.approx(PATIENCE, abs=1.0)]


def test_what_is_still_to_be_announced_is_waited_for(server: Server, shutdown: GatewayShutdown) -> None:
    server.is_announced = False
    server.meanwhile = [lambda: None, lambda: setattr(server, "is_announced", True)]
    shutdown.wait_idle()
    assert server.meanwhile == []
    assert 100.0 < server.clock.now < 101.0


def test_it_waits_no_longer_than_there_is_time(server: Server, shutdown: GatewayShutdown) -> None:
    server.is_announced = False
    shutdown.wait_idle()
    assert server.clock.now == pytest.approx(100.0 + PATIENCE, abs=0.1)
    assert len(server.patience) == 1
    assert 0 < server.patience[0] < 0.1


def test_a_drain_takes_from_that_time(server: Server, shutdown: GatewayShutdown) -> None:
    shutdown.begin_drain()
    assert server.is_leaving
    server.clock.now += 20.0
    server.is_announced = False
    shutdown.wait_idle()
    assert server.clock.now == pytest.approx(100.0 + PATIENCE, abs=0.1)


def run_tasks(server: Server) -> None:
    """Run what has been started."""
    while server.tasks:
        server.tasks.pop(0)()


def test_what_comes_while_something_still_runs_is_done_before_the_end_too(server: Server, shutdown: GatewayShutdown) -> None:
    done: list[str] = []
    mailbox = server.session("one").mailbox
    mailbox.post(lambda: done.append("first"))
    shutdown.when_done(mailbox, lambda: done.append("end"))
    mailbox.post(lambda: mailbox.post(lambda: done.append("third")))
    run_tasks(server)
    assert done == ["first", "third", "end"]


def test_who_sends_all_the_time_is_asked_to_leave_all_the_same(server: Server, shutdown: GatewayShutdown) -> None:
    mailbox, began = server.session("one").mailbox, server.clock.now
    ends: list[float] = []

    def send_again() -> None:
        server.clock.now += 0.5
        if server.clock.now - began < PATIENCE:
            mailbox.post(send_again)

    mailbox.post(send_again)
    shutdown.when_done(mailbox, lambda: ends.append(server.clock.now - began))
    run_tasks(server)
    assert ends == [5.5]
