"""A way to Redis that can be cut, for one server alone, and that can lose answers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class RedisProxy:
    """Passes on what comes to a port of its own.

    Args:
        port: The port of the Redis server on the loopback interface.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._passes_requests = threading.Event()
        self._passes_answers = threading.Event()
        self._is_closed = False
        self.lost_answers = 0
        self.mend()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def cut(self) -> None:
        """Hold back everything, as a network does that has lost its way."""
        self._passes_requests.clear()
        self._passes_answers.clear()

    def lose_answers(self) -> None:
        """Pass on what clients send, and never what Redis answers."""
        self._passes_answers.clear()

    def mend(self) -> None:
        """Pass on everything, what was held back too."""
        self._passes_requests.set()
        self._passes_answers.set()

    def close(self) -> None:
        """Take no more connections."""
        self._is_closed = True
        self.mend()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> RedisProxy:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._passes_requests.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        threading.Thread(target=self._pump, args=(client, server, self._passes_requests), daemon=True).start()
        self._pump(server, client, self._passes_answers)

    def _pump(self, source: socket.socket, target: socket.socket, gate: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if gate is self._passes_answers and not gate.is_set():
                    self.lost_answers += 1
                gate.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
