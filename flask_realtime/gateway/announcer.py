"""Tells the world that users came and went.

The application's hooks may take their time; what concerns one user still goes out in the order in which it happened. The hooks hear
of every change; clients hear of those that `Announcements` lets through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.ids import parse_id
from flask_realtime.features.announcements import Announcement, Announcements
from flask_realtime.features.presence import Presence
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.mailbox import Mailbox, Task
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.timer import DeadlineTimer

HELD_BACK: Final = "presence"
"""The kind of envelope that tells other servers of a change that is not announced, or not yet."""

NewTimer = Callable[[Callable[[], "float | None"], Callable[[], None]], DeadlineTimer]
"""Makes a timer: from what returns the next deadline, and what does what is due."""


class PresenceAnnouncer:
    """Announces presence changes, and tells the application's hooks.

    Args:
        parts: The gateway's parts.
        new_mailbox: Makes a mailbox.
        new_timer: Makes a timer.
    """

    def __init__(self, parts: Parts, new_mailbox: Callable[[], Mailbox], new_timer: NewTimer) -> None:
        self._application = parts.application
        self._presence = parts.features.presence
        self._send = parts.delivery.send
        self._publish = None if parts.shared.is_local else parts.shared.publish
        self._new_mailbox = new_mailbox
        self._announcements = Announcements(time.monotonic, native_lock())
        self._timer = new_timer(self._announcements.next_deadline, self._announce_due)
        self._lock = native_lock()
        # A mailbox lives as long as it has something to do: its greenlet or thread holds it.
        self._mailboxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing left to announce."""
        return not self._mailboxes

    def changed(self, user_id: str, *, online: bool, version: int, hold: float = 0.0) -> None:
        """Announce that a user came online or went offline, unless that happens too often.

        Args:
            user_id: The user.
            online: Whether the user is online now.
            version: The change's place among the changes of this user, on all servers.
            hold: Seconds for which it is not to be announced; see `Change`.
        """
        hooks = self._application.hooks
        if hooks.presence_audience is None and not hooks.on_user_online and not hooks.on_user_offline:
            self._announce(user_id, online=online, version=version, hold=hold)
        else:
            self.in_turn(user_id, lambda: self._announce_and_tell(user_id, online=online, version=version, hold=hold))

    def heard(self, user_id: str, *, online: bool, version: int, announced: bool) -> None:
        """Note a change of which another server told; see `Announcements.heard`."""
        self._announcements.heard(user_id, online=online, version=version, announced=announced)
        self._wake()

    def in_turn(self, user_id: str, task: Task) -> None:
        """Do something that concerns a user after all that was to be done before."""
        with self._lock:
            mailbox = self._mailboxes.get(user_id)
            if mailbox is None:
                mailbox = self._mailboxes[user_id] = self._new_mailbox()
            mailbox.post(task)

    def _announce_and_tell(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
        application, hooks = self._application, self._application.hooks
        self._announce(user_id, online=online, version=version, hold=hold)
        application.announce(list(hooks.on_user_online if online else hooks.on_user_offline), user_id)

    def _announce(self, user_id: str, *, online: bool, version: int, hold: float) -> None:
        if self._announcements.changed(user_id, online=online, version=version, hold=hold):
            self._tell(user_id, online=online, version=version)
            return
        if self._publish is not None:
            self._publish(Envelope(HELD_BACK, {"tells": (user_id, online), "version": version}))
        self._wake()

    def _announce_due(self) -> None:
        for user_id in self._announcements.take_due():
            wait = self._presence.take_announcement(user_id)
            if wait:
                self._announcements.hold(user_id, wait)
                continue
            due = self._announcements.release(user_id)
            if due is not None:
                self._tell_in_turn(due)

    def _tell_in_turn(self, due: Announcement) -> None:
        user_id, online, version = due
        if self._application.hooks.presence_audience is None:
            self._tell(user_id, online=online, version=version)
        else:
            self.in_turn(user_id, lambda: self._tell(user_id, online=online, version=version))

    def _wake(self) -> None:
        deadline = self._announcements.next_deadline()
        if deadline is not None:
            self._timer.wake_by(deadline)

    def _tell(self, user_id: str, *, online: bool, version: int) -> None:
        if self._application.hooks.presence_audience is None:
            self._send(Presence.status_changed(user_id, online=online, audience=None, version=version))
        else:
            # Where the audience hook fails, nobody is told, rather than everyone.
            self._application.announce([lambda: self._tell_audience(user_id, online=online, version=version)])

    def _tell_audience(self, user_id: str, *, online: bool, version: int) -> None:
        hook = self._application.hooks.presence_audience
        members = None if hook is None else hook(user_id)
        audience = None if members is None else [parse_id(member, "presence_audience") for member in members]
        self._send(Presence.status_changed(user_id, online=online, audience=audience, version=version))
