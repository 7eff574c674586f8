"""Backend of servers that share one Redis."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Final

from flask_realtime.backends.backend import Backend, OnStatusChange
from flask_realtime.backends.base import Tracker, shared_name
from flask_realtime.backends.bus import Envelope, Receive
from flask_realtime.backends.links.links import DirectLinks, are_supported
from flask_realtime.backends.probe import Probe
from flask_realtime.backends.record import Record
from flask_realtime.backends.recovery import RecoveryOptions
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.bus import RedisBus
from flask_realtime.backends.redis.connected_users import RedisConnectedUsers
from flask_realtime.backends.redis.entries import ServerEntries
from flask_realtime.backends.redis.eviction import eviction_warnings
from flask_realtime.backends.redis.housekeeping import Housekeeping
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.backends.redis.recall import recall
from flask_realtime.backends.redis.record import RedisRecord
from flask_realtime.backends.redis.recovery import RedisRecovery
from flask_realtime.backends.redis.tracker import RedisTracker
from flask_realtime.socket_folder import SocketFolder

_REAPS_PER_LEASE = 5

_SIGN_OF_LIFE: Final = "sign of life"
"""The kind of envelope that asks the other servers to renew their leases."""

_LINKED_BLOCK: Final = 0.1
"""Seconds for which a read waits for entries where links are used, which wait for it: few of those that they may be behind."""

_SPARE_SECONDS: Final = 10.0
"""Seconds for which an event is kept longer than the leases of those who may have missed it."""

_ASKING_PAUSE: Final = 0.2
"""Minimum seconds between two of them."""


class RedisBackend(Backend):
    """Connected users, trackers, records and the bus of servers that share a Redis. It connects on first use.

    Args:
        url: A `redis://`, `rediss://` or `unix://` URL, or `redis+cluster://` or `rediss+cluster://` with nodes of a cluster.
        channel: The prefix of all names in Redis.
        retention: Seconds for which an event is kept for a server that has lost its link.
        lease: Seconds before a silent server is considered dead.
        recovery: The settings of recovery on any server; None if there is none.
        direct_links: Whether the servers of one machine pass events to each other directly.
        offline_delay: Seconds for which users who go offline are waited for, before others are told.

    Raises:
        ConfigError: The URL is not one of these.
    """

    def __init__(  # noqa: PLR0913 - settings
        self,
        url: str,
        *,
        channel: str,
        retention: float,
        lease: float = 10.0,
        recovery: RecoveryOptions | None = None,
        direct_links: bool = False,
        offline_delay: float = 0.0,
    ) -> None:
        super().__init__()
        server_id = token_hex(6)
        self._link = RedisLink(url, channel=channel)
        self._lease = Lease(self._link, server_id, channel, ttl=lease, offline_delay=offline_delay)
        self._probe = Probe(self._write_something)
        entries = self._entries = ServerEntries(self._lease)
        self.connected_users = RedisConnectedUsers(entries, on_doubt=self._ask_for_signs_of_life)
        self._housekeeping = Housekeeping(entries, renew=lease / 2, reap=lease / _REAPS_PER_LEASE)
        options = BusOptions(retention=retention)
        if recovery is not None:
            options = replace(options, history=recovery.seconds + _SPARE_SECONDS, history_bytes=recovery.max_bytes)
        links = None
        if direct_links and are_supported():
            links = self._new_links(channel, options)
            options = replace(options, block=_LINKED_BLOCK)
            self.interest = links.interest
        bus = self.bus = self._bus = RedisBus(self._link, server_id, channel, options, links)
        self._store = None if recovery is None else RedisRecovery(self._lease, bus, recovery.seconds)
        self.recovery = self._store
        self._is_server = False
        self._receive: Receive = _nothing
        self._asked_at = -math.inf

    @property
    def is_local(self) -> bool:
        """Return False: calls to Redis wait."""
        return False

    @property
    def server_id(self) -> str:
        """Return this server's id."""
        return self._lease.server_id

    def servers(self) -> list[str]:
        """Return the ids of the servers whose leases have not run out."""
        return sorted(set(self._processes()))

    def publish(self, envelope: Envelope) -> bool:
        """Send an envelope to the other servers."""
        return self._bus.publish(envelope) if self._is_server else self._bus.publish_now(envelope)

    def wait_sent(self, timeout: float) -> bool:
        """Wait until the stream has the envelopes published so far, and return whether it does; not while Redis is down."""
        return self._bus.wait_sent(timeout)

    def wait_passed(self, timeout: float) -> bool:
        """Wait until no server gets anything that is published later before what was published so far."""
        return self._bus.wait_passed(timeout)

    def recall(self) -> Iterable[Envelope]:
        """Return what is in the stream, without the parts."""
        return recall(self._link, self._bus.stream_key)

    def start(self, receive: Receive, on_status_change: OnStatusChange) -> None:
        """Become one of the servers."""
        if self._is_server:
            return
        self._is_server = True
        self._receive = receive
        self._bus.start(self._receive_from_others)
        self._housekeeping.start(
            lambda user_id, version: on_status_change(user_id, False, version),  # noqa: FBT003 - OnStatusChange has no parameter names
            lambda user_id, version: on_status_change(user_id, True, version),  # noqa: FBT003
        )

    def begin_to_leave(self) -> None:
        """Leave all entries to the server that reaps this one's lease."""
        self.leaves_entries = True
        self._housekeeping.begin_to_leave()

    def watch(self, feature: str, kind: str, record_ids: Callable[[], Iterable[str]], lost: Callable[[], object]) -> None:
        """Have a function called when Redis has lost values of a record; it is looked for them with each renewal of the lease."""
        name = shared_name(feature, kind)
        self._lease.watch(lambda: [f"{name}:{record_id}" for record_id in record_ids()], lost)

    def check(self) -> None:
        """Check that Redis can be reached and, once a second at most, that it accepts writes."""
        self._link.ping()
        self._probe.check()

    def warnings(self) -> list[str]:
        """Return warnings if Redis is configured so that it may evict shared state."""
        return eviction_warnings(self._link)

    def stop(self, timeout: float) -> None:
        """Stop being a server: others are told at once who went offline with it, unless it has begun to leave."""
        if self._is_server:
            self._housekeeping.stop(timeout / 2)
        if self._store is not None:
            self._store.stop(timeout / 4)
        self._bus.stop(timeout / 2)
        self._link.close()

    def _processes(self) -> list[str]:
        """Return the ids of the servers, one as often as it has processes."""
        return [lease.rpartition(".")[0] for lease in self._lease.ask(scripts.servers())]

    def _new_links(self, channel: str, options: BusOptions) -> DirectLinks:
        folder = SocketFolder(Path(tempfile.gettempdir()), os.geteuid())
        return DirectLinks(folder, f"{self._link}|{channel}", self._processes, options.linger)

    def _new_tracker(self, name: str) -> Tracker:
        return RedisTracker(self._entries, name)

    def _new_record(self, name: str, ttl: float) -> Record:
        return RedisRecord(self._lease, name, ttl)

    def _receive_from_others(self, envelope: Envelope) -> None:
        if envelope.kind == _SIGN_OF_LIFE:
            self._housekeeping.give_sign_of_life()
        else:
            self._receive(envelope)

    def _ask_for_signs_of_life(self) -> None:
        now = time.monotonic()
        if now - self._asked_at >= _ASKING_PAUSE:
            self._asked_at = now
            self._bus.publish(Envelope(_SIGN_OF_LIFE, {}))

    def _write_something(self) -> None:
        self._lease.ask(scripts.probe())


def _nothing(_: Envelope) -> None:
    """Do nothing."""
