"""Carrier: the interface to a message broker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

SEND_SECONDS = 1.0
"""Seconds that sending a message may take, and likewise connecting."""

WAIT_SECONDS = 0.5
"""Seconds between two checks of whether to keep waiting for messages."""


class Carrier(ABC):
    """Carries bytes to all servers that listen, this one included.

    Messages are opaque bytes: nothing is decoded here. One thread sends, another one listens, and
    each has its own connections, created by its first call. Every failure is an exception, after which the
    call may be retried.
    """

    @abstractmethod
    def send(self, data: bytes, origin: str) -> None:
        """Send a message, and wait until the broker has it.

        Args:
            data: The message.
            origin: The sender: messages of one origin stay in order.
        """

    @abstractmethod
    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the messages sent from now on, and b"" when none has arrived for a moment, until `is_wanted` returns False."""

    @abstractmethod
    def stop_sending(self) -> None:
        """Close the connection that is used to send; the next message opens another one."""
