"""A TLS connection that another process serves: only this one can decrypt it, so the bytes go through here both ways."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Final

import gevent

_CHUNK: Final = 65_536


class Relays:
    """The connections that are relayed."""

    def __init__(self) -> None:
        self._links: set[Any] = set()

    def run(self, client: Any, link: Any) -> None:
        """Relay a connection until the other process has ended it.

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

    def stop(self) -> None:
        """End all of them."""
        for link in self._links:
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
