"""Rate limits: who may do something how often.

Each bucket is one number, the time at which it would be full again if nothing more were taken from it (the generic cell rate
algorithm). Two threads that take from one bucket at the same moment may both get the same; nothing else comes of it, and a lock
would cost more than the rest.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, TypeVar

from flask_realtime.rates import Rate

_SLACK: Final = 0.001
"""Of the interval between two events: sums of fractions of a second are not exact, and a burst is to be allowed in full."""

_HUNDREDTHS: Final = 100

BucketT = TypeVar("BucketT", bound="TokenBucket")


def retry_after(seconds: float) -> float:
    """Return a time to wait as clients are told it: in hundredths of a second, never less than it takes."""
    return max(1, math.ceil(seconds * _HUNDREDTHS)) / _HUNDREDTHS


@lru_cache
def _measures(rate: Rate | None) -> tuple[float, float]:
    """Return the seconds between two events, and those that a burst may be ahead; buckets of one rate share the numbers."""
    return (0.0, math.inf) if rate is None else (rate.interval, rate.ahead + _SLACK * rate.interval)


class TokenBucket:
    """What one connection, user or address has left of a rate.

    Args:
        rate: The rate; None allows everything.
    """

    __slots__ = ("ahead", "full_at", "interval")

    def __init__(self, rate: Rate | None) -> None:
        self.full_at = 0.0
        self.interval, self.ahead = _measures(rate)

    def take(self, now: float) -> bool:
        """Take one, and say whether there was one."""
        full_at = self.full_at
        if full_at < now:
            full_at = now
        elif full_at - now > self.ahead:
            return False
        self.full_at = full_at + self.interval
        return True

    def wait(self, now: float) -> float:
        """Return the seconds after which there is one again; 0 where there is one now."""
        behind = self.full_at - now - self.ahead
        return behind + _SLACK * self.interval if behind > 0 else 0.0


class RateLimit(TokenBucket):
    """What one connection has left of a rate, within what its user has left.

    Args:
        rate: The connection's rate, or None.
        user: The bucket of all of the user's connections together, or None.
    """

    __slots__ = ("user",)

    def __init__(self, rate: Rate | None, user: TokenBucket | None) -> None:
        super().__init__(rate)
        self.user = user

    def take(self, now: float) -> bool:
        """Take one of both, and say whether there was one of both; if not, neither is touched."""
        full_at, user = self.full_at, self.user
        if full_at < now:
            full_at = now
        elif full_at - now > self.ahead:
            return False
        if user is not None:  # In full rather than a call: this is on the way of every event.
            users = user.full_at
            if users < now:
                users = now
            elif users - now > user.ahead:
                return False
            user.full_at = users + user.interval
        self.full_at = full_at + self.interval
        return True

    def wait(self, now: float) -> float:
        """Return the seconds after which there is one of both again."""
        own = super().wait(now)
        return own if self.user is None else max(own, self.user.wait(now))


class UserBuckets:
    """What one user has left, with all connections together.

    Args:
        connections: How many connections draw on it.
        buckets: The buckets by the number of their limit group, as far as they were needed; a dictionary would weigh three
            times as much.
    """

    __slots__ = ("buckets", "connections")

    def __init__(self) -> None:
        self.connections = 0
        self.buckets: list[TokenBucket | None] = []

    def bucket(self, number: int, rate: Rate | None) -> TokenBucket | None:
        """Return the bucket of a limit group, or None where there is no limit."""
        if rate is None:
            return None
        bucket = _at(self.buckets, number)
        if bucket is None:
            bucket = self.buckets[number] = TokenBucket(rate)
        return bucket

    def is_full(self, now: float) -> bool:
        """Say whether nothing would be lost with it."""
        return all(bucket is None or bucket.full_at <= now for bucket in self.buckets)


def _at(buckets: list[BucketT | None], number: int) -> BucketT | None:
    """Return what is at a place, which is made where there is none."""
    if number >= len(buckets):
        buckets.extend([None] * (number + 1 - len(buckets)))
    return buckets[number]


class Allowances:
    """What one connection has left.

    Args:
        user: What its user has left.
    """

    __slots__ = ("by_group", "refusals", "user")

    def __init__(self, user: UserBuckets) -> None:
        self.user = user
        self.by_group: list[RateLimit | None] = []
        self.refusals: TokenBucket | None = None

    def add(self, number: int, rate: Rate | None, user_rate: Rate | None) -> RateLimit:
        """Make the allowance of a limit group."""
        _at(self.by_group, number)
        allowance = self.by_group[number] = RateLimit(rate, self.user.bucket(number, user_rate))
        return allowance


class Users:
    """What users have left; for users who are gone too, until it makes no difference: who comes back gets nothing anew.

    Args:
        kept: How many users who are gone are remembered; of more, those who have been gone for longest are forgotten.
    """

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._here: dict[str, UserBuckets] = {}
        self._gone: OrderedDict[str, UserBuckets] = OrderedDict()

    def __len__(self) -> int:
        return len(self._here) + len(self._gone)

    def enter(self, user_id: str) -> UserBuckets:
        """Return what a user has left, for one more connection."""
        user = self._here.get(user_id)
        if user is None:
            user = self._here[user_id] = self._gone.pop(user_id) if user_id in self._gone else UserBuckets()
        user.connections += 1
        return user

    def leave(self, user_id: str, now: float) -> None:
        """Note that one of the connections is gone."""
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
    """What each of many has left of a rate, for as long as it makes a difference.

    Args:
        rate: How often one may do it, or None.
        kept: How many are remembered; of more, those that have not done it for longest are forgotten.
    """

    def __init__(self, rate: Rate | None, kept: int = 10_000) -> None:
        self._rate = rate
        self._kept = kept
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: str, now: float) -> float:
        """Return the seconds after which one may do it again; 0 where one may now."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait(now)

    def note(self, key: str, now: float) -> None:
        """Note that one did it."""
        if self._rate is None:
            return
        bucket = self._buckets.setdefault(key, TokenBucket(self._rate))
        bucket.take(now)
        self._buckets.move_to_end(key)
        self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop what makes no difference any more, as far as it is easily found, and what is too much."""
        oldest = next(iter(self._buckets))
        while len(self._buckets) > self._kept or self._buckets[oldest].full_at <= now:
            del self._buckets[oldest]
            oldest = next(iter(self._buckets))


class FailedLoginLimiter(KeyedBuckets):
    """Failed attempts by address, where these are limited.

    Args:
        rate: How often one address may fail, or None.
        kept: How many addresses are remembered; of more, those that have not failed for longest are forgotten.
    """

    def wait(self, key: str, now: float) -> float:
        """Return the seconds after which an address may try again; 0 where it may now."""
        return super().wait(network(key), now) if self._buckets else 0.0

    def note(self, key: str, now: float) -> None:
        """Note that an attempt from an address failed. Without an address, nobody is to blame."""
        if key:
            super().note(network(key), now)


def network(address: str) -> str:
    """Return what one subscriber has of addresses: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
