"""Folder of Unix sockets, one for each of a user's server processes, in which they find each other.

Each has a name that no other process ever has, is bound under it, and is touched again and again: systemd-tmpfiles and the like
remove old files. They spare sockets in use, but go by the path that each was bound under, which is not the one that they see after
a renaming, in a service with `PrivateTmp`, or in a container.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

SETTLING_TIME: Final = 60.0
"""Seconds in which the process of a socket without a listener may still be about to listen."""

KEEP_INTERVAL: Final = 30.0
"""Seconds from one time that a process touches its socket to the next."""

_CREDENTIALS: Final = struct.Struct("3i")


class SocketFolder:
    """A folder that only one user can access.

    Anyone who could create a socket there would receive the connections of the application's clients.

    Args:
        parent: The folder in which it is, or is created.
        user: The user's id.
    """

    def __init__(self, parent: Path, user: int) -> None:
        self.path = parent / f"flask_realtime-{user}"
        self._user = user

    def make(self) -> None:
        """Create the folder, if it does not exist.

        Raises:
            OSError: It cannot be created, or what exists there is not this user's own.
        """
        with suppress(FileExistsError):
            self.path.mkdir(0o700)
        self.check()

    def check(self) -> None:
        """Check that the folder is this user's own.

        Raises:
            OSError: It is not, or it does not exist.
        """
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._user or found.st_mode & 0o077:
            raise PermissionError(errno.EPERM, "not a folder that only this user can access", str(self.path))

    def remove_abandoned(self) -> None:
        """Remove the sockets of processes that ended without removing them."""
        for path in self.path.iterdir():
            remove_if_abandoned(path)


def remove_if_abandoned(path: Path) -> None:
    """Remove a socket if its process ended without removing it."""
    with suppress(OSError):
        if _is_abandoned(path):
            path.unlink()


def keep(path: Path) -> bool:
    """Keep a socket of this process from being removed as an old file, and return whether it is there."""
    with suppress(OSError):
        os.utime(path)
    return path.exists()


def is_own_user(link: Any) -> bool:
    """Return whether the process at the other end of a connection is one of this user's."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # The folder's permissions ensure the same.
    _, user, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(user == os.geteuid())


def _is_abandoned(path: Path) -> bool:
    if time.time() - path.lstat().st_mtime < SETTLING_TIME:
        return False
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(0)
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED
