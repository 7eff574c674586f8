"""Rate limits: token buckets for connections, users and addresses.

Each bucket is one number, the time at which it would be full again if nothing more were taken from it (the generic cell rate
algorithm). Two threads that take from one bucket at the same moment may both get the same token, which does no other harm; a lock
would cost more than the rest.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from ipaddress import IPv6Address
from typing import Final, TypeVar

from flask_realtime.rates import SLACK, Rate

_HUNDREDTHS: Final = 100

BucketT = TypeVar("BucketT", bound="TokenBucket")


def retry_after(seconds: float) -> float:
    """Return a waiting time as sent to clients: rounded up to hundredths of a second."""
    return max(1, math.ceil(seconds * _HUNDREDTHS)) / _HUNDREDTHS


class TokenBucket:
    """The remaining allowance of one connection, user or address.

    Args:
        rate: The rate; None allows everything.
    """

    __slots__ = ("ahead", "full_at", "interval")

    def __init__(self, rate: Rate | None) -> None:
        self.full_at = 0.0
        # Both are the rate's own objects: thousands of buckets share them.
        self.interval, self.ahead = (0.0, math.inf) if rate is None else (rate.interval, rate.tolerance)

    def take(self, now: float) -> bool:
        """Take one token, and return whether there was one."""
        full_at = self.full_at
        if full_at < now:
            full_at = now
        elif full_at - now > self.ahead:
            return False
        self.full_at = full_at + self.interval
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until the next token; 0 if there is one now."""
        behind = self.full_at - now - self.ahead
        return behind + SLACK * self.interval if behind > 0 else 0.0


class RateLimit(TokenBucket):
    """The remaining allowance of one connection, within that of its user.

    Args:
        rate: The connection's rate, or None.
        user: The bucket of all of the user's connections together, or None.
    """

    __slots__ = ("user",)

    def __init__(self, rate: Rate | None, user: TokenBucket | None) -> None:
        super().__init__(rate)
        self.user = user

    def take(self, now: float) -> bool:
        """Take one from both buckets, and return whether both had one; if not, neither changes."""
        full_at, user = self.full_at, self.user
        if full_at < now:
            full_at = now
        elif full_at - now > self.ahead:
            return False
        if user is not None:  # Inlined rather than called: every event passes through here.
            users = user.full_at
            if users < now:
                users = now
            elif users - now > user.ahead:
                return False
            user.full_at = users + user.interval
        self.full_at = full_at + self.interval
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until both buckets have a token."""
        own = super().wait(now)
        return own if self.user is None else max(own, self.user.wait(now))


class UserBuckets:
    """The allowances of one user, shared by all of the user's connections.

    Args:
        connections: The number of connections that draw on it.
        buckets: The buckets by the number of their limit group, created on first use; a dictionary would take three times
            the memory.
    """

    __slots__ = ("buckets", "connections")

    def __init__(self) -> None:
        self.connections = 0
        self.buckets: list[TokenBucket | None] = []

    def bucket(self, number: int, rate: Rate | None) -> TokenBucket | None:
        """Return the bucket of a limit group, or None if there is no limit."""
        if rate is None:
            return None
        bucket = _at(self.buckets, number)
        if bucket is None:
            bucket = self.buckets[number] = TokenBucket(rate)
        return bucket

    def is_full(self, now: float) -> bool:
        """Return whether every bucket is full, so that forgetting this user loses nothing."""
        for bucket in self.buckets:  # noqa: SIM110 - a generator takes twice as long
            if bucket is not None and bucket.full_at > now:
                return False
        return True


def _at(buckets: list[BucketT | None], number: int) -> BucketT | None:
    """Return the entry at an index, extending the list if it is too short."""
    if number >= len(buckets):
        buckets.extend([None] * (number + 1 - len(buckets)))
    return buckets[number]


class Allowances:
    """The allowances of one connection.

    Args:
        user: Its user's buckets.
    """

    __slots__ = ("by_group", "refusals", "user")

    def __init__(self, user: UserBuckets) -> None:
        self.user = user
        self.by_group: list[RateLimit | None] = []
        self.refusals: TokenBucket | None = None

    def add(self, number: int, rate: Rate | None, user_rate: Rate | None) -> RateLimit:
        """Create the allowance of a limit group."""
        _at(self.by_group, number)
        allowance = self.by_group[number] = RateLimit(rate, self.user.bucket(number, user_rate))
        return allowance


class Users:
    """The buckets of all users. They are kept after a disconnect until they are full, so that reconnecting resets nothing.

    Args:
        kept: The number of disconnected users to remember; beyond it, those disconnected longest are forgotten.
    """

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._here: dict[str, UserBuckets] = {}
        self._gone: OrderedDict[str, UserBuckets] = OrderedDict()

    def __len__(self) -> int:
        return len(self._here) + len(self._gone)

    def enter(self, user_id: str) -> UserBuckets:
        """Return a user's buckets, counting one more connection."""
        user = self._here.get(user_id)
        if user is None:
            user = self._here[user_id] = self._gone.pop(user_id) if user_id in self._gone else UserBuckets()
        user.connections += 1
        return user

    def leave(self, user_id: str, now: float) -> None:
        """Count one connection less."""
        user = self._here[user_id]
        user.connections -= 1
        if user.connections == 0:
            self._gone[user_id] = self._here.pop(user_id)
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self._gone:
            oldest = next(iter(self._gone))
            if len(self._gone) <= self._kept and not self._gone[oldest].is_full(now):
                return
            del self._gone[oldest]


class KeyedBuckets:
    """Token buckets by key, each kept until it is full again.

    Args:
        rate: The rate for each key, or None for no limit.
        kept: The number of keys to remember; beyond it, those unused for longest are forgotten.
    """

    def __init__(self, rate: Rate | None, kept: int = 10_000) -> None:
        self._rate = rate
        self._kept = kept
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until a key is allowed again; 0 if it is now."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait(now)

    def note(self, key: str, now: float) -> None:
        """Record one use of a key."""
        if self._rate is None:
            return
        bucket = self._buckets.setdefault(key, TokenBucket(self._rate))
        bucket.take(now)
        self._buckets.move_to_end(key)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop full buckets, as far as they are found cheaply, and those beyond the maximum."""
        oldest = next(iter(self._buckets))
        while len(self._buckets) > self._kept or self._buckets[oldest].full_at <= now:
            del self._buckets[oldest]
            oldest = next(iter(self._buckets))


class FailedLoginLimiter(KeyedBuckets):
    """Limits failed attempts by address.

    Args:
        rate: How often one address may fail, or None for no limit.
        kept: The number of addresses to remember; beyond it, those without a failure for longest are forgotten.
    """

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until an address may try again; 0 if it may now."""
        return super().wait(network(key), now) if self._buckets else 0.0

    def note(self, key: str, now: float) -> None:
        """Record a failed attempt from an address; without an address, nothing is counted."""
        if key:
            super().note(network(key), now)


def network(address: str) -> str:
    """Return the network of one subscriber: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
