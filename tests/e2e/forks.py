"""Server processes that are forks of one that has imported what servers import: starts in a third of the processor time.

Each has its own session, variables, descriptors and exit code, as a process that is started anew. `python -m gunicorn` with
gevent-websocket's worker and `python -m example_app` start so, unless they could tell: with `--preload`, in another folder, with
variables that are read early. Where it matters how a server starts, and where its memory is measured, `only_new_processes` has it
started anew; so have `E2E_FORKS=0`, everywhere, and `make coverage`. Forks of one fork server have the same seed for hashes.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

from tests import guardian, leaks, origins
from tests.e2e.gunicorn_settings import UNUSED

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Path(__file__).with_name("gunicorn_settings.py")
GEVENT_WEBSOCKET = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
IMPORTED = (
    "engineio.async_drivers.gevent",
    "example_app.auth",
    "example_app.database",
    "example_app.health",
    "example_app.messages",
    "example_app.notifications",
    "example_app.orders",
    "example_app.pages",
    "example_app.settings",
    "example_app.users",
    "flask_jwt_extended",
    "flask_realtime.chat",
    "flask_realtime.health",
    "flask_realtime.json_logs",
    "flask_realtime.metrics",
    "flask_realtime.rest",
    "flask_realtime.store",
    "flask_realtime.tracing",
    "flask_sqlalchemy",
    "psycopg",
    "py_vapid",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
"""What the servers' applications import.

Some packages read variables where they are imported; so does the example's `factory`, which is not here.
"""
IMPORTED_BY_GUNICORN = ("gunicorn.app.wsgiapp", "gunicorn.arbiter", "gunicorn.glogging")
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_CONFIG", guardian.VARIABLE)
"""The variables that every program needs."""
ADDED = {"PYTHONUNBUFFERED": "1"}
KINDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "example_app": {"before": ["example_app"], "after": IMPORTED, "without": []},
    GEVENT_WEBSOCKET: {
        "before": [*IMPORTED_BY_GUNICORN, GEVENT_WEBSOCKET.rpartition(".")[0]],
        "after": IMPORTED,
        "without": [UNUSED],
    },
}
"""Modules imported before gevent's patches and after, and those that cannot be, by program or class of gunicorn's workers."""
READ_EARLY = ("GEVENT", "LC_", "LD_", "MALLOC_", "OPENSSL", "OTEL_", "PROMETHEUS_", "PYTHON", "TZ")
"""Beginnings of the names of variables that are read where Python starts or a package is imported."""
READ_LATE = ("PYTHONPATH", *ADDED)
_PAUSE = 0.005
_REPLY_BYTES = 1 << 10


class ForkedProcess:
    """A server's process, with what is used of `subprocess.Popen`.

    Args:
        parent: What forked it.
        pid: Its process id.
        stdout: Its output.
    """

    def __init__(self, parent: ForkServer, pid: int, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        self._parent = parent
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        if self._code is None:
            self._code = self._parent.exit_code(self.pid)
        return self._code

    def wait(self, timeout: float) -> int:
        """Wait for it to end and return its exit code.

        Raises:
            TimeoutExpired: It has not ended.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout)
            time.sleep(_PAUSE)
        return code


class ForkServer:
    """The process whose forks the servers are.

    Args:
        imported: What it has imported; see `KINDS`.
        environment: Its variables.
    """

    def __init__(self, imported: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.e2e.fork_server", str(theirs.fileno()), json.dumps(imported)]
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        leaks.adopt(self._process.pid)
        try:
            self._reply()
        except BaseException:
            self.close()
            raise

    def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]
    ) -> ForkedProcess:
        """Start what `python -m` starts with a module and arguments.

        Args:
            module: The module.
            arguments: What follows it on the command line.
            environment: The process's variables, all of them.
            descriptors: What it inherits.
        """
        request = {"module": module, "arguments": arguments, "environment": environment, "numbers": descriptors}
        reading, writing = os.pipe()
        stdout = os.fdopen(reading, errors="replace")
        try:
            pid = self._ask(request, [writing, *descriptors])
        except BaseException:
            stdout.close()
            raise
        finally:
            os.close(writing)
        origins.note_process(pid, ["-m", module, *arguments])
        return ForkedProcess(self, pid, stdout)

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of one of its forks, None while that runs."""
        code: int | None = self._ask({"of": pid}, [])
        return code

    def close(self) -> None:
        """End it; its forks are ended before."""
        self._control.close()
        self._process.wait()
        leaks.disown(self._process.pid)

    def _ask(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> Any:
        with self._lock:
            self._requests += 1
            socket.send_fds(self._control, [json.dumps([self._requests, request]).encode()], descriptors)
            return self._reply()

    def _reply(self) -> Any:
        count = -1
        while count != self._requests:  # A test's time-out interrupts whoever waits: then that reply is still to come.
            if not (reply := self._control.recv(_REPLY_BYTES)):
                raise RuntimeError("The fork server has ended; the reason is in the captured stderr.")
            count, value = json.loads(reply)
        return value


_running: dict[str, ForkServer] = {}
_starting = threading.Lock()
_only_new = threading.Event()


def forked(
    command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int], folder: Path
) -> ForkedProcess | None:
    """Start a server as a fork.

    Args:
        command: The program and its arguments.
        environment: Its variables, all of them.
        descriptors: What it inherits.
        folder: Where it runs.

    Returns:
        Its process; None if it has to be started anew.
    """
    kind = _kind(command)
    if kind is None or folder != ROOT or not is_on() or any(map(_is_read_early, environment)):
        return None
    return _fork_server(kind, environment).start(command[2], command[3:], environment, descriptors)


def _fork_server(kind: str, environment: Mapping[str, str]) -> ForkServer:
    with _starting:
        if kind not in _running:
            inherited = {name: value for name, value in environment.items() if name in (*INHERITED, *ADDED)}
            with leaks.lasting("fork servers"):
                _running[kind] = ForkServer(KINDS[kind], inherited)
            atexit.register(_running[kind].close)
        return _running[kind]


def is_on() -> bool:
    """Return whether servers are forks; for coverage, which begins to count where Python starts, they are not."""
    return os.environ.get("E2E_FORKS") != "0" and "COVERAGE_PROCESS_CONFIG" not in os.environ and not _only_new.is_set()


@contextmanager
def only_new_processes() -> Iterator[None]:
    """Start servers anew in the block."""
    _only_new.set()
    try:
        yield
    finally:
        _only_new.clear()


def _kind(command: Sequence[str]) -> str | None:
    if command[:2] != [sys.executable, "-m"]:
        return None
    if command[2] == "gunicorn" and command.count("--config") == 1 and str(SETTINGS) in command and "--preload" not in command:
        options = dict(pairwise(command))  # The last one holds, as with gunicorn.
        return options["--worker-class"] if options.get("--worker-class") in KINDS else None
    return "example_app" if command[2:] == ["example_app"] else None


def _is_read_early(variable: str) -> bool:
    return variable.startswith(READ_EARLY) and variable not in READ_LATE
