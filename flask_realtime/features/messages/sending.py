"""Messages that clients send and change, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

EVERYONE: Final = "*"
"""The id that mentions everyone in a conversation."""


@dataclass(frozen=True)
class NewMessage:
    """A message that a client sends.

    Args:
        conversation_id: The conversation.
        client_id: The client's own id of the message. A client that does not know whether a message arrived sends it again with
            the same id.
        content: The text, of 1 to 4,000 characters.
        reply_to: The message that it quotes, or None.
        thread_id: The message whose thread it is in, or None.
        mentions: The users whom it mentions, 50 at most; `*` is everyone.
    """

    conversation_id: str
    client_id: str
    content: str
    reply_to: str | None = None
    thread_id: str | None = None
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True)
class SentMessage:
    """A message that is stored.

    Args:
        message: The message, as sent to clients.
        is_new: Whether it was stored now; False if the same message was sent before, so that nobody is notified again.
    """

    message: Any
    is_new: bool = True


@dataclass(frozen=True)
class MessageReference:
    """A message that a client names.

    Args:
        conversation_id: The conversation.
        message_id: The message.
    """

    conversation_id: str
    message_id: str


@dataclass(frozen=True)
class MessageEdit(MessageReference):
    """A new content that a client gives to a message.

    Args:
        content: The text, of 1 to 4,000 characters.
    """

    content: str
