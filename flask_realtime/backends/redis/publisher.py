"""Writes this server's envelopes to the stream, in a thread apart from the publishers."""

from __future__ import annotations

import threading
import time
from time import monotonic
from typing import Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, Item, fields_of
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.outbox import Outbox
from flask_realtime.backends.redis.stream import Stream
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_CARE_SECONDS: Final = 1.0
"""Maximum seconds between two uses of the connection, while envelopes are kept that Redis may have lost."""


class Publisher:
    """Writes an outbox to a stream, in order: again if a write is uncertain, and all of it if Redis has lost its data.

    A repeated envelope keeps its number, and no number is written before all smaller ones were: so a receiver
    that drops every number that is not larger than the last one gets each once.

    Args:
        link: The link to Redis.
        stream: The stream.
        outbox: The outbox to write.
        origin: This server's name in the stream.
        linger: Minimum seconds from one write to the next: under load, fewer and larger entries cost all servers less.
    """

    def __init__(self, link: RedisLink, stream: Stream, outbox: Outbox, origin: str, linger: float) -> None:
        self._link = link
        self._stream = stream
        self._outbox = outbox
        self._origin = origin
        self._linger = linger
        self._connection: OwnConnection | None = None
        self._run_id: bytes | None = None
        self._last = NO_ID
        self._next_care = 0.0
        self._has_failed = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Write until `end` is called."""
        while not self._ended.is_set():
            try:
                self._go_on()
            except BackendUnavailable:
                self._give_up()
                self._link.wait(_CARE_SECONDS)
            except Exception:
                self._give_up()
                if not self._has_failed:
                    logger.exception("Events cannot be written to Redis; they are kept and tried again")
                self._has_failed = True
                self._ended.wait(_CARE_SECONDS)
        self._disconnect()

    def end(self) -> None:
        """Make `run` return."""
        self._ended.set()
        self._outbox.wake()

    def _go_on(self) -> None:
        self._outbox.wait_for_news(_CARE_SECONDS)
        self._outbox.tidy()
        is_care_due = monotonic() >= self._next_care
        if is_care_due and self._is_cut():
            self._disconnect()
        if self._outbox.is_empty:
            return
        connection = self._connection or self._connect()
        if items := self._outbox.take():
            self._write(connection, items)
        if is_care_due:
            self._trim(connection)

    def _is_cut(self) -> bool:
        # Redis may be gone, or it or a proxy may have closed an idle connection.
        return self._connection is not None and not self._connection.is_open

    def _connect(self) -> OwnConnection:
        self._connection, place = self._stream.open(self._link)
        if self._run_id not in {None, place.run_id} or place.last < self._last:
            logger.info("Redis may have forgotten events; those of the last seconds are sent again")
            self._last = NO_ID
            self._outbox.rewind()
        self._run_id = place.run_id
        return self._connection

    def _write(self, connection: OwnConnection, items: list[Item]) -> None:
        began = monotonic()
        self._last = self._stream.append(connection, fields_of(self._origin, items))
        self._outbox.confirm(self._last)
        self._has_failed = False
        if (pause := began + self._linger - monotonic()) > 0:
            time.sleep(pause)

    def _trim(self, connection: OwnConnection) -> None:
        self._next_care = monotonic() + _CARE_SECONDS
        if self._last is not NO_ID:
            self._stream.trim(connection, self._last, self._outbox.forgotten)

    def _give_up(self) -> None:
        self._outbox.give_back()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
