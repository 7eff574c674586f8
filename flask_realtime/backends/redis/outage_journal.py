"""What was said of users, and what was not, while Redis could not be asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from flask_realtime.backends.base import Change
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.script import Script


class OutageJournal:
    """Keeps what has to be made good when Redis is back.

    Args:
        new_version: Returns a version for a change that Redis has given none.
        grace: Seconds that other servers are given to write what they know.
    """

    def __init__(self, new_version: Callable[[], int], grace: float) -> None:
        self._new_version = new_version
        self._grace = grace
        self._unsettled: dict[str, float] = {}
        self.told_online: dict[str, int] = {}
        """Users of whom others were told that they came online, and the version of that."""
        self.unanswered_arrivals: set[str] = set()
        """Connections that Redis was told to add, without an answer."""
        self.unanswered_removals: set[str] = set()
        """Connections that Redis was told to remove, without an answer."""

    def came(self, user_id: str, *, is_first: bool) -> Change:
        """Say what a connection's coming means for its user, should Redis give no answer.

        Args:
            user_id: The user.
            is_first: Whether it is the user's first on this server.
        """
        version = self._new_version()
        if not is_first or user_id in self._unsettled:
            return Change(status_changed=False, version=version)
        self.told_online[user_id] = version
        return Change(status_changed=True, version=version)

    def went(self, user_id: str) -> Change:
        """Say what a connection's going means for its user, should Redis give no answer: nothing, before it is settled."""
        self._unsettled[user_id] = math.inf
        return Change(status_changed=False, version=self._new_version())

    def unanswered(self, script: Script, connection_id: str) -> None:
        """Note that Redis was told of a connection, without an answer.

        Args:
            script: What Redis was told.
            connection_id: The connection.
        """
        if script is scripts.ADD:
            self.unanswered_arrivals.add(connection_id)
        elif script is scripts.REMOVE:
            self.unanswered_removals.add(connection_id)

    def answered(self, connection_id: str) -> None:
        """Note that Redis has answered, and knows of a connection what this server knows."""
        self.unanswered_arrivals.discard(connection_id)
        self.unanswered_removals.discard(connection_id)

    def written(self, user_id: str, code: int, *, is_there: bool) -> None:
        """Note what Redis said of a user.

        Args:
            user_id: The user.
            code: What it said.
            is_there: Whether it was about a connection that is there, not one that is gone.
        """
        self.told_online.pop(user_id, None)
        if code == scripts.UNSETTLED:
            self._unsettled[user_id] = time.monotonic() + self._grace
        elif not is_there:
            self._unsettled.pop(user_id, None)

    def settled(self, user_ids: Iterable[str]) -> None:
        """Forget users of whom nothing has to be told any more."""
        for user_id in user_ids:
            self._unsettled.pop(user_id, None)

    @property
    def next_settling(self) -> float:
        """When somebody has to be asked for, in seconds of the monotonic clock."""
        return min(self._unsettled.copy().values(), default=math.inf)

    def due(self) -> list[str]:
        """Return the users who have to be asked for now."""
        now = time.monotonic()
        return [user_id for user_id, at in self._unsettled.copy().items() if at <= now]
