"""Settings of users in records, for applications without the store: in memory, or in the Redis that servers share.

A record cannot be listed. So the users whose settings every server has to know are in a few more, each of which has those of a part
of all users.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol
from zlib import crc32

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.settings import PLAIN, Edit, PresenceSettings, Settled, utc_now

_PARTS: Final = 16
_DAY: Final = 86_400.0
SETTINGS_TTL: Final = 366 * _DAY
SEEN_TTL: Final = 30 * _DAY


class RecordedSettings:
    """Settings in records: kept for a year after they were set, and the time when a user was last seen for a month.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._settings = context.record("settings", ttl=SETTINGS_TTL)
        self._exceptions = context.record("exceptions", ttl=SETTINGS_TTL)
        # One server's own need not be text, of which ten thousand would have to be made when as many users leave at once.
        self._seen: SeenTimes = SeenHere(context.lock()) if context.backend.is_local else SeenInRecord(context)

    def exceptions(self) -> Iterable[tuple[str, PresenceSettings]]:
        """Return the users who are not plain online, or keep something to themselves, with their settings."""
        for part in range(_PARTS):
            for user_id, fields in (self._exceptions.get(str(part)).value or {}).items():
                yield user_id, PresenceSettings.from_json(fields)

    def settings(self, user_id: str) -> PresenceSettings:
        """Return a user's settings."""
        fields = self._settings.get(user_id).value
        return PLAIN if fields is None else PresenceSettings.from_json(fields)

    def last_seen(self, user_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Map users to when others last saw them go offline; during an outage of Redis it is not known of anybody."""
        return self._seen.last_seen(user_ids)

    def change(self, user_id: str, edit: Edit) -> Settled:
        """Change a user's settings."""
        settled = Settled(PLAIN, PLAIN)

        def changed(fields: Any) -> Any:
            nonlocal settled
            before = PLAIN if fields is None else PresenceSettings.from_json(fields)
            settled = Settled(before, replace(edit(before), version=before.version + 1))
            return settled.after.to_json()

        self._settings.change(user_id, changed)
        self._exceptions.change(_part_of(user_id), lambda users: self._with_latest(users or {}, user_id))
        return settled

    def _with_latest(self, users: Mapping[str, Any], user_id: str) -> dict[str, Any]:
        # Read here, each time anew: another change may have been written meanwhile, and has to be the one that stays.
        fields = self._settings.get(user_id).value
        others = {other: kept for other, kept in users.items() if other != user_id}
        if fields is None or not PresenceSettings.from_json(fields).is_exception:
            return others
        return {**others, user_id: fields}

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen."""
        self._seen.seen(times)


class SeenTimes(Protocol):
    """The times when users were last seen, kept for a month."""

    def last_seen(self, user_ids: Iterable[str]) -> Mapping[str, datetime]:
        """Map users to when they were last seen."""

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen."""


class SeenInRecord:
    """The times in a record, which all servers share.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._record = context.record("seen", ttl=SEEN_TTL)

    def last_seen(self, user_ids: Iterable[str]) -> Mapping[str, datetime]:
        """Map users to when they were last seen."""
        try:
            found = {user_id: self._record.get(user_id).value for user_id in dict.fromkeys(user_ids)}
        except BackendUnavailable:
            return {}
        return {user_id: datetime.fromisoformat(seen) for user_id, seen in found.items() if seen is not None}

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen."""
        for user_id, moment in times.items():
            self._record.change(user_id, partial(_latest, moment.isoformat()))


class SeenHere:
    """The times in this process's memory.

    Args:
        lock: Serialises access from several threads.
        now: Returns the current time.
    """

    def __init__(self, lock: AbstractContextManager[Any], now: Callable[[], datetime] = utc_now) -> None:
        self._lock = lock
        self._now = now
        # As they were written: the first are the next to be forgotten. A plain dictionary would find its first slower and slower.
        self._times: OrderedDict[str, datetime] = OrderedDict()

    def last_seen(self, user_ids: Iterable[str]) -> Mapping[str, datetime]:
        """Map users to when they were last seen."""
        with self._lock:
            self._forget_old()
            return {user_id: self._times[user_id] for user_id in user_ids if user_id in self._times}

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen."""
        with self._lock:
            for user_id, moment in times.items():
                self._times[user_id] = max(moment, self._times.get(user_id, moment))
                self._times.move_to_end(user_id)
            self._forget_old()

    def _forget_old(self) -> None:
        oldest = self._now() - timedelta(seconds=SEEN_TTL)
        while self._times and next(iter(self._times.values())) < oldest:
            self._times.popitem(last=False)


def _part_of(user_id: str) -> str:
    return str(crc32(user_id.encode()) % _PARTS)


def _latest(text: str, earlier: str | None) -> str:
    return text if earlier is None else max(text, earlier)
