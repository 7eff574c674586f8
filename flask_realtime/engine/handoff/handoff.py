"""Hands requests over to the process that has their session.

Where several processes listen on one address, any of them may get a connection, and a long-polling client opens several for one
session. A session's id ends with the tag of its process, and each process listens on a Unix socket of that name: a request that
reached another one is sent there together with its connection, and later requests on it reach the right process at once.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.monkey import get_original

from flask_realtime.engine.handoff.links import Listener, offer
from flask_realtime.engine.handoff.progress import progress_of
from flask_realtime.engine.handoff.tls_proxy import TlsProxy
from flask_realtime.logs import get_logger
from flask_realtime.socket_folder import SocketFolder

logger = get_logger(__name__)

_RANDOM_BYTES: Final = 15
_TAG_LENGTH: Final = 6
_SESSION_ID: Final = re.compile(r"[\w-]+([\w-]{6})", re.ASCII)
_IS_LINUX: Final = sys.platform == "linux"
_IS_SUPPORTED: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")


class Handoff:
    """The processes that serve the same address, this one among them.

    Args:
        parent: The parent of the folder in which they find each other; by default the system's for temporary files.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._folder = SocketFolder(parent or Path(tempfile.gettempdir()), os.geteuid()) if _IS_SUPPORTED else None
        self._relays = TlsProxy()
        self._listeners: dict[Any, Listener | None] = {}
        self._process = 0
        self._tag = ""
        self.handed_over = 0
        """Requests that went to another process."""

    def _own_tag(self) -> str:
        if self._process != os.getpid():  # A server may fork after the application was created.
            self._process, self._tag = os.getpid(), secrets.token_urlsafe(_TAG_LENGTH)[:_TAG_LENGTH]
            self._listeners = {}
        return self._tag

    def new_session_id(self) -> str:
        """Return a new session id of this process."""
        return secrets.token_urlsafe(_RANDOM_BYTES) + self._own_tag()

    def start(self, server: Any) -> None:
        """Start accepting requests that reached other processes.

        Args:
            server: The WSGI server of one of this process's sessions.
        """
        tag = self._own_tag()
        if server not in self._listeners:
            self._listeners[server] = self._listen(server, tag)

    def _listen(self, server: Any, tag: str) -> Listener | None:
        if self._folder is None:
            return None
        try:
            self._folder.make()
            self._folder.remove_abandoned()
            return Listener(self._path(self._folder, server, tag), server, partial(self._listen_anew, server, tag))
        except OSError as error:
            if server.environ.get("wsgi.multiprocess"):
                logger.warning("Other workers cannot hand over the requests that they get for sessions of this one: %s", error)
            return None

    def _listen_anew(self, server: Any, tag: str, removed: Listener) -> None:
        if tag == self._own_tag():  # Otherwise this is a forked child, and the socket its parent's.
            removed.close()
            self._listeners[server] = self._listen(server, tag)

    @staticmethod
    def _path(folder: SocketFolder, server: Any, tag: str) -> Path:
        place = hashlib.blake2s(repr(server.address).encode(), digest_size=6).hexdigest()
        return folder.path / f"{place}-{tag}"

    def ends_of_relays(self) -> list[Callable[[], None]]:
        """Return a function for each relayed connection that closes it, if it is still open."""
        return self._relays.ends()

    def stop(self) -> None:
        """Stop accepting requests, and close relayed connections."""
        for server, listener in self._listeners.items():
            if listener is not None:
                listener.close()
                self._listeners[server] = None
        self._relays.stop()

    def hand_over(self, handler: Any, session_id: str) -> bool:
        """Hand a request over with its connection, if another process has its session.

        Args:
            handler: The request's WSGI handler.
            session_id: The session's id.

        Returns:
            Whether that was done; then the request needs no response.
        """
        client = handler.socket
        path = self._owner(handler, session_id)
        # Several applications in one process could pass it back and forth.
        if path is None or _is_begun(handler.wsgi_input) or getattr(client, "session_id", None) == session_id:
            return False
        is_tls = isinstance(client, ssl.SSLSocket)
        try:
            link = offer(path, progress_of(handler, session_id), None if is_tls else client.fileno())
        except OSError:
            return False
        self.handed_over += 1
        with closing(link):
            _finish(handler)
            if is_tls:
                self._relays.run(client, link)
            else:
                handler.socket = None  # It has nothing left to close.
                _release(client.detach())
        return True

    def _owner(self, handler: Any, session_id: str) -> Path | None:
        match = _SESSION_ID.fullmatch(session_id)
        if self._folder is None or match is None or match[1] == self._own_tag():
            return None
        try:
            self._folder.check()
        except OSError:
            return None
        return self._path(self._folder, handler.server, match[1])


def _is_begun(body: Any) -> bool:
    return bool(body.position > 0 or body.chunk_length >= 0)


def _finish(handler: Any) -> None:
    handler.close_connection = True
    handler.log_request = _log_nothing
    # Nothing of the body may be discarded either.
    handler.wsgi_input.content_length, handler.wsgi_input.chunked_input = 0, False
    websocket = getattr(handler, "websocket", None)
    if websocket is not None:  # gevent-websocket would otherwise close it.
        websocket.closed = True
        websocket.stream = None


def _log_nothing() -> None:
    """Leave the access log to the process that answers."""


def _release(fd: int) -> None:
    # A connection that stays open in another process stays in this one's epoll too, and for each event that libev did not ask
    # for, libev rebuilds its epoll with all connections.
    loop_fd = gevent.get_hub().loop.fileno()
    if _IS_LINUX and isinstance(loop_fd, int):
        with suppress(OSError), closing(get_original("select", "epoll").fromfd(os.dup(loop_fd))) as epoll:
            epoll.unregister(fd)
    os.close(fd)
