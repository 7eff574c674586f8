"""Readings of one server: what it has counted, and what its state says, at one moment.

Nothing is kept for them on the path of an event: connections, rooms and whatever waits are counted when somebody asks.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from flask_realtime.backends.backend import Backend
from flask_realtime.counts import Counts, Histogram
from flask_realtime.gateway.connection import Registry, Session
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.serving.server import SocketIOServer

_USUAL: Final = (("polling", DEFAULT_NAMESPACE), ("websocket", DEFAULT_NAMESPACE))
"""The connections that are counted even if there are none: a gauge that is absent is not zero to Prometheus."""

_STATUS: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = Path("/proc/self/fd")


class Reading(NamedTuple):
    """One number, or one histogram.

    Args:
        name: The name of the metric, without the package's.
        labels: The values of its labels, in order.
        value: The number; of a histogram the numbers in its buckets, and the sum.
    """

    name: str
    labels: tuple[str, ...]
    value: Any


class Readings:
    """Takes the readings of one application in this process.

    Args:
        counts: What is counted on the path of an event.
        registry: The connections.
        sessions: The sessions.
        server: The Socket.IO server.
        backend: What servers share.
        journal: The leases, and the events for those who come back; None without recovery.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        counts: Counts,
        registry: Registry,
        sessions: Mapping[str, Session],
        server: SocketIOServer,
        backend: Backend,
        journal: Journal | None,
    ) -> None:
        self._counts = counts
        self._registry = registry
        self._sessions = sessions
        self._server = server
        self._backend = backend
        self._journal = journal
        self._started_at = time.time()

    def take(self) -> list[Reading]:
        """Return all readings."""
        parts = (self._state(), self._events(), self._connections(), self._durations(), self._requests(), self._bus())
        return [*(reading for part in parts for reading in part), *self.of_process()]

    def of_process(self) -> list[Reading]:
        """Return the readings of a process that has no clients."""
        return [*self._hooks(), *_process(self._started_at)]

    def _state(self) -> Iterator[Reading]:
        connections = Counter(dict.fromkeys(_USUAL, 0))
        connections.update((connection.transport, connection.namespace) for connection in self._registry.everyone())
        for labels, number in connections.items():
            yield Reading("connections", labels, number)
        yield Reading("users", (), self._registry.users)
        yield Reading("rooms", (), self._server.rooms)
        waiting = [session.mailbox.waiting for session in list(self._sessions.values())]
        yield Reading("mailbox_tasks", (), sum(waiting))
        yield Reading("mailbox_longest", (), max(waiting, default=0))
        engine = self._server.engine
        if engine is not None:
            yield Reading("backlog_bytes", (), engine.backlog_size)
            yield Reading("draining", (), int(engine.is_draining))
            yield Reading("handovers", (), engine.neighbours.handed_over)
        if self._journal is not None:
            yield Reading("recovery_leases", (), len(self._journal.leases))
            yield Reading("recovery_lost_connections", (), self._journal.leases.lost_count)
            yield Reading("recovery_events", (), len(self._journal.history))

    def _events(self) -> Iterator[Reading]:
        counts = self._counts
        for direction, tallies in (("received", counts.received), ("sent", counts.sent)):
            for name, tally in list(tallies.items()):
                yield Reading(f"events_{direction}", (name,), tally.count)
                yield Reading(f"event_bytes_{direction}", (name,), tally.size)
        yield from _by_code("answers", counts.answers)
        yield Reading("dropped_events", (), counts.dropped)

    def _connections(self) -> Iterator[Reading]:
        counts = self._counts
        yield from _by_code("refusals", counts.refusals)
        yield from _by_code("connections_opened", counts.opened)
        yield from _by_code("connections_closed", counts.closed)
        yield from _by_code("recoveries", counts.recoveries)
        yield Reading("malformed_packets", (), counts.malformed)
        yield Reading("backlog_cuts", (), counts.cut)
        yield Reading("heartbeats_missed", (), counts.missed_heartbeats)

    def _durations(self) -> Iterator[Reading]:
        counts = self._counts
        yield Reading("event_duration_seconds", ("inline",), _histogram(counts.inline))
        yield Reading("event_duration_seconds", ("mailbox",), _histogram(counts.queued))
        yield Reading("mailbox_wait_seconds", (), _histogram(counts.waits))

    def _hooks(self) -> Iterator[Reading]:
        for hook, histogram in list(self._counts.hooks.items()):
            yield Reading("hook_duration_seconds", (hook,), _histogram(histogram))

    def _requests(self) -> Iterator[Reading]:
        for route, requests in list(self._counts.requests.items()):
            for status, number in list(requests.statuses.items()):
                yield Reading("requests", (route, status), number)
            yield Reading("request_duration_seconds", (route,), _histogram(requests.durations))

    def _bus(self) -> Iterator[Reading]:
        bus = self._backend.bus
        if bus is None:
            return
        yield Reading("bus_connected", (), int(bus.is_connected))
        yield Reading("bus_pending", (), bus.pending)
        yield Reading("bus_publish_lag_seconds", (), bus.publish_lag)
        yield Reading("bus_read_lag_seconds", (), bus.read_lag)
        yield Reading("bus_dropped", (), bus.dropped)
        yield Reading("bus_lost", (), bus.lost)
        yield Reading("bus_outages", (), bus.outages)


def _by_code(name: str, numbers: Mapping[str, int]) -> Iterable[Reading]:
    return [Reading(name, (code,), number) for code, number in list(numbers.items())]


def _histogram(histogram: Histogram) -> list[Any]:
    return [list(histogram.buckets), histogram.sum]


def _process(started_at: float) -> Iterator[Reading]:
    used = os.times()
    yield Reading("process_cpu_seconds", (), used.user + used.system)
    yield Reading("process_start_time_seconds", (), started_at)
    yield Reading("process_threads", (), threading.active_count())
    with suppress(OSError):  # Only Linux has these.
        pages = int(_STATUS.read_text(encoding="ascii").split()[1])
        yield Reading("process_resident_memory_bytes", (), pages * os.sysconf("SC_PAGE_SIZE"))
        yield Reading("process_open_fds", (), sum(1 for _ in _DESCRIPTORS.iterdir()))
        yield Reading("process_max_fds", (), os.sysconf("SC_OPEN_MAX"))
