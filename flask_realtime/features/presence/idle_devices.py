"""Idle devices of users, on all servers: a user is away by themselves when every device is idle.

A value is kept for each user who has said that a device is idle. Devices that are gone are left out whenever it is looked at, and
taken out when it is written, so that the end of a connection need not write anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from flask_realtime.backends.base import BackendUnavailable, PresenceEntry
from flask_realtime.feature.values import Record

IDLE_TTL: Final = 30 * 86_400.0
"""Seconds after which a device that has said nothing more is not idle any more."""


class IdleDevices:
    """The idle devices, by their connections.

    Args:
        record: Keeps, for each user, the idle connections, and whether the user was away with them.
        connections: Returns a user's connections on all servers.
    """

    def __init__(self, record: Record, connections: Callable[[str], Sequence[PresenceEntry]]) -> None:
        self._record = record
        self._connections = connections

    def note(self, user_id: str, connection_id: str, *, idle: bool) -> bool:
        """Record whether a device is idle, and return whether the user's being away has changed with it."""
        return self._change(user_id, lambda known: known | {connection_id} if idle else known - {connection_id})

    def recheck(self, user_id: str) -> bool:
        """Look again after a device came or went, and return whether the user's being away has changed with it."""
        try:
            return bool(self._idle(user_id)) and self._change(user_id, lambda known: known)
        except BackendUnavailable:
            return False

    def idle(self, user_id: str) -> frozenset[str]:
        """Return the connections of a user that are idle; some may be gone. During an outage of Redis none is."""
        try:
            return self._idle(user_id)
        except BackendUnavailable:
            return frozenset()

    def _idle(self, user_id: str) -> frozenset[str]:
        value = self._record.get(user_id).value
        return frozenset() if value is None else frozenset(value["idle"])

    def away(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of some users all of whose devices are idle."""
        return {user_id for user_id in user_ids if self._is_away(user_id)}

    def _is_away(self, user_id: str) -> bool:
        idle = self.idle(user_id)
        return bool(idle) and is_away(self._live(user_id), idle)

    def _live(self, user_id: str) -> set[str]:
        return {entry.connection_id for entry in self._connections(user_id)}

    def _change(self, user_id: str, edit: Callable[[set[str]], set[str]]) -> bool:
        live, has_changed = self._live(user_id), False

        def changed(value: Any) -> Any:
            nonlocal has_changed
            known = set() if value is None else live.intersection(value["idle"])
            was_away = value is not None and bool(value["away"])
            idle = edit(known) & live
            away = is_away(live, idle)
            # Others may not have been told that the devices are gone, with which the user was away, or that the user was meanwhile.
            has_changed = away != was_away if known else away or was_away
            return {"idle": sorted(idle), "away": away}

        self._record.change(user_id, changed)
        return has_changed


def is_away(connections: set[str], idle: Iterable[str]) -> bool:
    """Return whether all of a user's connections, one at least, are idle."""
    return bool(connections) and connections.issubset(idle)
