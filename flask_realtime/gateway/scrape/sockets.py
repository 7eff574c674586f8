"""Unix sockets of one application's processes on this machine: where they are, and whose they are."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Final

from flask import Flask

from flask_realtime.socket_folder import SocketFolder

IS_SUPPORTED: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")
"""Whether the system has such sockets."""

_BACKLOG: Final = 64
_JOBS: Final = "jobs-"
_RANDOM_BYTES: Final = 3


class ProcessSockets:
    """The sockets on which the processes of an application answer, each named for its process.

    Args:
        app: The application; its processes have the same name and instance folder.
        folder: The folder of the sockets, relative to the instance folder; None for one among the temporary files.
    """

    def __init__(self, app: Flask, folder: str | None) -> None:
        self._parent = None if folder is None else Path(app.instance_path) / folder
        self._process, self._name = _new_name()
        self._prefix = f"metrics-{hashlib.blake2s(f'{app.instance_path}|{app.name}'.encode(), digest_size=6).hexdigest()}-"

    @property
    def name(self) -> str:
        """The name of this process: its id and a random part, since processes of two containers may have one id."""
        if self._process != os.getpid():  # A server may fork after the application was created.
            self._process, self._name = _new_name()
        return self._name

    def listen(self, *, for_jobs: bool) -> tuple[Path, socket.socket]:
        """Make the socket of this process, and return its path and it, which never blocks.

        Args:
            for_jobs: Whether this process runs jobs and serves no clients.

        Raises:
            OSError: It cannot be made.
        """
        folder = self._folder()
        folder.make()
        path = folder.path / f"{self._prefix}{_JOBS if for_jobs else ''}{self.name}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(os.fspath(path))
        listener.listen(_BACKLOG)
        listener.settimeout(0)
        return path, listener

    def of_others(self) -> list[Path]:
        """Return the paths of the sockets of the other processes, some of which may be gone."""
        try:
            folder = self._folder()
            folder.check()
            return [path for path in sorted(folder.path.glob(f"{self._prefix}*")) if name_of(path) != self.name]
        except OSError:
            return []  # Nobody has made it yet.

    def _folder(self) -> SocketFolder:
        parent = Path(tempfile.gettempdir())
        if self._parent is not None:
            parent = self._parent
            parent.mkdir(parents=True, exist_ok=True)
        return SocketFolder(parent, os.geteuid())


def name_of(path: Path) -> str:
    """Return the name of a socket's process."""
    return path.name.rpartition("-")[2]


def runs_jobs(path: Path) -> bool:
    """Return whether a socket is that of a process that runs jobs and serves no clients."""
    return path.name.rpartition("-")[0].endswith(_JOBS.removesuffix("-"))


def _new_name() -> tuple[int, str]:
    process = os.getpid()
    return process, f"{process}.{secrets.token_hex(_RANDOM_BYTES)}"
