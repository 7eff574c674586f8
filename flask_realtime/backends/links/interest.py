"""Interest of a server: in which rooms it has somebody, for the other servers of its machine.

It is counted in memory that they map as well, and look into before they send something over a link. So nothing has to be said when
somebody enters a room, and whoever sends something afterwards sees it: nothing is missed in between.

A room has one of many places, found by a checksum of its name, and shares it with others now and then: then a server gets what
nobody there receives, as it does without all this.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Final

from flask_realtime.logs import get_logger

logger = get_logger(__name__)

PLACES: Final = 1 << 20
"""Places, a byte for each room on average; few are shared as long as a server has some hundred thousand rooms."""

MAX_ROOMS: Final = 8
"""Maximum rooms of an event for which they are looked at; one for more goes to every server."""

_FULL: Final = 255
"""A count that does not change any more, since it may stand for more."""


def places_of(rooms: Sequence[str] | None) -> tuple[int, ...] | None:
    """Return the places of an event's rooms; None if every server is to get it.

    Args:
        rooms: The rooms; None for everyone.
    """
    if rooms is None or len(rooms) > MAX_ROOMS:
        return None
    return tuple([_place(room) for room in rooms])


def _place(room: str) -> int:
    return zlib.crc32(room.encode(errors="replace")) % PLACES


class Interest:
    """Counts the rooms of this server, which any thread may do."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._memory: _Memory | None = None
        self._is_closed = False
        self._rooms = 0

    def close(self) -> None:
        """Close the memory; nothing is counted any more."""
        with self._lock:
            self._is_closed = True
            if self._memory is not None:
                self._memory.close()
                self._memory = None

    def add(self, rooms: Iterable[str]) -> None:
        """Record that somebody is about to be in rooms; once for each, and again only where it is discarded as often."""
        with self._lock:
            memory = self._memory or self._made()
            if memory is not None:
                counts = memory.counts
                for room in rooms:
                    place = _place(room)
                    counts[place] = min(counts[place] + 1, _FULL)
                    self._rooms += 1

    def discard(self, rooms: Iterable[str]) -> None:
        """Record that nobody is in rooms any more."""
        with self._lock:
            if self._memory is not None:
                counts = self._memory.counts
                for room in rooms:
                    place = _place(room)
                    if 0 < counts[place] < _FULL:
                        counts[place] -= 1
                    self._rooms -= 1

    def descriptor(self) -> int | None:
        """Return the descriptor of the memory, which stays open here; None if there is no memory."""
        with self._lock:
            memory = self._memory or self._made()
            return None if memory is None else memory.descriptor

    def begin_in_child(self) -> None:
        """Count anew in a forked child, whose parent goes on counting; what it may have inherited is not told apart any more."""
        memory, is_anybody_here = self._memory, self._rooms > 0
        self._begin()
        if memory is not None:
            memory.close()
            memory = self._made() if is_anybody_here else None
            if memory is not None:
                memory.counts[:] = bytes([_FULL]) * PLACES

    def _made(self) -> _Memory | None:
        if not self._is_closed:
            try:
                self._memory = _Memory()
            except OSError as error:
                self._is_closed = True
                logger.warning(
                    "The other servers of this machine send everything: there is no memory to share with them: %s", error
                )
        return self._memory


class _Memory:
    """Counts in memory that other processes may map.

    Raises:
        OSError: The system does not give it.
    """

    def __init__(self) -> None:
        with ExitStack() as stack:
            if sys.platform == "linux":
                self.descriptor = os.memfd_create("flask_realtime-interest")
            else:
                self.descriptor = os.dup(stack.enter_context(tempfile.TemporaryFile()).fileno())
            stack.callback(os.close, self.descriptor)
            os.truncate(self.descriptor, PLACES)
            self.counts = mmap.mmap(self.descriptor, PLACES)
            stack.pop_all()

    def close(self) -> None:
        """Close the descriptor; the memory goes with the last process that maps it."""
        os.close(self.descriptor)


class InterestElsewhere:
    """The rooms of another server.

    Args:
        descriptor: That of its memory, which is closed here.

    Raises:
        OSError: It cannot be mapped.
        ValueError: It is too small.
    """

    def __init__(self, descriptor: int) -> None:
        try:
            self._counts = mmap.mmap(descriptor, PLACES, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def has_any(self, places: tuple[int, ...] | None) -> bool:
        """Return whether the server may have somebody in one of some rooms.

        Args:
            places: Their places; None for everyone.
        """
        if places is None:
            return True
        counts = self._counts
        for place in places:  # noqa: SIM110 - a generator takes three times as long
            if counts[place]:
                return True
        return False
