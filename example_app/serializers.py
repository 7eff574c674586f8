"""Serializers to JSON, for HTTP and Socket.IO alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from example_app.models import Order, User
from flask_realtime.store import ConversationRecord, MessageReceipts, MessageRecord, NotificationRecord, ReceiptRecord

Json = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """Format a time as JavaScript's `toISOString` does: `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_json(user: User) -> Json:
    """Return a user's public fields."""
    return {"id": str(user.id), "username": user.username}


def conversation_json(conversation: ConversationRecord, users: Mapping[str, User]) -> Json:
    """Return a conversation with the names of its participants."""
    return {
        "id": conversation.id,
        "title": conversation.title,
        "participants": [user_json(users[user_id]) for user_id in conversation.participant_ids],
    }


def message_json(message: MessageRecord, sender: User) -> Json:
    """Return a message with its sender's name."""
    return {
        "id": message.id,
        "conversationId": message.conversation_id,
        "seq": message.seq,
        "senderId": message.sender_id,
        "content": message.content,
        "sender": user_json(sender),
        "createdAt": timestamp(message.created_at),
        "isRead": message.is_read,
        "status": message.status,
    }


def receipts_json(receipts: MessageReceipts) -> Json:
    """Return who has got and read a message."""
    return {
        "delivered": [_receipt_json(receipt) for receipt in receipts.delivered],
        "read": [_receipt_json(receipt) for receipt in receipts.read],
    }


def _receipt_json(receipt: ReceiptRecord) -> Json:
    return {"userId": receipt.user_id, "at": timestamp(receipt.at)}


def notification_json(notification: NotificationRecord) -> Json:
    """Return a notification."""
    return {
        "id": notification.id,
        "type": notification.type,
        "title": notification.title,
        "message": notification.message,
        "link": notification.link,
        "data": notification.data,
        "isRead": notification.is_read,
        "createdAt": timestamp(notification.created_at),
    }


def order_json(order: Order) -> Json:
    """Return an order."""
    return {
        "id": str(order.id),
        "userId": order.user_id,
        "status": order.status,
        "createdAt": timestamp(order.created_at),
    }
