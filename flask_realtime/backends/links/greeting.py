"""Greeting: what a server says of itself at the beginning of a link, and what it is answered in the course of it."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import orjson

MAX_GREETING: Final = 512
"""Maximum bytes of a greeting, with its end."""

INTEREST: Final = b"i"
"""What the receiver answers first, together with the descriptor of its interest."""

_VERSION: Final = 2
_END: Final = b"\n"
_ACKNOWLEDGEMENT: Final = struct.Struct("!Q")


class GreetingError(ValueError):
    """A link does not begin with a greeting of this version."""


class Greeting(NamedTuple):
    """The beginning of a link.

    Args:
        application: What the servers of one application on one message queue have in common.
        origin: The sender's name on the message queue.
    """

    application: str
    origin: str

    def encode(self) -> bytes:
        """Return its bytes."""
        return orjson.dumps([_VERSION, self.application, self.origin]) + _END


def encode_acknowledgement(number: int = 0) -> bytes:
    """Return what the receiver sends back once it has everything of a server in turn.

    Args:
        number: The number of the mark up to which it has passed on everything; 0 without a mark.
    """
    return _ACKNOWLEDGEMENT.pack(number)


def split_acknowledgements(data: bytes) -> tuple[list[int], bytes]:
    """Return the numbers of acknowledgements, and the bytes of an incomplete one behind them."""
    end = len(data) - len(data) % _ACKNOWLEDGEMENT.size
    return [number for (number,) in _ACKNOWLEDGEMENT.iter_unpack(data[:end])], data[end:]


def split_greeting(data: bytes) -> tuple[Greeting, bytes] | None:
    """Return a greeting and the bytes behind it, or None while it is incomplete.

    Raises:
        GreetingError: It is none, or one of another version.
    """
    line, end, rest = data.partition(_END)
    if not end and len(line) < MAX_GREETING:
        return None
    match _parsed(line):
        case [version, str(application), str(origin)] if version == _VERSION:
            return Greeting(application, origin), rest
    msg = f"no greeting of version {_VERSION}"
    raise GreetingError(msg)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return None
