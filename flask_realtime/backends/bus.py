"""The bus: what one server tells all the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """Something for the other servers.

    Args:
        kind: What it is; receivers know what to do with which kind.
        header: What they need for that, as JSON has it.
        parts: An encoded Socket.IO packet: its text, then its attachments.
    """

    kind: str
    header: dict[str, Any]
    parts: tuple[str | bytes, ...] = ()


Receive = Callable[[Envelope], None]


class Bus(ABC):
    """Carries envelopes to the other servers, each once, and those of one server in the order published."""

    @abstractmethod
    def publish(self, envelope: Envelope) -> bool:
        """Have an envelope sent, without waiting for it.

        Returns:
            False where the other servers cannot be reached now: it is sent later then, or dropped, which is counted and logged.
        """

    @abstractmethod
    def publish_now(self, envelope: Envelope) -> bool:
        """Send an envelope, and say whether it arrived on the bus; waits a second at most."""

    @abstractmethod
    def start(self, receive: Receive) -> None:
        """Begin to receive what the other servers publish from now on. Starting twice changes nothing."""

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Send what waits, for `timeout` seconds at most, and receive nothing more."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Whether the other servers can be reached, as far as is known."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """How many envelopes wait to be sent."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many envelopes were dropped, because they could not be sent in time."""

    @property
    @abstractmethod
    def lost(self) -> int:
        """How many envelopes of other servers are known not to have arrived here."""


class NoBus(Bus):
    """The bus of a single server: there are no others."""

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
