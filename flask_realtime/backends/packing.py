"""Packing of envelopes as bytes: a JSON head, and a body with the parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from flask_realtime.backends.bus import Envelope

Head = tuple[str, dict[str, Any], list[int]]
"""Kind, header, and the sizes of the parts, -1 - size for binary ones; a list as it is read."""


def pack(envelope: Envelope) -> tuple[bytes, bytes]:
    """Return an envelope's head and body.

    Raises:
        TypeError: Its header is not JSON.
        UnicodeEncodeError: A part holds a lone surrogate.
    """
    if envelope.packed:
        return envelope.packed[0]
    parts: list[bytes] = []
    sizes: list[int] = []
    for part in envelope.parts:
        encoded = part.encode() if isinstance(part, str) else part
        sizes.append(~len(encoded) if encoded is part else len(encoded))
        parts.append(encoded)
    packed = orjson.dumps((envelope.kind, envelope.header, sizes)), b"".join(parts)
    if envelope.packed is not None:
        envelope.packed.append(packed)
    return packed


def unpack(heads: Sequence[Head], body: bytes, batch: str = "", origin: str = "") -> Iterator[Envelope]:
    """Return envelopes, in order.

    Args:
        heads: Their heads.
        body: Their bodies, concatenated.
        batch: The place of their batch, or an empty string.
        origin: The server that sent them, or an empty string.

    Raises:
        ValueError: The body does not match the heads.
    """
    offset = 0
    for index, (kind, header, sizes) in enumerate(heads):
        parts: list[str | bytes] = []
        for size in sizes:
            end = offset + (size if size >= 0 else ~size)
            part = body[offset:end]
            parts.append(part.decode() if size >= 0 else part)
            offset = end
        yield Envelope(kind, header, tuple(parts), f"{batch}{index}" if batch else "", origin)
