"""Counts of one server: plain integers that the path of an event adds to, and that nobody reads before they are asked for.

::

    gateway, engine ─► Counts ─► a scrape, the statistics, the Admin UI

What can be read from the state that exists, such as the number of connections, is not counted here. Names and codes are keys of
dictionaries, and there is a maximum of them, so that no client and no mistake of an application fills the memory.

No lock is taken for an event. An addition such as `tally.events += 1` runs to its end in CPython before another thread does, as
long as nothing is called between reading and writing; so whoever adds the result of a call stores that first. Appending does too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

OTHER: Final = "other"
"""The name under which everything is counted that has no name of its own."""

MAX_NAMES: Final = 256
"""Maximum number of names, or codes, that are counted apart: more than applications have."""

MAX_ALIKE: Final = 4096
"""Maximum number of counters of one name for events that are alike."""

_MAX_NAME_LENGTH: Final = 64

BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds of the buckets of durations, in seconds."""

OK: Final = "ok"
"""The code under which answers are counted that are no errors."""

RECOVERED: Final = "recovered"
NOT_RECOVERED: Final = "failed"

SAMPLE: Final = 128
"""Events of one name of which one is timed, as the first is: that with which the sizes of the last ones are added up."""

ON: Final = "on"
"""The name under which the application's handlers of events are timed, as its hooks are under theirs."""


class Alike:
    """Counter of events of one name that are alike: a single addition for each, instead of one for its size as well.

    Args:
        number: How many events each `times` stands for, such as one to each receiver.
        size: Their bytes, all together.
    """

    __slots__ = ("number", "size", "times")

    def __init__(self, number: int, size: int) -> None:
        self.number, self.size, self.times = number, size, 0


class Tally:
    """Tally of the events of one name.

    Its `events` and `bytes` are those that were added one by one, or up; `count` and `size` are those of all. An event that was
    received appends its size to `sizes`, which costs less than to add it, and 1. Whoever appends the last one of those that are
    `due` calls `add_up`.
    """

    __slots__ = ("_adding_up", "_alike", "bytes", "due", "events", "sizes")

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.sizes: list[int] = []
        """Sizes of the last events."""
        self.due = 1
        """Maximum number of `sizes`."""
        self._alike: dict[tuple[int, int], Alike] = {}
        self._adding_up = Lock()

    def add_up(self) -> None:
        """Add the sizes of the last events up, and forget them."""
        with self._adding_up:  # Two threads would add the same ones; one that appends meanwhile does so behind them.
            number = len(self.sizes)
            size = sum(self.sizes[:number])
            self.events += number
            self.bytes += size
            del self.sizes[:number]
            self.due = SAMPLE

    @property
    def count(self) -> int:
        """The number of the events."""
        with self._adding_up:
            number = self.events + len(self.sizes)
        return number + sum(alike.times * alike.number for alike in list(self._alike.values()))

    @property
    def size(self) -> int:
        """The number of their bytes."""
        with self._adding_up:
            size = self.bytes + sum(self.sizes)
        return size + sum(alike.times * alike.size for alike in list(self._alike.values()))

    def alike(self, number: int, size: int) -> Alike | None:
        """Return the counter of events that are so many at once, with so many bytes; None if there are too many such counters.

        Args:
            number: The number of the events.
            size: Their bytes, all together.
        """
        found = self._alike.get((number, size))
        if found is not None or len(self._alike) >= MAX_ALIKE:
            return found
        return self._alike.setdefault((number, size), Alike(number, size))


class Tallies(dict[str, Tally]):
    """Tallies by the name of the event, made when they are looked up; what is one name too many is counted under `OTHER`."""

    def __init__(self) -> None:
        super().__init__()
        self[OTHER] = Tally()

    def __missing__(self, name: str) -> Tally:
        if len(self) >= MAX_NAMES or len(name) > _MAX_NAME_LENGTH:
            return self[OTHER]
        return self.setdefault(name, Tally())


class Numbers(dict[str, int]):
    """Numbers by code; what would be one code too many is counted under `OTHER`."""

    def add(self, code: str) -> None:
        """Count one."""
        if code not in self and (len(self) >= MAX_NAMES or len(code) > _MAX_NAME_LENGTH):
            code = OTHER
        number = self.get(code, 0)
        self[code] = number + 1


