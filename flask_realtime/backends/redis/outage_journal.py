"""Journal of announcements and unanswered calls during an outage of Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from flask_realtime.backends.base import Change
from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.script import Script


class OutageJournal:
    """Records what has to be repaired when Redis is back.

    Args:
        new_version: Returns a version for a change that got none from Redis.
        grace: Seconds that other servers have to write their entries.
    """

    def __init__(self, new_version: Callable[[], int], grace: float) -> None:
        self._new_version = new_version
        self._grace = grace
        self._unsettled: dict[str, float] = {}
        self.told_online: dict[str, int] = {}
        """Users who were announced as online, and the version of that change."""
        self.unanswered_arrivals: set[str] = set()
        """Connections whose addition got no reply from Redis."""
        self.unanswered_removals: set[str] = set()
        """Connections whose removal got no reply from Redis."""

    def came(self, user_id: str, *, is_first: bool) -> Change:
        """Return the effect of an opened connection on its user, if Redis gives no answer.

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
        """Return the effect of a closed connection on its user, if Redis gives no answer: none, until it is settled."""
        self._unsettled[user_id] = math.inf
        return Change(status_changed=False, version=self._new_version())

    def unanswered(self, script: Script, connection_id: str) -> None:
        """Record a call to Redis about a connection that got no reply.

        Args:
            script: The script of the call.
            connection_id: The connection.
        """
        if script is scripts.ADD:
            self.unanswered_arrivals.add(connection_id)
        elif script is scripts.REMOVE:
            self.unanswered_removals.add(connection_id)

    def answered(self, connection_id: str) -> None:
        """Record that Redis has answered, and agrees with this server about a connection."""
        self.unanswered_arrivals.discard(connection_id)
        self.unanswered_removals.discard(connection_id)

    def written(self, user_id: str, code: int, *, is_there: bool) -> None:
        """Record Redis's answer about a user.

        Args:
            user_id: The user.
            code: The answer's code.
            is_there: Whether it was about an open connection, not a closed one.
        """
        self.told_online.pop(user_id, None)
        if code == answers.UNSETTLED:
            self._unsettled[user_id] = time.monotonic() + self._grace
        elif not is_there:
            self._unsettled.pop(user_id, None)

    def settled(self, user_ids: Iterable[str]) -> None:
        """Forget users without a pending announcement."""
        for user_id in user_ids:
            self._unsettled.pop(user_id, None)

    @property
    def next_settling(self) -> float:
        """Return when the next user has to be checked, in seconds of the monotonic clock."""
        return min(self._unsettled.copy().values(), default=math.inf)

    def due(self) -> list[str]:
        """Return the users who have to be checked now."""
        now = time.monotonic()
        return [user_id for user_id, at in self._unsettled.copy().items() if at <= now]
