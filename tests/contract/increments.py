"""A process that counts in one record, with several threads at once."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask_realtime.backends import Record
from flask_realtime.backends.redis.backend import RedisBackend

THREADS = 24


def increment(record: Record, times: int) -> list[Any]:
    """Add 1 so many times, in several threads, and return what each of them made of it."""
    with ThreadPoolExecutor(THREADS) as threads:
        return [stored.value for stored in threads.map(lambda _: record.change("n", lambda n: (n or 0) + 1), range(times))]


if __name__ == "__main__":
    url, channel, times = sys.argv[1:]
    backend = RedisBackend(url, channel=channel, retention=60)
    increment(backend.record("polls", "counts", ttl=60), int(times))
    backend.stop(1.0)
