"""Users with settings that others must not hear of, or are to hear of when they come: in the memory of each server.

Every typing event and every question asks for it, in the event loop. Users who have set nothing are not in it, so that they cost
nothing; each of the others takes a few hundred bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

from flask_realtime.features.presence.settings import PLAIN, PresenceSettings

_VERSIONS: Final = 10_000
"""Users remembered after they are plain again, to detect late news: more than change while news is in transit."""


class Visibility:
    """The users with settings of their own.

    Before it is loaded nobody is visible, and nobody's typing is relayed: a server that cannot know must not tell.

    Args:
        clock: Returns the current time.
        lock: Serialises access from several threads.
    """

    def __init__(self, clock: Callable[[], datetime], lock: AbstractContextManager[Any]) -> None:
        self._clock = clock
        self._lock = lock
        self._users: dict[str, PresenceSettings] = {}
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._noted_meanwhile: set[str] = set()
        self.is_loaded = False

    def __len__(self) -> int:
        return len(self._users)

    def is_hidden(self, user_id: str) -> bool:
        """Return whether others see a user as offline."""
        settings = self._users.get(user_id)
        if settings is None:
            return not self.is_loaded
        return settings.is_invisible and settings.at(self._clock()).is_invisible

    def is_silent(self, user_id: str) -> bool:
        """Return whether nobody hears that a user types."""
        settings = self._users.get(user_id)
        if settings is None:
            return not self.is_loaded
        return not settings.sends_typing or self.is_hidden(user_id)

    def kept(self, user_id: str) -> PresenceSettings:
        """Return a user's settings as they are kept, even if their time has passed."""
        return self._users.get(user_id, PLAIN)

    def everybody(self) -> dict[str, PresenceSettings]:
        """Return the settings of all users who are in it, as they are kept."""
        with self._lock:
            return dict(self._users)

    def settings(self, user_id: str) -> PresenceSettings:
        """Return a user's settings as they are now; without whether receipts are sent, which only their place knows."""
        return self.kept(user_id).at(self._clock())

    def visible(self, user_ids: Iterable[str], viewer_id: str | None = None) -> set[str]:
        """Return those of some users who are not hidden from one.

        Args:
            user_ids: The users.
            viewer_id: Who asks, and is not hidden from themselves; None for nobody in particular.
        """
        if not self._users and self.is_loaded:
            return set(user_ids)
        return {user_id for user_id in user_ids if user_id == viewer_id or not self.is_hidden(user_id)}

    def note(self, user_id: str, settings: PresenceSettings) -> bool:
        """Take a user's settings over, unless later ones are known, and return whether they were taken."""
        with self._lock:
            if settings.version <= self._version_of(user_id):
                return False
            self._noted_meanwhile.add(user_id)
            self._put(user_id, settings)
            return True

    def load(self, read: Callable[[], Iterable[tuple[str, PresenceSettings]]]) -> None:
        """Take over what is kept of all users; whoever is not among them has nothing of their own any more.

        Call it once at a time.

        Args:
            read: Returns the users and their settings; it may wait, and raise.
        """
        self._noted_meanwhile = set()
        found = dict(read())
        with self._lock:
            for user_id in self._users.keys() - found.keys() - self._noted_meanwhile:
                del self._users[user_id]
            for user_id, settings in found.items():
                if settings.version > self._version_of(user_id):
                    self._put(user_id, settings)
            self.is_loaded = True

    def ends(self) -> dict[str, datetime]:
        """Map the users whose settings end by themselves to when they do."""
        with self._lock:
            return {user_id: settings.until for user_id, settings in self._users.items() if settings.until is not None}

    def _version_of(self, user_id: str) -> int:
        known = self._users.get(user_id)
        return self._versions.get(user_id, 0) if known is None else known.version

    def _put(self, user_id: str, settings: PresenceSettings) -> None:
        if not settings.is_exception:
            self._users.pop(user_id, None)
            self._versions[user_id] = settings.version
            self._versions.move_to_end(user_id)
            if len(self._versions) > _VERSIONS:
                self._versions.popitem(last=False)
        else:
            self._users[user_id] = settings
            self._versions.pop(user_id, None)
