"""A TCP proxy whose two sides can be parted in the ways that networks have."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any


class _Asked:
    """What was last sent on a connection."""

    text = b""


class TcpProxy:
    """Forwards connections to a port of this machine.

    Args:
        target: The port.
    """

    def __init__(self, target: int) -> None:
        self._target = ("127.0.0.1", target)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._loses_replies = False
        self._delay = (0.0, b"")
        self._passes = threading.Event()
        self._passes.set()
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self.release()
        with self._lock:
            # Only a shut-down socket wakes the thread that waits for it.
            for connection in (self._listener, *self._sockets):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def mend(self) -> None:
        """Accept connections again."""
        self._listener = self._listen(self.port)

    def aim(self, target: int) -> None:
        """Forward the connections from now on to another port.

        Args:
            target: The port.
        """
        self._target = ("127.0.0.1", target)

    def hold(self) -> None:
        """Hold back everything, as a network does that has lost its way."""
        self._passes.clear()

    def release(self) -> None:
        """Forward what was held back, however late that is, and everything from now on."""
        self._passes.set()

    def lose_replies(self, lost: bool = True) -> None:  # noqa: FBT001, FBT002
        """Forward requests only: what the target answers is lost."""
        self._loses_replies = lost

    def delay_replies(self, seconds: float, to: bytes) -> None:
        """Delay what the target answers on connections on which something with a text in it has been sent.

        Args:
            seconds: The delay.
            to: The text.
        """
        self._delay = (seconds, to)

    def __enter__(self) -> TcpProxy:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.cut()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        self._start(self._accept, listener)
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        with self._lock:
            self._sockets |= {client, server}
        asked = _Asked()
        self._start(self._forward, client, server, asked)
        self._start(self._forward, server, client, asked)

    def _forward(self, source: socket.socket, target: socket.socket, asked: _Asked) -> None:
        with suppress(OSError):
            is_reply = source.getpeername() == self._target
            while data := source.recv(65536):
                self._passes.wait()
                seconds, to = self._delay
                if not is_reply:
                    asked.text = data
                elif seconds and to in asked.text:
                    time.sleep(seconds)
                if not (is_reply and self._loses_replies):
                    target.sendall(data)
        for connection in (source, target):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
