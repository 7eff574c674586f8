"""Notifications and orders: what reaches all of one user's devices."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract import events
from flask_realtime.contract.ids import WireId
from flask_realtime.contract.rooms import user_room
from flask_realtime.features.effects import Send


def to_user(user_id: str, event: str, *args: Any) -> Send:
    """Send an event to all of a user's connections."""
    return Send(event, args, (user_room(user_id),))


def new_notification(user_id: str, notification: Any) -> Send:
    """Announce a new notification."""
    return to_user(user_id, events.NOTIFICATION_NEW, notification)


def notification_read(user_id: str, notification_id: WireId) -> Send:
    """Tell all of a user's devices, the one that read it too, that a notification was read."""
    return to_user(user_id, events.NOTIFICATION_READ, notification_id)


def all_notifications_read(user_id: str) -> Send:
    """Tell all of a user's devices, the one that read them too, that all notifications were read."""
    return to_user(user_id, events.NOTIFICATIONS_READ_ALL)


def order_update(user_id: str, order: Any) -> Send:
    """Announce that an order of the user changed."""
    return to_user(user_id, events.ORDER_UPDATE, order)
