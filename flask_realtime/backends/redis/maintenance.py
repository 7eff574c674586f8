"""Maintenance tasks of a server: writing entries that were left, settling uncertain statuses, and reaping dead servers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.answers import Outcome, Reaped, WentOffline
from flask_realtime.backends.redis.entries import ServerEntries
from flask_realtime.backends.redis.lease import Lease, LeaseLost
from flask_realtime.backends.redis.scripts import IdempotentCall, Noted

ResultT = TypeVar("ResultT")

_BATCH: Final = 500
"""Connections and memberships written or removed in one batch, during which Redis does nothing else."""


class Report(NamedTuple):
    """A user's status change that has not been announced yet."""

    user_id: str
    online: bool
    version: int


class MaintenanceTask(ABC, Generic[ResultT]):
    """A task done in steps. A step without a reply from Redis is repeated, with the effect of a single one.

    Args:
        lease: The server's lease.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._call: IdempotentCall[ResultT] | None = None

    def perform(self) -> list[Report] | None:
        """Do one step.

        Returns:
            The status changes found; None if the task is complete.

        Raises:
            BackendUnavailable: Redis is unreachable now.
        """
        self._call = self._call or self._next()
        if self._call is None:
            return None
        try:
            answer = self._lease.run(self._call)
        except LeaseLost:
            self._give_up()
            raise
        self._call = None
        return self._done(answer)

    @abstractmethod
    def _next(self) -> IdempotentCall[ResultT] | None:
        """Return the call for the next step."""

    @abstractmethod
    def _done(self, answer: ResultT) -> list[Report] | None:
        """Process Redis's answer."""

    def _give_up(self) -> None:
        """Drop a call that was made under a lost lease."""
        self._call = None


class WriteLeft(MaintenanceTask[list[Outcome]]):
    """Writes the connections that operations left, and all connections when a new lease begins.

    Args:
        entries: The server's entries.
    """

    def __init__(self, entries: ServerEntries) -> None:
        super().__init__(entries.lease)
        self._entries = entries
        self._owners: dict[str, str] = {}
        self._written: list[tuple[str, str, bool]] = []

    def _next(self) -> IdempotentCall[list[Outcome]] | None:
        self._owners = self._entries.pending_writes.take(_BATCH, self._entries.weight)
        if self._entries.pending_writes.is_clear:
            self._lease.forget_reaping()
        if not self._owners:
            return None
        states = [self._entries.state(user_id, connection_id) for connection_id, user_id in self._owners.items()]
        self._written = [(state.connection_id, state.user_id, state.details != "") for state in states]
        return scripts.write(states, was_reaped=self._lease.was_reaped, offline_delay=self._lease.offline_delay)

    def _done(self, answer: list[Outcome]) -> list[Report]:
        self._entries.pending_writes.end(*self._owners)
        reports = []
        for (connection_id, user_id, is_there), (code, version) in zip(self._written, answer, strict=True):
            self._entries.outage_journal.answered(connection_id)
            self._entries.outage_journal.written(user_id, code, is_there=is_there)
            if code in {answers.TURNED, answers.CAME}:
                reports.append(Report(user_id, is_there or code == answers.CAME, version))
        return reports

    def _give_up(self) -> None:
        super()._give_up()
        self._entries.pending_writes.leave(self._owners)
        self._entries.pending_writes.end(*self._owners)


class Verify(MaintenanceTask[list[int]]):
    """Finds connections whose entries Redis has lost, to eviction or to a deleted key.

    They are left to be rewritten, without any announcement, since the loss was not announced either.

    Args:
        entries: The server's entries.
    """

    def __init__(self, entries: ServerEntries) -> None:
        super().__init__(entries.lease)
        self._entries = entries
        self._waiting: list[tuple[str, str]] = []
        self._asked: list[Noted] = []

    def begin(self) -> None:
        """Start a round through all connections of this server."""
        self._waiting = list(self._entries.connected_users.owners().items())

    def _next(self) -> IdempotentCall[list[int]] | None:
        self._asked, weight = [], 0
        while self._waiting and weight < _BATCH:
            connection_id, user_id = self._waiting.pop()
            topics = self._entries.joined(connection_id)
            self._asked.append(Noted(connection_id, user_id, topics))
            weight += 1 + len(topics)
        return scripts.verify(self._asked) if self._asked else None

    def _done(self, answer: list[int]) -> list[Report]:
        lost = filter(self._is_there, [self._asked[index] for index in answer])
        # Connections that are being written or have closed are not expected in Redis; rewriting one of them is harmless.
        self._entries.pending_writes.leave({asked.connection_id: asked.user_id for asked in lost})
        return []

    def _is_there(self, asked: Noted) -> bool:
        return self._entries.connected_users.entry(asked.user_id, asked.connection_id) is not None


class Settle(MaintenanceTask[list[WentOffline]]):
    """Finds users who went offline during an outage of Redis, and whom no server announced.

    Args:
        entries: The server's entries.
    """

    def __init__(self, entries: ServerEntries) -> None:
        super().__init__(entries.lease)
        self._outage_journal = entries.outage_journal
        self._users: list[str] = []

    def _next(self) -> IdempotentCall[list[WentOffline]] | None:
        self._users = self._outage_journal.due()
        return scripts.settle(self._users, offline_delay=self._lease.offline_delay) if self._users else None

    def _done(self, answer: list[WentOffline]) -> list[Report]:
        self._outage_journal.settled(self._users)
        return _offline(answer)


class Reap(MaintenanceTask[Reaped]):
    """Removes the connections of dead servers.

    Args:
        lease: The lease of the server that does it.
        victim: The lease to end; if None, any expired one.
    """

    def __init__(self, lease: Lease, victim: str = "") -> None:
        super().__init__(lease)
        self._victim = victim

    def _next(self) -> IdempotentCall[Reaped]:
        return scripts.reap(_BATCH, self._victim, offline_delay=self._lease.offline_delay)

    def _done(self, answer: Reaped) -> list[Report] | None:
        return _offline(answer.offline) if answer.found else None


def _offline(gone: Sequence[WentOffline]) -> list[Report]:
    return [Report(user_id, online=False, version=version) for user_id, version in gone]
