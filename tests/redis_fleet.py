"""Servers that share a Redis: some in this process, some in processes that can be killed and frozen."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from flask_realtime.backends.redis.connected_users import RedisConnectedUsers
from flask_realtime.backends.redis.entries import ServerEntries
from flask_realtime.backends.redis.housekeeping import Housekeeping
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.tracker import RedisTracker

ROOT = Path(__file__).resolve().parents[1]
LONG = 60.0
SHORT = 0.5

Told = tuple[str, str, int]
"""online or offline, the user, the version."""


class FleetServer:
    """One server in this process.

    Args:
        url: The Redis server.
        server_id: Its name.
        ttl: Seconds that its lease lasts.
        grace: Seconds that it gives to others.
        channel: What the names of its keys begin with.
        renew: Seconds between two renewals of its lease.
        offline_delay: Seconds for which it waits for users who go offline.
    """

    def __init__(
        self,
        url: str,
        server_id: str,
        *,
        ttl: float = LONG,
        grace: float = SHORT,
        channel: str = "flask_realtime",
        renew: float = 0.2,
        offline_delay: float = 0.0,
    ) -> None:
        self.link = RedisLink(url, max_pause=0.2, channel=channel)
        self.lease = Lease(self.link, server_id, channel, ttl=ttl, grace=grace, offline_delay=offline_delay)
        self.entries = ServerEntries(self.lease)
        self.presence = RedisConnectedUsers(self.entries)
        self.conversations = RedisTracker(self.entries, "conversations:members")
        self.housekeeping = Housekeeping(self.entries, renew=renew, reap=0.2)
        self.told: list[Told] = []

    def start(self) -> FleetServer:
        """Begin to keep house."""
        self.housekeeping.start(
            lambda user_id, version: self.told.append(("offline", user_id, version)),
            lambda user_id, version: self.told.append(("online", user_id, version)),
        )
        return self

    def of(self, what: str) -> list[str]:
        """The users of whom it was told that they are `online` or `offline`, in order."""
        return [user_id for told, user_id, _ in self.told if told == what]

    def close(self) -> None:
        """End it, in order if Redis is there."""
        self.housekeeping.stop()
        self.link.close()


class RemoteServer:
    """One server in a process of its own.

    Args:
        url: The Redis server.
        server_id: Its name.
        ttl: Seconds that its lease lasts.
    """

    def __init__(self, url: str, server_id: str, *, ttl: float) -> None:
        command = [sys.executable, "-m", "tests.redis_fleet", url, server_id, str(ttl)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def told(self) -> list[list[Any]]:
        """What it was told, as with `FleetServer`."""
        return list(self._answers["told"])

    def call(self, backend: str, method: str, *calls: Sequence[str]) -> list[Any]:
        """Call a method of its `presence` or `conversations`, once for each sequence of arguments.

        Returns:
            What the calls returned.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([backend, method, calls]) + "\n")
        self._process.stdin.flush()
        with self._changed:
            assert self._changed.wait_for(lambda: self._answers["returned"], timeout=30), "the server gave no answer"
            returned: list[Any] = self._answers["returned"].pop()
        return returned

    def kill(self) -> None:
        """End its process at once."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop its process where it is."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let its process go on."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RemoteServer:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            kind, value = json.loads(line)
            with self._changed:
                self._answers[kind].append(value)
                self._changed.notify_all()


def _say(kind: str, value: object) -> None:
    sys.stdout.write(json.dumps([kind, value]) + "\n")
    sys.stdout.flush()


def _serve(url: str, server_id: str, ttl: str) -> None:
    server = FleetServer(url, server_id, ttl=float(ttl))
    server.housekeeping.start(
        lambda user_id, version: _say("told", ["offline", user_id, version]),
        lambda user_id, version: _say("told", ["online", user_id, version]),
    )
    for line in sys.stdin:
        backend, method, calls = json.loads(line)
        _say("returned", [getattr(getattr(server, backend), method)(*args) for args in calls])


if __name__ == "__main__":
    _serve(*sys.argv[1:])
