"""Messages that a client says it got or showed, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from flask_realtime.features.messages import ReadResult

MAX_MESSAGE_IDS: Final = 500
"""Maximum number of messages that one event names, in either direction."""


@dataclass(frozen=True)
class SeenMessages:
    """Messages that a client got or showed: either some by their ids, or all up to one.

    Args:
        conversation_id: The conversation.
        message_ids: The messages, 500 at most.
        up_to: The last of the messages, or None where they are named.
    """

    conversation_id: str
    message_ids: tuple[str, ...] = ()
    up_to: str | None = None


@dataclass(frozen=True)
class DeliveryResult:
    """The result of marking messages as delivered.

    Args:
        delivered_ids: Those of the requested messages that are delivered to the user now, in the order requested.
        newly_delivered_ids: The messages of which the others are to hear: the newest 500 that this call marked, oldest first.
        up_to: The message up to which everything is delivered to the user, or None if nothing was marked.
        position: Its place in the conversation: `seq`. Of receipts that are merged, the last one counts.
        participants: How many users take part in the conversation.
    """

    delivered_ids: tuple[str, ...]
    newly_delivered_ids: tuple[str, ...]
    up_to: str | None = None
    position: int = 0
    participants: int = 0


LogReceipt = Callable[[str, str, ReadResult | DeliveryResult], None]
"""Writes what a user has read or got in a conversation to the log, in the current transaction, if there is a log."""


TimeReceipts = Callable[[bool, Sequence[float]], None]
"""Hears whether some messages were read, or else delivered, and how many seconds after its sending each of them was."""

ReceiptPlace = Callable[[str, str], tuple[int, int]]
"""Returns a message's place in its conversation, 0 if it is gone, and how many users take part there."""


def in_order(message_ids: Sequence[str], numbers: Iterable[int]) -> tuple[str, ...]:
    """Return the ids that are among the numbers, once each, in their original order."""
    found = {str(number) for number in numbers}
    return tuple(message_id for message_id in dict.fromkeys(message_ids) if message_id in found)
