"""Link to one Redis server, or to one master of a cluster, which fails fast during an outage, and quickly detects its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from redis import Redis
from redis.exceptions import ResponseError

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.redis.cluster import address_of
from flask_realtime.backends.redis.connections import LOST, OwnConnection
from flask_realtime.jitter import jitter
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

ResultT = TypeVar("ResultT")

_FIRST_PAUSE: Final = 0.05


class RedisLink:
    """The link to one Redis server, or to the master of a Redis Cluster that has the keys of one channel.

    Each process has its own connections, and none before its first call; a forked child starts afresh. After
    `BackendUnavailable` the link is down, so the callbacks of `on_return` are called later.

    Args:
        url: A `redis://`, `rediss://` or `unix://` URL, or `redis+cluster://` or `rediss+cluster://` with nodes of a cluster.
        timeout: Seconds for a command, including connecting.
        max_connections: Maximum number of concurrent calls; others wait, within the time-out.
        max_pause: Maximum seconds between two attempts to reach the server.
        channel: The hash tag of all keys, which decides what master of a cluster has them.

    Raises:
        ConfigError: The URL is not one of these.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 0.8,
        *,
        max_connections: int = 16,
        max_pause: float = 2.0,
        channel: str = "flask_realtime",
    ) -> None:
        self._address = address_of(url, timeout, channel)
        self._timeout = timeout
        self._max_connections = max_connections
        self._max_pause = max_pause
        self._callbacks: list[Callable[[], object]] = []
        self._begin()
        after_fork(self._begin)

    def __str__(self) -> str:
        """Return the server's URL without the password."""
        return str(self._address)

    @property
    def is_up(self) -> bool:
        """Return whether Redis can be reached, as far as is known; True before the first call."""
        return self._up.is_set()

    @property
    def outages(self) -> int:
        """Return how often it went down."""
        return self._outages

    def call(self, function: Callable[[Redis], ResultT]) -> ResultT:
        """Call a function with a client.

        Returns:
            Its result.

        Raises:
            BackendUnavailable: Redis cannot be reached; raised at once while that is known. Whether it did anything is unknown.
            RedisError: Redis refused a command of the function's.
        """
        self._refuse_while_down()
        if not self._slots.acquire(timeout=self._timeout):
            raise self._lost(TimeoutError("all connections were in use for too long"))
        try:
            self._refuse_while_down()
            return function(self._client)
        except LOST as error:
            raise self._lost(error) from error
        finally:
            self._slots.release()
            if self._closed.is_set():
                self._end_idle_connections()

    def ping(self) -> None:
        """Check that Redis answers.

        Raises:
            BackendUnavailable: It does not.
        """
        with suppress(ResponseError):  # It may forbid PING, but it answers.
            self.call(self._address.ping)

    def connect(self, patience: float = 0.0) -> OwnConnection:
        """Make a connection for one thread; its loss is not reported if Redis has returned since it was made.

        Args:
            patience: Seconds by which blocking commands on it may exceed the time-out.

        Raises:
            BackendUnavailable: Redis cannot be reached.
        """
        self._refuse_while_down()
        outages = self._outages
        return self._address.connect(patience, lambda error: self._lost(error, outages))

    def on_return(self, callback: Callable[[], object]) -> None:
        """Register a function to be called, in a background thread, each time Redis is back after an outage."""
        self._callbacks.append(callback)

    def wait(self, timeout: float) -> bool:
        """Wait until Redis can be reached, for `timeout` seconds at most, and return whether it can."""
        return self._up.wait(timeout)

    def close(self) -> None:
        """Refuse every call from now on, and close all connections; those in use close with the call that uses them."""
        with self._lock:
            self._closed.set()
            self._up.clear()
            retrying = self._retrying
        if retrying is not None and retrying.is_alive() and retrying is not threading.current_thread():
            retrying.join(self._timeout)
        self._end_idle_connections()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(self._max_connections)
        self._up = threading.Event()
        self._up.set()
        self._closed = threading.Event()
        self._retrying: threading.Thread | None = None
        self._outages = 0
        self._client = self._address.client(self._max_connections + 1)  # One is reserved for reconnection attempts.

    def _refuse_while_down(self) -> None:
        if not self._up.is_set():
            msg = f"Redis at {self} cannot be reached"
            raise BackendUnavailable(msg)

    def _lost(self, error: Exception, outages: int | None = None) -> BackendUnavailable:
        if outages in {None, self._outages} and self._go_down():
            logger.warning("Redis at %s cannot be reached: %s", self, error)
            self._end_idle_connections()
        return BackendUnavailable(f"Redis at {self} cannot be reached: {error}")

    def _end_idle_connections(self) -> None:
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _go_down(self) -> bool:
        with self._lock:
            if not self._up.is_set():
                return False
            self._up.clear()
            self._outages += 1
            if self._retrying is not None:
                return True
            thread = self._retrying = threading.Thread(target=self._retry, name="redis-retry", daemon=True)
        # Outside the lock: one created before gevent's patches would block the whole process if a greenlet waited for it.
        try:
            thread.start()
        except RuntimeError:  # The interpreter is shutting down. Without a thread nothing would bring the link back up.
            self._retrying = None
            self._up.set()
            return False
        return True

    def _retry(self) -> None:
        while True:
            since = time.monotonic()
            if not self._wait_for_answer() or not self._come_up():
                return
            logger.info("Redis at %s is back after %.1f s", self, time.monotonic() - since)
            self._notify()
            with self._lock:
                if self._up.is_set():
                    self._retrying = None
                    return

    def _come_up(self) -> bool:
        with self._lock:
            if self._closed.is_set():
                return False
            self._up.set()
            return True

    def _wait_for_answer(self) -> bool:
        pause = min(_FIRST_PAUSE, self._max_pause)
        # All servers lose Redis at the same time; random pauses keep them from reconnecting at the same time.
        while not self._closed.wait(jitter.uniform(0, pause)):
            if self._answers():
                return True
            pause = min(2 * pause, self._max_pause)
        self._end_idle_connections()
        return False

    def _answers(self) -> bool:
        try:
            self._address.ping(self._client)
        except LOST:
            return False
        except ResponseError:
            return True  # Redis may forbid PING, but it answers.
        except Exception:
            logger.exception("Redis at %s cannot be reached", self)  # No error may end the attempts.
            return False
        return True

    def _notify(self) -> None:
        for callback in self._callbacks:
            try:
                callback()
            except BackendUnavailable:
                return  # The next return calls all of them again.
            except Exception:
                logger.exception("What was to be done on the return of Redis failed")
