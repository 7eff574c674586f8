"""Settings of users in records, for applications without the store: in memory, or in the Redis that servers share.

A record cannot be listed. So the users whose settings every server has to know are in a few more, each of which has those of a part
of all users. If Redis loses such a part, or comes back with an older one, the servers write again what they know of it.
"""

from __future__ import annotations

import time
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
from flask_realtime.features.presence.events import SETTINGS_MISSED, SETTINGS_RESTORED
from flask_realtime.features.presence.hooks import SETTINGS_PLACE
from flask_realtime.features.presence.settings import PLAIN, Edit, PresenceSettings, Settled, utc_now
from flask_realtime.features.presence.visibility import Visibility

_EXCEPTIONS: Final = "exceptions"
_PARTS: Final = 256
"""Number of the parts: a record holds 64 KiB, which are 139 users whose texts are as long as they may be, some 900 without one."""

_DAY: Final = 86_400.0
SETTINGS_TTL: Final = 366 * _DAY
SEEN_TTL: Final = 30 * _DAY


class RecordedSettings:
    """Settings in records: kept for a year after they were set, and the time when a user was last seen for a month.

    Args:
        context: The surroundings of the feature.
        visibility: The exceptions that this server knows.
        look_again: Called when some may have been lost; it does not wait.
    """

    def __init__(self, context: FeatureContext, visibility: Visibility, look_again: Callable[[], object]) -> None:
        self._context = context
        self._visibility = visibility
        self._look_again = look_again
        self._settings = context.record("settings", ttl=SETTINGS_TTL)
        self._exceptions = context.record(_EXCEPTIONS, ttl=SETTINGS_TTL)
        context.backend.watch("presence", _EXCEPTIONS, self._parts, look_again)
        # One server's own need not be text, of which ten thousand would have to be made when as many users leave at once.
        self._seen: SeenTimes = SeenHere(context.lock()) if context.backend.is_local else SeenInRecord(context)

    def exceptions(self) -> Iterable[tuple[str, PresenceSettings]]:
        """Return the users who are not plain online, or keep something to themselves; those who were lost are written again."""
        known = self._visibility.everybody()  # Before the parts are read: these users were written to them by now.
        found: dict[str, PresenceSettings] = {}
        for part in map(str, range(_PARTS)):
            found |= _parsed(self._exceptions.get(part).value)
        lost: dict[str, dict[str, PresenceSettings]] = {}
        for user_id, settings in known.items():
            if found.get(user_id, PLAIN).version < settings.version:
                lost.setdefault(part_of(user_id), {})[user_id] = settings
        for part, users in lost.items():
            found |= self._restored(part, users)
        return found.items()

    def _parts(self) -> set[str]:
        parts: set[str] = set()
        for user_id in () if self._context.is_registered(SETTINGS_PLACE) else self._visibility.everybody():
            parts.add(part_of(user_id))
            if len(parts) == _PARTS:
                break
        return parts

    def _restored(self, part: str, users: Mapping[str, PresenceSettings]) -> dict[str, PresenceSettings]:
        """Write users who were in a part, unless they are plain by now, and return them as they are in it."""
        left_out = {user_id for user_id, settings in users.items() if not self._restored_settings(user_id, settings).is_exception}
        missing = users.keys() - left_out
        if not missing:
            return {}
        stored = self._exceptions.change(part, lambda others: self._with_latest(others or {}, missing))
        self._context.elsewhere(SETTINGS_RESTORED)
        return {user_id: settings for user_id, settings in _parsed(stored.value).items() if user_id in missing}

    def _restored_settings(self, user_id: str, known: PresenceSettings) -> PresenceSettings:
        stored = self._settings.get(user_id)
        settings = _settings(stored.value)
        if settings.version >= known.version:
            return settings
        self._settings.put(user_id, known.to_json(), expected=stored.version)  # If somebody changes it meanwhile, that counts.
        return known

    def settings(self, user_id: str) -> PresenceSettings:
        """Return a user's settings."""
        return _settings(self._settings.get(user_id).value)

    def last_seen(self, user_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Map users to when others last saw them go offline; during an outage of Redis it is not known of anybody."""
        return self._seen.last_seen(user_ids)

    def change(self, user_id: str, edit: Edit) -> Settled:
        """Change a user's settings."""
        part = part_of(user_id)
        settled = Settled(PLAIN, PLAIN)
        has_begun_anew = False

        def changed(fields: Any) -> Any:
            nonlocal settled
            before = self._before(user_id, fields)
            # At least the time, so that it is news to servers that remember a version that was lost.
            settled = Settled(before, replace(edit(before), version=max(before.version + 1, int(time.time() * 1000))))
            return settled.after.to_json()

        def changed_part(users: Any) -> Any:
            nonlocal has_begun_anew
            has_begun_anew = users is None
            return self._with_latest(users or {}, [user_id])

        self._settings.change(user_id, changed)
        self._exceptions.change(part, changed_part)
        if has_begun_anew:
            self._context.elsewhere(SETTINGS_MISSED, part)
            self.missed(part)
        return settled

    def missed(self, part: str) -> None:
        """Look again if this server knows users who were in a part that was not there; it does not wait."""
        if any(part_of(user_id) == part for user_id in self._visibility.everybody()):
            self._look_again()

    def _before(self, user_id: str, fields: Any) -> PresenceSettings:
        """Return the latest settings of a user that are known, of what is stored and may be lost."""
        if fields is None:
            fields = (self._exceptions.get(part_of(user_id)).value or {}).get(user_id)
        return max(_settings(fields), self._visibility.kept(user_id), key=lambda settings: settings.version)

    def _with_latest(self, users: Mapping[str, Any], user_ids: Iterable[str]) -> dict[str, Any]:
        # Read here, each time anew: another change may have been written meanwhile, and has to be the one that stays.
        latest = {user_id: self._settings.get(user_id).value for user_id in user_ids}
        others = {other: kept for other, kept in users.items() if other not in latest}
        return others | {user_id: fields for user_id, fields in latest.items() if _settings(fields).is_exception}

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


def part_of(user_id: str) -> str:
    """Return the id of the value that a user is in who is an exception."""
    return str(crc32(user_id.encode()) % _PARTS)


def _parsed(users: Mapping[str, Any] | None) -> dict[str, PresenceSettings]:
    return {user_id: PresenceSettings.from_json(fields) for user_id, fields in (users or {}).items()}


def _settings(fields: Any) -> PresenceSettings:
    return PLAIN if fields is None else PresenceSettings.from_json(fields)


def _latest(text: str, earlier: str | None) -> str:
    return text if earlier is None else max(text, earlier)
