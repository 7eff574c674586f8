"""Several workers behind one address: connections to the one of them that a test wants, and requests that go to another."""

import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.e2e.api import Api
from tests.e2e.servers import Server, gunicorn, poll
from tests.e2e.wire import Wire, open_tcp, unverified_tls

APP = "tests.e2e.apps.workers_app:create_app()"
WORKERS = 4
SECONDS = 20.0
POLLING = "/socket.io/?EIO=4&transport=polling"
UNKNOWN_SESSION = {"code": 1, "message": "Session ID unknown"}


class Answer(NamedTuple):
    """What a worker answered."""

    status: int
    text: str


class Connection:
    """One connection, which is never opened anew.

    Args:
        url: The server's address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        address = str(parts.hostname), parts.port
        self.http = (
            HTTPSConnection(*address, timeout=SECONDS, context=unverified_tls())
            if parts.scheme == "https"
            else HTTPConnection(*address, timeout=SECONDS)
        )
        self.http.connect()
        self.http.auto_open = 0

    @property
    def tcp(self) -> socket.socket:
        """Its socket."""
        assert self.http.sock is not None
        return self.http.sock

    def ask(self, path: str, body: str | None = None) -> Answer:
        """GET, or POST a body, and return the answer."""
        self.send(path, body)
        return self.answer()

    def send(self, path: str, body: str | None = None) -> None:
        """GET, or POST a body, and leave the answer for later."""
        self.http.request("GET" if body is None else "POST", path, body)

    def answer(self) -> Answer:
        """Wait for the answer."""
        response = self.http.getresponse()
        return Answer(response.status, response.read().decode())

    def worker(self) -> int:
        """The process id of the worker that serves it."""
        return int(json.loads(self.ask("/process").text)["pid"])

    def close(self) -> None:
        """Close it."""
        self.http.close()


class AdoptedWire(Wire):
    """A WebSocket on a connection that was there before.

    Args:
        tcp: The connection.
        request: The handshake, and what follows on it at once.
    """

    def __init__(self, tcp: socket.socket, request: bytes) -> None:
        self.tcp = tcp
        self._received = b""
        self.send_bytes(request)
        self.status = int(self._until(b"\r\n\r\n").split()[1])


class Workers:
    """The workers of one gunicorn.

    Args:
        server: Its server.
        stack: What is closed at the end.
        count: How many there are.
    """

    def __init__(self, server: Server, stack: ExitStack, count: int) -> None:
        self.server = server
        self.url = server.url
        self.api = Api(server.url)
        self._stack = stack
        assert poll(lambda: len(self.booted()) == count, SECONDS)
        self.pids = self.booted()
        self.hold_up_nobody: Callable[[], bool] = lambda: True
        """Tells whether no other worker waits for one that is stopped."""

    def booted(self) -> list[int]:
        """The process ids of all that have been started, those that took the place of others too."""
        return [int(pid) for line in self.server.lines for pid in re.findall(r"Booting worker with pid: (\d+)", line)]

    @contextmanager
    def stopped(self, *pids: int) -> Iterator[None]:
        """Stop workers for a while, where they hold up nobody."""
        try:
            signal_all(pids, signal.SIGSTOP)
            while not self.hold_up_nobody():
                signal_all(pids, signal.SIGCONT)
                signal_all(pids, signal.SIGSTOP)
            yield
        finally:
            signal_all(pids, signal.SIGCONT)

    @contextmanager
    def only(self, pid: int) -> Iterator[None]:
        """Stop all workers but one for a while."""
        with self.stopped(*(other for other in self.booted() if other != pid)):
            yield

    def connection(self, pid: int) -> Connection:
        """A connection to one of the workers."""
        found: list[Connection] = []

        def is_found() -> bool:
            # A worker that runs on another processor may accept one more before it stops.
            found.append(self._stack.enter_context(closing(Connection(self.url))))
            return found[-1].worker() == pid

        with self.only(pid):
            assert poll(is_found, SECONDS)
        return found[-1]

    def unused(self, pid: int) -> socket.socket:
        """A connection to one of the workers that has not had a request before, and has not had one now."""
        with self.only(pid):
            tcp = self._stack.enter_context(closing(open_tcp(self.url)))
            # Accepted later, and answered: then the other one is accepted too.
            assert self._stack.enter_context(closing(Connection(self.url))).worker() == pid
        return tcp

    def session(self, pid: int, user_id: str = "someone") -> "PollingSession":
        """A long-polling session of one of the workers, connected."""
        return PollingSession(self.connection(pid), self.api.token(user_id))


def signal_all(pids: Iterable[int], number: int) -> None:
    """Signal processes; some may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class PollingSession:
    """A long-polling session.

    Args:
        home: A connection to the worker that gets it.
        token: Its user's token.
        prefix: Below what the application is.
    """

    def __init__(self, home: Connection, token: str, prefix: str = "") -> None:
        self.home = home
        self.id = str(json.loads(home.ask(prefix + POLLING).text[1:])["sid"])
        self.path = f"{prefix}{POLLING}&sid={self.id}"
        assert home.ask(self.path, "40" + json.dumps({"token": token})) == (200, "ok")
        assert home.ask(self.path).text.startswith("40")

    @property
    def tag(self) -> str:
        """What its id shares with those of the same worker's other sessions."""
        return self.id[-6:]

    def websocket_query(self) -> str:
        """The query string with which it is upgraded."""
        return f"EIO=4&transport=websocket&sid={self.id}"


def event(name: str, *args: Any) -> str:
    """An event with a callback, as a packet."""
    return "421" + json.dumps([name, *args])


@contextmanager
def running_workers(
    temporary: Path,
    *options: str,
    application: str = APP,
    scheme: str = "http",
    count: int = WORKERS,
    environment: Mapping[str, str] | None = None,
    **config: Any,
) -> Iterator[Workers]:
    """Serve an application with several workers.

    Args:
        temporary: Their folder for temporary files.
        options: More of gunicorn's options.
        application: What they serve.
        scheme: How they are asked.
        count: How many there are.
        environment: More of their variables.
        config: Configuration keys of the application.
    """
    # Most sessions are of one user.
    config = {"REALTIME_MAX_CONNECTIONS_PER_USER": 1000, "REALTIME_MAX_CONNECTS_PER_USER": None, **config}
    variables = {"TMPDIR": str(temporary), "CONTRACT_APP_CONFIG": json.dumps(config), **(environment or {})}
    with (
        gunicorn(application, variables, "--workers", str(count), *options, ready=None, scheme=scheme) as server,
        ExitStack() as stack,
    ):
        yield Workers(server, stack, count)
