"""Notifies clients and the application's hooks of presence changes.

The application's hooks may be slow; one user's changes are still announced in the order in which they happened. The hooks are
called for every change; clients are notified of those that `Announcements` selects. Of a user who is back before `Departures` has
let go of the change, neither hears anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Final
from weakref import WeakValueDictionary

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.ids import parse_id
from flask_realtime.feature.context import FeatureContext, Mailbox, Task
from flask_realtime.features.presence.announcements import Announcement, Announcements
from flask_realtime.features.presence.departures import Departure, Departures
from flask_realtime.features.presence.events import DEPARTED, HEARD, RETURNED
from flask_realtime.features.presence.hooks import ON_USER_OFFLINE, ON_USER_ONLINE, PRESENCE_AUDIENCE
from flask_realtime.features.presence.state import Presence
from flask_realtime.jitter import jitter

_PATIENCE: Final = 1.0
"""Seconds that the server on which a user's last connection was has to announce it; then another one does."""


class PresenceNotifier:
    """Announces presence changes, and calls the application's hooks.

    Args:
        context: The surroundings of the feature.
        presence: The presence of all users.
    """

    def __init__(self, context: FeatureContext, presence: Presence) -> None:
        self._context = context
        self._presence = presence
        self._announcements = Announcements(context.clock, context.lock())
        self._timer = context.timer(self._announcements.next_deadline, self._announce_due)
        departures = self._departures = presence.departures = Departures(
            context.config.offline_delay, context.clock, context.lock()
        )
        self._departure_timer = context.timer(departures.next_deadline, self._announce_departures)
        self._lock = context.lock()
        # A mailbox lives as long as it has tasks: its greenlet or thread refers to it.
        self._mailboxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()

    @property
    def is_idle(self) -> bool:
        """Return whether there is nothing left to announce."""
        return not self._mailboxes

    @cached_property
    def _calls_application(self) -> bool:
        return any(map(self._context.is_registered, (PRESENCE_AUDIENCE, ON_USER_ONLINE, ON_USER_OFFLINE)))

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

    def departed(self, user_id: str, version: int) -> None:
        """Let a departure wait that another server announces, unless that server dies."""
        self._wait_with(Departure(user_id, version), _PATIENCE * jitter.uniform(1, 2))

    def returned(self, user_id: str, version: int) -> None:
        """Forget the departure of a user who is back on another server."""
        self._departures.drop(user_id, version)

    def end_waiting(self) -> None:
        """Announce at once what waits, and let nothing wait any more: this server is about to stop."""
        for user_id, version, hold in self._departures.end():
            self._announce_change(user_id, online=False, version=version, hold=hold)

    def _wait_with(self, departure: Departure, patience: float = 0.0) -> None:
        self._departures.add(departure, patience)
        deadline = self._departures.next_deadline()
        if deadline is not None:
            self._departure_timer.wake_by(deadline)

    def _announce_departures(self) -> Iterable[Emit]:
        for user_id, version, hold in self._departures.take_due():
            if not self._presence.is_online(user_id):
                self._announce_change(user_id, online=False, version=version, hold=hold)
        return ()

    def _announce_change(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
        if not self._calls_application:
            self._announce(user_id, online=online, version=version, hold=hold)
        else:
            self.in_turn(user_id, lambda: self._announce_and_notify(user_id, online=online, version=version, hold=hold))

    def heard(self, user_id: str, *, online: bool, version: int, announced: bool) -> None:
        """Record a change reported by another server; see `Announcements.heard`."""
        self._departures.drop(user_id, version)
        self._announcements.heard(user_id, online=online, version=version, announced=announced)
        self._wake()

    def in_turn(self, user_id: str, task: Task) -> None:
        """Run a task about a user after all earlier ones about the same user."""
        with self._lock:
            mailbox = self._mailboxes.get(user_id)
            if mailbox is None:
                mailbox = self._mailboxes[user_id] = self._context.new_mailbox()
            mailbox.post(task)

    def _announce_and_notify(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
        self._announce(user_id, online=online, version=version, hold=hold)
        self._context.announce(ON_USER_ONLINE if online else ON_USER_OFFLINE, user_id)

    def _announce(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
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
            self._context.emit(Presence.status_changed(user_id, online=online, audience=None, version=version))
        else:
            # If the audience hook fails, nobody is notified, rather than everyone.
            self._context.announce_with(lambda: self._tell_audience(user_id, online=online, version=version))

    def _tell_audience(self, user_id: str, *, online: bool, version: int) -> None:
        hooks = self._context.functions(PRESENCE_AUDIENCE)
        members = hooks[0](user_id) if hooks else None
        audience = None if members is None else [parse_id(member, "presence_audience") for member in members]
        self._context.emit(Presence.status_changed(user_id, online=online, audience=audience, version=version))
