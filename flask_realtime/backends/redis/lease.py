"""Lease of a server: as long as it is renewed, the server is alive, and its connections count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Final, NamedTuple, TypeVar

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.redis import answers, scripts
from flask_realtime.backends.redis.clock import RedisClock
from flask_realtime.backends.redis.grouped_calls import GroupedCalls
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.scripts import Question, Update, Write

ResultT = TypeVar("ResultT")

HELD: Final = "held"
REAPED: Final = "reaped"
LOST: Final = "lost"


class LeaseLost(BackendUnavailable):
    """This server's lease is no longer held."""


class _Watch(NamedTuple):
    names: Callable[[], Sequence[str]]
    lost: Callable[[], object]


class Lease:
    """A server's lease on its entries in Redis; scripts run under it.

    Args:
        link: The link to Redis.
        server_id: The server's name.
        channel: The prefix of all keys.
        ttl: Seconds that the lease lasts.
        grace: Seconds that other servers have to renew their leases after an outage of Redis, before its entries about them are
            relied on; the lease's duration if None.
        offline_delay: Seconds for which users who go offline are waited for, before others are told.
        patience: Seconds after which the link gives up a call.
        clock: Returns the seconds since 1970.
    """

    def __init__(  # noqa: PLR0913 - settings, and values that tests replace
        self,
        link: RedisLink,
        server_id: str,
        channel: str = "flask_realtime",
        *,
        ttl: float = 10.0,
        grace: float | None = None,
        offline_delay: float = 0.0,
        patience: float = 0.8,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.link = link
        self.server_id = server_id
        self.ttl = ttl
        self.grace = ttl if grace is None else grace
        self.offline_delay = offline_delay
        self.needs_renewal = False
        """Whether Redis refused a call, so that the lease has to be renewed at once."""
        self.clock = RedisClock(clock)
        self._base = f"{{{channel}}}"
        self._calls = GroupedCalls(link, self._base)
        self._patience = patience
        self._lock = threading.Lock()
        self._name = ""
        self._taken_name = ""
        self._was_reaped = self._is_leaving = False
        self._has_lost_data = False
        self._has_ended = False
        self._redis_id = ""
        self._watches: list[_Watch] = []
        after_fork(self._begin_in_child)

    @property
    def name(self) -> str:
        """Return the lease's name: the server's name, a dot, and a random part; empty until it is first needed."""
        return self._name

    @property
    def was_reaped(self) -> bool:
        """Return whether the previous lease was reaped, and others were told that this server's users went offline."""
        return self._was_reaped

    @property
    def is_leaving(self) -> bool:
        """Return whether the server is about to stop."""
        return self._is_leaving

    def ask(self, question: Question[ResultT]) -> ResultT:
        """Make a call that needs no lease.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        return question.parse(self.link.call(lambda client: question.script.run(client, self._base, *question.args)))

    def run_by_deadline(self, update: Update[ResultT]) -> ResultT:
        """Make a call that needs no lease, and does nothing once this server has given it up.

        Raises:
            BackendUnavailable: Redis cannot be reached, or could not in time. Whether anything was done is unknown.
        """
        if not self.clock.is_set:  # Taking a lease sets it, but a process that is not a server takes none.
            seconds, microseconds = self.link.call(lambda client: client.time())
            self.clock.set(seconds * 1_000_000 + microseconds)
        base, deadline = self._base, self._deadline
        now, code, answer = self.link.call(lambda client: update.script.run(client, base, deadline(), *update.args))
        self.clock.set(now)
        _refuse_late(code)
        return update.parse(code, answer)

    def names(self, kind: str) -> list[str]:
        """Return the names that entries exist for, by scanning every key in Redis.

        Args:
            kind: The prefix of the keys.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        prefix = f"{self._base}:{kind}:".encode()
        pattern = prefix.replace(b"[", b"[[]").replace(b"*", b"[*]").replace(b"?", b"[?]") + b"*"
        keys = self.link.call(lambda client: list(client.scan_iter(pattern, count=1000)))
        return [key.removeprefix(prefix).decode() for key in keys]

    def run(self, write: Write[ResultT]) -> ResultT:
        """Make a call under the lease, which is acquired first if it never was.

        Raises:
            LeaseLost: The lease is no longer held; nothing was done.
            BackendUnavailable: Redis cannot be reached, or could not in time. Whether anything was done is unknown.
        """
        name = self._hold()
        now, code, answer = self._calls.run(write.script, self._deadline, name, *write.args)
        self.clock.set(now)
        self.needs_renewal |= code in {answers.NOT_HELD, answers.LATE}
        if code == answers.NOT_HELD:
            msg = "The lease is not held any more"
            raise LeaseLost(msg)
        _refuse_late(code)
        return write.parse(code, answer)

    def watch(self, names: Callable[[], Sequence[str]], lost: Callable[[], object]) -> None:
        """Look with each renewal whether there are values of records.

        Args:
            names: Returns their full names.
            lost: Called if one of them is missing, or may be outdated; it must not wait.
        """
        self._watches.append(_Watch(names, lost))

    def renew(self) -> str:
        """Renew the lease, which is acquired first if it never was.

        Returns:
            HELD; REAPED if other servers considered this one dead; LOST if Redis has lost its data, or may have.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        self.needs_renewal = False
        watched = [(watch.lost, watch.names()) for watch in self._watches]
        values = [name for _, names in watched for name in names]
        renewal = self.ask(scripts.renew_lease(self._hold(), ttl=self.ttl, is_leaving=self.is_leaving, values=values))
        self.clock.set(renewal.now)
        known, self._redis_id = self._redis_id, renewal.redis_id
        # A Redis restarted from disk, or a promoted replica, may have outdated data.
        is_another = known not in {"", self._redis_id}
        outcome = LOST if is_another and renewal.outcome == HELD else renewal.outcome
        for lost, names in watched:
            if names and (outcome == LOST or not renewal.missing.isdisjoint(names)):
                lost()
        return outcome

    def begin_anew(self, *, has_lost_data: bool) -> None:
        """Replace the lease with a new one, which is acquired when it is needed.

        Args:
            has_lost_data: Whether Redis may have lost its data: no user is then considered offline until all servers are back.
        """
        with self._lock:
            self._name = ""
            self._has_lost_data = has_lost_data
            self._was_reaped = not has_lost_data

    def begin_to_leave(self) -> None:
        """Tell the others with the next renewal that the server is about to stop."""
        self._is_leaving = True

    def forget_reaping(self) -> None:
        """Record that everything was rewritten since the previous lease was reaped, if it was."""
        self._was_reaped = False

    def adopt(self) -> None:
        """Let leases run out that Redis has lost but still has connections of: their servers may be dead.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        leases = self.names("server")
        if leases:
            self.ask(scripts.adopt_leases(leases, ttl=self.ttl))

    def count_connections(self, user_id: str, within: float) -> tuple[int, int]:
        """Return how many connections a user has on other servers.

        Args:
            user_id: The user.
            within: A time in seconds.

        Returns:
            Those on servers that have renewed their leases within that time, and those on servers that may be dead.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        return self.ask(scripts.count_connections(user_id, self._name, ttl=self.ttl, within=within))

    def end(self) -> None:
        """Stop writing under the lease."""
        self._has_ended = True
        self._calls.close()

    def _deadline(self) -> int:
        return self.clock.now() + int(self._patience * 1e6)

    def _begin_in_child(self) -> None:
        # The parent and each child are servers of their own, with their own entries.
        self.server_id = f"{self.server_id}.{token_hex(4)}"
        self._lock = threading.Lock()
        self._name = ""

    def _hold(self) -> str:
        if self._has_ended:
            msg = "This server has ended"
            raise BackendUnavailable(msg)
        with self._lock:
            # Random, so that servers forked from one process do not share it.
            name = self._name = self._name or f"{self.server_id}.{token_hex(6)}"
            settling = self.grace if self._has_lost_data else 0.0
        if name != self._taken_name:
            self.clock.set(self.ask(scripts.take_lease(name, ttl=self.ttl, settling=settling)))
            self._taken_name = name
        return name


def _refuse_late(code: int) -> None:
    if code == answers.LATE:
        msg = "Redis reached the script after its deadline; nothing was written."
        raise BackendUnavailable(msg)
