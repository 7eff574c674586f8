"""Events of notifications, and their payloads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId
from flask_realtime.contract.parsing import only_argument, raw_id
from flask_realtime.contract.times import wire_time

NOTIFICATION_ID: Final = "notificationId"

NOTIFICATION_NEW: Final[OutgoingEvent[Any]] = OutgoingEvent(
    "notification:new",
    Document,
    "all of the user's connections",
    "There is a new notification for the user.",
    "notification",
)
NOTIFICATION_READ: Final[OutgoingEvent[WireId]] = OutgoingEvent(
    "notification:read",
    WireId,
    "all of the user's connections, the sender's too",
    "A notification was read on one of the user's devices.",
    NOTIFICATION_ID,
)
NOTIFICATIONS_READ_ALL: Final[OutgoingEvent[None]] = OutgoingEvent(
    "notifications:read-all",
    None,
    "all of the user's connections, the sender's too",
    "All notifications were read on one of the user's devices.",
)


class StoredNotificationPayload(TypedDict):
    """A notification of the store, where the application does not choose the fields itself."""

    id: str
    type: str
    title: str
    message: str
    link: str | None
    data: Any
    isRead: bool
    createdAt: str


class OneNotification(NamedTuple):
    """An event about one notification."""

    notification_id: str
    raw_id: WireId


def parse_notification_id(args: Sequence[Any], _settings: object) -> OneNotification:
    """Parse an event whose only argument is a notification's id."""
    return OneNotification(*raw_id(only_argument(args, NOTIFICATION_ID, EXPECTED), NOTIFICATION_ID))


def stored_notification_payload(  # noqa: PLR0913, PLR0917 - a notification has that many fields
    notification_id: str,
    kind: str,
    title: str,
    message: str,
    link: str | None,
    data: Any,
    created_at: datetime,
    is_read: bool,  # noqa: FBT001
) -> StoredNotificationPayload:
    """Build the payload of a notification of the store."""
    return {
        "id": notification_id,
        "type": kind,
        "title": title,
        "message": message,
        "link": link,
        "data": data,
        "isRead": is_read,
        "createdAt": wire_time(created_at),
    }
