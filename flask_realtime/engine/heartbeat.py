"""Heartbeats of all connections on one timer.

The ping interval is the same for every connection, and so is the time-out: connections become due in the order in which they were
added. So two queues and one greenlet are enough for all of them, at a cost that does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import gevent

from flask_realtime.counts import Counts
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Beating(Protocol):
    """A connection with a heartbeat."""

    def ping(self) -> None:
        """Send a ping."""

    def heard_recently(self) -> bool:
        """Return whether reading is paused, so that an answer cannot be seen now."""

    def time_out(self) -> None:
        """Close: a ping was not answered in time."""


ItemT = TypeVar("ItemT")


class DeadlineQueue(Generic[ItemT]):
    """Queue of items that are due a fixed time after they were added, in order.

    Args:
        delay: Seconds.
        clock: Returns the time in seconds.
    """

    def __init__(self, delay: float, clock: Callable[[], float]) -> None:
        self._delay = delay
        self._clock = clock
        self._deadlines: dict[ItemT, float] = {}

    def add(self, item: ItemT) -> None:
        """Add an item, or restart its time."""
        self._deadlines.pop(item, None)
        self._deadlines[item] = self._clock() + self._delay

    def discard(self, item: ItemT) -> bool:
        """Remove an item, and return whether it was there."""
        return self._deadlines.pop(item, None) is not None

    def due(self) -> list[ItemT]:
        """Remove and return the items that are due."""
        now = self._clock()
        items = []
        for item, deadline in self._deadlines.items():
            if deadline > now:
                break
            items.append(item)
        for item in items:
            del self._deadlines[item]
        return items

    def __iter__(self) -> Iterator[ItemT]:
        """Iterate over the items, the next to be due first."""
        return iter(self._deadlines)

    def next_deadline(self) -> float | None:
        """Return the time at which the next item is due, or None if there is none."""
        return next(iter(self._deadlines.values()), None)


class Heartbeat:
    """Pings connections, and closes those that do not answer.

    Args:
        interval: Seconds from a connection's start, or an answer, to the next ping.
        timeout: Seconds in which a ping has to be answered.
        connect_timeout: Seconds in which a new connection has to connect to a namespace.
        counts: Counts the pings that are not answered.
    """

    def __init__(self, interval: float, timeout: float, connect_timeout: float, counts: Counts) -> None:
        self._to_ping: DeadlineQueue[Beating] = DeadlineQueue(interval, monotonic)
        self._to_answer: DeadlineQueue[Beating] = DeadlineQueue(timeout, monotonic)
        self._to_connect: DeadlineQueue[Beating] = DeadlineQueue(connect_timeout, monotonic)
        self._queues = (self._to_ping, self._to_answer, self._to_connect)
        self._running = False
        self._counts = counts
        self._shortest = min(interval, timeout, connect_timeout)

    def add(self, connection: Beating) -> None:
        """Start pinging a connection, and waiting for it to connect to a namespace."""
        self._to_ping.add(connection)
        self._to_connect.add(connection)
        if not self._running:
            self._running = True
            gevent.spawn(self._run)

    def mark_connected(self, connection: Beating) -> None:
        """Record that a connection has connected to a namespace."""
        self._to_connect.discard(connection)

    def unconnected(self) -> Iterable[Any]:
        """Return the connections that have not connected, the oldest first."""
        return self._to_connect

    def mark_disconnected(self, connection: Beating) -> None:
        """Wait again for a connection to connect to a namespace."""
        self._to_connect.add(connection)

    def answered(self, connection: Beating) -> None:
        """Record that a connection answered a ping."""
        if self._to_answer.discard(connection):
            self._to_ping.add(connection)

    def remove(self, connection: Beating) -> None:
        """Forget a connection."""
        if not self._to_ping.discard(connection):  # It is in one of these two.
            self._to_answer.discard(connection)
        self._to_connect.discard(connection)

    def _run(self) -> None:
        while (deadline := self._next_deadline()) is not None:
            # A connection added meanwhile is not due before the shortest interval has passed.
            gevent.sleep(max(0.0, min(deadline - monotonic(), self._shortest)))
            try:
                self._beat()
            except Exception:
                logger.exception("A heartbeat failed")  # The other connections need theirs.
        self._running = False

    def _next_deadline(self) -> float | None:
        return min((deadline for queue in self._queues if (deadline := queue.next_deadline()) is not None), default=None)

    def _beat(self) -> None:
        for connection in self._to_answer.due():
            if connection.heard_recently():
                self._to_answer.add(connection)
            else:
                self._counts.missed_heartbeats += 1
                connection.time_out()
        for connection in self._to_connect.due():
            connection.time_out()
        for connection in self._to_ping.due():
            self._to_answer.add(connection)
            connection.ping()
