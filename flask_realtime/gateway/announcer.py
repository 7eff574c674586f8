"""Tells the world that users came and went.

The application's hooks may take their time; what concerns one user still goes out in the order in which it happened.
"""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from flask_realtime.contract.ids import parse_id
from flask_realtime.features.effects import Send
from flask_realtime.features.presence import Presence
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.mailbox import Mailbox, Task


class PresenceAnnouncer:
    """Announces presence changes, and tells the application's hooks.

    Args:
        application: Calls the hooks.
        send: Sends an event.
        new_mailbox: Makes a mailbox.
    """

    def __init__(self, application: Application, send: Callable[[Send], object], new_mailbox: Callable[[], Mailbox]) -> None:
        self._application = application
        self._send = send
        self._new_mailbox = new_mailbox
        self._lock = native_lock()
        # A mailbox lives as long as it has something to do: its greenlet or thread holds it.
        self._mailboxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing left to announce."""
        return not self._mailboxes

    def changed(self, user_id: str, *, online: bool, version: int) -> None:
        """Announce that a user came online or went offline.

        Args:
            user_id: The user.
            online: Whether the user is online now.
            version: The change's place among the changes of this user, on all servers.
        """
        hooks = self._application.hooks
        if hooks.presence_audience is None and not hooks.on_user_online and not hooks.on_user_offline:
            self._send(Presence.status_changed(user_id, online=online, audience=None, version=version))
            return
        self.in_turn(user_id, lambda: self._announce(user_id, online=online, version=version))

    def in_turn(self, user_id: str, task: Task) -> None:
        """Do something that concerns a user after all that was to be done before."""
        with self._lock:
            mailbox = self._mailboxes.get(user_id)
            if mailbox is None:
                mailbox = self._mailboxes[user_id] = self._new_mailbox()
            mailbox.post(task)

    def _announce(self, user_id: str, *, online: bool, version: int) -> None:
        application, hooks = self._application, self._application.hooks
        # Where the audience hook fails, nobody is told, rather than everyone.
        application.announce([lambda: self._tell_audience(user_id, online=online, version=version)])
        application.announce(list(hooks.on_user_online if online else hooks.on_user_offline), user_id)

    def _tell_audience(self, user_id: str, *, online: bool, version: int) -> None:
        hook = self._application.hooks.presence_audience
        members = None if hook is None else hook(user_id)
        audience = None if members is None else [parse_id(member, "presence_audience") for member in members]
        self._send(Presence.status_changed(user_id, online=online, audience=audience, version=version))
