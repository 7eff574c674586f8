"""Stream in Redis that all servers of an application write to and read from."""

from __future__ import annotations

from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, StreamId
from flask_realtime.backends.redis.link import RedisLink

_MAX_ENTRIES = 32
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
    """

    def __init__(self, key: str, retention: float) -> None:
        self._key = key
        self._retention = round(1000 * retention)

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
        return StreamId.parse(_checked(reply))

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
        start = StreamId(last.milliseconds - self._retention)
        if forgotten < last:  # It may lie in the future, if Redis restarted with its clock set back.
            start = max(start, forgotten)
        trim = ("XTRIM", self._key, "MINID", "~", str(start))
        for reply in connection.ask(trim, ("PEXPIRE", self._key, 10 * self._retention + _SPARE)):
            _checked(reply)

    def read(self, connection: OwnConnection, after: StreamId, wait: float) -> list[tuple[StreamId, list[bytes]]]:
        """Read entries, waiting `wait` seconds for the first.

        Returns:
            The ids and fields of entries after the given one, not necessarily all of them.

        Raises:
            BackendUnavailable: The connection was lost.
            ResponseError: Redis refused.
        """
        command = ("XREAD", "COUNT", _MAX_ENTRIES, "BLOCK", max(1, round(1000 * wait)), "STREAMS", self._key, str(after))
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
