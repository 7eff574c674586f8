"""Housekeeping thread, which renews a server's lease and runs the maintenance tasks."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.redis.entries import ServerEntries
from flask_realtime.backends.redis.eviction import eviction_warnings
from flask_realtime.backends.redis.lease import HELD, LOST, LeaseLost
from flask_realtime.backends.redis.maintenance import MaintenanceTask, Reap, Report, Settle, Verify, WriteLeft
from flask_realtime.jitter import jitter
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

OnStatusChange = Callable[[str, int], object]
"""Called with a user's id and the version of the change."""

_SHORTEST_PAUSE: Final = 0.05


class Housekeeping:
    """Renews a server's lease, and reports status changes that no operation reported.

    Args:
        entries: The server's entries.
        renew: Seconds between two renewals of the lease; a third of its duration if None.
        reap: Maximum seconds between two checks for dead servers; a fifth of a lease's duration if None.
    """

    def __init__(self, entries: ServerEntries, *, renew: float | None = None, reap: float | None = None) -> None:
        self._entries = entries
        self._lease = entries.lease
        self._renew_interval = self._lease.ttl / 3 if renew is None else renew
        self._reap_interval = self._lease.ttl / 5 if reap is None else reap
        self._write_left: MaintenanceTask[Any] = WriteLeft(entries)
        self._settle: MaintenanceTask[Any] = Settle(entries)
        self._verify = Verify(entries)
        self._reap: MaintenanceTask[Any] = Reap(entries.lease)
        self._renew_at = self._reap_at = 0.0
        self._verify_at = time.monotonic() + self._renew_interval
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._refusal = ""
        self._has_warned = False
        self._on_offline: OnStatusChange = _nobody
        self._on_online: OnStatusChange = _nobody

    def start(self, on_offline: OnStatusChange, on_online: OnStatusChange | None = None) -> None:
        """Start. Starting twice changes nothing.

        Args:
            on_offline: Called for users who went offline: with a dead server, or during an outage of Redis.
            on_online: Called for users whom another server considered offline, because this one was silent.
        """
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="realtime-housekeeping", daemon=True)
        self._on_offline, self._on_online = on_offline, on_online or _nobody
        self._entries.on_left(self._woken.set)
        self._lease.link.on_return(self._renew_soon)
        self._give_others_time()
        self._thread.start()

    def begin_to_leave(self) -> None:
        """Tell the others that this server is about to stop. Its lease is left to run out, so that its clients can reconnect."""
        self._lease.begin_to_leave()
        self.give_sign_of_life()

    def give_sign_of_life(self) -> None:
        """Renew the lease soon, because another server waits for it."""
        self._renew_at = 0.0
        self._woken.set()

    def stop(self, timeout: float = 5.0) -> None:
        """End the lease, and remove this server's other entries, within `timeout` seconds or soon after. Twice changes nothing."""
        if self._is_stopping:
            return
        deadline = time.monotonic() + timeout
        self._is_stopping = True
        if self._thread is not None:
            self._woken.set()
            self._thread.join(timeout)
        try:
            self._end_lease(deadline)
        except BackendUnavailable as error:
            logger.warning("Another server has to remove what is left of server %s: %s", self._lease.server_id, error)
        finally:
            self._lease.end()

    def _end_lease(self, deadline: float) -> None:
        if self._lease.name:  # A process that only read has none.
            self._finish(self._write_left, deadline)
            if self._lease.is_leaving:
                self._lease.renew()
                return
            self._finish(Reap(self._lease, self._lease.name), deadline)

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.clear()
            try:
                self._do_what_is_due()
                self._refusal = ""
            except BackendUnavailable as error:
                self._wait_for_better(error)
            except Exception:
                logger.exception("Some housekeeping failed")
            self._woken.wait(self._pause())

    def _wait_for_better(self, error: BackendUnavailable) -> None:
        self._give_others_time()
        # The link logs that Redis is unreachable. That it refuses writes is logged only here, and once.
        if self._lease.link.is_up and not isinstance(error, LeaseLost) and str(error) != self._refusal:
            self._refusal = str(error)
            logger.warning("What servers share cannot be kept up to date: %s", error)

    def _do_what_is_due(self) -> None:
        self._renew_if_due()
        self._warn_once()
        if self._verify_at <= time.monotonic():
            self._verify_at = time.monotonic() + self._renew_interval
            self._verify.begin()
        for duty in (self._verify, self._write_left, self._settle):
            self._finish(duty)
        if self._reap_at <= time.monotonic():
            # Servers that were started together should not reap at the same time.
            self._reap_at = time.monotonic() + self._reap_interval * jitter.uniform(0.5, 1)
            self._finish(self._reap)

    def _renew_if_due(self) -> None:
        if time.monotonic() < self._renew_at and not self._lease.needs_renewal:
            return
        self._renew_at = time.monotonic() + self._renew_interval
        outcome = self._lease.renew()
        if outcome != HELD:
            logger.warning("The lease of server %s was %s: all its connections are written again", self._lease.server_id, outcome)
            self._lease.begin_anew(has_lost_data=outcome == LOST)
            self._entries.leave_all_to_be_written()
            if outcome == LOST:
                self._lease.adopt()

    def _warn_once(self) -> None:
        if self._has_warned:
            return
        for line in eviction_warnings(self._lease.link):
            logger.warning(line)
        self._has_warned = True

    def _finish(self, duty: MaintenanceTask[Any], deadline: float = math.inf) -> None:
        while (reports := duty.perform()) is not None:
            for report in reports:
                self._notify(report)
            if time.monotonic() > deadline:
                return
            if not self._is_stopping:
                self._renew_if_due()

    def _notify(self, report: Report) -> None:
        notify = self._on_online if report.online else self._on_offline
        try:
            notify(report.user_id, report.version)
        except Exception:
            logger.exception("Nobody was told that user %s is %s", report.user_id, "online" if report.online else "offline")

    def _renew_soon(self) -> None:
        self._give_others_time()
        self._renew_at = 0.0
        self._woken.set()

    def _give_others_time(self) -> None:
        # After an outage all leases have run out; servers that are alive need time to renew theirs.
        self._reap_at = time.monotonic() + self._lease.grace

    def _pause(self) -> float:
        if not self._lease.link.is_up:
            return self._reap_interval
        due = min(self._renew_at, self._verify_at, self._reap_at, self._entries.outage_journal.next_settling)
        return max(due - time.monotonic(), _SHORTEST_PAUSE)


def _nobody(user_id: str, version: int) -> None:
    """Do nothing."""
