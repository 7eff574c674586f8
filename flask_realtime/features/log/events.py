"""Events of the log: `sync`, its payload and its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypedDict

from flask_realtime.contract.parsing import listed
from flask_realtime.errors import BadRequest

SYNC: Final = "sync"
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500

_CURSOR, _LIMIT = "cursor", "limit"
_CURSOR_PREFIX: Final = "log-"
_CURSOR_PATTERN: Final = re.compile(f"{_CURSOR_PREFIX}(0|[1-9][0-9]{{0,18}})", re.ASCII)
_LARGEST_POSITION: Final = 2**63 - 1
_PAYLOAD_EXPECTED: Final = f"an object with {_CURSOR} and {_LIMIT}, both optional"
_CURSOR_EXPECTED: Final = f"a cursor that an earlier {SYNC} has returned"
_LIMIT_EXPECTED: Final = f"an integer from 1 to {MAX_LIMIT}"


class SyncPayload(TypedDict, total=False):
    """`sync`."""

    cursor: str | None
    limit: int


class MissedEvent(TypedDict):
    """An event of the log, with its arguments as it was sent, and the time at which it was logged."""

    event: str
    args: list[Any]
    at: str


class SyncPage(TypedDict):
    """The events since a cursor, and the cursor behind them."""

    events: list[MissedEvent]
    cursor: str
    more: bool


class SyncReset(TypedDict):
    """The events since a cursor are no longer kept: load everything anew, and go on with this one."""

    reset: Literal[True]
    cursor: str


SyncAnswer: TypeAlias = SyncPage | SyncReset


class SyncRequest(NamedTuple):
    """A request for a page of the log.

    Args:
        position: The position of the last event that the client has; None if it has no cursor.
        limit: The maximum number of events.
    """

    position: int | None
    limit: int


def parse_sync(args: Sequence[Any], _settings: object) -> SyncRequest:
    """Parse `sync`, whose payload may be left out."""
    payload = args[0] if args else {}
    if not isinstance(payload, dict):
        msg = f"payload must be {_PAYLOAD_EXPECTED}"
        raise BadRequest(msg)
    return sync_request(payload.get(_CURSOR), payload.get(_LIMIT, DEFAULT_LIMIT))


def sync_request(cursor: object, limit: object) -> SyncRequest:
    """Check a request for a page of the log.

    Raises:
        BadRequest: The cursor is none that a server made, or the limit is out of range.
    """
    problems = []
    position = None if cursor is None else _parse_cursor(cursor)
    if position is None and cursor is not None:
        problems.append(f"{_CURSOR} must be {_CURSOR_EXPECTED}")
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
        problems.append(f"{_LIMIT} must be {_LIMIT_EXPECTED}")
        limit = DEFAULT_LIMIT
    if problems:
        raise BadRequest(listed(problems))
    return SyncRequest(position, limit)


def _parse_cursor(cursor: object) -> int | None:
    found = _CURSOR_PATTERN.fullmatch(cursor) if isinstance(cursor, str) else None
    position = -1 if found is None else int(found[1])
    return position if 0 <= position <= _LARGEST_POSITION else None


def cursor_at(position: int) -> str:
    """Return the cursor behind the event at a position."""
    return f"{_CURSOR_PREFIX}{position}"


def sync_page(events: list[MissedEvent], position: int, *, more: bool) -> SyncPage:
    """Build the answer with a page of events.

    Args:
        events: The events.
        position: The position of the last event that the client has then.
        more: Whether more events are there already.
    """
    return {"events": events, "cursor": cursor_at(position), "more": more}


def sync_reset(position: int) -> SyncReset:
    """Build the answer to a cursor from before what is kept, or from another log.

    Args:
        position: The position of the last event.
    """
    return {"reset": True, "cursor": cursor_at(position)}
