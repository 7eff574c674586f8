"""Events of the log that were sent already: each is delivered once, however many servers send it.

A server that dies before it has recorded that it sent an event leaves it to another one, and one that was stopped for a while may
send an event that another has sent meanwhile. So every server remembers what it and the others have sent lately::

    receive ─► note ─► known? dropped              relay ─► was_sent ─► known, or kept by the message queue? only recorded
    recover ─► without_repeats ─► known from another server, or given already? left out
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.recovery import LoggedEvent, Place
from flask_realtime.gateway.delivery.envelopes import LOGGED
from flask_realtime.gateway.locks import native_lock
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_REMEMBERED: Final = 10_000
"""Maximum number of events remembered: more than are sent until one that was left behind is sent by another server."""


class SentEvents:
    """The events of the log that servers sent last, by their names in it.

    Args:
        backend: What servers share.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = native_lock()
        self._servers: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._has_recalled = False

    def __contains__(self, logged: str) -> bool:
        return logged in self._servers

    def note(self, logged: str, server: str | None = None) -> bool:
        """Record that an event was sent, and return whether it was not known before.

        Args:
            logged: Its name in the log.
            server: The server that sent it; None for this one.
        """
        server = self._own_name() if server is None else server
        with self._lock:
            known = self._servers.get(logged, ())
            if server not in known:
                self._servers[logged] = (*known, server)
            if len(self._servers) > _REMEMBERED:
                self._servers.popitem(last=False)
        return not known

    def was_sent(self, logged: str) -> bool:
        """Return whether an event was sent already, perhaps before this server started; it may wait for the message queue."""
        if logged not in self._servers and not self._has_recalled:
            self._recall()
        return logged in self._servers

    def without_repeats(
        self,
        events: Sequence[LoggedEvent],
        copies: Mapping[str, Sequence[LoggedEvent]],
        lacks: Callable[[LoggedEvent], bool],
    ) -> list[LoggedEvent]:
        """Return what a client may have missed, without what it has from another server, and each event of the log once.

        Args:
            events: The events behind the place up to which the client has all, in order.
            copies: Those of the log by their names in it, with copies of the seconds before that place: this server may have
                started since.
            lacks: Whether the client lacks one that a server has sent.
        """
        firsts: dict[str, Place] = {}
        for event in events:
            if LOGGED in event.header:
                firsts.setdefault(event.header[LOGGED], event.place)
        given = {
            place
            for logged, place in firsts.items()
            # A server whose copy is not among them sent it before that place.
            if {copy.origin for copy in copies[logged]}.issuperset(self._servers.get(logged, ()))
            and all(map(lacks, copies[logged]))
        }
        return [event for event in events if LOGGED not in event.header or event.place in given]

    def _own_name(self) -> str:
        recovery = self._backend.recovery
        return "" if recovery is None else recovery.name

    def _recall(self) -> None:
        try:
            for envelope in self._backend.recall():
                if LOGGED in envelope.header:
                    self.note(envelope.header[LOGGED], envelope.origin)
        except BackendUnavailable:
            logger.warning("What other servers have sent cannot be read now: what they left behind in the log may be sent again")
        else:
            self._has_recalled = True
