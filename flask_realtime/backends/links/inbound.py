"""Inbound links: what other servers of the machine send to this one."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from flask_realtime.backends.links.frames import FrameReader
from flask_realtime.backends.links.greeting import INTEREST, Greeting, encode_acknowledgement, split_greeting
from flask_realtime.backends.links.intake import Intake
from flask_realtime.backends.links.interest import Interest
from flask_realtime.logs import get_logger
from flask_realtime.socket_folder import is_own_user, keep

logger = get_logger(__name__)

_BACKLOG: Final = 256
_CHUNK: Final = 65_536
_GREETING_SECONDS: Final = 5.0


class Inbound:
    """Accepts links, each read by a thread of its own.

    Args:
        path: The socket to listen on.
        application: What all servers of this application say they belong to.
        intake: Takes what arrives.
        interest: What the other servers may look into.
        on_greeting: Called with the name of a server that has made a link.

    Raises:
        OSError: It cannot listen there.
    """

    def __init__(
        self, path: Path, application: str, intake: Intake, interest: Interest, on_greeting: Callable[[str], None]
    ) -> None:
        self._path = path
        self._application = application
        self._intake = intake
        self._interest = interest
        self._on_greeting = on_greeting
        self._links: set[socket.socket] = set()
        self._is_closed = False
        self._listen()

    def _listen(self) -> None:
        self._listener = _listening(self._path)
        threading.Thread(target=self._accept, args=(self._listener,), name="realtime-links", daemon=True).start()

    def keep(self) -> None:
        """Keep the socket from being removed as an old file, and listen anew if somebody has removed it.

        Raises:
            OSError: It cannot listen there.
        """
        if not keep(self._path):
            _shut_down(self._listener)
            self._listen()
            if self._is_closed:  # Meanwhile.
                self.close()

    def close(self) -> None:
        """Stop accepting links, and end all of them."""
        self._is_closed = True
        self._path.unlink(missing_ok=True)
        for link in (self._listener, *self._links):
            _shut_down(link)

    def abandon(self) -> None:
        """Close the sockets in a forked child, without a word to anybody, since they are its parent's."""
        for link in (self._listener, *self._links):
            with suppress(OSError):
                os.close(link.detach())

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self._is_closed:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return  # It was closed.
                threading.Thread(target=self._read, args=(link,), name="realtime-link", daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        self._links.add(link)
        try:
            with link:
                if not self._is_closed and is_own_user(link):
                    self._take_all(link)
        except OSError:
            pass  # The other server has ended, or this one does.
        except Exception as error:  # noqa: BLE001 - whatever is no frame may raise anything, and the queue has the rest
            logger.warning("A link from another server of this machine is ended: %s", error)
        finally:
            self._links.discard(link)

    def _take_all(self, link: socket.socket) -> None:
        found = _read_greeting(link)
        if found is None or found[0].application != self._application:
            return
        (_, origin), data = found
        descriptor = self._interest.descriptor()
        socket.send_fds(link, [INTEREST], [] if descriptor is None else [descriptor])
        self._on_greeting(origin)
        frames, intake, is_synchronised = FrameReader(), self._intake, False
        while True:
            for batch in frames.feed(data):
                if batch.is_mark:
                    intake.when_passed(origin, batch.first, partial(_acknowledge, link, batch.first))
                elif batch.passed_over:
                    intake.pass_over(origin, batch.first, batch.passed_over)
                elif intake.take_batch(origin, batch.first, batch.envelopes()) and not is_synchronised:
                    is_synchronised = True
                    _acknowledge(link)
            data = link.recv(_CHUNK)
            if not data:
                return


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(os.fspath(path))
        path.chmod(0o600)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _read_greeting(link: socket.socket) -> tuple[Greeting, bytes] | None:
    data = b""
    link.settimeout(_GREETING_SECONDS)
    while (found := split_greeting(data)) is None:
        received = link.recv(_CHUNK)
        if not received:
            return None
        data += received
    link.settimeout(None)
    return found


def _acknowledge(link: socket.socket, number: int = 0) -> None:
    with suppress(OSError):  # It has ended meanwhile.
        link.send(encode_acknowledgement(number))


def _shut_down(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)  # Ends the wait of the thread that uses it.
