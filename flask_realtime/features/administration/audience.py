"""Audience: the administrators who are connected to this server, and what each of them has been told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from flask_realtime.feature.connections import ServedConnection
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.administration.events import (
    ALL_SOCKETS,
    EVENT_RECEIVED,
    EVENT_SENT,
    NAMESPACE,
    SERVER_STATS,
    Item,
    connected_items,
    timestamp,
)
from flask_realtime.features.administration.leases import Leases
from flask_realtime.features.administration.reporter import RELOAD

GATHER_SECONDS: Final = 1.0
"""Seconds in which the servers' first lists are gathered to one."""

RELOAD_SECONDS: Final = 5.0
"""Seconds between two lists of all connections."""

_VOLATILE: Final = frozenset({SERVER_STATS, EVENT_RECEIVED, EVENT_SENT})


class Admin:
    """One administrator.

    The page replaces all connections by a list, and knows of no second part of one. So the servers' first lists are gathered, with
    what they report meanwhile, and further ones are sent as new connections.

    Args:
        connection: The connection.
        send: Sends it an item.
    """

    def __init__(self, connection: ServedConnection, send: Callable[[str, Item], None]) -> None:
        self.connection = connection
        self._send = send
        self._first: dict[str, list[Any]] = {}
        self._later: list[tuple[str, Item]] = []
        self.gathers_until: float | None = None
        self.reload_at: float | None = None
        self._last_load: float | None = None

    def begin_to_gather(self, now: float) -> None:
        """Gather the lists of all servers."""
        self._first, self._later = {}, []
        self._last_load, self.reload_at = now, None
        self.gathers_until = now + GATHER_SECONDS

    def load_again(self, now: float) -> None:
        """Have all connections listed anew, if they ever were; the servers whose first lists are gathered are those of now."""
        if self._last_load is not None and self.gathers_until is None:
            self._reload_after(self._last_load, now)

    def _reload_after(self, last_load: float, now: float) -> None:
        self.reload_at = self.reload_at or max(now, last_load + RELOAD_SECONDS)

    def finish(self) -> None:
        """Send the gathered list, and what was reported after it."""
        self.gathers_until = None
        self._send(self.connection.id, (ALL_SOCKETS, ([socket for first in self._first.values() for socket in first],)))
        later, self._first, self._later = self._later, {}, []
        for _, item in later:
            self._tell(item)

    def take(self, origin: str, item: Item, now: float) -> None:
        """Send what a server has reported, or keep it while lists are gathered."""
        event, args = item
        if event == RELOAD:
            self._reload_after(self._last_load or 0.0, now)
        elif self.gathers_until is None or event == SERVER_STATS:
            self._tell(item)
        elif event == ALL_SOCKETS and origin not in self._first:
            self._first[origin] = args[0]
            self._later = [(other, later) for other, later in self._later if other != origin]
        else:
            self._later.append((origin, item))

    def _tell(self, item: Item) -> None:
        event, args = item
        for part in connected_items(args[0], timestamp(time.time())) if event == ALL_SOCKETS else (item,):
            self._send(self.connection.id, part)

    def next_deadline(self) -> float | None:
        """Return when it has to finish or to load again, or None."""
        return min((due for due in (self.gathers_until, self.reload_at) if due is not None), default=None)


class Audience:
    """The administrators here.

    Args:
        context: The surroundings of the feature.
        load: Has all servers list their connections for an administrator, by its id.
    """

    def __init__(self, context: FeatureContext, load: Callable[[str], None]) -> None:
        self._context = context
        self._load = load
        self._admins: dict[str, Admin] = {}
        self._servers = Leases()

    def __bool__(self) -> bool:
        return bool(self._admins)

    def add(self, connection: ServedConnection) -> None:
        """Add an administrator."""
        self._admins[connection.id] = Admin(connection, self.send)

    def remove(self, connection: ServedConnection) -> None:
        """Remove an administrator, if it is there."""
        self._admins.pop(connection.id, None)
        if not self._admins:
            self._servers = Leases()  # Nobody reports any more.

    def load(self, admin_id: str) -> None:
        """Send all connections to an administrator."""
        admin = self._admins.get(admin_id)
        if admin is not None:
            admin.begin_to_gather(self._context.clock())
            self._load(admin_id)

    def send(self, admin_id: str, item: Item) -> None:
        """Send an item to an administrator."""
        event, args = item
        self._context.server.send(NAMESPACE, admin_id, event, args, volatile=event in _VOLATILE)

    def take(self, origin: str, admin_id: str | None, items: Sequence[Item]) -> None:
        """Tell one administrator, or all of them, what a server reports."""
        now = self._context.clock()
        if self._servers.renew(origin, now):
            self._load_again(now)
        for admin in list(self._admins.values()) if admin_id is None else filter(None, [self._admins.get(admin_id)]):
            for event, args in items:
                admin.take(origin, (event, tuple(args)), now)

    def _load_again(self, now: float) -> None:
        """Have the connections listed anew: those of a server that was killed end unsaid, and a new one has some from before."""
        for admin in list(self._admins.values()):
            admin.load_again(now)

    def next_deadline(self) -> float | None:
        """Return when something is due, or None."""
        deadlines = [self._servers.next_end(), *(admin.next_deadline() for admin in list(self._admins.values()))]
        return min((due for due in deadlines if due is not None), default=None)

    def do_due(self) -> None:
        """Do what is due."""
        now = self._context.clock()
        if self._servers.expire(now):
            self._load_again(now)
        for admin_id, admin in list(self._admins.items()):
            if admin.gathers_until is not None and admin.gathers_until <= now:
                admin.finish()
            if admin.reload_at is not None and admin.reload_at <= now:
                self.load(admin_id)
