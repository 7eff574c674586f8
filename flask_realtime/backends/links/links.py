"""Direct links of one server: to the others of its machine, and from them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2s
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple, Protocol

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.links.frames import Numbered, encode, encode_for, encode_mark
from flask_realtime.backends.links.greeting import Greeting
from flask_realtime.backends.links.inbound import Inbound
from flask_realtime.backends.links.intake import Intake
from flask_realtime.backends.links.interest import Interest
from flask_realtime.backends.links.outbound import Outbound
from flask_realtime.logs import get_logger
from flask_realtime.socket_folder import KEEP_INTERVAL, SocketFolder, remove_if_abandoned

logger = get_logger(__name__)

MAX_SIZE: Final = 65_536
"""Maximum bytes of an envelope that goes over a link; a larger one takes the message queue alone."""

_LOOK_SECONDS: Final = 1.0
"""Seconds from one look for other servers to the next."""

_MAX_COUNT_SECONDS: Final = 60.0
"""Maximum seconds from one time that all servers are counted to the next; a second for each on other machines, so that many of them
do not ask for as many names all the time."""

_AVOID_SECONDS: Final = 30.0
"""Seconds for which no link is made to a server that did not read: each would hold as much as the kernel keeps."""

_RETRY_SECONDS: Final = 0.01
"""Seconds from one attempt to send what a server does not read to the next."""

_PATIENCE: Final = 1.5
"""Multiple of the linger after which what nobody else has sent is sent by the thread."""

ServerIds = Callable[[], Iterable[str]]
"""Returns the ids of all servers on every machine, one as often as it has processes; it may wait."""


class Number(Protocol):
    """Numbers what was published."""

    def __call__(self, *, may_wait: bool) -> bool:
        """Number what was published since, and return whether that was possible without waiting, where it may not."""


class LinkHooks(NamedTuple):
    """Hooks of the bus that links call.

    Args:
        number: Numbers what was published since, and passes it on by `DirectLinks.publish`.
        greet: Publishes something on the message queue, by which a new server learns where this one's numbers are.
        on_gap: Called when links do not reach all servers any more.
    """

    number: Number
    greet: Callable[[], object]
    on_gap: Callable[[], object]


def are_supported() -> bool:
    """Return whether this system has what links need."""
    return hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")


class DirectLinks:
    """The links of one server.

    Any thread may publish, and nothing waits: whoever publishes sends what has accumulated, at most once in `linger` seconds. What
    comes in between, and behind which nothing comes, is sent by a thread.

    Args:
        folder: The folder in which the servers of the machine find each other.
        application: What the servers of one application on one message queue, and no others, have in common.
        server_ids: Returns the ids of all servers.
        linger: Minimum seconds from one batch to the next.
    """

    def __init__(self, folder: SocketFolder, application: str, server_ids: ServerIds, linger: float) -> None:
        self._folder = folder
        self._application = blake2s(application.encode(), digest_size=6).hexdigest()
        self._server_ids = server_ids
        self._linger = linger
        self.interest = Interest()
        """In which rooms this server has somebody; the others of the machine do not send it what is for other rooms alone."""
        self._begin()

    def _begin(self) -> None:
        self.reaches_all = False
        """Whether all servers on every machine get what is published over links, so that nobody waits for the message queue."""
        self._greeting = Greeting(self._application, "")
        self._inbound: Inbound | None = None
        self._outbound: dict[str, Outbound] = {}
        self._avoided: dict[str, float] = {}
        self._servers: Counter[str] | None = None
        self._next_count = self._next_keep = 0.0
        self._changing = threading.Lock()
        self._changed = threading.Condition()
        self._waiting: deque[Numbered] = deque()
        self._sending = threading.Lock()
        self._sent_at = 0.0
        self._has_news = threading.Event()
        self._has_neighbour = threading.Event()
        self._is_ended = False

    def start(self, origin: str, intake: Intake, hooks: LinkHooks) -> None:
        """Listen for other servers, and look for them.

        Args:
            origin: This server's name on the message queue.
            intake: Takes what arrives.
            hooks: What links need of the bus.
        """
        self._greeting = Greeting(self._application, origin)
        self._hooks = hooks
        try:
            self._folder.make()
            self._folder.remove_abandoned()
            self._inbound = Inbound(self._path(origin), self._application, intake, self.interest, self._met)
        except OSError as error:
            logger.warning("Other servers of this machine cannot be linked directly; events go through the queue: %s", error)
            return
        for target in (self._send_on, self._look_on):
            threading.Thread(target=target, name="realtime-links", daemon=True).start()

    def stop(self) -> None:
        """Send what waits, and end all links."""
        self._is_ended = True
        self._has_news.set()
        self._has_neighbour.set()
        if self._inbound is not None:
            self._inbound.close()
            with self._sending:
                self._send_waiting(may_wait=True)
        for link in self._outbound.values():
            link.close()
        self._outbound = {}
        self.interest.close()

    def begin_in_child(self) -> None:
        """Forget the links in a forked child; they are its parent's."""
        if self._inbound is not None:
            self._inbound.abandon()
        for link in self._outbound.values():
            link.abandon()
        self.interest.begin_in_child()
        self._begin()

    def publish(self, item: Numbered) -> None:
        """Pass an envelope to the servers that are linked; it goes through the message queue as well."""
        if self._outbound and item.size <= MAX_SIZE:
            self._waiting.append(item)

    def send(self) -> None:
        """Have what was published numbered and sent, now or soon."""
        if not self._outbound:
            return
        if monotonic() - self._sent_at >= self._linger and self._sending.acquire(blocking=False):
            try:
                is_sent = self._send_waiting(may_wait=False)
            finally:
                self._sending.release()
            if is_sent:
                return
        if not self._has_news.is_set():
            self._has_news.set()

    def ask(self, item: Numbered) -> int:
        """Ask the servers that are linked to say when they have passed on everything up to an envelope, which was published.

        Returns:
            Its number; 0 if no server is linked.
        """
        if not self._outbound:
            return 0
        with self._sending:
            self._send_waiting(may_wait=True)
            mark = encode_mark(item.number)
            for link in tuple(self._outbound.values()):
                link.send(mark)
        self._has_news.set()  # For what a server did not read at once.
        return item.number

    def wait_passed(self, number: int, timeout: float) -> bool:
        """Wait until the servers that are linked have passed on everything up to a number.

        Args:
            number: What `ask` returned.
            timeout: The maximum number of seconds.

        Returns:
            Whether these are all servers on every machine.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._passed(number)) == len(self._outbound), timeout if number else 0)
        try:
            servers = Counter(self._server_ids())
        except BackendUnavailable:
            return False
        return self._are_among(servers, self._passed(number))

    def _passed(self, number: int) -> list[str]:
        return [origin for origin, link in self._outbound.items() if 0 < number <= link.acknowledged]

    def _path(self, origin: str) -> Path:
        return self._folder.path / f"{self._prefix}{origin}"

    @property
    def _prefix(self) -> str:
        return f"links-{self._application}-"

    def _send_on(self) -> None:
        while not self._is_ended:
            is_behind = any(link.has_backlog for link in self._outbound.values())
            self._has_news.wait(_RETRY_SECONDS if is_behind else None)
            self._has_news.clear()
            while (pause := self._sent_at + _PATIENCE * self._linger - monotonic()) > 0:
                time.sleep(pause)  # Who publishes meanwhile sends.
            with self._sending:
                self._send_waiting(may_wait=True)

    def _send_waiting(self, *, may_wait: bool) -> bool:
        if not self._hooks.number(may_wait=may_wait):
            return False
        self._sent_at = monotonic()
        waiting, items = self._waiting, []
        while waiting:
            items.append(waiting.popleft())
        everything = b""
        for link in tuple(self._outbound.values()):
            if link.has_backlog:
                link.flush()
            if not items:
                continue
            interest = link.interest
            if interest is None or all(interest.has_any(item.places) for item in items):
                everything = everything or encode(items)
                link.send(everything)
                continue
            data, has_any = encode_for(items, interest)
            (link.send if has_any else link.postpone)(data)
        return True

    def _look_on(self) -> None:
        while not self._is_ended:
            with suppress(OSError):
                self._keep_inbound()
            with suppress(OSError):
                self._link_to_all()
            self._count_servers()
            self._reconsider()
            self._has_neighbour.wait(_LOOK_SECONDS)
            self._has_neighbour.clear()

    def _keep_inbound(self) -> None:
        now = monotonic()
        if self._inbound is not None and now >= self._next_keep:
            self._next_keep = now + KEEP_INTERVAL
            self._folder.make()
            self._inbound.keep()

    def _count_servers(self) -> None:
        now = monotonic()
        if now < self._next_count:
            return
        with suppress(BackendUnavailable):
            self._servers = Counter(self._server_ids())
            elsewhere = (self._servers - self._counted(self._outbound)).total()
            self._next_count = now + min(elsewhere * _LOOK_SECONDS, _MAX_COUNT_SECONDS)

    def _met(self, origin: str) -> None:
        """Look at once for a server that has made a link to this one."""
        if origin not in self._outbound:
            self._has_neighbour.set()

    def _link_to_all(self) -> None:
        now = monotonic()
        self._avoided = {origin: until for origin, until in self._avoided.items() if until > now}
        for path in self._folder.path.glob(f"{self._prefix}*"):
            origin = path.name.removeprefix(self._prefix)
            if origin != self._greeting.origin and origin not in self._outbound and origin not in self._avoided:
                self._link_to(origin, path)

    def _link_to(self, origin: str, path: Path) -> None:
        try:
            link = Outbound(path, self._greeting, self._reconsider)
        except ConnectionRefusedError:
            remove_if_abandoned(path)  # Its server was killed, or is about to listen.
        except OSError as error:
            logger.debug("Server %s cannot be linked: %s", origin, error)
        else:
            with self._changing:
                self._outbound = {**self._outbound, origin: link}
            self._next_count = 0.0
            if self._is_ended:
                link.close()
            else:
                self._hooks.greet()

    def _reconsider(self) -> None:
        reached = self.reaches_all
        with self._changing:
            for origin, link in self._outbound.items():
                if link.has_stalled:
                    self._avoided[origin] = monotonic() + _AVOID_SECONDS
            self._outbound = {origin: link for origin, link in self._outbound.items() if link.is_open}
        with self._changed:
            self._changed.notify_all()
        self.reaches_all = not self._is_ended and self._reach_all()
        if reached and not self.reaches_all:
            self._hooks.on_gap()

    def _reach_all(self) -> bool:
        if self._servers is None:
            return False
        return self._are_among(self._servers, [origin for origin, link in self._outbound.items() if link.is_synchronised])

    def _are_among(self, servers: Counter[str], origins: Sequence[str]) -> bool:
        """Return whether servers are this one and those of some names on the message queue."""
        return not servers - self._counted(origins)

    def _counted(self, origins: Iterable[str]) -> Counter[str]:
        """Return the ids of this server and those of some names, one as often as it has processes."""
        return Counter(origin.partition(".")[0] for origin in (self._greeting.origin, *origins))
