"""Envelopes as entries of a Redis stream: those that wait together are written in one entry.

An entry has these fields, in this order:

- `o` the origin: the server that published the envelopes
- `n` the number of the first; the others follow without a gap
- `h` a JSON list with one item for each: kind, header, and the sizes of its parts, -1 - size for binary ones
- `p` all parts, concatenated
- `a` only where some may have been written before, without an answer: milliseconds since the first of them was published
- `w` only where some were written before: the ids of the entries that they were first in, 0-0 for none
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import Head, unpack


class StreamId(NamedTuple):
    """The id of an entry: when it was written, by Redis's clock, and its number among those of the same millisecond."""

    milliseconds: int
    number: int = 0

    @classmethod
    def parse(cls, text: bytes) -> StreamId:
        """Parse an id in Redis's format.

        Raises:
            ValueError: It is not an id.
        """
        milliseconds, _, number = text.partition(b"-")
        return cls(int(milliseconds), int(number))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"


def server_name(origin: str) -> str:
    """Return the name of a server as offsets have it, which have dots of their own."""
    return origin.replace(".", "-")


NO_ID: Final = StreamId(0)


@dataclass(slots=True)
class Item:
    """An envelope, ready to be written.

    Args:
        published_at: When it was published, by the local clock, in seconds.
        head: Its item of the field `h`.
        body: Its parts.
        size: The bytes of both.
        number: Its sequence number among those of its origin, from 1.
        written: The id of the entry that it was first written in, `NO_ID` before that.
        age: If it may have been written before, without an answer: milliseconds since it was published; otherwise 0.
        is_direct: Whether it may be passed on directly.
        places: The places of the rooms that it is for; None if it is for every server. See `backends/links/interest.py`.
    """

    published_at: float
    head: bytes
    body: bytes
    size: int
    number: int = 0
    written: StreamId = NO_ID
    age: int = 0
    is_direct: bool = False
    places: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as read, with its envelopes not yet decoded.

    Args:
        origin: The server that published them.
        first: The number of the first.
        heads: Kind, header and sizes of each.
        body: All parts.
        written: The ids of the entries that they were first in; empty if this is the first.
        age: Milliseconds before it in which they may have been written already, without an answer; 0 if they were not.
    """

    origin: str
    first: int
    heads: list[Head]
    body: bytes
    written: list[StreamId]
    age: int = 0

    def first_written(self, index: int, entry_id: StreamId) -> StreamId:
        """Return the id of the entry that an envelope was first in; `entry_id` is this entry's."""
        return self.written[index] if self.is_repeated(index) else entry_id

    def is_repeated(self, index: int) -> bool:
        """Return whether an envelope is known to have been written before."""
        return bool(self.written) and self.written[index] != NO_ID

    def envelopes(self, batch: str = "") -> Iterator[Envelope]:
        """Decode them, in order.

        Args:
            batch: The entry's place, or an empty string.

        Raises:
            ValueError: The parts do not match the heads.
        """
        return unpack(self.heads, self.body, batch, server_name(self.origin))


def fields_of(origin: str, items: Sequence[Item]) -> list[str | bytes | int]:
    """Return the fields of the entry that holds these items: alternating names and values."""
    heads = b"[" + b",".join([item.head for item in items]) + b"]"
    fields: list[str | bytes | int] = ["o", origin, "n", items[0].number, "h", heads, "p", b"".join([item.body for item in items])]
    if age := max(item.age for item in items):
        fields += ["a", age]
    if any(item.written is not NO_ID for item in items):
        fields += ["w", " ".join(str(item.written) for item in items)]
    return fields


def origin_of(fields: Sequence[bytes]) -> bytes:
    """Return an entry's origin without reading the rest."""
    return fields[1] if len(fields) > 1 and fields[0] == b"o" else b""


def read(fields: Sequence[bytes]) -> Entry:
    """Read an entry's fields.

    Raises:
        ValueError: They are not an entry's.
    """
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    try:
        heads = orjson.loads(values[b"h"])
        written = [StreamId.parse(text) for text in values.get(b"w", b"").split()]
        entry = Entry(values[b"o"].decode(), int(values[b"n"]), heads, values[b"p"], written, int(values.get(b"a", 0)))
    except KeyError as error:
        msg = f"the entry has no field {error}"
        raise ValueError(msg) from None
    if written and len(written) != len(heads):
        msg = "the entry has not as many ids as envelopes"
        raise ValueError(msg)
    return entry
