"""Hooks of notifications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

ON_NOTIFICATION_READ: Final = Hook("on_notification_read", ("identity", "notification_id"))
ON_NOTIFICATIONS_READ_ALL: Final = Hook("on_notifications_read_all", ("identity",))

OnNotificationRead = Callable[[Identity, str], None]
OnNotificationsReadAll = Callable[[Identity], None]
OnNotificationReadT = TypeVar("OnNotificationReadT", bound=OnNotificationRead)
OnNotificationsReadAllT = TypeVar("OnNotificationsReadAllT", bound=OnNotificationsReadAll)


class NotificationHooks(HookDecorators):
    """The decorators of the hooks of notifications."""

    @hook_decorator
    def on_notification_read(self, hook: OnNotificationReadT) -> OnNotificationReadT:
        """Register a hook that stores that a notification was read; it gets the identity and the notification's id.

        It refuses by raising `NotFound` or another `EventError`; then none of the user's devices is notified, and the sender gets
        the error.
        """
        return self.hook(ON_NOTIFICATION_READ)(hook)

    @hook_decorator
    def on_notifications_read_all(self, hook: OnNotificationsReadAllT) -> OnNotificationsReadAllT:
        """Register a hook that stores that all of a user's notifications were read; it gets the identity.

        If it raises, none of the user's devices is notified, and the sender gets the error.
        """
        return self.hook(ON_NOTIFICATIONS_READ_ALL)(hook)
