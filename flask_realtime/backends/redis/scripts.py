"""Calls of the Lua scripts in `lua/`: their arguments and answers.

Each script is atomic. A function here returns its call, and `Lease` makes it.

The keys of one channel begin with `{channel}:`, so that they are all on one node of a cluster:

| Key | Type | Contents |
|---|---|---|
| `servers` | sorted set | lease -> when it expires; 0: it is being reaped, and cannot be renewed |
| `reaped` | sorted set | lease -> when it was reaped |
| `leaving` | set | leases of servers that are about to stop: their clients are reconnecting to others |
| `server:<lease>` | set | the connections under a lease, each as `<connection> <user>` |
| `online` | set | the users who have a connection |
| `user:<user>` | hash | connection -> `<lease> <since> <device>` |
| `joined:<connection>` | set | the topics that a connection has joined, each as `<feature>:<kind>:<id>` |
| `<feature>:<kind>:<id>` | hash | connection -> `<lease> <user>`: the members of a topic |
| `<feature>:<kind>:<id>` | string | `<version> <JSON>`: a value of a record, until it expires |
| `gone:<user>` | string | `<version> <cause>` for a while after a user went offline, so that it is announced once |
| `departed` | sorted set | users whose going offline is not announced yet -> when it is due; with `REALTIME_OFFLINE_DELAY` alone |
| `came:<user>` | string | `<connection> <version> <cause>` for a while after a user's return: the connection, and the cause |
| `announced:<user>` | string | when the user's allowance of announcements is full again, while it is not |
| `unsettled` | set | users without a connection in Redis who have not been announced as offline yet |
| `recovery:lease:<digest>` | hash | a connection that may be recovered: its `owner`, `user`, `sid`, `token`, offsets, rooms |
| `recovery:user:<user>`, `recovery:token:<jti>` | set | the digests of a user's leases, and of those of a token |
| `settling` | string | exists for a while after Redis lost its data: servers that have not returned yet may know more |
| `answer:<token>` | string | a script's answer, for a caller that it did not reach |
| `version` | string | the highest version given out |
| `check` | string | a health check's write, for a while |

All times are Redis's own, in microseconds. A connection is under the lease named in its entries: a server that has lost its lease
rewrites them under a new one, and they are not removed with the old one.

A script that writes is given its deadline and, except for records, its lease. It does nothing after the deadline, when its
caller has given up and handles the change in another way: commands can stay for long in the buffers of a hanging server or a cut
network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from flask_realtime.backends.base import Awaited
from flask_realtime.backends.record import Text
from flask_realtime.backends.recovery import LeaseChange, LeaseRecord
from flask_realtime.backends.redis.answers import (
    TURNED,
    Answer,
    Note,
    Outcome,
    Reaped,
    Renewal,
    WentOffline,
    parse_answer,
    parse_departures,
    parse_lease,
    parse_names,
    parse_notes,
    parse_offline,
    parse_outcomes,
    parse_places,
    parse_reaped,
    parse_refusals,
    parse_renewal,
    parse_taken,
    parse_text,
    parse_two_numbers,
    parse_users,
    parse_written,
)
from flask_realtime.backends.redis.script import Script

ResultT_co = TypeVar("ResultT_co", covariant=True)

ADD: Final = Script("add")
REMOVE: Final = Script("remove")
JOIN: Final = Script("join")
LEAVE: Final = Script("leave")
LEAVE_ALL: Final = Script("leave_all")

_TAKE_LEASE: Final = Script("take_lease")
_ADOPT_LEASES: Final = Script("adopt_leases")
_RENEW_LEASE: Final = Script("renew_lease")
_WRITE: Final = Script("write")
_VERIFY: Final = Script("verify")
_SETTLE: Final = Script("settle")
_REAP: Final = Script("reap")
_TAKE_ANNOUNCEMENT: Final = Script("take_announcement")
_TAKE_DEPARTURE: Final = Script("take_departure")
_DEPARTURES: Final = Script("departures")
_ONLINE: Final = Script("online")
_USERS: Final = Script("users")
_COUNT_USERS: Final = Script("count_users")
_SERVERS: Final = Script("servers")
_COUNT_CONNECTIONS: Final = Script("count_connections")
_ENTRIES: Final = Script("entries")
_PROBE: Final = Script("probe")
_GET_VALUE: Final = Script("get_value")
_PUT_VALUE: Final = Script("put_value")
_REMOVE_VALUE: Final = Script("remove_value")
_WRITE_RECOVERY: Final = Script("write_recovery")
_TAKE_RECOVERY: Final = Script("take_recovery")


@dataclass(frozen=True)
class Question(Generic[ResultT_co]):
    """A call that needs no lease; see `Lease.ask`.

    Args:
        script: The script.
        args: Its arguments.
        parse: Parses its answer.
    """

    script: Script
    args: tuple[str | int, ...]
    parse: Callable[[Any], ResultT_co]


@dataclass(frozen=True)
class Update(Generic[ResultT_co]):
    """A call with a deadline that needs no lease; see `Lease.run_by_deadline`.

    Args:
        script: The script.
        args: Its arguments after the deadline.
        parse: Parses its code and its answer.
    """

    script: Script
    args: tuple[str | int, ...]
    parse: Callable[[int, bytes], ResultT_co]


@dataclass(frozen=True)
class Write(Generic[ResultT_co]):
    """A call under a lease; see `Lease.run`.

    Args:
        script: The script.
        args: Its arguments after the deadline and the lease.
        parse: Parses its code and its answer.
    """

    script: Script
    args: tuple[str | int, ...]
    parse: Callable[[int, bytes], ResultT_co]


class IdempotentCall(Write[ResultT_co]):
    """A call that may be repeated until its answer arrives: it holds a token, and Redis carries it out once."""


class State(NamedTuple):
    """The state of a connection to write.

    Args:
        connection_id: The connection.
        user_id: Its user.
        details: Its stored details; empty if it is closed.
        topics: The topics that it has joined.
        told_online: The version of the announcement that the user came online during an outage of Redis, or 0.
        is_repeated: Whether it is closed, and an earlier removal got no reply.
        is_unheard: Whether its addition got no reply.
    """

    connection_id: str
    user_id: str
    details: str
    topics: list[str]
    told_online: int
    is_repeated: bool
    is_unheard: bool


class Noted(NamedTuple):
    """A connection as Redis should know it.

    Args:
        connection_id: The connection.
        user_id: Its user.
        topics: The topics that it has joined.
    """

    connection_id: str
    user_id: str
    topics: list[str]


# Leases -----------------------------------------------------------------------------------------------------------------------


def take_lease(lease: str, *, ttl: float, settling: float) -> Question[int]:
    """Acquire a lease; answers Redis's time, in microseconds.

    Args:
        lease: Its name.
        ttl: Seconds that it lasts.
        settling: Seconds for which Redis may lack entries of other servers; 0 if it does not.
    """
    return Question(_TAKE_LEASE, (lease, _microseconds(ttl), _microseconds(settling)), int)


def adopt_leases(leases: Iterable[str], *, ttl: float) -> Question[int]:
    """Let forgotten leases run out after `ttl` seconds, unless they are renewed; answers Redis's time."""
    return Question(_ADOPT_LEASES, (_microseconds(ttl), *leases), int)


