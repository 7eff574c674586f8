"""The servers that are compared: how each is started, and with what."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import FLOOR, FOLDER
from benchmarks.namespaces import addresses
from benchmarks.processes import ProcessTree

ROOT = FOLDER.parent
PEERS = FOLDER / "peers"
BARE = "benchmarks.peers.flask_socketio_bare:app"
BUN = FOLDER / "node_modules" / ".bin" / "bun"
START_SECONDS = 30.0
KEY = "the benchmark's own key, which protects nothing: 0123456789abcdef"
GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "--worker-class", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"),
    # More than the largest scenario has: the worker would stop answering at its limit.
    *("--worker-connections", "20000", "--backlog", "4096"),
)


@dataclass(frozen=True)
class Settings:
    """How a server is started for one scenario.

    Args:
        port: Where it listens, on 127.0.0.1.
        ping_interval: Seconds between two pings to one connection; 25 is the default of all of them.
        presence: To whom the extension announces who came and went: `nobody`, `room` or `everyone`.
        recovery: Whether clients that lost their connection get what they missed.
    """

    port: int
    ping_interval: int = 25
    presence: str = "nobody"
    recovery: bool = False


@dataclass(frozen=True)
class Contender:
    """One server under test.

    Args:
        name: What tables call it.
        title: What it is, in words.
        command: Its command line.
        is_python: Whether py-spy can look into it.
        workers: How many workers share a Redis; 0 for those that have none.
        machines: How many machines they are on, each in namespaces of its own; 0 for those that are on this one.
    """

    name: str
    title: str
    command: Callable[[Settings], list[str]]
    is_python: bool = False
    workers: int = 0
    machines: int = 0

    def hosts(self, port: int) -> tuple[str, ...]:
        """Return the addresses of its machines; none if it is on this one."""
        return addresses(port, self.machines)


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Args:
        contender: Which one.
        port: Where it listens.
        tree: Its processes.
        log: What it wrote, standard output and error.
    """

    contender: Contender
    port: int
    tree: ProcessTree
    log: Path


def _gunicorn(application: str, workers: int = 1) -> Callable[[Settings], list[str]]:
    return lambda settings: [*GUNICORN, "--workers", str(workers), "--bind", f"127.0.0.1:{settings.port}", application]


def _sharing(workers: int, *, linked: bool = False) -> Contender:
    def command(settings: Settings) -> list[str]:
        links = ["env", "FLASK_REALTIME_DIRECT_LINKS=true"] if linked else []
        return [*links, sys.executable, "-m", "benchmarks.peers.with_redis", *_gunicorn("benchmarks.app:app", workers)(settings)]

    title = f"{workers} worker{'s' if workers > 1 else ''} and Redis, together"
    if linked:
        return Contender(f"links-{workers}", f"{title}, with direct links", command, workers=workers)
    return Contender(f"redis-{workers}", title, command, workers=workers)


def _apart(machines: int) -> Contender:
    def command(settings: Settings) -> list[str]:
        server = [*GUNICORN, "--workers", "1", "--bind", f"0.0.0.0:{settings.port}", "benchmarks.app:app"]
        return [sys.executable, "-m", "benchmarks.peers.machines", str(machines), str(settings.port), *server]

    title = f"{machines} machine{'s' if machines > 1 else ''} with a worker, and Redis on another"
    return Contender(f"machines-{machines}", title, command, workers=machines, machines=machines)


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("extension", "flask_realtime under gunicorn", _gunicorn("benchmarks.app:app"), is_python=True),
        Contender("flask-socketio", "bare Flask-SocketIO under gunicorn", _gunicorn(BARE), is_python=True),
        Contender("node", "Socket.IO on Node", lambda _settings: ["node", str(PEERS / "node.mjs")]),
        Contender("bun", "Socket.IO on Bun's engine", lambda _settings: [str(BUN), str(PEERS / "bun.mjs")]),
        Contender("floor", "the floor", lambda settings: [str(FLOOR), str(settings.port), str(settings.ping_interval)]),
        *map(_sharing, (1, 2, 4)),
        *(_sharing(workers, linked=True) for workers in (2, 4)),
        *map(_apart, (1, 2, 4)),
    )
}


def environment(settings: Settings) -> dict[str, str]:
    """What a server's process gets to know."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        # Settings that a developer tries out: FLASK_REALTIME_<KEY>.
        **{name: value for name, value in os.environ.items() if name.startswith("FLASK_REALTIME_")},
        "JWT_SECRET_KEY": KEY,
        "NODE_ENV": "production",
        "PORT": str(settings.port),
        "PING_INTERVAL": str(settings.ping_interval),
        "FLASK_REALTIME_PING_INTERVAL": str(settings.ping_interval),
        "BENCHMARK_PRESENCE": settings.presence,
        **({"RECOVERY": "1"} if settings.recovery else {}),
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(contender: Contender, settings: Settings, prefix: list[str]) -> Iterator[Running]:
    """Start a server, and end it and its children whatever happens.

    Args:
        contender: Which one.
        settings: How.
        prefix: What goes before the command: `taskset` and its arguments, or nothing.

    Raises:
        RuntimeError: It did not start; the text has what it wrote.
    """
    with tempfile.NamedTemporaryFile(prefix="benchmark-", suffix=".log") as log:
        process = subprocess.Popen(  # noqa: S603 - one of the commands above
            [*prefix, *contender.command(settings)],
            cwd=ROOT,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Running(contender, settings.port, ProcessTree(process.pid), Path(log.name))
        try:
            _wait_until_ready(server, process)
            yield server
        finally:
            _stop(process)


def _wait_until_ready(server: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not all(_answers(host, server.port) for host in server.contender.hosts(server.port) or ("127.0.0.1",)):
        if process.poll() is not None or time.monotonic() > deadline:
            message = f"{server.contender.name} did not start:\n{log_tail(server)}"
            raise RuntimeError(message)
        time.sleep(0.05)


def _answers(host: str, port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{host}:{port}/", timeout=START_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def log_tail(server: Running) -> str:
    """The end of what a server wrote."""
    return "\n".join(server.log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Nothing that it would still do is wanted.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
