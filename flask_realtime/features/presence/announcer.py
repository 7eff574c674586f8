"""Tells the world that users came and went.

The application's hooks may take their time; what concerns one user still goes out in the order in which it happened.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from flask_realtime.contract.ids import parse_id
from flask_realtime.feature.context import FeatureContext, Mailbox, Task
from flask_realtime.features.presence.hooks import ON_USER_OFFLINE, ON_USER_ONLINE, PRESENCE_AUDIENCE
from flask_realtime.features.presence.state import Presence


class PresenceAnnouncer:
    """Announces presence changes, and tells the application's hooks.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._context = context
        self._new_mailbox = context.new_mailbox
        self._lock = context.lock()
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
        if not any(map(self._context.is_registered, (PRESENCE_AUDIENCE, ON_USER_ONLINE, ON_USER_OFFLINE))):
            self._context.emit(Presence.status_changed(user_id, online=online, audience=None, version=version))
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
        # Where the audience hook fails, nobody is told, rather than everyone.
        self._context.announce_with(lambda: self._tell_audience(user_id, online=online, version=version))
        self._context.announce(ON_USER_ONLINE if online else ON_USER_OFFLINE, user_id)

    def _tell_audience(self, user_id: str, *, online: bool, version: int) -> None:
        hooks = self._context.functions(PRESENCE_AUDIENCE)
        members = hooks[0](user_id) if hooks else None
        audience = None if members is None else [parse_id(member, "presence_audience") for member in members]
        self._context.emit(Presence.status_changed(user_id, online=online, audience=audience, version=version))
