"""Parts of queries that more than one store needs."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select

from flask_realtime.store.models import Models


def is_unread(models: Models, user_id: str) -> ColumnElement[bool]:
    """Return the condition that a message is somebody else's and the user has not read it."""
    message, receipt = models.message, models.read_receipt
    read = select(receipt.id).where(receipt.message_id == message.id, receipt.user_id == user_id).exists()
    return and_(message.sender_id != user_id, ~read)
