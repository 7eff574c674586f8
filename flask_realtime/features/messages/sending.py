"""Messages that clients send, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class NewMessage:
    """A message that a client sends.

    Args:
        conversation_id: The conversation.
        client_id: The client's own id of the message. A client that does not know whether a message arrived sends it again with
            the same id.
        content: The text, of 1 to 4,000 characters.
    """

    conversation_id: str
    client_id: str
    content: str


@dataclass(frozen=True)
class SentMessage:
    """A message that is stored.

    Args:
        message: The message, as sent to clients.
        is_new: Whether it was stored now; False if the same message was sent before, so that nobody is notified again.
    """

    message: Any
    is_new: bool = True
