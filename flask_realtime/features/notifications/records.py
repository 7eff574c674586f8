"""Records of notifications, and what the handlers of requests need of their store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from flask_realtime.features.notifications.subscriptions import PushSubscription

DEFAULT_LIST_SIZE: Final = 50
MAX_LIST_SIZE: Final = 100


@dataclass(frozen=True)
class NotificationRecord:
    """A notification to one user."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    link: str | None
    data: Any
    created_at: datetime
    is_read: bool = False


class NotificationArchive(Protocol):
    """The stored notifications as the handlers see them. The store implements it."""

    def of_user(self, user_id: str, *, before: str | None = None, limit: int = DEFAULT_LIST_SIZE) -> Sequence[NotificationRecord]:
        """Return a user's notifications, newest first."""

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread notifications."""

    def as_json(self, notification: NotificationRecord) -> Any:
        """Return a notification as clients get it."""


class PushSubscriptions(Protocol):
    """The stored subscriptions to web push as the handlers see them. The store implements it."""

    def public_key(self) -> str | None:
        """Return the key with which browsers subscribe; None if web push is not set up."""

    def subscribe(self, user_id: str, subscription: PushSubscription) -> None:
        """Store a browser's subscription, and commit.

        Raises:
            BadRequest: Its push service is none that may be used.
            NotFound: Web push is not set up.
        """

    def unsubscribe(self, user_id: str, endpoint: str) -> bool:
        """Delete a subscription of a user's, commit, and return whether there was one."""
