"""Folder of append-only files that outlive the process that writes them, also if it is killed.

The files are mapped into memory, so that a line takes no system call: once it is copied, it survives the process, but not a power
cut. Their space on the disk is taken before. One process at a time owns the folder; its successor waits for its end, and reads what
it left.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

_LEAVING: Final = b"leaving"
_SUFFIX: Final = ".log"
_WAITING: Final = ".waiting"
_CHUNK: Final = 1_048_576
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
        self._map: mmap | None = None
        self._end = self._size = 0
        self._current: Path | None = None

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

    def wait_as(self, name: str) -> None:
        """Leave a mark that a process waits to be the owner, and that what it does until then is written nowhere.

        Args:
            name: Its unique name.

        Raises:
            OSError: The folder cannot be used.
        """
        os.close(os.open(self.path / f"{name}{_WAITING}", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))

    def forget_waiting(self, name: str) -> bool:
        """Remove the marks of those who waited, and return whether another one did, which never was the owner.

        Args:
            name: The unique name of this process.

        Raises:
            OSError: The folder cannot be used.
        """
        marks = [*self.path.glob(f"*{_WAITING}")]
        for mark in marks:
            mark.unlink()
        return any(mark.name != f"{name}{_WAITING}" for mark in marks)

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
        """Yield the lines of each segment; what was not written to its end is left out, and its space given back.

        Raises:
            OSError: They cannot be read, or written.
        """
        for segment in self._segments():
            *lines, unfinished = segment.read_bytes().split(b"\n")
            os.truncate(segment, segment.stat().st_size - len(unfinished))
            yield lines

    def begin(self, lines: Iterable[bytes], *, oldest: float, space: int = 0) -> None:
        """Begin a segment, and delete the earlier ones that nobody needs.

        Args:
            lines: Its first lines.
            oldest: Seconds since 1970; what was written before is needed no more.
            space: Bytes that it must have room for.

        Raises:
            OSError: It cannot be written.
        """
        segments = self._segments()
        number = int(segments[-1].stem) + 1 if segments else 1
        written = b"".join(line + b"\n" for line in lines)
        size = len(written) + max(space, self._max_bytes // 2) + 1
        new = self._new_map(self.path / f"{number:012}{_SUFFIX}", written, size)
        self._close_map()
        self._map, self._end, self._size, self._current = new, len(written), size, self.path / f"{number:012}{_SUFFIX}"
        self._delete_needless(segments, oldest)

    def _new_map(self, segment: Path, written: bytes, size: int) -> mmap:
        unfinished = self.path / "unfinished"
        file = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            _take_space(file, size)
            new = mmap(file, size)
            new[: len(written)] = written
            unfinished.rename(segment)
        finally:
            os.close(file)
        return new

    def append(self, line: bytes) -> bool:
        """Append a line, and return whether there was room for it; if not, another segment has to begin."""
        start, end = self._end, self._end + len(line) + 1
        if self._map is None or end > self._size:
            return False
        self._map[start:end] = line + b"\n"
        self._end = end
        return True

    def clear(self) -> None:
        """Delete all segments, as far as possible, unless they are another process's."""
        self._close_map()
        for segment in self._segments() if self._lock is not None else ():
            with suppress(OSError):
                segment.unlink()

    def leave_to_parent(self) -> None:
        """Forget, in a forked child, what is open: it is the parent's."""
        self._map = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def release(self) -> None:
        """Let another process own the folder."""
        self._close_map()
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

    def _close_map(self) -> None:
        if self._map is None or self._current is None:
            return
        self._map.close()
        self._map = None
        if self._lock is not None:
            with suppress(OSError):
                os.truncate(self._current, self._end)


def _take_space(file: int, size: int) -> None:
    """Take a file's space on the disk, without which writing to its memory could kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    for start in range(0, size, _CHUNK):  # On macOS.
        length = min(_CHUNK, size - start)
        if os.write(file, bytes(length)) < length:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
