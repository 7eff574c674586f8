"""Serializers to JSON, for HTTP and Socket.IO alike."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from example_app.models import Order, User

Json = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """Format a time as JavaScript's `toISOString` does: `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_json(user: User) -> Json:
    """Return a user's public fields."""
    return {"id": str(user.id), "username": user.username}


def order_json(order: Order) -> Json:
    """Return an order."""
    return {
        "id": str(order.id),
        "userId": order.user_id,
        "status": order.status,
        "createdAt": timestamp(order.created_at),
    }
