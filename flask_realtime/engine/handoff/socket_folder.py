"""The folder in which the server processes of one user find each other: each has a Unix socket there."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

SETTLING_TIME: Final = 60.0
"""Seconds in which a socket that nobody listens on may still be one whose process is about to listen."""


class SocketFolder:
    """A folder that belongs to one user alone.

    Whoever could put a socket there would be given the connections of the application's clients.

    Args:
        parent: Where the folder is, or is made.
        user: The user's id.
    """

    def __init__(self, parent: Path, user: int) -> None:
        self.path = parent / f"flask_realtime-{user}"
        self._user = user

    def make(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            OSError: It cannot be made, or what is there is not this user's own.
        """
        with suppress(FileExistsError):
            self.path.mkdir(0o700)
        self.check()

    def check(self) -> None:
        """Check that the folder is this user's own.

        Raises:
            OSError: It is not, or it is not there.
        """
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._user or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "not a folder that this user alone has access to", str(self.path))

    def remove_abandoned(self) -> None:
        """Remove the sockets of processes that ended without doing so."""
        for path in self.path.iterdir():
            with suppress(OSError):
                if _is_abandoned(path):
                    path.unlink()


def _is_abandoned(path: Path) -> bool:
    if time.time() - path.lstat().st_mtime < SETTLING_TIME:
        return False
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(0)
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED
