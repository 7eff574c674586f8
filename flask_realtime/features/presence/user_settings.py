"""Changes of users' settings: stored, known to all servers at once, and ended when their time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.effects import Emit
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.deadlines import Deadlines
from flask_realtime.features.presence.events import SETTINGS_CHANGED
from flask_realtime.features.presence.grace import grace_seconds
from flask_realtime.features.presence.hooks import SETTINGS_PLACE
from flask_realtime.features.presence.recorded_settings import RecordedSettings
from flask_realtime.features.presence.settings import Edit, PresenceSettings, SettingsPlace, Settled, utc_now
from flask_realtime.features.presence.visibility import Visibility

REFRESH: Final = 60.0
"""Seconds after which a server looks again for changes that it has not been told of."""

RETRY: Final = 1.0
"""Seconds after a failure until the next attempt."""

_LOADING: Final = "loading"


class UserSettings:
    """The settings of all users of one application.

    Args:
        context: The surroundings of the feature.
        visibility: The users whose settings every server knows.
        is_online: Returns whether a user is online.
        changed: Called with each change that this server makes, once all servers are told, and with whether its user was online.
        loaded: Called when the settings were read again, with whether they could be read before.
    """

    def __init__(
        self,
        context: FeatureContext,
        visibility: Visibility,
        is_online: Callable[[str], bool],
        changed: Callable[[str, Settled, bool], None],
        loaded: Callable[[bool], None],
    ) -> None:
        self._context = context
        self._visibility = visibility
        self._is_online = is_online
        self._changed = changed
        self._loaded = loaded
        self._recorded = RecordedSettings(context, visibility, self.look_again)
        self._loading = threading.Lock()
        self._refreshes = Deadlines(context.lock())
        self._refresh_timer = context.timer(self._refreshes.next_deadline, self._refresh_due)
        self._ends = Deadlines(context.lock())
        self._end_timer = context.timer(self._ends.next_deadline, self._end_due, time.time)

    @property
    def place(self) -> SettingsPlace:
        """Return where settings are kept."""
        for function in self._context.functions(SETTINGS_PLACE):
            place: SettingsPlace = function()
            return place
        return self._recorded

    @property
    def has_store(self) -> bool:
        """Return whether settings are kept in a store."""
        return self._context.is_registered(SETTINGS_PLACE)

    def change(self, user_id: str, edit: Edit) -> PresenceSettings:
        """Change a user's settings, in the current application context, and tell all servers; it may wait."""
        settled = self.place.change(user_id, edit)
        self._tell(user_id, settled)
        return settled.after

    def _tell(self, user_id: str, settled: Settled) -> None:
        was_online = self._is_online(user_id)  # From here on, an invisible user's departure is not announced.
        self._note(user_id, settled.after, patience=0.0)
        self._context.elsewhere(SETTINGS_CHANGED, user_id, settled.after.to_json())
        self._changed(user_id, settled, was_online)

    def heard(self, user_id: str, fields: Sequence[Any]) -> bool:
        """Take over what another server has changed, and return whether it was news."""
        return self._note(user_id, PresenceSettings.from_json(fields), patience=grace_seconds())

    def load(self) -> None:
        """Read the settings that a server has to know, unless it has; it may wait.

        If they cannot be read, that is tried again until they can; nobody is visible before.
        """
        if self._visibility.is_loaded or not self._loading.acquire(timeout=RETRY):
            return
        try:
            error = self._read() if self._is_to_be_read() else None
        finally:
            self._loading.release()
        if error is not None and not isinstance(error, BackendUnavailable):  # The latter is logged where it is found.
            self._context.report(error)

    def look_again(self) -> None:
        """Read the settings again soon, and write what was lost; called from any thread, it does not wait."""
        if self._visibility.is_loaded and not self._context.backend.is_local:
            self._refresh_in(0.0)

    def missed(self, part: str) -> None:
        """Write a part of the exceptions again, if this server knows users who were in it; it does not wait."""
        self._recorded.missed(part)

    def _is_to_be_read(self) -> bool:
        """Return whether nobody else has read them meanwhile, or will try again soon."""
        return not self._visibility.is_loaded and not len(self._refreshes)

    def _read(self) -> Exception | None:
        try:
            self._visibility.load(lambda: self._context.in_app_context(self._exceptions))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._refresh_in(RETRY)
            return error
        for user_id, until in self._visibility.ends().items():
            self._end_at(user_id, until.timestamp() + grace_seconds())
        if not self._context.backend.is_local and not len(self._refreshes):  # Something may have been lost meanwhile.
            self._refresh_in(REFRESH)
        return None

    def _exceptions(self) -> list[tuple[str, PresenceSettings]]:
        return list(self.place.exceptions())

    def _refresh_in(self, seconds: float) -> None:
        at = self._context.clock() + seconds
        self._refreshes.set(_LOADING, at)
        self._refresh_timer.wake_by(at)

    def _refresh_due(self) -> Iterable[Emit]:
        for _ in self._refreshes.take_due(self._context.clock()):
            self._context.new_mailbox().post(self._refresh)
        return ()

    def _refresh(self) -> None:
        was_loaded = self._visibility.is_loaded
        if self._loading.acquire(timeout=RETRY):
            try:
                self._read()
            finally:
                self._loading.release()
        if self._visibility.is_loaded:
            self._loaded(was_loaded)

    def _note(self, user_id: str, settings: PresenceSettings, *, patience: float) -> bool:
        if not self._visibility.note(user_id, settings):
            return False
        if settings.until is None:
            self._ends.drop(user_id)
        else:
            self._end_at(user_id, settings.until.timestamp() + patience)
        return True

    def _end_at(self, user_id: str, at: float) -> None:
        self._ends.set(user_id, at)
        self._end_timer.wake_by(at)

    def _end_due(self) -> Iterable[Emit]:
        for user_id in self._ends.take_due(time.time()):
            self._context.new_mailbox().post(partial(self._end, user_id))
        return ()

    def _end(self, user_id: str) -> None:
        known = self._visibility.kept(user_id)
        if known.until is None:
            return
        try:
            settled = self._context.in_app_context(self.place.change, user_id, lambda settings: settings.at(utc_now()))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._end_at(user_id, time.time() + RETRY)
            if not isinstance(error, BackendUnavailable):
                self._context.report(error)
        else:
            # Its own server may have ended it, and died before anybody heard.
            self._tell(user_id, Settled(known, settled.after))
