"""Reporter of this server to the administrators of all servers, while there are any."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.administration.collector import Collector
from flask_realtime.features.administration.events import ALL_SOCKETS, Item, ServerStats, SocketDetails, stats_item

STATS_SECONDS: Final = 2.0
REPORT_SECONDS: Final = 1.0
"""Seconds between two reports of changes."""

LIST_SECONDS: Final = 0.25
LIST_SIZE: Final = 250
"""Connections in one part of the list that an administrator gets, and the seconds between two parts."""

RELOAD: Final = "reload"
"""The item that says that changes were lost, so that the page needs all connections anew; it is not sent to the page."""

Report = Callable[["str | None", list[Item]], None]


class _Listing:
    """Rest of the list of connections for one administrator."""

    def __init__(self, admin_id: str, connections: Sequence[ServedConnection], due: float) -> None:
        self.admin_id = admin_id
        self.left = deque(connections)
        self.due = due

    def take(self) -> list[ServedConnection]:
        """Return the next part of those that are still open."""
        part = [self.left.popleft() for _ in range(min(LIST_SIZE, len(self.left)))]
        return [connection for connection in part if not connection.closed]


class Reporter:
    """Collects and reports, from `start` to `stop`.

    Args:
        context: The surroundings of the feature.
        report: Passes items on: to one administrator by its id, or with None to all.
        secret_events: Names of events whose arguments are never shown.
        shows_events: Whether connections, rooms and events are reported, rather than numbers alone.
    """

    def __init__(self, context: FeatureContext, report: Report, secret_events: frozenset[str], *, shows_events: bool) -> None:
        self._context = context
        self._report = report
        self._secret_events = secret_events
        self._shows_events = shows_events
        self._started = context.clock()
        self._collector: Collector | None = None
        self._stats_at = 0.0
        self._changes_at = 0.0
        self._listings: list[_Listing] = []

    @property
    def is_running(self) -> bool:
        """True while it collects."""
        return self._collector is not None

    def start(self) -> None:
        """Begin to collect, unless it does already."""
        if self._collector is None:
            now = self._context.clock()
            self._stats_at, self._changes_at = now, now + REPORT_SECONDS
            options = (self._describe, self._secret_events, time.time, self._context.server.traffic)
            self._collector = Collector(*options, shows_events=self._shows_events)
            self._context.server.observe(self._collector)

    def stop(self) -> None:
        """Collect nothing any more."""
        if self._collector is not None:
            self._collector = None
            self._listings = []
            self._context.server.observe(None)

    def list_for(self, admin_id: str) -> None:
        """Begin to report all connections to an administrator, in parts."""
        if self._shows_events:
            self._listings = [listing for listing in self._listings if listing.admin_id != admin_id]
            self._listings.append(_Listing(admin_id, self._context.server.connections(), self._context.clock()))

    def next_deadline(self) -> float | None:
        """Return when it has something to report next, or None."""
        if self._collector is None:
            return None
        deadlines = [self._stats_at, *(listing.due for listing in self._listings)]
        return min([*deadlines, self._changes_at] if self._shows_events else deadlines)

    def report_due(self) -> None:
        """Report what is due."""
        collector, now = self._collector, self._context.clock()
        if collector is None:
            return
        if now >= self._stats_at:
            self._stats_at = now + STATS_SECONDS
            self._report(None, [self._stats(collector)])
        due = [listing for listing in self._listings if now >= listing.due]
        if due or now >= self._changes_at:
            self._changes_at = now + REPORT_SECONDS
            self._report_changes(collector)
        for listing in due:
            self._report_part(collector, listing, now)

    def _report_changes(self, collector: Collector) -> None:
        has_lost = collector.take_loss()
        items = collector.take_items()
        if has_lost:
            items.append((RELOAD, ()))
        if items:
            self._report(None, items)

    def _report_part(self, collector: Collector, listing: _Listing, now: float) -> None:
        connections = listing.take()
        for connection in connections:
            collector.note_transport(connection)
        self._report(listing.admin_id, [(ALL_SOCKETS, ([self._describe(item).payload() for item in connections],))])
        listing.due = now + LIST_SECONDS
        if not listing.left:
            self._listings = [other for other in self._listings if other is not listing]

    def _stats(self, collector: Collector) -> Item:
        sessions, polling = self._context.server.count_sessions()
        uptime = self._context.clock() - self._started
        hostname, pid = socket.gethostname(), os.getpid()
        where = (f"{hostname}#{pid}", hostname, pid, uptime)
        return stats_item(ServerStats(*where, sessions, polling, self._context.server.count_connections(), collector.take_counts()))

    def _describe(self, connection: ServedConnection) -> SocketDetails:
        environ: Any = connection.environ
        return SocketDetails(
            id=connection.id,
            client_id=connection.client_id,
            transport=connection.transport,
            namespace=connection.namespace,
            user_id=connection.user_id,
            device=connection.device,
            address=connection.address,
            url=str(environ.get("PATH_INFO", "")),
            is_secure=environ.get("wsgi.url_scheme") == "https",
            opened_at=connection.opened_at,
            rooms=self._context.server.rooms_of(connection),
        )
