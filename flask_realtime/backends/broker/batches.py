"""Batches: several envelopes as one message, a line of JSON followed by all parts."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from flask_realtime.backends.packing import Head

Packed = tuple[bytes, bytes]
"""An envelope's head and body."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The contents of a message.

    Args:
        origin: The server that sent it.
        first: The sequence number of the first envelope among those of its origin, from 1.
        heads: The heads of the envelopes.
        body: Their bodies, concatenated.
    """

    origin: str
    first: int
    heads: list[Head]
    body: bytes


def write(origin: str, first: int, packed: list[Packed]) -> bytes:
    """Return the message that holds these envelopes."""
    start = orjson.dumps({"origin": origin, "first": first})[:-1]
    heads = b",".join([head for head, _ in packed])
    return b"".join([start, b',"heads":[', heads, b"]}\n", *(body for _, body in packed)])


def read(message: bytes) -> Batch:
    """Read a message.

    Raises:
        ValueError: It is not one of this extension's.
    """
    line, _, body = message.partition(b"\n")
    try:
        values = orjson.loads(line)
        return Batch(str(values["origin"]), int(values["first"]), list(values["heads"]), body)
    except (KeyError, TypeError) as error:
        msg = f"it is not as this version writes them: {error!r}"
        raise ValueError(msg) from None
