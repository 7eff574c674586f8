"""Questions to the other processes of an application on this machine for their readings."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from flask_realtime.gateway.scrape.answering import PATIENCE
from flask_realtime.gateway.scrape.readings import Reading
from flask_realtime.gateway.scrape.sockets import name_of, runs_jobs
from flask_realtime.socket_folder import remove_if_abandoned

_LAST_CHANCE: Final = 0.02
"""Seconds that each worker has at least, behind one that hangs."""

_CHUNK: Final = 262_144

WaitReadable = Callable[[int, float], bool]
"""Waits until a file can be read, for some seconds at most, and returns whether it can."""


class Worker(NamedTuple):
    """A process that answered.

    Args:
        name: The process: its id and a random part.
        readings: What it said.
        runs_jobs: Whether it runs jobs and serves no clients.
    """

    name: str
    readings: list[Reading]
    runs_jobs: bool = False


class Answers(NamedTuple):
    """The answers of the processes of an application on a machine.

    Args:
        workers: Those that answered.
        errors: The number of those that did not.
    """

    workers: list[Worker]
    errors: int


def ask(paths: Iterable[Path], wait_readable: WaitReadable) -> Answers:
    """Return the readings of other processes.

    Args:
        paths: Their sockets.
        wait_readable: Waits for their answers.
    """
    deadline, errors = monotonic() + PATIENCE, 0
    links: list[tuple[Path, socket.socket]] = []
    for path in paths:
        try:
            link = _connect(path)
        except OSError:
            errors += 1
        else:
            links += [] if link is None else [(path, link)]
    workers: list[Worker] = []
    for path, link in links:
        try:
            workers += _read(path, link, deadline, wait_readable)
        except (OSError, TypeError, ValueError):
            errors += 1
    return Answers(workers, errors)


def _connect(path: Path) -> socket.socket | None:
    """Return a connection to a process, or None if it is gone.

    Raises:
        OSError: It accepts none now.
    """
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(0)
    error = link.connect_ex(os.fspath(path))
    if not error:
        return link
    link.close()
    if error not in {errno.ECONNREFUSED, errno.ENOENT}:
        raise OSError(error, os.strerror(error))
    remove_if_abandoned(path)
    return None


def _read(path: Path, link: socket.socket, deadline: float, wait_readable: WaitReadable) -> list[Worker]:
    """Return what a process says; nothing if it has just ended.

    Raises:
        OSError: It does not say it in time.
        TypeError: That is something else than readings.
        ValueError: Likewise.
    """
    latest = max(deadline, monotonic() + _LAST_CHANCE)
    with closing(link):
        data = b"".join(iter(lambda: _receive(link, latest, wait_readable), b""))
    if not data:
        return []
    readings = [Reading(name, tuple(labels), value) for name, labels, value in json.loads(data)]
    return [Worker(name_of(path), readings, runs_jobs(path))]


def _receive(link: socket.socket, latest: float, wait_readable: WaitReadable) -> bytes:
    while wait_readable(link.fileno(), max(0.0, latest - monotonic())):
        try:
            return link.recv(_CHUNK)
        except BlockingIOError:
            continue
        except ConnectionResetError:
            return b""
    raise TimeoutError
