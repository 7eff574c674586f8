"""A network between clients and a server, which loses connections in the ways that networks do."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

_RESET = struct.pack("ii", 1, 0)
"""The option that has a socket end with RST instead of FIN."""


class Link:
    """One connection through the network.

    Args:
        client: The socket of the client.
        server: The socket of the server.
    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.is_frozen = False
        self._threads = [
            threading.Thread(target=self._forward, args=ends, daemon=True) for ends in ((client, server), (server, client))
        ]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Close both ends in order, and wait for that."""
        _shut_down(self.client, self.server)
        self._wait()

    def reset(self) -> None:
        """Reset both ends."""
        with suppress(OSError):  # One that has ended meanwhile.
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.finish()

    def strand(self) -> None:
        """Close the client's end; the server does not notice."""
        self.is_frozen = True
        _shut_down(self.client)

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.is_frozen:
                    target.sendall(data)
        if not self.is_frozen:
            _shut_down(source, target)

    def _wait(self) -> None:
        for thread in self._threads:
            thread.join()
        self.client.close()
        self.server.close()


class Network:
    """Forwards connections to a port of this machine, until told otherwise.

    Args:
        target: The port.
    """

    def __init__(self, target: int) -> None:
        self._target = ("127.0.0.1", target)
        self._lock = threading.Lock()
        self._links: list[Link] = []
        self._lost: list[Link] = []
        self._opens = threading.Event()
        self._opens.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def lead_to(self, target: int) -> None:
        """Forward new connections to another port."""
        self._target = ("127.0.0.1", target)

    def shut(self) -> None:
        """Have new connections wait."""
        self._opens.clear()

    def open(self) -> None:
        """Forward those that wait, and all others."""
        self._opens.set()

    def lose(self, how: str) -> None:
        """Lose all connections.

        Args:
            how: `finish`, `reset`, `strand`: as the methods of `Link`; or `freeze`, which neither side notices.
        """
        with self._lock:
            links, self._lost = self._links, [*self._lost, *self._links]
            self._links = []
        for link in links:
            if how == "freeze":
                link.is_frozen = True
            else:
                getattr(link, how)()

    def end_lost(self) -> None:
        """Close the lost connections, as an operating system does when its network changes."""
        with self._lock:
            links, self._lost = self._lost, []
        for link in links:
            link.finish()

    def __enter__(self) -> Network:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._opens.set()
        _shut_down(self._listener)
        self._acceptor.join()
        self._listener.close()
        for link in (*self._links, *self._lost):
            link.finish()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._opens.wait()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._links.append(Link(client, server))


def _shut_down(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
