"""Connections as they were accepted: gevent's socket is made for one only when it is needed.

gevent's socket has two watchers of the event loop, and its end takes a callback in the next turn. A connection that becomes a
WebSocket at once needs none of it: it is watched in another way.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator
from typing import Any, Final

from gevent.socket import socket

_STREAM: Final = _socket.SOCK_STREAM


class _Late:
    """Stands for an object that is made when an attribute of it is first used."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object(), name)

    def __iter__(self) -> Iterator[Any]:  # Python looks special methods up in the class.
        return iter(self._object())

    def _object(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made


class AcceptedSocket(_Late):
    """gevent's socket of a new connection, for a WSGI handler that may not need it.

    Args:
        plain: The connection.
    """

    __slots__ = ("_plain",)

    is_answered = False
    """Whether another process has answered the request, as `ResumedSocket` has it."""

    def __init__(self, plain: _socket.socket) -> None:
        super().__init__(lambda: cooperative(plain))
        self._plain = plain

    def makefile(self, *args: Any, **options: Any) -> Any:
        """Return a reader, which is made when it is needed too."""
        return _Late(lambda: self._object().makefile(*args, **options))

    def detach(self) -> int:
        """Return the descriptor, which the caller has to close from now on."""
        descriptor: int = (self._plain if self._made is None else self._made).detach()
        return descriptor

    def close(self) -> None:
        """Close the connection, unless it was detached."""
        (self._plain if self._made is None else self._made).close()


def accept(listener: Any) -> tuple[_socket.socket, Any] | None:
    """Accept a connection, and return it with the client's address; None if there is none.

    Args:
        listener: A socket that listens.
    """
    try:
        descriptor, address = listener._accept()  # noqa: SLF001 - as gevent's server does it
    except BlockingIOError:
        if listener.timeout:
            raise
        return None
    plain = _socket.socket(listener.family, _STREAM, 0, descriptor)
    plain.settimeout(0)
    return plain, address


def cooperative(plain: _socket.socket) -> socket:
    """Return gevent's socket of a connection, which takes its place.

    Raises:
        OSError: The connection was detached.
    """
    plain.getsockname()  # Says so in the system's words.
    return socket(plain.family, plain.type, plain.proto, fileno=plain.detach())
