"""What a message broker is used for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

SEND_SECONDS = 1.0
"""How long a message may take to the broker, and as long to connect to it."""

WAIT_SECONDS = 0.5
"""How often somebody who waits for messages is asked whether to go on."""


class Carrier(ABC):
    """Carries bytes to all servers that listen, this one included.

    What is sent is not looked into, and nothing that comes is turned into objects here. One thread sends, another one listens, and
    each has connections of its own, which come into being with its first call. Whatever goes wrong is an exception, after which the
    same may be tried again.
    """

    @abstractmethod
    def send(self, data: bytes, origin: str) -> None:
        """Send a message, and wait until the broker has it.

        Args:
            data: The message.
            origin: Who sends it: those of one origin stay in order.
        """

    @abstractmethod
    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        """Return what others send from now on, and b"" when nothing has come for a moment, for as long as `is_wanted` says."""

    @abstractmethod
    def stop_sending(self) -> None:
        """End the connection that is used to send; the next message opens another one."""
