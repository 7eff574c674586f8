"""Folder of append-only files that outlive the process that writes them, also if it is killed.

A line is handed to the operating system before `append` returns: what was appended survives the process, though not a power cut.
One process at a time owns the folder; its successor waits for its end, and reads what it left.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

_LEAVING: Final = b"leaving"
_SUFFIX: Final = ".log"
_OTHERS_MAY_WRITE: Final = 0o022


class SegmentFolder:
    """Segments, the files of one folder, in the order of their numbers.

    Args:
        path: The folder, which is made when it is first written.
        max_bytes: Bytes of earlier segments that are kept at least, if they are not too old.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        """The folder."""
        self._max_bytes = max_bytes
        self._lock: int | None = None
        self._file: int | None = None
        self._room = 0

    @property
    def exists(self) -> bool:
        """Return whether there are segments."""
        return bool(self._segments())

    def acquire(self) -> bool:
        """Become the owner, and return whether there is no other.

        Raises:
            OSError: The folder cannot be used.
        """
        if fcntl is None:
            raise OSError(errno.ENOSYS, "this system has no file locks")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.path.stat()
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
            raise PermissionError(errno.EPERM, "others may write to it", str(self.path))
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
        except BlockingIOError:
            os.close(lock)
            return False
        except OSError:
            os.close(lock)
            raise
        self._lock = lock
        return True

    def begin_to_leave(self) -> None:
        """Announce that this process will end soon."""
        if self._lock is not None:
            os.pwrite(self._lock, _LEAVING, 0)

    @property
    def is_owner_leaving(self) -> bool:
        """Return whether the process that owns the folder will end soon."""
        try:
            return (self.path / "lock").read_bytes() == _LEAVING
        except OSError:
            return False

    def first_lines(self) -> list[bytes]:
        """Return the first line of each segment, whoever owns them.

        Raises:
            OSError: They cannot be read.
        """
        lines = []
        for segment in self._segments():
            with segment.open("rb") as file:
                lines.append(file.readline())
        return lines

    def read(self) -> Iterator[list[bytes]]:
        """Yield the lines of each segment; what was not written to its end is left out.

        Raises:
            OSError: They cannot be read.
        """
        for segment in self._segments():
            *lines, _unfinished = segment.read_bytes().split(b"\n")
            yield lines

    def begin(self, lines: Iterable[bytes], *, oldest: float) -> None:
        """Begin a segment, and delete the earlier ones that nobody needs.

        Args:
            lines: Its first lines.
            oldest: Seconds since 1970; what was written before is needed no more.

        Raises:
            OSError: It cannot be written.
        """
        segments = self._segments()
        number = int(segments[-1].stem) + 1 if segments else 1
        written = b"".join(line + b"\n" for line in lines)
        unfinished = self.path / "unfinished"
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            _write(file, written)
            unfinished.rename(self.path / f"{number:012}{_SUFFIX}")
        except OSError:
            os.close(file)
            raise
        self._close_file()
        self._file, self._room = file, self._max_bytes // 2 + len(written)
        self._delete_needless(segments, oldest)

    def append(self, line: bytes) -> bool:
        """Append a line, and return whether it is time to begin another segment.

        Raises:
            OSError: It cannot be written.
        """
        if self._file is None:
            raise OSError(errno.EBADF, "it is not open")
        _write(self._file, line + b"\n")
        self._room -= len(line)
        return self._room < 0

    def clear(self) -> None:
        """Delete all segments, as far as possible, unless they are another process's."""
        self._close_file()
        for segment in self._segments() if self._lock is not None else ():
            with suppress(OSError):
                segment.unlink()

    def release(self) -> None:
        """Let another process own the folder."""
        self._close_file()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _segments(self) -> list[Path]:
        return sorted(self.path.glob(f"*{_SUFFIX}"))

    def _delete_needless(self, earlier: list[Path], oldest: float) -> None:
        kept = 0
        for segment in reversed(earlier):
            found = segment.stat()
            if kept >= self._max_bytes or found.st_mtime < oldest:
                segment.unlink()
            else:
                kept += found.st_size

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write(file: int, data: bytes) -> None:
    if os.write(file, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
