"""Bus: messages from one server to all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message for the other servers.

    Args:
        kind: Its kind, which decides how receivers handle it.
        header: The data that they need for that, as JSON values.
        parts: An encoded Socket.IO packet: its text, then its attachments.
        place: Its place in the order of all servers, as text; empty where there is no such order, where the order has just begun
            anew, or where it is still to be sent.
        origin: The server that sent it, where there is such an order.
        is_direct: Whether nobody looks for it later, so that it may go to the servers of this machine ahead of the message queue.
        is_urgent: Whether it is written to the message queue at once nevertheless.
        rooms: The rooms that it is for, if it is of no use to a server on which nobody is in any of them; None for any other.
        packed: Receives its packed form when it is sent first, for an envelope that is sent again and again; None for others.
    """

    kind: str
    header: dict[str, Any]
    parts: tuple[str | bytes, ...] = ()
    place: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)
    is_direct: bool = field(default=False, compare=False)
    is_urgent: bool = field(default=False, compare=False)
    rooms: tuple[str, ...] | None = field(default=None, compare=False, repr=False)
    packed: list[tuple[bytes, bytes]] | None = field(default=None, compare=False, repr=False)


Receive = Callable[[Envelope], None]


class Bus(ABC):
    """Carries envelopes to the other servers, each once, and those of one server in the order published."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Queue an envelope to be sent, without waiting.

        Returns:
            False if the other servers cannot be reached now: it is then sent later, or dropped, which is counted and logged.
        """

    @abstractmethod
    def publish_now(self, envelope: Envelope) -> bool:
        """Send an envelope, and return whether it arrived on the bus; waits a second at most."""

    @abstractmethod
    def start(self, receive: Receive) -> None:
        """Start receiving envelopes that other servers publish from now on. Starting twice changes nothing."""

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Send pending envelopes, for `timeout` seconds at most, and stop receiving."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Return whether the other servers can be reached, as far as is known."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """Return how many envelopes wait to be sent."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """Return how many envelopes were dropped, because they could not be sent in time."""

    @property
    @abstractmethod
    def lost(self) -> int:
        """Return how many envelopes of other servers are known to be lost."""

    @property
    def outages(self) -> int:
        """Return how often the other servers could not be reached, as far as that is counted."""
        return 0

    @property
    def publish_lag(self) -> float:
        """Return for how many seconds the oldest envelope has waited to be sent, as far as that is known."""
        return 0.0

    @property
    def read_lag(self) -> float:
        """Return how many seconds old the newest envelope of another server was when it was read, as far as that is known."""
        return 0.0


class NoBus(Bus):
    """The bus of a single server, which sends nothing."""

    is_connected = True
    pending = dropped = lost = 0

    def publish(self, envelope: Envelope) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True

    def publish_now(self, envelope: Envelope) -> bool:  # noqa: ARG002
        """Do nothing."""
        return True

    def start(self, receive: Receive) -> None:
        """Do nothing."""

    def stop(self, timeout: float) -> None:
        """Do nothing."""
