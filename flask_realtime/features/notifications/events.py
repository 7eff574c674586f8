"""Events of notifications, and their payloads."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId
from flask_realtime.contract.parsing import only_argument, raw_id
from flask_realtime.contract.times import wire_time
from flask_realtime.features.notifications.critical import CriticalNotification

NOTIFICATION_ID: Final = "notificationId"
NOTIFICATION_DELIVERED: Final = "notification:delivered"

MAX_PUSH_BYTES: Final = 3000
"""Bytes of one message of web push, before encryption; push services take 4,096 in all."""

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

_ELLIPSIS: Final = "\u2026"


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


def push_payload(notification: CriticalNotification) -> bytes:
    """Return a notification as a service worker gets it; one that is too long loses `data`, `link` and the end of its text."""
    without_data = replace(notification, data=None)
    shortest = replace(without_data, link=None)
    for attempt in (notification, without_data, shortest):
        encoded = _encoded(attempt)
        if len(encoded) <= MAX_PUSH_BYTES:
            return encoded

    def size(length: int) -> int:
        return len(_encoded(_cut(shortest, length)))

    # Characters differ in size, those that JSON escapes too.
    longest = bisect_right(range(len(notification.message)), MAX_PUSH_BYTES, key=size) - 1
    return _encoded(_cut(shortest, longest))


def _cut(notification: CriticalNotification, length: int) -> CriticalNotification:
    return replace(notification, message=notification.message[:length] + _ELLIPSIS)


def _encoded(notification: CriticalNotification) -> bytes:
    payload = {
        "jobId": notification.job_id,
        "id": notification.id,
        "type": notification.type,
        "title": notification.title,
        "message": notification.message,
        "link": notification.link,
        "data": notification.data,
        "createdAt": wire_time(notification.created_at),
    }
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
