"""Frames on a link: batches of envelopes with consecutive numbers.

A link begins with a greeting, in which its sender says who it is. Each frame is a header, with the sizes of what follows and the
number of the first envelope, then the heads and the bodies of the envelopes, as `backends/packing.py` has them. A header with
nothing behind it is a mark: the receiver says when it has passed on everything up to its number, whichever way that came. One
without heads passes over envelopes that the receiver has no use for: their count stands in the place of the other size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Protocol

import orjson

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.links.interest import InterestElsewhere
from flask_realtime.backends.outgoing import next_batch
from flask_realtime.backends.packing import unpack

MAX_FRAME: Final = 1024 * 1024
"""Maximum bytes of a frame that is accepted: more than any that is sent."""

_HEADER: Final = struct.Struct("!IIQ")


class FrameError(ValueError):
    """Bytes on a link that are no frame."""


class Numbered(Protocol):
    """An envelope that is ready to be sent."""

    @property
    def number(self) -> int:
        """Return its number among those of this server."""

    @property
    def size(self) -> int:
        """Return its size in bytes."""

    @property
    def head(self) -> bytes:
        """Return its packed head."""

    @property
    def body(self) -> bytes:
        """Return its packed body."""

    @property
    def places(self) -> tuple[int, ...] | None:
        """Return the places of the rooms that it is for; None if it is for every server."""


class Batch(NamedTuple):
    """Envelopes as they arrive.

    Args:
        first: The number of the first; that of a mark.
        heads: Their heads, as JSON; empty for a mark, and for envelopes that are passed over.
        body: Their bodies.
        passed_over: The count of envelopes that are passed over.
    """

    first: int
    heads: bytes
    body: bytes
    passed_over: int = 0

    @property
    def is_mark(self) -> bool:
        """Return whether it is a mark."""
        return not self.heads and not self.passed_over

    def envelopes(self) -> Iterator[Envelope]:
        """Decode them, in order.

        Raises:
            ValueError: They cannot be decoded.
        """
        return unpack(orjson.loads(self.heads), self.body)


def encode(items: Sequence[Numbered]) -> bytes:
    """Return the frames of envelopes in order: at least one for each run of consecutive numbers."""
    frames: list[bytes] = []
    while items:
        batch = next_batch(items)
        items = items[len(batch) :]
        heads = b"[" + b",".join([item.head for item in batch]) + b"]"
        body = b"".join([item.body for item in batch])
        frames += (_HEADER.pack(len(heads), len(body), batch[0].number), heads, body)
    return b"".join(frames)


def encode_for(items: Sequence[Numbered], interest: InterestElsewhere) -> tuple[bytes, bool]:
    """Return the frames of envelopes in order for one server, those passed over of which it has no use.

    Args:
        items: The envelopes.
        interest: The server's.

    Returns:
        The frames, and whether any of the envelopes is among them.
    """
    frames: list[bytes] = []
    is_any = False
    for is_wanted, run in groupby(items, lambda item: interest.has_any(item.places)):
        if is_wanted:
            frames.append(encode(list(run)))
            is_any = True
        else:
            frames += [_HEADER.pack(0, count, first) for first, count in _runs(run)]
    return b"".join(frames), is_any


def _runs(items: Iterable[Numbered]) -> Iterator[tuple[int, int]]:
    """Return the first of each run of consecutive numbers, and their count."""
    for _, run in groupby(enumerate(item.number for item in items), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        yield numbers[0], len(numbers)


def encode_mark(number: int) -> bytes:
    """Return the frame of a mark."""
    return _HEADER.pack(0, 0, number)


class FrameReader:
    """Takes frames out of the bytes of a link."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Batch]:
        """Return the batches that are complete with these bytes.

        Raises:
            FrameError: They are no frames.
        """
        buffer = self._buffer + data if self._buffer else data
        batches: list[Batch] = []
        offset = 0
        while len(buffer) - offset >= _HEADER.size:
            heads, body, first = _HEADER.unpack_from(buffer, offset)
            if heads + body > MAX_FRAME:
                msg = f"a frame of {heads + body} bytes"
                raise FrameError(msg)
            begin = offset + _HEADER.size
            if not heads:
                batches.append(Batch(first, b"", b"", body))
                offset = begin
                continue
            end = begin + heads + body
            if end > len(buffer):
                break
            batches.append(Batch(first, buffer[begin : begin + heads], buffer[begin + heads : end]))
            offset = end
        self._buffer = buffer[offset:]
        return batches
