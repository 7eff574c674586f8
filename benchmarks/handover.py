"""What it costs that a request of a session came to another worker than the session's own."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Final

from benchmarks import wire
from benchmarks.processes import ProcessTree

REQUESTS: Final = 400
BURST: Final = 50
"""Connections opened at once: so that more than one worker accepts some."""

TRIES: Final = 40
SESSION_PATH: Final = "/socket.io/?EIO=4&transport=polling"
SECONDS: Final = 10.0
PONG: Final = "3"
"""A packet that the server does next to nothing with."""


class Connection:
    """A TCP connection, and the worker that accepted it.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self.worker = 0
        self._port = port
        self._tcp = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path: str, body: str | None = None) -> str:
        """GET a path, or POST to it, and return the answer.

        Raises:
            RuntimeError: The answer is no success.
        """
        self._tcp.sendall(wire.request(self._port, path, body))
        data = b""
        while True:
            head, end, answer = data.partition(b"\r\n\r\n")
            if end and len(answer) >= wire.content_length(head):
                break
            data += self._tcp.recv(65536)
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{path}: {head!r} {answer!r}")
        return answer.decode()

    def find_worker(self) -> None:
        """Ask which worker has it."""
        self.worker = int(self.ask("/worker"))

    def begin_session(self) -> str:
        """Begin a session, which is that of this connection's worker, and return its path."""
        session = json.loads(self.ask(SESSION_PATH)[1:])["sid"]
        path = f"{SESSION_PATH}&sid={session}"
        self.ask(path, f"40{json.dumps({'token': wire.token('user-0')})}")
        self.ask(path)
        return path

    def close(self) -> None:
        """Close it."""
        self._tcp.close()


def costs(port: int, tree: ProcessTree) -> dict[str, float]:
    """Say what a request cost the workers, in microseconds of CPU time.

    Returns:
        `home` for those that came to their session's worker; `away` for those that came to another one, and were handed over; and
        `after` for the next ones on the same connections, which come to the session's worker at once.
    """
    with ExitStack() as stack:
        sessions = _sessions(port, stack)
        figures = {"home": _cost(tree, list(_connections(port, stack, sessions.get)))}
        if len(sessions) > 1:
            away = list(_connections(port, stack, lambda worker: next(path for pid, path in sessions.items() if pid != worker)))
            figures["away"] = _cost(tree, away)
            figures["after"] = _cost(tree, away)
    return figures


def _sessions(port: int, stack: ExitStack) -> dict[int, str]:
    """Begin a session with each of two workers; there may be only one: worker -> path."""
    found: dict[int, str] = {}
    for _ in range(TRIES):
        burst = [stack.enter_context(closing(Connection(port))) for _ in range(BURST)]
        for connection in burst:
            connection.find_worker()
            if connection.worker not in found:
                found[connection.worker] = connection.begin_session()
        if len(found) > 1:
            break
    return found


def _connections(port: int, stack: ExitStack, session_for: Callable[[int], str | None]) -> Iterator[tuple[Connection, str]]:
    """Open connections that workers have accepted, each with the session to use on it; those without one are left out."""
    for _ in range(REQUESTS):
        connection = stack.enter_context(closing(Connection(port)))
        connection.find_worker()
        if session := session_for(connection.worker):
            yield connection, session


def _cost(tree: ProcessTree, requests: list[tuple[Connection, str]]) -> float:
    before = tree.cpu_seconds()
    for connection, path in requests:
        connection.ask(path, PONG)
    return (tree.cpu_seconds() - before) / len(requests) * 1e6
