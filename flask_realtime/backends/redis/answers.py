"""Answers of the Lua scripts: their codes, their contents, and the parsing of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from flask_realtime.backends.base import Awaited
from flask_realtime.backends.record import NO_TEXT, Text
from flask_realtime.backends.recovery import LeaseRecord

STAYS: Final = 0
"""The change made no difference to the user's status."""

TURNED: Final = 1
"""The user came online, or went offline."""

UNSETTLED: Final = 2
"""The user has no connection left in Redis, but Redis may not know all of them."""

CAME: Final = 3
"""The user had come online with the connection before, unannounced because that reply was lost."""

LATE: Final = -1
"""Redis reached the script after its deadline; nothing was written."""

NOT_HELD: Final = -2
"""The lease is not held; nothing was written."""


class Answer(NamedTuple):
    """Redis's answer to a change.

    Args:
        code: STAYS, TURNED or UNSETTLED.
        version: The version of the change, or 0.
        connections: The number of the user's connections, if one was added.
        hold: Milliseconds for which the change must not be announced.
        is_back: Whether the user was still waited for.
    """

    code: int
    version: int
    connections: int
    hold: int
    is_back: bool = False


class Outcome(NamedTuple):
    """The effect of writing a connection on its user.

    Args:
        code: STAYS, TURNED, UNSETTLED or CAME.
        version: The version of the change, or 0.
    """

    code: int
    version: int


class WentOffline(NamedTuple):
    """A user who went offline, and the version of the change."""

    user_id: str
    version: int


class Reaped(NamedTuple):
    """The result of one step of reaping.

    Args:
        found: Whether there was anything to reap.
        offline: The users who went offline with it.
    """

    found: bool
    offline: list[WentOffline]


class Renewal(NamedTuple):
    """The result of renewing a lease.

    Args:
        now: Redis's time, in microseconds.
        outcome: `held`, `reaped` or `lost`.
        redis_id: The id of the Redis process; empty if it does not tell.
        missing: The names of the values that there should be, and are not.
    """

    now: int
    outcome: str
    redis_id: str
    missing: frozenset[str]


class Note(NamedTuple):
    """A field of a hash, under a lease that has not run out.

    Args:
        connection_id: The connection.
        lease: The lease.
        rest: The rest of the field's value.
    """

    connection_id: str
    lease: str
    rest: str


def parse_answer(code: int, answer: bytes) -> Answer:
    """Parse the answer to a change of one connection."""
    version, connections, hold, is_back = (*map(int, answer.split()), 0, 0, 0)[:4]
    return Answer(code, version, connections, hold, bool(is_back))


def parse_outcomes(_code: int, answer: bytes) -> list[Outcome]:
    """Parse the effects of written connections."""
    return [Outcome(code, int(version)) for code, version in _list(answer)]


def parse_places(_code: int, answer: bytes) -> list[int]:
    """Parse a list of indexes."""
    return _list(answer)


def parse_offline(_code: int, answer: bytes) -> list[WentOffline]:
    """Parse a list of users who went offline."""
    return [WentOffline(user_id, int(version)) for user_id, version in _list(answer)]


def parse_reaped(code: int, answer: bytes) -> Reaped:
    """Parse the result of a step of reaping."""
    offline = parse_offline(code, answer)
    return Reaped(bool(offline) or code == TURNED, offline)


def parse_renewal(answer: Sequence[Any]) -> Renewal:
    """Parse the result of a renewal."""
    now, outcome, redis_id, missing = answer
    return Renewal(now, outcome.decode(), redis_id.decode(), frozenset(name.decode() for name in missing))


def parse_users(answer: Sequence[Sequence[bytes]]) -> list[str]:
    """Parse the users with an entry, without those who are offline, and those who are waited for."""
    everybody, gone, awaited = answer
    return [user_id.decode() for user_id in set(everybody).difference(gone).union(awaited)]


def parse_taken(code: int) -> bool | None:
    """Parse the answer to a departure's being taken."""
    return None if code == UNSETTLED else code == TURNED


def parse_departures(answer: Sequence[Any], offline_delay: int) -> list[Awaited]:
    """Parse the users who are waited for.

    Args:
        answer: Redis's time, and in turn the users and when they are due.
        offline_delay: The microseconds for which each is waited for.
    """
    now, found = answer
    due = zip(found[::2], map(int, found[1::2]), strict=True)
    return [Awaited(user_id.decode(), at - offline_delay, (at - now) / 1e6) for user_id, at in due]


def parse_names(answer: Sequence[bytes]) -> list[str]:
    """Parse names."""
    return [name.decode() for name in answer]


def parse_two_numbers(answer: Sequence[Any]) -> tuple[int, int]:
    """Parse two counts."""
    sure, unsure = answer
    return int(sure), int(unsure)


def parse_notes(answer: Sequence[Sequence[bytes]]) -> list[Note]:
    """Parse the fields of a hash, without those under dead leases."""
    fields, dead = answer
    notes = []
    for connection_id, note in zip(fields[::2], fields[1::2], strict=True):
        lease, _, rest = note.partition(b" ")
        if lease not in dead:
            notes.append(Note(connection_id.decode(), lease.decode(), rest.decode()))
    return notes


def parse_written(code: int, answer: bytes) -> tuple[int, Text]:
    """Parse the new version of a value, or 0 and the stored value."""
    return (int(answer), NO_TEXT) if code == TURNED else (0, parse_text(answer))


def parse_text(answer: bytes | None) -> Text:
    """Parse a stored value."""
    if not answer:
        return NO_TEXT
    version, _, text = answer.partition(b" ")
    return Text(text.decode(), int(version))


def parse_refusals(_code: int, answer: bytes) -> list[tuple[int, str]]:
    """Parse the refused changes: their indexes, and the reasons."""
    return [(index, reason) for index, reason in _list(answer)]


def parse_lease(code: int, answer: bytes) -> LeaseRecord | None:
    """Parse a lease of a connection that was taken."""
    if code != TURNED:
        return None
    fields = iter(_list(answer))
    noted = dict(zip(fields, fields, strict=True))
    rooms = {name.removeprefix(_ROOM): offset for name, offset in noted.items() if name.startswith(_ROOM)}
    turn, seen = int(noted.get("turn", 0)) + 1, orjson.loads(noted.get("seen", "{}"))
    return LeaseRecord(noted["sid"], noted["owner"], turn, noted["token"], noted["since"], noted["known"], rooms, seen)


_ROOM: Final = "room:"


def _list(answer: bytes) -> list[Any]:
    return orjson.loads(answer) or []  # Lua encodes an empty list as `{}`.
