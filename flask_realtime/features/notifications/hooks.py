"""Hooks of notifications."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeVar

from flask_realtime.errors import RegistrationError
from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator, named
from flask_realtime.features.notifications.critical import WEBPUSH, Channel, CriticalNotification
from flask_realtime.identity import Identity

ON_NOTIFICATION_READ: Final = Hook("on_notification_read", ("identity", "notification_id"))
ON_NOTIFICATIONS_READ_ALL: Final = Hook("on_notifications_read_all", ("identity",))
ON_NOTIFICATION_DELIVERED: Final = Hook("on_notification_delivered", ("identity", "notification_id"))

NOTIFICATION_CHANNEL: Final = Hook("notification_channel", ("notification",))
"""Its functions are `Channel` objects, in the order in which notifications go to them."""

CRITICAL_STORE: Final = Hook("critical_store", (), is_single=True)
"""Returns the `CriticalStore`; `Store.register` registers it."""

NOTIFICATION_ARCHIVE: Final = Hook("notifications.archive", (), is_single=True)
"""Its function returns a `NotificationArchive`. `Store.register` registers it."""

PUSH_SUBSCRIPTIONS: Final = Hook("notifications.push_subscriptions", (), is_single=True)
"""Its function returns `PushSubscriptions`. `Store.register` registers it."""

MAX_CHANNEL_NAME_LENGTH: Final = 64

OnNotificationRead = Callable[[Identity, str], None]
OnNotificationsReadAll = Callable[[Identity], None]
OnNotificationDelivered = Callable[[Identity, str], None]
NotificationChannel = Callable[[CriticalNotification], None]
OnNotificationReadT = TypeVar("OnNotificationReadT", bound=OnNotificationRead)
OnNotificationsReadAllT = TypeVar("OnNotificationsReadAllT", bound=OnNotificationsReadAll)
OnNotificationDeliveredT = TypeVar("OnNotificationDeliveredT", bound=OnNotificationDelivered)
NotificationChannelT = TypeVar("NotificationChannelT", bound=NotificationChannel)


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

    @hook_decorator
    def on_notification_delivered(self, hook: OnNotificationDeliveredT) -> OnNotificationDeliveredT:
        """Register a hook that is called when a device has confirmed that it got a notification, with the identity and its id.

        The id comes from the client, and may be that of a notification of somebody else.
        """
        return self.hook(ON_NOTIFICATION_DELIVERED)(hook)

    @named("@realtime.{}('email')")
    def notification_channel(self, name: str) -> Callable[[NotificationChannelT], NotificationChannelT]:
        """Register a channel for critical notifications that no device has confirmed in time.

        The function gets a `CriticalNotification`. It raises any exception to be called again later. The notification goes to the
        channels in the order in which they are registered; one that fails does not keep it from the next.

        Args:
            name: The channel's name; `webpush` is the extension's own.

        Raises:
            RegistrationError: The name is taken or invalid, or the function cannot be called with a notification.
        """
        _check_name(name)

        def register(function: NotificationChannelT) -> NotificationChannelT:
            self.hook(_only(name))(function)
            self.hook(NOTIFICATION_CHANNEL)(Channel(name, function))
            return function

        return register


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_CHANNEL_NAME_LENGTH or name.partition(" ")[0] == WEBPUSH:
        expected = f"a name of 1 to {MAX_CHANNEL_NAME_LENGTH} characters other than {WEBPUSH!r}"
        msg = f"notification_channel takes {expected}, not {name!r}: write @realtime.notification_channel('email')."
        raise RegistrationError(msg)


@cache
def _only(name: str) -> Hook:
    """Return the hook of one channel, which keeps a second function from taking its name."""
    return Hook(f"notification_channel({name!r})", ("notification",), is_single=True)