class Histogram:
    """Durations in buckets, with the upper bounds of `BOUNDS`; the last one has no bound."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        number = bisect_left(BOUNDS, seconds)
        self.buckets[number] += 1
        self.sum += seconds


class Requests:
    """Requests to one route.

    Its `statuses` are their numbers by the class of the answer's status, such as `4xx`; its `durations` are those to the answer.
    """

    __slots__ = ("durations", "statuses")

    def __init__(self) -> None:
        self.statuses = Numbers()
        self.durations = Histogram()


class Counts:
    """Counts of one application in one process."""

    def __init__(self) -> None:
        self.left_out: set[str] = set()
        """Namespaces whose connections and events are not counted, such as the administrators'."""
        self.received = Tallies()
        """Events that clients sent, in any namespace. Only names with a handler are counted apart."""
        self.sent = Tallies()
        """Events that were sent to clients of this server: one for each client that an event went to."""
        self.answered = 0
        """Answers to events that are no errors."""
        self.failures = Numbers()
        """Events that failed, by the code of the error."""
        self.refusals = Numbers()
        """Refused CONNECT packets, and refused requests to the engine, by code."""
        self.opened = Numbers({"polling": 0, "websocket": 0})
        """Connections that were admitted, by the transport that they were admitted on."""
        self.closed = Numbers()
        """Connections that ended, by reason."""
        self.recoveries = Numbers({RECOVERED: 0, NOT_RECOVERED: 0})
        """Attempts to recover a connection by outcome: `RECOVERED`, or `NOT_RECOVERED` where the client needed a new one."""
        self.malformed = 0
        """Sessions that were closed because of a malformed packet, one of Engine.IO's or of Socket.IO's."""
        self.dropped = 0
        """Events that were dropped for clients that were behind."""
        self.cut = 0
        """Connections that were cut because too much waited for them."""
        self.missed_heartbeats = 0
        """Connections that were closed because they did not answer a ping."""
        self.inline = Histogram()
        """Seconds from an event that was just read to its last write, where no mailbox was needed; sampled. An answer is written
        when the engine has it, which sends it when the event loop's turn ends."""
        self.queued = Histogram()
        """Seconds from an event that was just read to its last write, of those that a mailbox handled; sampled."""
        self.waits = Histogram()
        """Seconds of these in which an event waited for its turn in the mailbox; sampled."""
        self.hooks: dict[str, Histogram] = {}
        """Seconds that the application's functions took, by hook; its handlers of events are under `ON`, a sample."""

        self.requests: dict[str, Requests] = {}
        """Requests over HTTP, by route: the method, and the rule of the path."""

    @property
    def events_received(self) -> dict[str, int]:
        """The number of events received by name, `OTHER` for those without a handler."""
        return {name: tally.count for name, tally in list(self.received.items())}

    @property
    def events_sent(self) -> dict[str, int]:
        """The number of events sent by name."""
        return {name: tally.count for name, tally in list(self.sent.items())}

    @property
    def bytes_received(self) -> int:
        """The characters of the events received, without binary attachments."""
        return sum(tally.size for tally in list(self.received.values()))

    @property
    def bytes_sent(self) -> int:
        """The bytes of the events sent, as frames."""
        return sum(tally.size for tally in list(self.sent.values()))

    @property
    def answers(self) -> dict[str, int]:
        """Answers to events by code: `ok`, or the code of the error."""
        return {OK: self.answered, **self.failures}

    def hook_took(self, hook: str, seconds: float) -> None:
        """Count a call of a function of the application."""
        histogram = self.hooks.get(hook)
        if histogram is None:
            histogram = self.hooks.setdefault(hook if len(self.hooks) < MAX_NAMES else OTHER, Histogram())
        histogram.observe(seconds)

    def request_took(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            route: Its route.
            status: The status of the answer.
            seconds: How long the answer took.
        """
        requests = self.requests.get(route)
        if requests is None:
            requests = self.requests.setdefault(route if len(self.requests) < MAX_NAMES else OTHER, Requests())
        requests.statuses.add(f"{status // 100}xx")
        requests.durations.observe(seconds)

    def timed(self, task: Callable[[], None]) -> Callable[[], None]:
        """Return a task of a mailbox that is timed from now on; its end is the last write."""
        began = monotonic()

        def run() -> None:
            self.waits.observe(monotonic() - began)
            try:
                task()
            finally:
                self.queued.observe(monotonic() - began)

        return run
