"""Notifies clients and the application's hooks of presence changes.

The application's hooks may be slow; one user's changes are still announced in the order in which they happened. The hooks are
called for every change; clients are notified of those that `Announcements` selects. Of a user who is back before `Departures` has
let go of the change, neither hears anything. With Redis, who takes a departure from there decides that. A server that starts takes
over those of servers that died; one that was killed before the others heard of its departure has nobody who waits with it, so all
look for what is overdue now and then. What an invisible user does only the hooks hear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.effects import Emit
from flask_realtime.contract.ids import parse_id
from flask_realtime.contract.rooms import user_room
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.announcements import Announcement, Announcements
from flask_realtime.features.presence.deadlines import Deadlines
from flask_realtime.features.presence.departures import Departure, Departures
from flask_realtime.features.presence.events import DEPARTED, HEARD, RETURNED
from flask_realtime.features.presence.grace import grace_seconds
from flask_realtime.features.presence.hooks import ON_USER_OFFLINE, ON_USER_ONLINE, PRESENCE_AUDIENCE
from flask_realtime.features.presence.state import Presence
from flask_realtime.features.presence.turns import Turns
from flask_realtime.features.presence.visibility import Visibility

_SETTLED: Final = 1.0
"""Seconds after a user became visible or invisible until all servers know: what was announced meanwhile is compared then."""

_TAKEOVER_PAUSE: Final = 1.0
"""Seconds after its start until a server looks for departures of before, and between two attempts."""

_OVERDUE: Final = 5.0
"""Seconds for which a departure has to be due until it is overdue: no server that has heard of it waits so long."""

_TAKEOVER: Final = "takeover"


class PresenceNotifier:
    """Announces presence changes, and calls the application's hooks.

    Args:
        context: The surroundings of the feature.
        presence: The presence of all users.
        visibility: The users who are invisible.
        came_or_went: Called with each change of a user's status that others may hear of.
    """

    def __init__(
        self, context: FeatureContext, presence: Presence, visibility: Visibility, came_or_went: Callable[[str, bool], None]
    ) -> None:
        self._context = context
        self._presence = presence
        self._visibility = visibility
        self._came_or_went = came_or_went
        self._announcements = Announcements(context.clock, context.lock())
        self._timer = context.timer(self._announcements.next_deadline, self._announce_due)
        departures = self._departures = presence.departures = Departures(
            context.config.offline_delay, context.clock, context.lock()
        )
        self._departure_timer = context.timer(departures.next_deadline, self._announce_departures)
        self._takeovers = Deadlines(context.lock())
        self._takeover_timer = context.timer(self._takeovers.next_deadline, self._take_over)
        self._overdue: float | None = None
        self._unsettled = Deadlines(context.lock())
        self._settling_timer = context.timer(self._unsettled.next_deadline, self._settle_due)
        self._turns = Turns(context.start, context.lock())
        self.in_turn = self._turns.post
        """Runs a task about a user after all earlier ones about the same user."""

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing left to announce."""
        return self._turns.is_idle

    @cached_property
    def _calls_application(self) -> bool:
        return self._calls_on_status or self._asks_for_audience

    @cached_property
    def _calls_on_status(self) -> bool:
        return any(map(self._context.is_registered, (ON_USER_ONLINE, ON_USER_OFFLINE)))

    @cached_property
    def _asks_for_audience(self) -> bool:
        return self._context.is_registered(PRESENCE_AUDIENCE)

    def changed(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        """Announce that a user came online or went offline, unless that exceeds the rate.

        Args:
            user_id: The user.
            online: Whether the user is online now.
            version: The change's place among the changes of this user, on all servers.
            hold: Seconds before which it must not be announced; see `Change`.
        """
        if not online and self._departures.is_waiting:
            self._wait_with(Departure(user_id, version, hold))
            self._context.elsewhere(DEPARTED, user_id, version)
        elif online and self._departures.drop(user_id, version):
            self._context.elsewhere(RETURNED, user_id, version)
        else:
            self._announce_change(user_id, online=online, version=version, hold=hold)

    def awaits(self, user_id: str) -> bool:
        """Return whether a user's departure waits, so that others see the user as online."""
        return bool(self._departures.among([user_id]))

    def was_not_missed(self, user_id: str) -> bool:
        """Return whether others were not told of a user's absence, so that they may know the state from before it."""
        return not self._announcements.is_absence_told(user_id)

    def turned(self, user_id: str, *, online: bool) -> None:
        """Announce that a user who is, or just was, online became visible or invisible, in turn; the hooks hear nothing of it.

        Args:
            user_id: The user.
            online: Whether others see the user online now.
        """
        self._tell_or_delay(user_id, online=online, version=self._next_version(user_id))
        self.settle(user_id)

    def settle(self, user_id: str) -> None:
        """Compare what was announced of a user with the truth, once all servers know whether the user is visible."""
        deadline = self._context.clock() + _SETTLED
        self._unsettled.set(user_id, deadline)
        self._settling_timer.wake_by(deadline)

    def appeared(self, user_id: str) -> None:
        """Announce that a user is online whose settings could not be read before."""
        self.in_turn(user_id, lambda: self._announce_online(user_id, version=self._next_version(user_id)))

    def _next_version(self, user_id: str) -> int:
        return max(self._presence.next_version(), self._announcements.latest(user_id)[1] + 1)

    def _settle_due(self) -> Iterable[Emit]:
        for user_id in self._unsettled.take_due(self._context.clock()):
            self.in_turn(user_id, partial(self._settle, user_id))
        return ()

    def _settle(self, user_id: str) -> None:
        """Announce a user's status again if the last connection came or went while some server did not know of the change yet."""
        online = self._presence.is_online(user_id) and not self._visibility.is_hidden(user_id)
        latest, _ = self._announcements.latest(user_id)
        # Who is offline, and of whom nothing was announced, did nothing that others are to hear of.
        if latest is not online and (online or latest is not None):
            self._announce(user_id, online=online, version=self._next_version(user_id))

    def begin(self) -> None:
        """Take over departures that began to wait before this server heard of others'; their own servers may have died."""
        if self._departures.is_waiting and not self._context.backend.is_local:
            self._take_over_after(_TAKEOVER_PAUSE)

    def _take_over_after(self, seconds: float) -> None:
        at = self._context.clock() + seconds
        self._takeovers.set(_TAKEOVER, at)
        self._takeover_timer.wake_by(at)

    def _take_over(self) -> Iterable[Emit]:
        for _ in self._takeovers.take_due(self._context.clock()):
            try:
                left = self._presence.left_departures(self._overdue)
            except BackendUnavailable:  # It is logged where it is found.
                self._take_over_after(_TAKEOVER_PAUSE)
                continue
            self._overdue = _OVERDUE
            self._take_over_after(self._context.config.server_lease)
            for user_id, version, seconds in left:
                patience = seconds - self._context.config.offline_delay + grace_seconds()
                self._wait_with(Departure(user_id, version, is_left=True), patience)
        return ()

    def departed(self, user_id: str, version: int) -> None:
        """Let a departure wait that another server announces, unless that server dies."""
        self._wait_with(Departure(user_id, version), grace_seconds())

    def is_back(self, user_id: str, version: int) -> None:
        """Forget the departure of a user who is back here, on all servers."""
        self._departures.drop(user_id, version)
        self._context.elsewhere(RETURNED, user_id, version)

    def returned(self, user_id: str, version: int) -> None:
        """Forget the departure of a user who is back, or was announced as offline before."""
        self._departures.drop(user_id, version)

    def end_waiting(self) -> None:
        """Announce at once what waits, and let nothing wait any more: this server is about to stop."""
        for departure in self._departures.end():
            self._announce_departure(departure)

    def _wait_with(self, departure: Departure, patience: float = 0.0) -> None:
        self._departures.add(departure, patience)
        deadline = self._departures.next_deadline()
        if deadline is not None:
            self._departure_timer.wake_by(deadline)

    def _announce_departures(self) -> Iterable[Emit]:
        for departure in self._departures.take_due():
            is_due = self._presence.take_departure(departure.user_id, departure.version)
            # Who took it announces it, unless that server has died; then nothing was heard from it.
            if is_due or (is_due is None and not departure.is_left):
                self._announce_departure(departure)
        return ()

    def _announce_departure(self, departure: Departure) -> None:
        user_id, version, hold, _ = departure
        if self._announcements.latest(user_id)[1] > version:  # The user became visible or invisible while it waited.
            version = self._next_version(user_id)
        self._announce_change(user_id, online=False, version=version, hold=hold)

    def _announce_change(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
        if online:
            announce = partial(self._come, user_id, version, hold)
        else:  # Whoever hides after that has left for all who saw it.
            announce = partial(self._go, user_id, version, hold, self._visibility.is_hidden(user_id))
        if self._calls_application:
            self.in_turn(user_id, announce)
        else:
            announce()

    def heard(self, user_id: str, *, online: bool, version: int, announced: bool) -> None:
        """Record a change reported by another server; see `Announcements.heard`."""
        if not online:  # Else the user may be back, or have become visible; that is looked up when the departure is due.
            self._departures.drop(user_id, version)
        self._announcements.heard(user_id, online=online, version=version, announced=announced)
        self._wake()

    def _come(self, user_id: str, version: int, hold: float) -> None:
        self._announce_online(user_id, version=version, hold=hold)
        if self._calls_on_status:
            self._context.announce(ON_USER_ONLINE, user_id)

    def _go(self, user_id: str, version: int, hold: float, was_hidden: bool) -> None:  # noqa: FBT001 - a task's argument
        if not was_hidden:
            self._announce(user_id, online=False, version=version, hold=hold)
        if self._calls_on_status:
            self._context.announce(ON_USER_OFFLINE, user_id)

    def _announce_online(self, user_id: str, *, version: int, hold: float = 0.0) -> None:
        if not self._visibility.is_hidden(user_id):
            self._announce(user_id, online=True, version=version, hold=hold)

    def _announce(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        self._came_or_went(user_id, online)
        self._tell_or_delay(user_id, online=online, version=version, hold=hold)

    def _tell_or_delay(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        if self._announcements.changed(user_id, online=online, version=version, hold=hold):
            self._notify(user_id, online=online, version=version)
            return
        self._context.elsewhere(HEARD, user_id, online, version, False)  # noqa: FBT003 - as the command has them
        self._wake()

    def _announce_due(self) -> Iterable[Emit]:
        for user_id in self._announcements.take_due():
            wait = self._presence.take_announcement(user_id)
            if wait:
                self._announcements.hold(user_id, wait)
                continue
            due = self._announcements.release(user_id)
            if due is not None:
                self._tell_in_turn(due)
        return ()

    def _tell_in_turn(self, due: Announcement) -> None:
        user_id, online, version = due
        if not self._asks_for_audience:
            self._notify(user_id, online=online, version=version)
        else:
            self.in_turn(user_id, lambda: self._notify(user_id, online=online, version=version))

    def _wake(self) -> None:
        deadline = self._announcements.next_deadline()
        if deadline is not None:
            self._timer.wake_by(deadline)

    def _notify(self, user_id: str, *, online: bool, version: int) -> None:
        if not self._asks_for_audience:
            self._emit(user_id, online=online, audience=None, version=version)
        else:
            # If the audience hook fails, nobody is notified, rather than everyone.
            self._context.announce_with(partial(self._emit_to_audience, user_id, online=online, version=version))

    def _emit_to_audience(self, user_id: str, *, online: bool, version: int) -> None:
        audience = self.audience(user_id)
        if audience is None or audience:  # An event to nobody would be made for nothing.
            self._emit(user_id, online=online, audience=audience, version=version)

    def audience(self, user_id: str) -> list[str] | None:
        """Ask the application who is notified of a user's presence, in its context; None for everyone.

        Raises:
            InvalidId: It named something else than users.
        """
        hooks = self._context.functions(PRESENCE_AUDIENCE)
        members = hooks[0](user_id) if hooks else None
        return None if members is None else [parse_id(member, "presence_audience") for member in members]

    def _emit(self, user_id: str, *, online: bool, audience: list[str] | None, version: int) -> None:
        emit = Presence.status_changed(user_id, online=online, audience=audience, version=version)
        if not online and self._visibility.is_hidden(user_id):
            emit.except_rooms = (user_room(user_id),)  # The user's own devices are online.
        self._context.emit(emit)
