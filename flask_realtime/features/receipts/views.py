"""Requests about receipts, and their answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypedDict

from flask_realtime.contract.times import wire_time
from flask_realtime.features.receipts.records import MessageReceipts, ReceiptRecord

READ: Final = "/conversations/<conversationId>/read"
DELIVERED: Final = "/conversations/<conversationId>/delivered"
RECEIPTS: Final = "/conversations/<conversationId>/messages/<messageId>/receipts"


class SeenAnswer(TypedDict):
    """The messages that are read, or delivered, now, of those that were named."""

    messageIds: list[str]


class ReceiptOfUser(TypedDict):
    """A user whom a message has reached, and when."""

    userId: str
    at: str


class MessageReceiptsAnswer(TypedDict):
    """The users whom a message has reached, and those who have read it, but its sender."""

    delivered: list[ReceiptOfUser]
    read: list[ReceiptOfUser]


def seen_messages(message_ids: Iterable[str]) -> SeenAnswer:
    """Build the answer to a request that marks messages."""
    return {"messageIds": list(message_ids)}


def message_receipts(receipts: MessageReceipts) -> MessageReceiptsAnswer:
    """Build the answer with the receipts of a message."""
    return {"delivered": _receipts(receipts.delivered), "read": _receipts(receipts.read)}


def _receipts(receipts: Iterable[ReceiptRecord]) -> list[ReceiptOfUser]:
    return [{"userId": receipt.user_id, "at": wire_time(receipt.at)} for receipt in receipts]
