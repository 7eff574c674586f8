"""Recall of what servers sent lately, from the stream, for one that was not there yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.redis.envelopes import StreamId, read, server_name
from flask_realtime.backends.redis.link import RedisLink

_PAGE: Final = 100


def recall(link: RedisLink, stream_key: str) -> Iterator[Envelope]:
    """Return the envelopes of a stream without their parts, in order; one that was written twice comes twice.

    Args:
        link: The link to Redis.
        stream_key: The stream's key.

    Raises:
        BackendUnavailable: Redis cannot be reached.
    """
    start = "-"
    while True:
        page = _entries(link, stream_key, start)
        for _, fields in page:
            entry = read([part for field in fields.items() for part in field])
            for kind, header, _ in entry.heads:
                yield Envelope(kind, header, origin=server_name(entry.origin))
        if len(page) < _PAGE:
            return
        last = StreamId.parse(page[-1][0])
        start = str(StreamId(last.milliseconds, last.number + 1))


def _entries(link: RedisLink, stream_key: str, start: str) -> Any:
    return link.call(lambda client: client.xrange(stream_key, start, "+", _PAGE))