def renew_lease(lease: str, *, ttl: float, is_leaving: bool, values: Sequence[str] = ()) -> Question[Renewal]:
    """Renew a lease.

    Args:
        lease: Its name.
        ttl: Seconds that it lasts from now on.
        is_leaving: Whether its server is about to stop.
        values: The full names of values of records that there should be.
    """
    return Question(_RENEW_LEASE, (lease, _microseconds(ttl), int(is_leaving), _json(values)), parse_renewal)


def reap(limit: int, lease: str, *, offline_delay: float = 0.0) -> IdempotentCall[Reaped]:
    """Remove connections of a lease, and the lease itself with its last ones.

    Args:
        limit: Maximum number of connections.
        lease: The lease; with an empty name, any that has run out.
        offline_delay: Seconds for which users who go offline are waited for.
    """
    return IdempotentCall(_REAP, (token_hex(12), limit, lease, _microseconds(offline_delay)), parse_reaped)


# One connection ---------------------------------------------------------------------------------------------------------------


def add(user_id: str, connection_id: str, details: str, *, offline_delay: float = 0.0) -> Write[Answer]:
    """Add a connection of a user's.

    Args:
        user_id: The user.
        connection_id: The connection.
        details: The details to store.
        offline_delay: Seconds for which users who go offline are waited for.
    """
    return Write(ADD, (user_id, connection_id, details, _microseconds(offline_delay)), parse_answer)


