"""Proxy for TLS connections that another process serves: only this one can decrypt them, so all bytes pass through here."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import gevent

_CHUNK: Final = 65_536


class TlsProxy:
    """The relayed connections."""

    def __init__(self) -> None:
        self._links: set[Any] = set()

    def run(self, client: Any, link: Any) -> None:
        """Relay a connection until the other process has closed it.

        Args:
            client: The TLS socket.
            link: The Unix connection to the process that serves it.
        """
        client.settimeout(None)
        link.settimeout(None)
        self._links.add(link)
        upward = gevent.spawn(_copy_to_its_end, client, link)
        try:
            _copy(link, client)
        finally:
            upward.kill()
            self._links.discard(link)

    def ends(self) -> list[Callable[[], None]]:
        """Return a function for each connection that closes it, if it is still open."""
        return [partial(self._end, link) for link in self._links]

    def stop(self) -> None:
        """Close all of them."""
        for end in self.ends():
            end()

    def _end(self, link: Any) -> None:
        if link in self._links:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)


def _copy(source: Any, sink: Any) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)


def _copy_to_its_end(client: Any, link: Any) -> None:
    _copy(client, link)
    with suppress(OSError):
        link.shutdown(socket.SHUT_WR)
