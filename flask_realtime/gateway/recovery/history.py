"""History of the events that a server sent last, each kept once, for clients that lost their connection meanwhile."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from sys import getsizeof
from typing import Any, Final, NamedTuple

_OVERHEAD: Final = 320
"""Bytes of memory of an entry beside its packet."""

_PER_ROOM: Final = 96
"""Bytes of memory of a room's name."""

RESTORED_BEFORE: Final = 60.0
"""Seconds before the restart at which what a client is known to have is taken to have arrived."""


class Entry(NamedTuple):
    """An event.

    Args:
        number: Its place among the events of this server.
        sent_at: When it was sent.
        parts: Its encoded packet, without an offset.
        rooms: The rooms that it was sent to; None for everyone.
        except_rooms: Rooms whose connections did not get it.
        except_sid: A connection that did not get it, or None.
        place: How far the server had received what others sent; see `Offsets.text`.
        size: Bytes of memory.
    """

    number: int
    sent_at: float
    parts: tuple[str | bytes, ...]
    rooms: tuple[Any, ...] | None
    except_rooms: tuple[Any, ...]
    except_sid: str | None
    place: str
    size: int


_Fields = tuple[int, float, tuple["str | bytes", ...], "tuple[Any, ...] | None", tuple[Any, ...], "str | None", str, int]
_NUMBER: Final = 0
_SENT_AT: Final = 1
_SIZE: Final = 7


class History:
    """The last events, as far as they fit into the memory and are not too old.

    Args:
        max_bytes: Maximum bytes of memory.
        max_age: Seconds for which an event is kept.
        clock: Returns the time in seconds; it never goes back.
    """

    def __init__(self, max_bytes: int, max_age: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._clock = clock
        # Plain tuples, of which the garbage collector finds out that they need no further visits: of an `Entry`, it never does.
        self._entries: deque[_Fields] = deque()
        self._bytes = 0
        self._forgotten_at = 0.0
        self.last = 0
        """The number of the last event."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        parts: tuple[str | bytes, ...],
        rooms: tuple[Any, ...] | None,
        except_rooms: tuple[Any, ...],
        except_sid: str | None,
        place: str = "",
    ) -> None:
        """Add an event, which gets the next number; see `Entry`."""
        last = self.last = self.last + 1
        now, entries = self._clock(), self._entries
        size = _OVERHEAD + getsizeof(parts[0])
        if len(parts) > 1:
            size += sum(map(getsizeof, parts[1:]))
        if rooms is not None:
            size += _PER_ROOM * (len(rooms) + len(except_rooms))
        entries.append((last, now, parts, rooms, except_rooms, except_sid, place, size))
        kept = self._bytes = self._bytes + size
        if kept > self._max_bytes or entries[0][_SENT_AT] < now - self._max_age:
            self._forget_oldest(now - self._max_age)

    def restore(
        self, events: Iterable[tuple[int, tuple[str | bytes, ...], tuple[Any, ...] | None, tuple[Any, ...], str | None]]
    ) -> None:
        """Put the events of an earlier server, whose numbers are smaller, before those of this one.

        Args:
            events: The number, the packet, the rooms, the rooms and the connection left out of each; see `Entry`.
        """
        own, last = [*self._entries], self.last
        forgotten_at = max(self._forgotten_at, self._clock() - 2 * RESTORED_BEFORE)
        self._entries.clear()
        for number, parts, rooms, except_rooms, except_sid in events:
            self.last = number - 1
            self.add(parts, rooms, except_rooms, except_sid)
        self._entries.extend(own)
        self._forgotten_at, self.last = forgotten_at, last

    @property
    def first(self) -> int:
        """The number of the oldest event that is kept, or of the next one."""
        return self._entries[0][_NUMBER] if self._entries else self.last + 1

    def clear(self) -> None:
        """Forget all events."""
        self._forget_oldest(math.inf)

    def is_complete_since(self, number: int, known_at: float) -> bool:
        """Return whether everything is kept that a client may have missed.

        Args:
            number: The last event that it is known to have, by its own word.
            known_at: A time; what was sent before has arrived.
        """
        return number <= self.last and (number >= self.first - 1 or self._forgotten_at < known_at)

    def since(self, number: int) -> list[Entry]:
        """Return the events after a number, in order."""
        entries = []
        for entry in reversed(self._entries):
            if entry[_NUMBER] <= number:
                break
            entries.append(Entry._make(entry))
        entries.reverse()
        return entries

    def arrivals(self) -> Callable[[float], int]:
        """Return a function that returns the last event that was sent before a time, or 0 if that is not known."""
        times = [entry[_SENT_AT] for entry in self._entries]
        numbers = [entry[_NUMBER] for entry in self._entries]
        forgotten = numbers[0] - 1 if numbers else self.last
        forgotten_at = self._forgotten_at

        def last_before(time: float) -> int:
            index = bisect_left(times, time)
            if index:
                return numbers[index - 1]
            return forgotten if forgotten_at < time else 0

        return last_before

    def _forget_oldest(self, until: float) -> None:
        """Forget the events before a time, and as many more as do not fit."""
        entries = self._entries
        while entries and (self._bytes > self._max_bytes or entries[0][_SENT_AT] < until):
            entry = entries.popleft()
            self._bytes -= entry[_SIZE]
            self._forgotten_at = entry[_SENT_AT]