def remove(
    user_id: str, connection_id: str, *, told_online: int, joined: Sequence[str], offline_delay: float = 0.0
) -> Write[Answer]:
    """Remove a connection of a user's, from every topic too.

    Args:
        user_id: The user.
        connection_id: The connection.
        told_online: The version of the announcement that the user came online during an outage of Redis, or 0.
        joined: The topics that it has joined.
        offline_delay: Seconds for which users who go offline are waited for.
    """
    args = user_id, connection_id, told_online, _json(joined), _microseconds(offline_delay)
    return Write(REMOVE, args, parse_answer)


def join(user_id: str, connection_id: str, topic: str) -> Write[Answer]:
    """Record that a connection of a user's joined a topic, given by its full name."""
    return Write(JOIN, (user_id, connection_id, topic), parse_answer)


def leave(user_id: str, connection_id: str, topic: str) -> Write[Answer]:
    """Record that a connection of a user's left a topic, given by its full name."""
    return Write(LEAVE, (user_id, connection_id, topic), parse_answer)


def leave_all(user_id: str, connection_id: str, prefix: str, joined: Sequence[str]) -> Write[Answer]:
    """Record that a connection of a user's left every topic of a tracker.

    Args:
        user_id: The user.
        connection_id: The connection.
        prefix: The prefix of the tracker's topics.
        joined: The full names of those that the connection has joined.
    """
    return Write(LEAVE_ALL, (user_id, connection_id, prefix, _json(joined)), parse_answer)


# Many connections at once -----------------------------------------------------------------------------------------------------


def write(states: Sequence[State], *, was_reaped: bool, offline_delay: float = 0.0) -> IdempotentCall[list[Outcome]]:
    """Write connections; answers the effect on the user of each.

    Args:
        states: The connections.
        was_reaped: Whether the previous lease was reaped.
        offline_delay: Seconds for which users who go offline are waited for.
    """
    args = token_hex(12), int(was_reaped), _json([tuple(state) for state in states]), _microseconds(offline_delay)
    return IdempotentCall(_WRITE, args, parse_outcomes)


def verify(noted: Sequence[Noted]) -> IdempotentCall[list[int]]:
    """Verify that Redis has connections; answers the indexes, from 0, of those with lost entries."""
    return IdempotentCall(_VERIFY, (token_hex(12), _json([tuple(each) for each in noted])), parse_places)


def settle(user_ids: Sequence[str], *, offline_delay: float = 0.0) -> IdempotentCall[list[WentOffline]]:
    """Settle which of these users are offline; answers those who have not been announced.

    Args:
        user_ids: The users.
        offline_delay: Seconds for which users who go offline are waited for.
    """
    return IdempotentCall(_SETTLE, (token_hex(12), _json(user_ids), _microseconds(offline_delay)), parse_offline)


# Records ----------------------------------------------------------------------------------------------------------------------


def get_value(name: str) -> Question[Text]:
    """Ask for a value of a record, given by its full name."""
    return Question(_GET_VALUE, (name,), parse_text)


def put_value(name: str, text: str, expected: int, *, ttl: float) -> Update[tuple[int, Text]]:
    """Write a value of a record if the stored one has a version.

    Args:
        name: Its full name.
        text: The value.
        expected: The version to be replaced, or 0.
        ttl: Seconds for which it is kept.

    Returns:
        The call; it answers the new version, or 0 and the stored value.
    """
    return Update(_PUT_VALUE, (name, _milliseconds(ttl), expected, text), parse_written)


