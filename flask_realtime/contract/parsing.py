"""Parsing of an event's arguments, before anything else uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from flask_realtime.contract.ids import WireId, parse_wire_id
from flask_realtime.errors import BadRequest, InvalidId

MAX_PROBLEMS: Final = 10
"""Maximum number of a payload's problems that one answer names."""

Parse = Callable[[Sequence[Any], Any], Any]
"""Takes an event's arguments and the application's settings; returns the handler's payload, or raises `BadRequest`."""


class Empty(NamedTuple):
    """An event without a payload."""


def parse_nothing(_args: Sequence[Any], _settings: object) -> Empty:
    """Parse an event without a payload; arguments are ignored, as in Node's server."""
    return Empty()


def only_argument(args: Sequence[Any], field: str, expected: str) -> Any:
    """Return an event's first argument; further ones are ignored, as in Node's server.

    Args:
        args: The arguments.
        field: The argument's name, for the error.
        expected: What it must be, for the error.

    Raises:
        BadRequest: There is none.
    """
    if not args:
        raise BadRequest(missing(field, expected))
    return args[0]


def missing(field: str, expected: str) -> str:
    """Return the problem of a field that is not there, and what it must be."""
    return f"{field} is missing: expected {expected}"


def raw_id(value: object, field: str) -> tuple[str, WireId]:
    """Return the text of an id, and the id as it was written.

    Raises:
        BadRequest: It is not an id.
    """
    try:
        return parse_wire_id(value, field)
    except InvalidId as error:
        raise BadRequest(str(error)) from None


def listed(problems: Iterable[str]) -> str:
    """Join a payload's problems into one message, which names the first ten and counts the others."""
    every = list(problems)
    more = len(every) - MAX_PROBLEMS
    return "; ".join(every[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
