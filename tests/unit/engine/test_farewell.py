"""How the sessions of a server that stops are ended: in which order, when each leaves, and how long one is waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.engine import farewell
from flask_realtime.engine.farewell import Drain

SECONDS = 10.0
SHUTTING_DOWN = CloseReason.SHUTTING_DOWN.value
Sessions = dict[str, Any]


class Session:
    """A session, as far as it is asked to leave.

    Args:
        sid: Its id.
        sessions: All of them; it takes itself out when it has ended.
        asks: How often it is asked to leave until it does; 0 for never.
    """

    def __init__(self, sid: str, sessions: Sessions, asks: int = 1) -> None:
        self.sid = sid
        self.closed = False
        self.heard: list[tuple[str, str]] = []
        self._sessions = sessions
        self._asks = asks
        sessions[sid] = self

    def leave(self, reason: str) -> None:
        """Be asked to leave."""
        self.heard.append(("leave", reason))
        if len(self.heard) == self._asks:
            self._end()

    def close(self, *, wait: bool, reason: str) -> None:
        """Be closed."""
        assert not wait
        self.heard.append(("close", reason))
        self._end()

    def _end(self) -> None:
        self.closed = True
        del self._sessions[self.sid]


class Above:
    """What is above the engine: whatever a session has sent is done, unless it is busy."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.busy: dict[str, Callable[[], None] | None] = {}

    def begin_drain(self) -> None:
        """Begin."""

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Call back, or keep the callback of a session that is busy."""
        self.asked.append(eio_sid)
        if eio_sid in self.busy:
            self.busy[eio_sid] = callback
        else:
            callback()

    def wait_idle(self) -> None:
        """Wait."""

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Fail."""


@pytest.fixture
def above() -> Above:
    return Above()


@pytest.fixture
def sessions() -> Sessions:
    return {}


def run(drain: Drain, sessions: Sessions, *relays: Callable[[], None]) -> None:
    with gevent.Timeout(SECONDS):
        drain.run(sessions, relays)


def wait_until(condition: Callable[[], object]) -> None:
    with gevent.Timeout(SECONDS):
        while not condition():
            gevent.sleep(0.001)


def test_every_session_and_relay_is_ended_once_and_in_no_fixed_order(above: Above, sessions: Sessions) -> None:
    every = [Session(str(number), sessions) for number in range(40)]
    ended: list[int] = []
    run(Drain(0, above), sessions, *(lambda number=number: ended.append(number) for number in range(40)))
    assert [session.heard for session in every] == [[("leave", SHUTTING_DOWN)]] * 40
    asked = [int(sid) for sid in above.asked]
    assert sorted(asked) == sorted(ended) == list(range(40))
    assert asked != sorted(asked), "servers that stop together would end the same clients first"


def test_with_time_they_leave_batch_by_batch(above: Above, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    now, moments = [0.0], []

    def go_on() -> None:
        while True:
            now[0] += 0.002  # Many times between two looks.
            gevent.sleep(0.001)

    monkeypatch.setattr(farewell, "monotonic", lambda: now[0])
    monkeypatch.setattr(farewell, "DRAIN_LIMIT", 1.0)
    monkeypatch.setattr(above, "when_done", lambda _sid, _callback: moments.append(now[0]))
    for number in range(20):
        Session(str(number), sessions)
    time = gevent.spawn(go_on)
    run(Drain(0.4, above), sessions)
    time.kill()
    assert len(moments) == 20
    assert moments[0] + 0.1 < moments[-1]
    assert {moments.count(moment) % 5 for moment in moments} == {0}


def test_a_session_leaves_once_what_it_has_sent_is_done(above: Above, sessions: Sessions) -> None:
    busy, idle = Session("busy", sessions), Session("idle", sessions, asks=3)
    above.busy["busy"] = None
    draining = gevent.spawn(run, Drain(0, above), sessions)
    wait_until(lambda: idle.closed and above.busy["busy"])
    assert busy.heard == []
    done = above.busy["busy"]
    assert done is not None
    done()
    draining.get(timeout=SECONDS)
    assert busy.heard == [("leave", SHUTTING_DOWN)]
    assert sorted(above.asked) == ["busy", "idle"], "once each, however long it takes"


def test_a_session_is_asked_to_leave_until_it_does(above: Above, sessions: Sessions) -> None:
    polling = Session("polling", sessions, asks=3)
    run(Drain(0, above), sessions)
    assert polling.heard == [("leave", SHUTTING_DOWN)] * 3


def test_a_client_that_takes_nothing_is_closed_after_a_while(
    above: Above, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farewell, "LEAVE_TIMEOUT", 0.1)
    deaf = Session("deaf", sessions, asks=0)
    run(Drain(0, above), sessions)
    assert deaf.heard[-1] == ("close", SHUTTING_DOWN)
    assert [what for what, _ in deaf.heard].count("close") == 1
    assert deaf.heard[0] == ("leave", SHUTTING_DOWN)


def test_whoever_is_left_after_so_long_is_left(above: Above, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farewell, "DRAIN_LIMIT", 0.1)
    Session("deaf", sessions, asks=0)
    run(Drain(0, above), sessions)
    assert list(sessions) == ["deaf"]


def test_a_drain_that_is_hurried_leaves_the_rest_to_others(above: Above, sessions: Sessions) -> None:
    Session("deaf", sessions, asks=0)
    drain = Drain(0, above)
    draining = gevent.spawn(run, drain, sessions)
    wait_until(lambda: above.asked)
    assert not draining.ready()
    drain.is_hurried = True
    draining.get(timeout=SECONDS)
    assert list(sessions) == ["deaf"]


def test_a_session_that_has_ended_by_itself_is_asked_nothing(above: Above, sessions: Sessions) -> None:
    gone, other = Session("gone", sessions), Session("other", sessions, asks=3)
    gone.closed = True
    draining = gevent.spawn(run, Drain(0, above), sessions)
    wait_until(lambda: other.closed)
    del sessions["gone"]
    draining.get(timeout=SECONDS)
    assert (gone.heard, above.asked) == ([], ["other"])
