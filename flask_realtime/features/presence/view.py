"""Presence of users as somebody sees it: the user, or others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from flask_realtime.features.presence.events import (
    DevicePresence,
    PresenceOfUser,
    device_presence,
    offline_presence,
    online_presence,
    with_devices,
)
from flask_realtime.features.presence.idle_devices import IdleDevices
from flask_realtime.features.presence.last_seen import LastSeen
from flask_realtime.features.presence.settings import SettingsPlace
from flask_realtime.features.presence.state import Presence
from flask_realtime.features.presence.user_settings import UserSettings
from flask_realtime.features.presence.visibility import Visibility


class PresenceView:
    """Presence of users for whoever may see it. Its methods may wait, and need an application context.

    Args:
        presence: The users who are online.
        visibility: The users with settings of their own.
        settings: Where settings are kept.
        devices: The devices that are idle.
        last_seen: The times that are not kept yet.
    """

    def __init__(
        self, presence: Presence, visibility: Visibility, settings: UserSettings, devices: IdleDevices, last_seen: LastSeen
    ) -> None:
        self._presence = presence
        self._visibility = visibility
        self._settings = settings
        self._devices = devices
        self._last_seen = last_seen

    def of(
        self, user_ids: Sequence[str], *, viewer_id: str | None = None, allowed: Collection[str] | None = None
    ) -> list[PresenceOfUser]:
        """Return the presence of users, in the requested order.

        Args:
            user_ids: The users.
            viewer_id: Who asks, and sees themselves as they are; None for nobody in particular.
            allowed: The users who may be seen, or None for all.
        """
        seen = list(dict.fromkeys(user_ids if allowed is None else filter(set(allowed).__contains__, user_ids)))
        online = self._visibility.visible(self._presence.online_among(seen), viewer_id)
        times = self._times([user_id for user_id in seen if user_id not in online])
        plain = (user_id for user_id in online if self._visibility.settings(user_id).state == "online")
        away = self._devices.away(plain)
        found = {user_id: self._online(user_id, away) for user_id in online}
        if viewer_id in found:
            found[viewer_id] = with_devices(found[viewer_id], self._device_list(viewer_id))
        return [found.get(user_id) or offline_presence(user_id, times.get(user_id)) for user_id in user_ids]

    def is_shown_online(self, user_id: str) -> bool:
        """Return whether others see a user as online."""
        return bool(self._visibility.visible(self._presence.online_among([user_id])))

    def own(self, user_id: str) -> PresenceOfUser:
        """Return a user's presence as the user sees it."""
        return self.of([user_id], viewer_id=user_id)[0]

    def _online(self, user_id: str, away: Collection[str]) -> PresenceOfUser:
        settings = self._visibility.settings(user_id)
        return online_presence(user_id, "away" if user_id in away else settings.state, settings.text)

    def _times(self, user_ids: Sequence[str]) -> Mapping[str, datetime]:
        if not user_ids:
            return {}
        place: SettingsPlace = self._settings.place
        written = place.last_seen(user_ids)
        times = ((user_id, self._last_seen.latest(user_id, written.get(user_id))) for user_id in user_ids)
        return {user_id: moment for user_id, moment in times if moment is not None}

    def _device_list(self, user_id: str) -> Iterable[DevicePresence]:
        idle = self._devices.idle(user_id)
        for entry in sorted(self._presence.connections(user_id), key=lambda entry: entry.since):
            yield device_presence(entry.device, entry.since, idle=entry.connection_id in idle)