def remove_value(name: str) -> Update[bool]:
    """Remove a value of a record, given by its full name; answers whether there was one."""
    return Update(_REMOVE_VALUE, (name,), lambda code, _answer: code == TURNED)


# Recovery of connections ------------------------------------------------------------------------------------------------------


def write_recovery(owner: str, changes: Sequence[LeaseChange], *, ttl: float) -> Update[list[tuple[int, str]]]:
    """Write changes of leases; answers the refused ones, each with the reason.

    Args:
        owner: The server that makes them.
        changes: The changes.
        ttl: Seconds for which a lease is kept after a change.
    """
    args = owner, _milliseconds(ttl), _json([(change.kind, change.key, change.args) for change in changes])
    return Update(_WRITE_RECOVERY, args, parse_refusals)


def take_recovery(key: str, user_id: str, owner: str, attempt: str, *, ttl: float) -> Update[LeaseRecord | None]:
    """Take a lease; answers it as it was, or None.

    Args:
        key: The lease's key.
        user_id: Its user.
        owner: The server that takes it.
        attempt: The unique name of the attempt, which may be made again.
        ttl: Seconds for which it is kept.
    """
    return Update(_TAKE_RECOVERY, (key, user_id, owner, _milliseconds(ttl), attempt), parse_lease)


# Questions --------------------------------------------------------------------------------------------------------------------


def take_announcement(user_id: str) -> Question[float]:
    """Take one of the announcements of a user; answers 0, or the seconds until one may be made."""
    return Question(_TAKE_ANNOUNCEMENT, (user_id,), lambda milliseconds: int(milliseconds) / 1000)


def take_departure(user_id: str, version: int, *, offline_delay: float) -> Question[bool | None]:
    """Take a user's departure; see `ConnectedUsers.take_departure`.

    Args:
        user_id: The user.
        version: The version of the departure.
        offline_delay: Seconds for which it waited.
    """
    return Question(_TAKE_DEPARTURE, (user_id, version + _microseconds(offline_delay)), parse_taken)


def departures(overdue: float | None = None, *, offline_delay: float) -> Question[list[Awaited]]:
    """Ask for the departures that wait; see `ConnectedUsers.departures`.

    Args:
        overdue: Seconds for which they have to be due already; None for all.
        offline_delay: Seconds for which each waits.
    """
    arguments = () if overdue is None else (_microseconds(overdue),)
    return Question(_DEPARTURES, arguments, partial(parse_departures, offline_delay=_microseconds(offline_delay)))


def online(user_ids: Iterable[str]) -> Question[set[str]]:
    """Ask which of these users are online."""
    return Question(_ONLINE, tuple(user_ids), lambda found: {user_id.decode() for user_id in found})


def users() -> Question[list[str]]:
    """Ask which users are online."""
    return Question(_USERS, (), parse_users)


def count_users() -> Question[int]:
    """Ask how many users are online."""
    return Question(_COUNT_USERS, (), int)


def servers() -> Question[list[str]]:
    """Ask for the leases of the servers that are alive."""
    return Question(_SERVERS, (), parse_names)


def count_connections(user_id: str, lease: str, *, ttl: float, within: float) -> Question[tuple[int, int]]:
    """Count a user's connections under other leases.

    Args:
        user_id: The user.
        lease: The caller's lease.
        ttl: Seconds that leases last.
        within: A time in seconds.

    Returns:
        The call; it answers how many are on servers that have renewed their leases within that time, and how many on
        servers that may be dead. Those of servers that are about to stop do not count.
    """
    return Question(_COUNT_CONNECTIONS, (user_id, lease, _microseconds(ttl), _microseconds(within)), parse_two_numbers)


def entries(name: str) -> Question[list[Note]]:
    """Ask for the fields of a hash, under leases that have not run out.

    Args:
        name: The hash's name, without the common prefix.
    """
    return Question(_ENTRIES, (name,), parse_notes)


def probe() -> Question[int]:
    """Write a value, to check that writes work; answers Redis's time."""
    return Question(_PROBE, (), int)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1e3)
