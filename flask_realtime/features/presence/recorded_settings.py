"""Settings of users in records, for applications without the store: in memory, or in the Redis that servers share.

A record cannot be listed. So the users whose settings every server has to know are in a few more, each of which has those of a part
of all users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from zlib import crc32

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.settings import PLAIN, Edit, PresenceSettings, Settled

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
        self._seen = context.record("seen", ttl=SEEN_TTL)

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
        try:
            found = {user_id: self._seen.get(user_id).value for user_id in dict.fromkeys(user_ids)}
        except BackendUnavailable:
            return {}
        return {user_id: datetime.fromisoformat(seen) for user_id, seen in found.items() if seen is not None}

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
        for user_id, moment in times.items():
            self._seen.change(user_id, partial(_latest, moment.isoformat()))


def _part_of(user_id: str) -> str:
    return str(crc32(user_id.encode()) % _PARTS)


def _latest(text: str, earlier: str | None) -> str:
    return text if earlier is None else max(text, earlier)
