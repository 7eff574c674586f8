"""Calls of the Lua scripts in `lua/`: their arguments, and what they answer.

Each script is one step that nothing can fall into. A function here returns its call, and `Lease` makes it.

The keys of one channel begin with `{channel}:`, so that they are all on one node of a cluster:

| Key | Type | What it holds |
|---|---|---|
| `servers` | sorted set | lease -> when it runs out; 0: it is being reaped, and can be renewed no more |
| `reaped` | sorted set | lease -> when it was reaped |
| `leaving` | set | leases of servers that are about to stop: their clients are on the way to others |
| `server:<lease>` | set | the connections under a lease, each as `<connection> <user>` |
| `online` | set | the users who have a connection |
| `user:<user>` | hash | connection -> `<lease> <since> <device>` |
| `joined:<connection>` | set | the topics that a connection has joined, each as `<feature>:<kind>:<id>` |
| `<feature>:<kind>:<id>` | hash | connection -> `<lease> <user>`: the members of a topic |
| `gone:<user>` | string | `<version> <cause>` for a while after a user went offline, so that nobody says so twice |
| `came:<user>` | string | `<connection> <version> <cause>` for a while after a user came back: who came, and from being gone how |
| `announced:<user>` | string | when the user's allowance of announcements is full again, while it is not |
| `unsettled` | set | users who have no connection that Redis knows of, and of whom nobody was told yet |
| `settling` | string | exists for a while after Redis lost its data: servers that have not come back yet may know more |
| `answer:<token>` | string | what a script answered, for a caller whom the answer did not reach |
| `version` | string | the highest version given out |
| `check` | string | what a health check writes, for a while |

All times are Redis's own, in microseconds. A connection is under the lease named in its entries: a server that has lost its lease
writes them again under a new one, and they are not removed with the old one.

A script that writes names its deadline and the lease it works under. It does nothing after the deadline, when its caller has given
up and sees to the matter in another way: commands can lie for long in the buffers of a server that hangs or a network that is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from flask_realtime.backends.redis.script import Script

ResultT_co = TypeVar("ResultT_co", covariant=True)

STAYS: Final = 0
"""The change made no difference to anybody else."""

TURNED: Final = 1
"""The user came online, or went offline."""

UNSETTLED: Final = 2
"""The user has no connection left that Redis knows of, but Redis may not know of all of them."""

CAME: Final = 3
"""The user had come online with the connection before, and nobody was told: the answer that said so got lost."""

LATE: Final = -1
"""Nothing was done: the deadline has passed."""

NOT_HELD: Final = -2
"""Nothing was done: the lease is not held."""

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
_ONLINE: Final = Script("online")
_USERS: Final = Script("users")
_COUNT_USERS: Final = Script("count_users")
_COUNT_CONNECTIONS: Final = Script("count_connections")
_ENTRIES: Final = Script("entries")
_PROBE: Final = Script("probe")


@dataclass(frozen=True)
class Question(Generic[ResultT_co]):
    """A call for which no lease is needed; see `Lease.ask`.

    Args:
        script: The script.
        args: Its arguments.
        parse: Reads its answer.
    """

    script: Script
    args: tuple[str | int, ...]
    parse: Callable[[Any], ResultT_co]


@dataclass(frozen=True)
class Write(Generic[ResultT_co]):
    """A call under a lease; see `Lease.run`.

    Args:
        script: The script.
        args: Its arguments after the deadline and the lease.
        parse: Reads its code and its answer.
    """

    script: Script
    args: tuple[str | int, ...]
    parse: Callable[[int, bytes], ResultT_co]


class IdempotentCall(Write[ResultT_co]):
    """A call that may be made again until its answer arrives: it holds a token, and Redis does once what it asks for."""


class Answer(NamedTuple):
    """What Redis said of a change.

    Args:
        code: STAYS, TURNED or UNSETTLED.
        version: The version of the change, or 0.
        connections: How many connections the user has, where one was added.
        hold: Milliseconds for which the change is not to be announced.
    """

    code: int
    version: int
    connections: int
    hold: int


class State(NamedTuple):
    """A connection as it is to be written.

    Args:
        connection_id: The connection.
        user_id: Whose it is.
        details: What is noted of it; nothing where it is gone.
        topics: What it has joined.
        told_online: The version with which others were told that the user came online while Redis was away, or 0.
        is_repeated: Whether it is gone, and Redis was told so before without an answer.
        is_unheard: Whether Redis was told that it is there, without an answer.
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
        user_id: Whose it is.
        topics: What it has joined.
    """

    connection_id: str
    user_id: str
    topics: list[str]


class Outcome(NamedTuple):
    """What writing a connection meant for its user.

    Args:
        code: STAYS, TURNED, UNSETTLED or CAME.
        version: The version of the change, or 0.
    """

    code: int
    version: int


class WentOffline(NamedTuple):
    """A user who went offline, and the version of that."""

    user_id: str
    version: int


class Reaped(NamedTuple):
    """A part of a lease's end.

    Args:
        found: Whether there was something to reap.
        offline: Those who went offline with it.
    """

    found: bool
    offline: list[WentOffline]


class Renewal(NamedTuple):
    """What became of a lease that was to be renewed.

    Args:
        now: Redis's time, in microseconds.
        outcome: `held`, `reaped` or `lost`.
        redis_id: Which Redis this is; nothing where it does not say.
    """

    now: int
    outcome: str
    redis_id: str


class Note(NamedTuple):
    """A field of a hash, under a lease that has not run out.

    Args:
        connection_id: The connection.
        lease: The lease.
        rest: What else is noted of it.
    """

    connection_id: str
    lease: str
    rest: str


# Leases -----------------------------------------------------------------------------------------------------------------------


def take_lease(lease: str, *, ttl: float, settling: float) -> Question[int]:
    """Take a lease; answers Redis's time, in microseconds.

    Args:
        lease: Its name.
        ttl: Seconds that it lasts.
        settling: Seconds for which Redis may know too little of the other servers; 0 where it does not.
    """
    return Question(_TAKE_LEASE, (lease, _microseconds(ttl), _microseconds(settling)), int)


def adopt_leases(leases: Iterable[str], *, ttl: float) -> Question[int]:
    """Have leases that nobody knows of any more run out after `ttl` seconds, unless they are renewed; answers Redis's time."""
    return Question(_ADOPT_LEASES, (_microseconds(ttl), *leases), int)


