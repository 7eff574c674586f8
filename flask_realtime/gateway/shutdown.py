"""Wait for what follows from the end of sessions, before the process stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from flask_realtime.backends.backend import Backend
from flask_realtime.gateway.connection import Session
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.serving.sessions import EngineSessions

_IDLE_TIMEOUT: Final = 25.0
"""Seconds; gunicorn's own patience ends after 30."""

_IDLE_TICK: Final = 0.02

_QUIET_TIMEOUT: Final = 5.0
"""Seconds after which a client that sends all the time is asked to leave all the same."""


class GatewayShutdown:
    """Knows which sessions have ended that the application has not heard of yet.

    Args:
        sessions: The engine's sessions.
        sleep: Lets other greenlets or threads run for a number of seconds.
        backend: What servers share.
        finishing: What is waited for: each is called again and again, and returns whether it is done.
    """

    def __init__(
        self, sessions: EngineSessions, sleep: Callable[[float], None], backend: Backend, finishing: Iterable[Callable[[], bool]]
    ) -> None:
        self._sessions = sessions
        self._sleep = sleep
        self._backend = backend
        self._finishing = finishing
        self._ending: set[Session] = set()
        self._stop_by = 0.0

    def forget(self, session: Session) -> None:
        """Forget a session that is gone, behind what its mailbox still has to do."""
        if session.mailbox.begin_turn():
            self._sessions.forget(session.id)
            session.forget_connections()
            session.mailbox.end_turn()
        else:
            self._ending.add(session)
            session.mailbox.post(partial(self._forget, session))

    def _forget(self, session: Session) -> None:
        self._sessions.forget(session.id)
        session.forget_connections()
        self._ending.discard(session)

    def when_done(self, mailbox: Mailbox, callback: Callable[[], None]) -> None:
        """Call a function once a mailbox has nothing left to do, what comes meanwhile included, or more comes all the time."""
        mailbox.post(partial(self._call_when_done, mailbox, callback))

    def _call_when_done(self, mailbox: Mailbox, callback: Callable[[], None], until: float = 0.0) -> None:
        now = time.monotonic()
        if mailbox.waiting and now < (until := until or now + _QUIET_TIMEOUT):
            mailbox.post(partial(self._call_when_done, mailbox, callback, until))
        else:
            callback()

    def begin_drain(self) -> None:
        """Take the time from now on: sessions are ended bit by bit."""
        self._stop_by = time.monotonic() + _IDLE_TIMEOUT
        self._backend.begin_to_leave()

    def wait_idle(self) -> None:
        """Return when the application has heard of every end and the features have finished, or it takes too long."""
        deadline = self._stop_by or time.monotonic() + _IDLE_TIMEOUT
        while (self._ending or not self._is_finished()) and time.monotonic() < deadline:
            self._sleep(_IDLE_TICK)
        self._backend.stop(max(deadline - time.monotonic(), _IDLE_TICK))

    def _is_finished(self) -> bool:
        unfinished = [finish for finish in self._finishing if not finish()]  # All are called, so that each knows of the end.
        return not unfinished
