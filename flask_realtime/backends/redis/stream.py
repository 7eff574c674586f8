"""Stream in Redis that all servers of an application write to and read from."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, StreamId
from flask_realtime.backends.redis.link import RedisLink

MAX_ENTRIES = 32
"""Maximum number of entries per read; each may be as large as a batch."""

_SPARE = 60_000
"""Minimum milliseconds before a stream expires: much longer than a writer takes to renew it."""


class Place(NamedTuple):
    """The Redis process that a connection reaches, and its state.

    Args:
        run_id: The Redis process's id, which differs after each restart, and on each replica.
        now: Its time, in milliseconds since 1970.
        last: The last id of the stream; `NO_ID` if there is no stream.
    """

    run_id: bytes
    now: int
    last: StreamId


class Stream:
    """The commands of a stream. Retention is approximate, since Redis removes entries in blocks.

    Args:
        key: Its key.
        retention: Seconds for which entries are kept.
        max_bytes: Maximum bytes of the entries that are written through this object; 0 for no limit.
    """

    def __init__(self, key: str, retention: float, max_bytes: int = 0) -> None:
        self._max_bytes = max_bytes
        self._written: deque[tuple[StreamId, int]] = deque()
        self._bytes = 0
        self._key = key
        self._retention_key = f"{key}:retention"
        self._retention = round(1000 * retention)

    @property
    def key(self) -> str:
        """Return its key."""
        return self._key

    def open(self, link: RedisLink, patience: float = 0.0) -> tuple[OwnConnection, Place]:
        """Make a connection, and return it with the process that it reaches.

        Args:
            link: The link to Redis.
            patience: Seconds for which blocking commands on it may wait.

        Raises:
            BackendUnavailable: Redis cannot be reached.
            ResponseError: Redis refused.
        """
        connection = link.connect(patience)
        try:
            return connection, self._look(connection)
        except Exception:
            connection.close()
            raise

    def append(self, connection: OwnConnection, fields: list[str | bytes | int]) -> StreamId:
        """Write an entry.

        Returns:
            Its id.

        Raises:
            BackendUnavailable: The connection was lost. Whether the entry was written is unknown.
            ResponseError: Redis refused.
        """
        (reply,) = connection.ask(("XADD", self._key, "*", *fields))
        entry_id = StreamId.parse(_checked(reply))
        if self._max_bytes:
            size = sum(len(field) for field in fields if isinstance(field, bytes))
            self._written.append((entry_id, size))
            self._bytes += size
        return entry_id

    def trim(self, connection: OwnConnection, last: StreamId, forgotten: StreamId) -> None:
        """Remove entries that are too old, and let the stream expire when nobody writes any more.

        Args:
            connection: The connection.
            last: The id of a new entry.
            forgotten: An entry that its writer has dropped for lack of room. Older ones are removed from the stream too, so the
                writers' limits bound the stream.

        Raises:
            BackendUnavailable: The connection was lost.
            ResponseError: Redis refused.
        """
        retention = self._longest_retention(connection)
        start = self._oldest_kept(StreamId(last.milliseconds - retention), last)
        if forgotten < last:  # Like what was written before, it may lie in the future, if Redis restarted with its clock set back.
            start = max(start, forgotten)
        expiry = 10 * retention + _SPARE
        commands: list[tuple[str | int, ...]] = [("XTRIM", self._key, "MINID", "~", str(start)), ("PEXPIRE", self._key, expiry)]
        if retention == self._retention:
            commands.append(("SET", self._retention_key, retention, "PX", expiry))
        for reply in connection.ask(*commands):
            _checked(reply)

    def _oldest_kept(self, start: StreamId, last: StreamId) -> StreamId:
        """Return the oldest id to keep, from `start` on, so that what this object wrote has room; its newest entry always has."""
        written = self._written
        while written and (written[0][0] < start or written[0][0] > last):
            self._bytes -= written.popleft()[1]
        while self._bytes > self._max_bytes and len(written) > 1:
            self._bytes -= written.popleft()[1]
            start = written[0][0]
        return start

    def _longest_retention(self, connection: OwnConnection) -> int:
        """Return the longest retention of all writers: the servers' may be longer than that of a process without connections."""
        (reply,) = connection.ask(("GET", self._retention_key))
        return max(self._retention, int(_checked(reply) or 0))

    def read(self, connection: OwnConnection, after: StreamId, wait: float) -> list[tuple[StreamId, list[bytes]]]:
        """Read entries, waiting `wait` seconds for the first.

        Returns:
            The ids and fields of entries after the given one, not necessarily all of them.

        Raises:
            BackendUnavailable: The connection was lost.
            ResponseError: Redis refused.
        """
        command = ("XREAD", "COUNT", MAX_ENTRIES, "BLOCK", max(1, round(1000 * wait)), "STREAMS", self._key, str(after))
        (reply,) = connection.ask(command)
        if not _checked(reply):
            return []
        ((_, entries),) = reply
        return [(StreamId.parse(entry_id), fields) for entry_id, fields in entries]

    def _look(self, connection: OwnConnection) -> Place:
        server, time, stream = connection.ask(("INFO", "server"), ("TIME",), ("XINFO", "STREAM", self._key))
        seconds, microseconds = map(int, _checked(time))
        return Place(_run_id(server), 1000 * seconds + microseconds // 1000, _last_id(stream))


def _checked(reply: Any) -> Any:
    if isinstance(reply, ResponseError):
        raise reply
    return reply


def _run_id(reply: Any) -> bytes:
    _, _, rest = _checked(reply).partition(b"run_id:")
    run_id: bytes = rest.partition(b"\r")[0]
    return run_id


def _last_id(reply: Any) -> StreamId:
    if isinstance(reply, ResponseError):  # The stream does not exist yet.
        return NO_ID
    return StreamId.parse(dict(zip(reply[::2], reply[1::2], strict=True))[b"last-generated-id"])
