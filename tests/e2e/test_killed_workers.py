"""A user with almost as many connections as one may have, whose workers are killed one after the other."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websocket import WebSocketException

from tests.e2e.raw import RawSocket
from tests.e2e.servers import poll
from tests.e2e.workers import Workers, running_workers
from tests.redis_server import RedisServer

LEASE = 3.0
"""Seconds; what production has as ten."""

DELAY = 0.3
"""Seconds after which a device tries again, on average: what clients do after one, at the same scale."""

SECONDS = 30.0


class Device:
    """A client that comes back whenever its connection is lost, and when it is refused after the time that the server says.

    Args:
        url: The server.
        token: Its user's token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._ended = threading.Event()
        self._random = random.Random(1)
        self._raw: RawSocket | None = None
        self.connected = False
        self.refusals: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Lose the connection, and come back no more."""
        self._ended.set()
        if self._raw is not None:
            self._raw.close()

    def join(self) -> None:
        """Wait until it has noticed."""
        self._thread.join(SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            pause = DELAY * self._random.uniform(0.5, 1.5)
            with suppress(OSError, WebSocketException):  # The worker was killed meanwhile.
                pause = self._stay() or pause
            self.connected = False
            self._ended.wait(pause)

    def _stay(self) -> float | None:
        with closing(RawSocket(self._url)) as raw:
            self._raw = raw
            answer = raw.enter(self._token)
            if answer.startswith("44"):
                self.refusals.append(json.loads(answer[2:])["data"])
                return float(self.refusals[-1].get("retryAfter", threading.TIMEOUT_MAX))
            self.connected = answer.startswith("40")
            while raw.receive():
                pass
        return None


@contextmanager
def devices_of(workers: Workers, user: str, count: int) -> Iterator[list[Device]]:
    """Devices of one user; they end with the block."""
    token = workers.api.token(user)
    devices = [Device(workers.url, token) for _ in range(count)]
    try:
        yield devices
    finally:
        for device in devices:
            device.close()
        for device in devices:
            device.join()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    settings: dict[str, Any] = {
        "REALTIME_SERVER_LEASE": LEASE,
        "REALTIME_MAX_CONNECTIONS_PER_USER": 20,
        "REALTIME_PING_INTERVAL": 2,
    }
    with RedisServer() as redis, running_workers(tmp_path, REALTIME_MESSAGE_QUEUE=redis.url, **settings) as workers:
        yield workers


def test_whose_workers_are_killed_again_and_again_is_let_in_within_a_lease(workers: Workers) -> None:
    with devices_of(workers, "ann", 19) as devices:
        assert poll(lambda: all(device.connected for device in devices), SECONDS)
        for _ in range(7):
            kill_one(workers)
            wait_for(LEASE / 3)
        assert poll(lambda: all(device.connected for device in devices), LEASE + SECONDS)
        refusals = [refusal for device in devices for refusal in device.refusals]
        assert all(set(refusal) == {"code", "retryAfter"} for refusal in refusals)
        assert all(refusal["code"] == "too_many_connections" for refusal in refusals)
        assert all(0 < refusal["retryAfter"] <= LEASE for refusal in refusals)


def wait_for(seconds: float) -> None:
    """Let time go by, in which clients come back."""
    until = time.monotonic() + seconds
    assert poll(lambda: time.monotonic() > until, SECONDS)


def kill_one(workers: Workers) -> None:
    """Kill the worker that has served for longest, and wait for the one that takes its place."""
    booted = len(workers.booted())
    os.kill(workers.booted()[booted - len(workers.pids)], signal.SIGKILL)
    assert poll(lambda: len(workers.booted()) == booted + 1, SECONDS)


def test_a_refusal_says_when_to_come_back(workers: Workers) -> None:
    with devices_of(workers, "ann", 21) as devices:
        assert poll(lambda: sum(device.connected for device in devices) == 20, SECONDS)
        (outside,) = [device for device in devices if not device.connected]
        assert poll(lambda: len(outside.refusals) > 1, SECONDS)
        assert outside.refusals[0] == {"code": "too_many_connections", "retryAfter": LEASE / 2}
        next(device for device in devices if device.connected).close()
        assert poll(lambda: outside.connected, SECONDS)
