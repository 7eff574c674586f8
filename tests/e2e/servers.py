"""Real server processes: started on a free port, watched, and ended with nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.e2e import forks

ROOT = forks.ROOT
START_SECONDS = 60.0
STOP_SECONDS = 10.0
GEVENT_WEBSOCKET = forks.GEVENT_WEBSOCKET
REALTIME = "flask_realtime.worker.RealtimeWorker"
WORKER_CLASS = os.environ.get("E2E_WORKER_CLASS", GEVENT_WEBSOCKET)
"""The class of gunicorn's workers, unless a test says otherwise with an option of its own."""


class ServerError(Exception):
    """The server did not start, or did not stop; the text ends with what it logged."""


class Server:
    """One running server: where it is, what it logged, and how to end it.

    Args:
        command: The program and its arguments.
        environment: Variables set beside the ones that every program needs.
        pass_fds: File descriptors that the process inherits.
        folder: Where it runs.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], pass_fds: Sequence[int] = (), folder: Path = ROOT
    ) -> None:
        self.url = ""
        self._lines: list[str] = []
        self._changed = threading.Condition()
        variables = process_environment(environment)
        self._process = forks.forked(command, variables, pass_fds, folder) or subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id of the group's leader."""
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """What it has logged so far, a copy."""
        with self._changed:
            return list(self._lines)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait_for_line(self, pattern: str, timeout: float = START_SECONDS) -> re.Match[str]:
        """Wait until the log has a line that holds ``pattern``.

        Returns:
            The first match.

        Raises:
            ServerError: The process ended, or ``timeout`` seconds went by, without such a line.
        """
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(match for line in self._lines if (match := re.search(pattern, line)))
            return bool(found) or not self._reader.is_alive()

        with self._changed:
            self._changed.wait_for(look, timeout)
        if not found:
            message = f"no line like {pattern!r} in the log"
            raise self.failure(message)
        return found[0]

    def wait_until_ready(self, path: str = "/") -> None:
        """Wait until a GET of ``path`` is answered, with whatever status.

        Raises:
            ServerError: The process ended, or gave no answer in time.
        """

        def answered() -> bool:
            if not self.alive:
                raise self.failure("the server ended while starting")
            try:
                requests.get(self.url + path, timeout=START_SECONDS)
            except requests.ConnectionError:
                return False
            return True

        if not poll(answered, START_SECONDS):
            raise self.failure("the server answered no request")

    def terminate(self) -> None:
        """Ask the server to end, as a deployment does."""
        os.killpg(self.pid, signal.SIGTERM)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """Wait for the process to end and return its exit code."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """End the whole process group.

        Raises:
            ServerError: A process of the group outlived SIGTERM, or even SIGKILL.
        """
        signal_group(self.pid, signal.SIGTERM)
        if poll(self._group_is_gone, STOP_SECONDS):
            self._finish()
            return
        signal_group(self.pid, signal.SIGKILL)
        gone = poll(self._group_is_gone, STOP_SECONDS)
        self._finish()
        raise self.failure("the server outlived SIGTERM" if gone else "the server outlived SIGKILL")

    def kill(self) -> None:
        """End the whole process group at once."""
        signal_group(self.pid, signal.SIGKILL)
        self._finish()

    def failure(self, message: str) -> ServerError:
        """An error that shows the end of the log."""
        return ServerError("\n".join([message, *self.lines[-60:]]))

    def _group_is_gone(self) -> bool:
        self._process.poll()
        return not signal_group(self.pid, 0)

    def _finish(self) -> None:
        self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read_log(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def signal_group(group: int, number: int) -> bool:
    """Signal a process group; False where it has no process left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def poll(condition: Callable[[], bool], timeout: float, interval: float = 0.02) -> bool:
    """Ask again and again, for things that cannot be waited on; False after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def process_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The variables that a child gets: the few that every program needs, and ``extra``."""
    inherited = {name: os.environ[name] for name in forks.INHERITED if name in os.environ}
    return {**inherited, **forks.ADDED, **extra}


def listening_socket() -> socket.socket:
    """A socket bound to a free port: the server inherits it, so nobody else can take the port meanwhile."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    listener.set_inheritable(True)
    return listener


@contextmanager
def gunicorn(
    application: str,
    environment: Mapping[str, str] | None = None,
    *options: str,
    ready: str | None = "/ready",
    scheme: str = "http",
    folder: Path = ROOT,
) -> Iterator[Server]:
    """Serve ``module:factory()`` with one worker, as production does; with no path to ask, it may not be ready."""
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--worker-class", WORKER_CLASS, "--workers", "1"]
        command += ["--config", str(forks.SETTINGS), "--bind", f"fd://{listener.fileno()}", "--graceful-timeout", "2"]
        command += [*options, application]
        server = Server(command, environment or {}, [listener.fileno()], folder)
    with stopped_at_the_end(server):
        server.url = f"{scheme}://127.0.0.1:{port}"
        if ready is not None:
            server.wait_until_ready(ready)
        yield server


@contextmanager
def flask_run(
    application: str, environment: Mapping[str, str] | None = None, *options: str, ready: str = "/ready"
) -> Iterator[Server]:
    """Serve ``module:factory`` with ``flask run``: Werkzeug's server, one thread for each request."""
    command = [sys.executable, "-m", "flask", "--app", application, "run", "--port", "0", *options]
    server = Server(command, environment or {})
    with stopped_at_the_end(server):
        server.url = server.wait_for_line(r"Running on (http://127\.0\.0\.1:\d+)")[1]
        server.wait_until_ready(ready)
        yield server


@contextmanager
def python_module(module: str, environment: Mapping[str, str] | None = None, *, ready: str | None = "/ready") -> Iterator[Server]:
    """Run ``python -m module``, which takes its port from the variable ``PORT``."""
    with listening_socket() as listener:
        port = listener.getsockname()[1]
    server = Server([sys.executable, "-m", module], {"PORT": str(port), **(environment or {})})
    with stopped_at_the_end(server):
        server.url = f"http://127.0.0.1:{port}"
        if ready is not None:
            server.wait_until_ready(ready)
        yield server


@contextmanager
def stopped_at_the_end(server: Server) -> Iterator[None]:
    """Stop the server however the block ends; the block's own error goes before one from stopping."""
    try:
        yield
    except BaseException:
        server.kill()
        raise
    server.stop()
