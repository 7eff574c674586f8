"""Records of receipts: what the store returns, plain values that outlive its session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flask_realtime.features.messages import MessageReference


@dataclass(frozen=True)
class ReceiptRecord:
    """A user whom a message has reached.

    `at` is when the user's cursor last moved: the message was reached then, or earlier if the user has gone on since.
    """

    user_id: str
    at: datetime


@dataclass(frozen=True)
class MessageReceipts:
    """The users, other than its sender, who have got a message and those who have read it; the first to do so first.

    Those who send no receipts are left out.
    """

    delivered: tuple[ReceiptRecord, ...]
    read: tuple[ReceiptRecord, ...]


class ReceiptArchive(Protocol):
    """The stored receipts as the handlers see them. The store implements it."""

    def of_message_for(self, user_id: str, reference: MessageReference) -> MessageReceipts:
        """Return who has got and read a message.

        Raises:
            Forbidden: The user takes no part in the conversation.
            NotFound: There is no such message.
        """