def renew_lease(lease: str, *, ttl: float, is_leaving: bool) -> Question[Renewal]:
    """Renew a lease.

    Args:
        lease: Its name.
        ttl: Seconds that it lasts from now on.
        is_leaving: Whether its server is about to stop.
    """
    return Question(_RENEW_LEASE, (lease, _microseconds(ttl), int(is_leaving)), _renewal)


def reap(limit: int, lease: str) -> IdempotentCall[Reaped]:
    """Remove connections of a lease, and the lease itself with its last ones.

    Args:
        limit: How many connections.
        lease: The lease; with an empty name, any that has run out.
    """
    return IdempotentCall(_REAP, (token_hex(12), limit, lease), _reaped)


# One connection ---------------------------------------------------------------------------------------------------------------


def add(user_id: str, connection_id: str, details: str) -> Write[Answer]:
    """Add a connection of a user's.

    Args:
        user_id: The user.
        connection_id: The connection.
        details: What is to be noted of it.
    """
    return Write(ADD, (user_id, connection_id, details), _answer)


def remove(user_id: str, connection_id: str, *, told_online: int, joined: Sequence[str]) -> Write[Answer]:
    """Remove a connection of a user's, from every topic too.

    Args:
        user_id: The user.
        connection_id: The connection.
        told_online: The version with which others were told that the user came online while Redis was away, or 0.
        joined: The topics that it has joined.
    """
    return Write(REMOVE, (user_id, connection_id, told_online, _json(joined)), _answer)


def join(user_id: str, connection_id: str, topic: str) -> Write[Answer]:
    """Note that a connection of a user's joined a topic, which is named in full."""
    return Write(JOIN, (user_id, connection_id, topic), _answer)


def leave(user_id: str, connection_id: str, topic: str) -> Write[Answer]:
    """Note that a connection of a user's left a topic, which is named in full."""
    return Write(LEAVE, (user_id, connection_id, topic), _answer)


def leave_all(user_id: str, connection_id: str, prefix: str, joined: Sequence[str]) -> Write[Answer]:
    """Note that a connection of a user's left every topic of a tracker.

    Args:
        user_id: The user.
        connection_id: The connection.
        prefix: What the names of the tracker's topics begin with.
        joined: Those that the connection has joined, named in full.
    """
    return Write(LEAVE_ALL, (user_id, connection_id, prefix, _json(joined)), _answer)


# Many connections at once -----------------------------------------------------------------------------------------------------


