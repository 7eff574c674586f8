"""Limiter of events, for each connection and each user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from flask_realtime.allowances import Allowances, RateLimit, TokenBucket, Users, retry_after
from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import RateLimited, RegistrationError
from flask_realtime.feature.feature import SHARED_LIMIT
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.locks import native_lock
from flask_realtime.hooks import Hooks
from flask_realtime.rates import InvalidRate, Rate, parse_rate

_AUTHENTICATION: Final = parse_rate("1/second, burst 5")
"""Rate of events that verify a token; no client needs more than one a second."""


class LimitGroup(NamedTuple):
    """Events that share an allowance.

    Args:
        number: Its index among the groups.
        rate: The limit of one connection, or None.
        user_rate: The limit of all connections of one user, or None.
    """

    number: int
    rate: Rate | None
    user_rate: Rate | None


class EventLimiter:
    """Counts the events that clients send.

    Args:
        config: The limits.
        hooks: The events of features and of the application, some of which have limits of their own.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(self, config: RealtimeConfig, hooks: Hooks, clock: Callable[[], float] = time.monotonic) -> None:
        self._hooks = hooks
        self._clock = clock
        self._max_refusals = config.max_refusals
        self._users = Users()
        self._lock = native_lock()
        groups = {
            name: LimitGroup(number, rate, config.user_limits[name]) for number, (name, rate) in enumerate(config.limits.items())
        }
        groups["authentication"] = LimitGroup(len(groups), _AUTHENTICATION, None)
        self._count = len(groups)
        self._groups = groups
        self._others = groups[SHARED_LIMIT]
        self._by_event: dict[str, LimitGroup] = {}
        for feature in hooks.features:
            for event in (*feature.incoming.values(), *feature.requests.values()):
                self._by_event[event.name] = self._group_of(event.name, event.limit)

    def group(self, event: str) -> LimitGroup:
        """Return the limit group of an event, also of an unknown one."""
        return self._by_event.get(event) or self._group_of_application(event)

    def _group_of(self, event: str, limit: str | None) -> LimitGroup:
        try:
            return self._groups.get(limit or "") or self._new_group(None if limit is None else parse_rate(limit))
        except InvalidRate as error:
            names = ", ".join(self._groups)
            msg = f"{event!r}: limit must be None, a rate such as '10/second, burst 20', or one of {names}, not {limit!r}: {error}"
            raise RegistrationError(msg) from None

    def _new_group(self, rate: Rate | None) -> LimitGroup:
        group = LimitGroup(self._count, rate, rate)
        self._count += 1
        return group

    def _group_of_application(self, name: str) -> LimitGroup:
        event = self._hooks.events.get(name)
        if event is None or event.shares_limit:
            return self._others
        with self._lock:
            group = self._by_event[name] = self._new_group(event.rate)
        return group

    def charge(self, connection: Connection, group: LimitGroup) -> RateLimited | None:
        """Count an event.

        Returns:
            The error to answer with, or None if it is within the limits.
        """
        now, held, number = self._clock(), connection.allowances, group.number
        # `allowance` inlined: this runs for every event.
        allowance = held.by_group[number] if held is not None and number < len(held.by_group) else None
        if allowance is None:
            allowance = self._new_allowance(connection, group)
        if allowance.take(now):
            return None
        return RateLimited(retry_after=retry_after(allowance.wait(now)))

    def charge_user(self, user_id: str, group: LimitGroup) -> RateLimited | None:
        """Count an event that a user sends without a connection.

        Returns:
            As for `charge`.
        """
        now = self._clock()
        with self._lock:
            bucket = self._users.enter(user_id).bucket(group.number, group.user_rate)
            is_allowed = bucket is None or bucket.take(now)
            wait = 0.0 if bucket is None else bucket.wait(now)
            self._users.leave(user_id, now)
        return None if is_allowed else RateLimited(retry_after=retry_after(wait))

    def is_out_of_patience(self, connection: Connection) -> bool:
        """Count a refusal, and return whether it exceeds the limit."""
        held = connection.allowances
        if held is None or self._max_refusals is None:
            return False
        if held.refusals is None:
            held.refusals = TokenBucket(self._max_refusals)
        return not held.refusals.take(self._clock())

    def allowance(self, connection: Connection, group: LimitGroup) -> RateLimit:
        """Return a connection's remaining allowance for events of a group."""
        held = connection.allowances
        if held is not None and group.number < len(held.by_group):
            allowance = held.by_group[group.number]
            if allowance is not None:
                return allowance
        return self._new_allowance(connection, group)

    def _new_allowance(self, connection: Connection, group: LimitGroup) -> RateLimit:
        with self._lock:
            if connection.closed:
                return RateLimit(group.rate, None)  # A user's share of it would never be released.
            if connection.allowances is None:
                connection.allowances = Allowances(self._users.enter(connection.charged_to))
            return connection.allowances.add(*group)

    def release(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        with self._lock:
            if connection.allowances is not None:
                connection.allowances = None
                self._users.leave(connection.charged_to, self._clock())
