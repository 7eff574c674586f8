"""Notifications to all of one user's devices, and their read state."""

from flask_realtime.features.notifications.api import NotificationCalls
from flask_realtime.features.notifications.critical import CriticalNotification
from flask_realtime.features.notifications.feature import notifications
from flask_realtime.features.notifications.hooks import NotificationHooks
from flask_realtime.features.notifications.webpush import new_push_key

__all__ = ["CriticalNotification", "NotificationCalls", "NotificationHooks", "new_push_key", "notifications"]