def write(states: Sequence[State], *, was_reaped: bool) -> IdempotentCall[list[Outcome]]:
    """Write connections; answers what that means for the user of each.

    Args:
        states: The connections.
        was_reaped: Whether the lease before this one was reaped.
    """
    args = token_hex(12), int(was_reaped), _json([tuple(state) for state in states])
    return IdempotentCall(_WRITE, args, _outcomes)


def verify(noted: Sequence[Noted]) -> IdempotentCall[list[int]]:
    """Verify that Redis knows connections; answers the places, from 0, of those of which it has lost something."""
    return IdempotentCall(_VERIFY, (token_hex(12), _json([tuple(each) for each in noted])), _places)


def settle(user_ids: Sequence[str]) -> IdempotentCall[list[WentOffline]]:
    """Settle who of these users is offline; answers those of whom nobody was told."""
    return IdempotentCall(_SETTLE, (token_hex(12), _json(user_ids)), _offline)


# Questions --------------------------------------------------------------------------------------------------------------------


def take_announcement(user_id: str) -> Question[float]:
    """Take one from what may be announced of a user; answers 0, or the seconds until there is one."""
    return Question(_TAKE_ANNOUNCEMENT, (user_id,), lambda milliseconds: int(milliseconds) / 1000)


def online(user_ids: Iterable[str]) -> Question[set[str]]:
    """Ask who of these users is online."""
    return Question(_ONLINE, tuple(user_ids), lambda found: {user_id.decode() for user_id in found})


def users() -> Question[list[str]]:
    """Ask who is online."""
    return Question(_USERS, (), _users)


def count_users() -> Question[int]:
    """Ask how many users are online."""
    return Question(_COUNT_USERS, (), int)


def count_connections(user_id: str, lease: str, *, ttl: float, within: float) -> Question[tuple[int, int]]:
    """Count a user's connections under other leases.

    Args:
        user_id: The user.
        lease: The caller's lease.
        ttl: Seconds that leases last.
        within: A time in seconds.

    Returns:
        The call; it answers how many are on servers that have renewed their leases in the last so many seconds, and how many on
        servers that may be gone. Those of servers that are about to stop do not count.
    """
    return Question(_COUNT_CONNECTIONS, (user_id, lease, _microseconds(ttl), _microseconds(within)), _two_numbers)


def entries(name: str) -> Question[list[Note]]:
    """Ask what is noted in a hash, under leases that have not run out.

    Args:
        name: The hash's name, without what all have in common.
    """
    return Question(_ENTRIES, (name,), _notes)


def probe() -> Question[int]:
    """Write something, to see whether that works; answers Redis's time."""
    return Question(_PROBE, (), int)


# Answers ----------------------------------------------------------------------------------------------------------------------


def _answer(code: int, answer: bytes) -> Answer:
    version, connections, hold = (*map(int, answer.split()), 0, 0)[:3]
    return Answer(code, version, connections, hold)


def _outcomes(_code: int, answer: bytes) -> list[Outcome]:
    return [Outcome(code, int(version)) for code, version in _list(answer)]


def _places(_code: int, answer: bytes) -> list[int]:
    return _list(answer)


def _offline(_code: int, answer: bytes) -> list[WentOffline]:
    return [WentOffline(user_id, int(version)) for user_id, version in _list(answer)]


def _reaped(code: int, answer: bytes) -> Reaped:
    offline = _offline(code, answer)
    return Reaped(bool(offline) or code == TURNED, offline)


def _renewal(answer: Sequence[Any]) -> Renewal:
    now, outcome, redis_id = answer
    return Renewal(now, outcome.decode(), redis_id.decode())


def _users(answer: Sequence[Sequence[bytes]]) -> list[str]:
    everybody, gone = answer
    return [user_id.decode() for user_id in set(everybody).difference(gone)]


def _two_numbers(answer: Sequence[Any]) -> tuple[int, int]:
    sure, unsure = answer
    return int(sure), int(unsure)


def _notes(answer: Sequence[Sequence[bytes]]) -> list[Note]:
    fields, dead = answer
    notes = []
    for connection_id, note in zip(fields[::2], fields[1::2], strict=True):
        lease, _, rest = note.partition(b" ")
        if lease not in dead:
            notes.append(Note(connection_id.decode(), lease.decode(), rest.decode()))
    return notes


def _list(answer: bytes) -> list[Any]:
    return orjson.loads(answer) or []  # Lua makes `{}` of an empty list.


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
