"""Notifications to all of one user's devices, and their read state."""

from flask_realtime.features.notifications.api import NotificationCalls
from flask_realtime.features.notifications.feature import notifications
from flask_realtime.features.notifications.hooks import NotificationHooks

__all__ = ["NotificationCalls", "NotificationHooks", "notifications"]
