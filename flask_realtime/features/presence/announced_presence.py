"""State of presence in one application: the online users, what they have set, and the announcements about both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from flask_realtime.backends.base import BackendUnavailable, Change
from flask_realtime.contract.effects import Emit
from flask_realtime.contract.ids import parse_id
from flask_realtime.errors import ConfigError, InternalError, InvalidId
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.conversations import conversations
from flask_realtime.features.presence.events import PresenceOfUser, SetPresence
from flask_realtime.features.presence.hooks import MAY_SEE_PRESENCE
from flask_realtime.features.presence.idle_devices import IDLE_TTL, IdleDevices
from flask_realtime.features.presence.last_seen import LastSeen
from flask_realtime.features.presence.notifier import PresenceNotifier
from flask_realtime.features.presence.publisher import PresencePublisher
from flask_realtime.features.presence.settings import PresenceSettings, Settled, utc_now
from flask_realtime.features.presence.state import Presence
from flask_realtime.features.presence.user_settings import UserSettings
from flask_realtime.features.presence.view import PresenceView
from flask_realtime.features.presence.visibility import Visibility
from flask_realtime.features.typing_indicators import typing_indicators


class AnnouncedPresence(Presence):
    """The state of presence in one application.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        super().__init__(context.backend.connected_users)
        self._context = context
        self.visibility = Visibility(utc_now, context.lock())
        self.settings = UserSettings(context, self.visibility, self.is_online, self._settings_changed, self._settings_loaded)
        self.devices = IdleDevices(context.record("idle", ttl=IDLE_TTL), self.connections)
        self._last_seen = LastSeen(utc_now, context.clock, context.lock())
        self._has_failed = False
        self._last_seen_timer = context.timer(self._last_seen.next_deadline, self._write_last_seen)
        self.view = PresenceView(self, self.visibility, self.settings, self.devices, self._last_seen)
        self.notifier = PresenceNotifier(context, self, self.visibility, self._came_or_went)
        self.publisher = PresencePublisher(context, self, self.view, self.notifier)
        self._typing = context.state_of(typing_indicators)
        self._typing.is_silent = self.visibility.is_silent
        context.state_of(conversations).shown_users = self._shown_in_conversation
        context.before_stop(self._has_written)

    def connected(self, connection_id: str, user_id: str, device: str = "") -> Change:
        """Record a connection, and return whether the user came online with it."""
        self.settings.load()
        change = super().connected(connection_id, user_id, device)
        if change.connections > 1 or change.is_back or self.notifier.awaits(user_id):
            self._recheck(user_id)
        return change if change.is_back is None or not change.status_changed else self._returned(user_id, change)

    def _returned(self, user_id: str, change: Change) -> Change:
        """Return the change that others hear of when a user comes online of whom all servers know whether they were waited for."""
        if not change.is_back:
            self.notifier.returned(user_id, change.version)
            return change
        self.notifier.is_back(user_id, change.version)
        return change._replace(status_changed=False)

    def disconnected(self, connection_id: str, user_id: str) -> Change:
        """Forget a connection, and return whether the user went offline with it."""
        change = super().disconnected(connection_id, user_id)
        if not change.status_changed:
            self._recheck(user_id)
        return change

    def shown_online(self, caller: Caller, user_ids: Sequence[str], event: str) -> set[str]:
        """Return those of some users who are online as far as one who asks may know.

        Args:
            caller: Who asks.
            user_ids: The users.
            event: The event by which they ask.

        Raises:
            EventError: The application's hook refused, or failed.
        """
        allowed = self.allowed(caller, user_ids, event)
        online = self.online_among(user_ids if allowed is None else [user_id for user_id in user_ids if user_id in allowed])
        return self.visibility.visible(online, caller.user_id)

    def is_shown_online(self, caller: Caller, user_id: str, event: str) -> bool:
        """Return whether a user is online as far as one who asks may know; see `shown_online`."""
        allowed = self.allowed(caller, (user_id,), event)
        if (allowed is not None and user_id not in allowed) or not self.is_online(user_id):
            return False
        return user_id == caller.user_id or not self.visibility.is_hidden(user_id)

    def allowed(self, caller: Caller, user_ids: Sequence[str], event: str) -> set[str] | None:
        """Ask the application which users one may see; None for all.

        Raises:
            EventError: The hook refused, or failed.
        """
        if not self._context.is_registered(MAY_SEE_PRESENCE):
            return None
        answer = self._context.call(MAY_SEE_PRESENCE, caller.identity, list(user_ids), caller=caller, event=event)
        try:
            return {caller.user_id, *(parse_id(user_id, "may_see_presence") for user_id in answer)}
        except (InvalidId, TypeError) as error:
            self._context.report(error)
            raise InternalError from None

    def set_state(self, user_id: str, wanted: SetPresence) -> PresenceSettings:
        """Set a user's state, in the current application context; it may wait."""
        return self.settings.change(user_id, lambda settings: settings.with_state(*wanted))

    def set_privacy(self, user_id: str, *, send_typing: bool | None, send_receipts: bool | None) -> PresenceSettings:
        """Set what others hear of a user, in the current application context; None leaves it as it is. It may wait.

        Raises:
            ConfigError: It is about receipts, which only a store with the model of presence can keep back.
        """
        if send_receipts is not None and not self.settings.has_store:
            msg = "Receipts can be kept back by the store alone: pass user_presence to Models, as define_models(db) does."
            raise ConfigError(msg)
        return self.settings.change(
            user_id, lambda settings: settings.with_privacy(send_typing=send_typing, send_receipts=send_receipts)
        )

    def presence_of(self, user_ids: Sequence[str], viewer_id: str | None = None) -> list[PresenceOfUser]:
        """Return the presence of users as a viewer sees it, in the current application context; it may wait."""
        self.settings.load()
        return self.view.of(user_ids, viewer_id=viewer_id)

    def set_idle(self, caller: Caller, *, idle: bool) -> None:
        """Record whether a device is idle; it may wait."""
        is_news = self.devices.note(caller.user_id, caller.id, idle=idle)
        self.publisher.changed(caller.user_id, for_others=is_news and self._shows_idleness(caller.user_id))

    def heard(self, user_id: str, *, online: bool, version: int, announced: bool) -> None:
        """Record a change reported by another server; see `PresenceNotifier.heard`."""
        if not online:
            self._last_seen.heard(user_id)
        self.notifier.heard(user_id, online=online, version=version, announced=announced)

    def heard_settings(self, user_id: str, fields: Sequence[object]) -> None:
        """Take over what another server has changed."""
        if self.settings.heard(user_id, fields):
            self._end_typing(user_id)

    def _settings_changed(self, user_id: str, settled: Settled, was_online: bool) -> None:  # noqa: FBT001 - a callback's argument
        self._end_typing(user_id)
        before, after = settled
        if (before.state, before.text) != (after.state, after.text):
            has_hidden = was_online and after.is_invisible and not before.is_invisible
            self.notifier.in_turn(user_id, partial(self._announce_settings, user_id, before, after, has_hidden=has_hidden))

    def _announce_settings(self, user_id: str, before: PresenceSettings, after: PresenceSettings, *, has_hidden: bool) -> None:
        turned = before.is_invisible != after.is_invisible
        # Whoever hid and left since then has left unannounced.
        if self.is_online(user_id) or has_hidden:
            self._announce_state(user_id, after, turned=turned)
        elif turned:
            self.notifier.settle(user_id)

    def _announce_state(self, user_id: str, after: PresenceSettings, *, turned: bool) -> None:
        # Whoever comes or goes is told of with the status alone, and so are these: nobody is to know one from the other.
        is_news = not turned or self._needs_more_than_status(user_id, after) or bool(self.devices.away([user_id]))
        if turned and after.is_invisible:
            self._note_last_seen(user_id)  # Whoever hears of it may ask at once.
        if turned:
            self.notifier.turned(user_id, online=not after.is_invisible)
        self.publisher.changed(user_id, for_others=is_news and not after.is_invisible)

    def _settings_loaded(self, were_known: bool) -> None:  # noqa: FBT001 - a callback's only argument
        here = {connection.user_id for connection in self._context.connections()}
        for user_id in here:
            self._end_typing(user_id)  # Of a change that this server was not told of.
        if not were_known:
            for user_id in self.visibility.visible(here):
                self.notifier.appeared(user_id)

    def _end_typing(self, user_id: str) -> None:
        if self.visibility.is_silent(user_id):
            for emit in self._typing.silence(user_id):
                self._context.emit(emit)

    def _came_or_went(self, user_id: str, online: bool) -> None:  # noqa: FBT001 - a callback's only argument but the user
        if not online:
            self._note_last_seen(user_id)
        elif self._needs_more_than_status(user_id, self.visibility.settings(user_id)):
            self.publisher.changed(user_id, for_others=True)

    def _needs_more_than_status(self, user_id: str, settings: PresenceSettings) -> bool:
        """Return whether others need the state of a user who comes online: it is set, or they may know an earlier one."""
        return not settings.is_plain or self.notifier.was_not_missed(user_id)

    def _recheck(self, user_id: str) -> None:
        self.notifier.in_turn(user_id, partial(self._recheck_in_turn, user_id))

    def _recheck_in_turn(self, user_id: str) -> None:
        if self.devices.recheck(user_id):
            self.publisher.changed(user_id, for_others=self._shows_idleness(user_id))

    def _shows_idleness(self, user_id: str) -> bool:
        return self.visibility.settings(user_id).state == "online" and not self.visibility.is_hidden(user_id)

    def _shown_in_conversation(self, caller: Caller, user_ids: Sequence[str], event: str) -> list[str]:
        allowed = self.allowed(caller, user_ids, event)
        visible = self.visibility.visible(user_ids, caller.user_id)
        return [user_id for user_id in user_ids if user_id in visible and (allowed is None or user_id in allowed)]

    def _note_last_seen(self, user_id: str) -> None:
        self._last_seen_timer.wake_by(self._last_seen.note(user_id))

    def _write_last_seen(self) -> Iterable[Emit]:
        self._try_to_write()
        return ()

    def _try_to_write(self) -> bool:
        try:
            self._last_seen.write(lambda times: self._context.in_app_context(self.settings.place.seen, times))
        except BackendUnavailable:  # It is logged where it is found.
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            if not self._has_failed:
                self._context.report(error)
            self._has_failed = True
            return False
        self._has_failed = False
        return True

    def _has_written(self) -> bool:
        """Write what waits before the server stops, unless that is not possible now."""
        return self._last_seen.is_idle or not self._try_to_write() or self._last_seen.is_idle
