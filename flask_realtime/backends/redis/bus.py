"""Bus of several servers: one Redis stream that all write to and read from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from secrets import token_hex
from time import monotonic
from typing import Final

from flask_realtime.backends.bus import Bus, Envelope, Receive
from flask_realtime.backends.forks import after_fork
from flask_realtime.backends.links.interest import places_of
from flask_realtime.backends.links.links import DirectLinks, LinkHooks
from flask_realtime.backends.packing import pack
from flask_realtime.backends.redis.envelopes import NO_ID, Item
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import DEFAULT_OPTIONS, BusOptions
from flask_realtime.backends.redis.outbox import Outbox
from flask_realtime.backends.redis.publisher import Publisher
from flask_realtime.backends.redis.reader import Reader
from flask_realtime.backends.redis.stream import Stream

_PUBLISH_SECONDS: Final = 1.0

_MARGIN: Final = 0.02
"""Seconds by which the clocks of two servers may differ over such a time."""

_GREETING: Final = "linked"
"""The kind of envelope that only tells other servers where this one's numbers are."""


class RedisBus(Bus):
    """A bus that neither loses nor repeats envelopes while Redis restarts, hangs or is unreachable, within the retention.

    Threads and connections are created by the first call that needs them; a forked child has its own, and starts empty.

    Args:
        link: The link to Redis.
        server_id: This server's unique name.
        channel: The prefix that the servers of one application share.
        options: The bus's settings.
        links: The links to other servers of the machine; None for the stream alone.
    """

    def __init__(
        self,
        link: RedisLink,
        server_id: str,
        channel: str = "flask_realtime",
        options: BusOptions = DEFAULT_OPTIONS,
        links: DirectLinks | None = None,
    ) -> None:
        self._link = link
        self._origin = server_id
        self._stream = Stream(f"{{{channel}}}:events", max(options.retention, options.history), options.history_bytes)
        self._options = options
        self._links = links
        self._publisher: Publisher | None = None
        self._reader: Reader | None = None
        self._threads: list[threading.Thread] = []
        self._passed: Callable[[str], None] | None = None
        self._begin()
        after_fork(self._begin_in_child)

    @property
    def is_connected(self) -> bool:
        """Return whether the other servers can be reached, as far as is known."""
        return self._link.is_up and (self._reader is None or self._reader.is_connected)

    @property
    def pending(self) -> int:
        """Return how many envelopes wait to be sent."""
        return self._outbox.pending

    @property
    def dropped(self) -> int:
        """Return how many envelopes were dropped, because they could not be sent in time."""
        return self._outbox.dropped

    @property
    def lost(self) -> int:
        """Return how many envelopes of other servers are known to be lost."""
        return self._reader.lost if self._reader is not None else 0

    @property
    def outages(self) -> int:
        """Return how often Redis could not be reached."""
        return self._link.outages

    @property
    def publish_lag(self) -> float:
        """Return for how many seconds the oldest envelope has waited to be written."""
        return self._outbox.lag

    @property
    def read_lag(self) -> float:
        """Return how long before it was read the newest entry was written, by two clocks; 0 once that is some time ago."""
        return self._reader.lag if self._reader is not None else 0.0

    @property
    def origin(self) -> str:
        """Return this server's name in the stream; a forked child has its own."""
        return self._origin

    @property
    def stream_key(self) -> str:
        """Return the stream's key."""
        return self._stream.key

    @property
    def era(self) -> str:
        """Return the era of the places in the stream; empty before the first read."""
        return self._reader.era if self._reader is not None else ""

    def on_passed(self, function: Callable[[str], None]) -> None:
        """Have a function called with the place behind each entry of this server's own, once it receives."""
        self._passed = function
        if self._reader is not None:
            self._reader.on_passed(function)

    def wait_sent(self, timeout: float) -> bool:
        """Wait until the envelopes published so far are written, and return whether they are; not while Redis is down."""
        item = self._last
        if item is None:
            return True
        self._outbox.wait_for_outcome(lambda: item.written is not NO_ID or not self._link.is_up, timeout)
        return item.written is not NO_ID

    def wait_passed(self, timeout: float) -> bool:
        """Wait until no server gets anything that is published later, by whichever server, before what was published so far.

        That is so once it is in the stream, and either every server has said over a link that it has passed it on, or it has been
        there for longer than a server takes anything from a link without having read the stream.

        Args:
            timeout: The maximum number of seconds until it is written; it is not waited for while Redis is down.

        Returns:
            Whether that is certain.
        """
        item, links = self._last, self._links
        if item is None or links is None:
            return self.wait_sent(timeout)
        number = links.ask(item)
        is_written = self.wait_sent(timeout)
        deadline = monotonic() + self._options.max_lag + _MARGIN
        if links.wait_passed(number, self._options.max_lag):
            return True
        if is_written and (pause := deadline - monotonic()) > 0:
            time.sleep(pause)
        return is_written

    def publish(self, envelope: Envelope) -> bool:
        """Queue an envelope to be sent, without waiting; see `Bus.publish`.

        Raises:
            TypeError: Its header is not JSON.
        """
        return self._add(envelope) is not None and self._link.is_up

    def publish_now(self, envelope: Envelope) -> bool:
        """Send an envelope, and return whether it arrived on the bus; waits a second at most, and not while Redis is down."""
        item = self._add(envelope)
        if item is None:
            return False
        self._outbox.wait_for_outcome(lambda: item.written is not NO_ID or not self._link.is_up, _PUBLISH_SECONDS)
        return item.written is not NO_ID

    def start(self, receive: Receive) -> None:
        """Start receiving envelopes that other servers publish from now on. Starting twice changes nothing."""
        self._start_publisher()
        with self._lock:
            if self._reader is not None:
                return
            reader = self._reader = Reader(self._link, self._stream, self._origin, receive, self._options)
            if self._passed is not None:
                reader.on_passed(self._passed)
        self._run(reader)
        if self._links is not None:
            self._links.start(self._origin, reader.intake, LinkHooks(self._outbox.number, self._greet, self._outbox.hurry))

    def stop(self, timeout: float) -> None:
        """Send pending envelopes, for `timeout` seconds at most, and stop receiving."""
        deadline = monotonic() + timeout
        if self._links is not None:
            self._links.stop()
        self._outbox.close()
        if self._reader is not None:
            self._reader.end()
        self._outbox.wait_for_outcome(lambda: not self._outbox.pending, timeout)
        if self._publisher is not None:
            self._publisher.end()
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._outbox = Outbox(self._options, pass_on=None if self._links is None else self._links.publish)
        self._publisher = None
        self._reader = None
        self._last: Item | None = None
        self._threads = []

    def _begin_in_child(self) -> None:
        # The child counts from 0, which the other servers would take for repeats of the parent's events.
        self._origin = f"{self._origin}.{token_hex(4)}"
        if self._links is not None:
            self._links.begin_in_child()
        self._begin()

    def _add(self, envelope: Envelope) -> Item | None:
        head, body = pack(envelope)
        self._start_publisher()
        links = self._links
        if links is None or not envelope.is_direct:
            item = self._last = self._outbox.add(head, body)
            return item
        is_urgent = envelope.is_urgent or not links.reaches_all
        item = self._last = self._outbox.add(head, body, is_direct=True, is_urgent=is_urgent, places=places_of(envelope.rooms))
        links.send()
        return item

    def _greet(self) -> None:
        self.publish(Envelope(_GREETING, {}))

    def _start_publisher(self) -> None:
        if self._publisher is not None:
            return
        with self._lock:
            if self._publisher is not None:
                return
            publisher = self._publisher = Publisher(self._link, self._stream, self._outbox, self._origin, self._options.linger)
        self._run(publisher)

    def _run(self, worker: Publisher | Reader) -> None:
        # Without the lock: one created before gevent's patches would block the whole process if a greenlet waited for it.
        thread = threading.Thread(target=worker.run, name=f"realtime-{type(worker).__name__.lower()}", daemon=True)
        thread.start()
        self._threads.append(thread)
