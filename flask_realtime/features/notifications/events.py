"""Events of notifications, and their payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId
from flask_realtime.contract.parsing import only_argument, raw_id

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


class OneNotification(NamedTuple):
    """An event about one notification."""

    notification_id: str
    raw_id: WireId


def parse_notification_id(args: Sequence[Any], _settings: object) -> OneNotification:
    """Parse an event whose only argument is a notification's id."""
    return OneNotification(*raw_id(only_argument(args, NOTIFICATION_ID, EXPECTED), NOTIFICATION_ID))
