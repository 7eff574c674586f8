"""Reads other servers' envelopes from the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from time import monotonic
from typing import Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope, Receive
from flask_realtime.backends.links.intake import Intake
from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, Entry, StreamId, origin_of, read
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.backends.redis.stream import MAX_ENTRIES, Place, Stream
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_RETRY_SECONDS: Final = 1.0

_SETTLING_SECONDS: Final = 5.0
"""Seconds after a restart of Redis in which all servers write again what they wrote last.

What comes meanwhile has no place: what is written again would be behind it, and come twice to a client that was told of it.
"""

_LAG_SECONDS: Final = 15.0
"""Seconds for which the last entry's lag says something of now: as many as there usually are between two scrapes."""

_LAST: Final = 99999
"""An index behind those of all envelopes of an entry."""

_ERA_LENGTH: Final = 8


def era_of(run_id: bytes) -> str:
    """Return the era that begins with a process of Redis."""
    return run_id[:_ERA_LENGTH].decode()


class Reader:
    """Passes on envelopes that other servers write after its creation: each once, those of one server in order.

    Args:
        link: The link to Redis.
        stream: The stream.
        origin: This server's name in the stream; its own envelopes are skipped.
        receive: Called with each envelope.
        options: How long to wait for entries, and between two reads.
    """

    def __init__(self, link: RedisLink, stream: Stream, origin: str, receive: Receive, options: BusOptions) -> None:
        self._link = link
        self._stream = stream
        self._origin = origin.encode()
        self._options = options
        self.intake = Intake(receive, options.retention, options.max_lag)
        """Passes on what other servers published, whichever way it comes."""
        self._connection: OwnConnection | None = None
        self._made_at = monotonic()
        self._run_id: bytes | None = None
        self._on_passed: Callable[[str], None] | None = None
        self._start = self._position = NO_ID
        self._is_settled_at = 0.0
        self._has_failed = False
        self._ended = threading.Event()
        self._lag = 0.0
        self._lag_until = 0.0

    @property
    def is_connected(self) -> bool:
        """Return whether it is reading."""
        return self._connection is not None

    @property
    def lag(self) -> float:
        """Return the seconds from the writing to the reading of the last entry, by the clocks of Redis and of this machine.

        They are 0 if nothing has come for so long that this says nothing of now.
        """
        return self._lag if monotonic() < self._lag_until else 0.0

    @property
    def lost(self) -> int:
        """Return how many envelopes were lost."""
        return self.intake.lost

    @property
    def era(self) -> str:
        """Return the era of the places that it passes: another one after each restart of Redis; empty before the first read."""
        return era_of(self._run_id) if self._run_id is not None else ""

    def on_passed(self, function: Callable[[str], None]) -> None:
        """Have a function called with the place behind each entry of this server's own, where it has one."""
        self._on_passed = function

    def run(self) -> None:
        """Read until `end` is called."""
        while not self._ended.is_set():
            try:
                self._go_on()
            except BackendUnavailable:
                self._disconnect()
                self._link.wait(_RETRY_SECONDS)
            except Exception:
                self._disconnect()
                if not self._has_failed:
                    logger.exception("Events cannot be read from Redis")
                self._has_failed = True
                self._ended.wait(_RETRY_SECONDS)
        self._disconnect()

    def end(self) -> None:
        """Make `run` return after its current read."""
        self._ended.set()

    def _go_on(self) -> None:
        connection = self._connection or self._connect()
        asked = monotonic()
        entries = self._stream.read(connection, self._position, 0 if self.intake.is_behind else self._options.block)
        self._has_failed = False
        began = monotonic()
        if entries:
            self._lag = max(0.0, time.time() - entries[-1][0].milliseconds / 1000)
            self._lag_until = began + _LAG_SECONDS
        for entry_id, fields in entries:
            if self._ended.is_set():
                return
            self._position = entry_id
            self._deliver(entry_id, fields)
            time.sleep(0)  # Lets other greenlets run.
        if len(entries) < MAX_ENTRIES:
            self.intake.caught_up(asked)
        if entries and (pause := began + self._options.linger - monotonic()) > 0:
            time.sleep(pause)

    def _connect(self) -> OwnConnection:
        connection, place = self._stream.open(self._link, self._options.block)
        if self._run_id is None:
            self._start = self._position = self._beginning(place)
        elif place.run_id != self._run_id or place.last < self._position:
            self._begin_again(place)
        self._run_id = place.run_id
        self._connection = connection
        return connection

    def _beginning(self, place: Place) -> StreamId:
        if place.last.milliseconds > place.now:  # The clock was set back; stream ids never decrease.
            return place.last
        return StreamId(place.now - ceil(1000 * (monotonic() - self._made_at)) - 1)

    def _begin_again(self, place: Place) -> None:
        """Read repeated envelopes, perhaps written by a clock behind the previous one; known ones are not passed on."""
        self._is_settled_at = monotonic() + _SETTLING_SECONDS
        if place.now < self._start.milliseconds:
            self._start = NO_ID
        self._position = min(self._position, StreamId(place.now - round(1000 * self._options.retention)))

    def _deliver(self, entry_id: StreamId, fields: Sequence[bytes]) -> None:
        if origin_of(fields) == self._origin:
            if self._on_passed is not None and (batch := self._batch(entry_id)):
                self._on_passed(f"{batch}{_LAST}")
            return
        try:
            entry = read(fields)
            self.intake.take_entry(entry.origin, entry.first, len(entry.heads), self._envelopes(entry_id, entry))
        except (TypeError, ValueError) as error:
            logger.warning("An entry of the stream cannot be read: %s", error)

    def _envelopes(self, entry_id: StreamId, entry: Entry) -> Iterator[Envelope | None]:
        for index, envelope in enumerate(entry.envelopes(self._batch(entry_id))):
            yield envelope if entry.first_written(index, entry_id) > self._start else None

    def _batch(self, entry_id: StreamId) -> str:
        """Return an entry's place, or an empty string while it has none."""
        return f"{self.era}-{entry_id}-" if monotonic() >= self._is_settled_at else ""

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
