"""Critical notifications, the channels that they go to, and what keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from flask_realtime.features.notifications.subscriptions import StoredSubscription
from flask_realtime.jobs.job import JobQueue

CRITICAL: Final = "critical_notification"
"""The kind of the jobs of critical notifications; their key is the notification's id."""

EVERYONE_MENTIONED: Final = "mention"
"""The kind of the jobs of messages that mention everyone; their key is the message's id, their user its sender."""

WEBPUSH: Final = "webpush"
"""The name of the channel that the extension brings."""


@dataclass(frozen=True)
class CriticalNotification:
    """A notification that no device of the user has confirmed, as a channel gets it.

    Args:
        job_id: The id of its job, the same in each attempt. A channel may get it more than once, after a failure or the end of a
            process; one that must not act twice remembers this id.
        attempt: 1 at the first attempt.
        id: The notification's id.
        user_id: The user.
        type: The kind of notification, chosen by the application.
        title: Its heading.
        message: Its text.
        link: Its link, or None.
        data: Any JSON value.
        created_at: When it was stored.
    """

    job_id: str
    attempt: int
    id: str
    user_id: str
    type: str
    title: str
    message: str
    link: str | None
    data: Any
    created_at: datetime


@dataclass(frozen=True)
class Channel:
    """A function of the application's that takes critical notifications.

    Args:
        name: The channel's name.
        function: The function.
    """

    name: str
    function: Callable[[CriticalNotification], None]

    def __call__(self, notification: CriticalNotification) -> None:
        """Hand a notification to the channel."""
        self.function(notification)


class CriticalStore(Protocol):
    """The database half of critical notifications. Every method needs an application context."""

    @property
    def jobs(self) -> JobQueue:
        """The jobs."""

    def unread(self, user_id: str, notification_id: str, job_id: str, attempt: int) -> CriticalNotification | None:
        """Return a notification; None if it is read, or gone."""

    def subscriptions(self, user_id: str) -> list[StoredSubscription]:
        """Return a user's subscriptions to web push."""

    def notify_more(self, message_id: str, progress: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Notify some more of everyone, whom a message mentions, in the current transaction; return how far it has got.

        Returns None if nobody is left.
        """

    def forget_subscription(self, subscription_id: str) -> None:
        """Delete a subscription that its push service does not know any more."""
