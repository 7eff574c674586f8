"""Ends the sessions of a server that is to stop: batch by batch, each as soon as its client has what waits for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Final, Protocol

import gevent

from flask_realtime.contract.reasons import CloseReason
from flask_realtime.engine.drain import plan_batches
from flask_realtime.engine.socket import EngineSocket
from flask_realtime.jitter import jitter

DRAIN_LIMIT: Final = 22.0
"""Seconds after which connections are ended whatever still waits for them: gunicorn's patience is 30, and hooks run behind it."""

LEAVE_TIMEOUT: Final = 5.0
"""Seconds in which a client has to take what waits for it; its poll may have to wait for the worker that replaces this one."""

_TICK: Final = 0.02

_SHUTTING_DOWN: Final = CloseReason.SHUTTING_DOWN.value


class Ending(Protocol):
    """Steps above the engine when the process stops."""

    def begin_drain(self) -> None:
        """Handle the start of a drain: sessions are ended in batches from now on."""

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Have a function called as soon as everything that a session has sent is done."""

    def wait_idle(self) -> None:
        """Return when everything has been done that follows from the end of the sessions, or it takes too long."""

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Handle an error in the handling of a session's message."""


class Drain:
    """Ends sessions bit by bit.

    Args:
        seconds: How long it may take until the last one is asked to leave.
        ending: What there is to do above the engine.
    """

    def __init__(self, seconds: float, ending: Ending) -> None:
        self._seconds = seconds
        self._ending = ending
        self._leaving: dict[EngineSocket, float] = {}
        self.is_hurried = False
        """Whether what is left is to be ended in another way, at once."""

    def run(self, sockets: Mapping[str, EngineSocket], ends_of_relays: Sequence[Callable[[], None]]) -> None:
        """End sessions, and return when all are gone or it has taken too long.

        Args:
            sockets: The sessions; those that have ended are taken out meanwhile.
            ends_of_relays: End the connections that were handed to other workers.
        """
        began = monotonic()
        waiting = [partial(self._leaving.__setitem__, socket, 0.0) for socket in sockets.values()] + list(ends_of_relays)
        jitter.shuffle(waiting)
        batches = plan_batches(len(waiting), self._seconds, jitter.random)
        while (batches or sockets) and not self.is_hurried and monotonic() - began < DRAIN_LIMIT:
            while batches and batches[0].at <= monotonic() - began:
                size = batches.pop(0).size
                for depart in waiting[:size]:
                    depart()
                del waiting[:size]
            self._go_on()
            gevent.sleep(_TICK)

    def _go_on(self) -> None:
        for socket, give_up_at in list(self._leaving.items()):
            if socket.closed:
                del self._leaving[socket]
            elif give_up_at == 0:
                self._leaving[socket] = math.inf
                self._ending.when_done(socket.sid, partial(self._leave, socket))
            elif give_up_at < monotonic():
                socket.close(wait=False, reason=_SHUTTING_DOWN)
            elif give_up_at < math.inf:
                socket.leave(_SHUTTING_DOWN)

    def _leave(self, socket: EngineSocket) -> None:
        socket.leave(_SHUTTING_DOWN)
        self._leaving[socket] = monotonic() + LEAVE_TIMEOUT
