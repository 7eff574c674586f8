"""Requests about notifications and web push, their payloads and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import Document
from flask_realtime.contract.fields import Fields
from flask_realtime.contract.ids import WireId
from flask_realtime.features.notifications.records import DEFAULT_LIST_SIZE, MAX_LIST_SIZE
from flask_realtime.features.notifications.subscriptions import PushSubscription

NOTIFICATIONS: Final = "/notifications"
PUSH_KEY: Final = "/push/key"
PUSH_SUBSCRIPTIONS: Final = "/push/subscriptions"

_ENDPOINT, _KEYS = "endpoint", "keys"
_TEXT_EXPECTED: Final = "a string without NUL"
_NO_KEYS: Final[dict[str, Any]] = {"p256dh": "", "auth": ""}
_SUBSCRIPTION: Final = f"an object with {_ENDPOINT} and {_KEYS}, as a browser's PushSubscription.toJSON() returns it"


class NotificationsQuery(TypedDict, total=False):
    """The requested part of the user's notifications."""

    before: WireId
    limit: int


class NotificationsAnswer(TypedDict):
    """Notifications, newest first, and how many are unread in all."""

    notifications: list[Document]
    unreadCount: int


class PushKeys(TypedDict):
    """The keys of a subscription to web push."""

    p256dh: str
    auth: str


class EndedSubscription(TypedDict):
    """A subscription to web push that a browser has ended, or one that is stored."""

    endpoint: str


class NewSubscription(EndedSubscription):
    """A browser's subscription to web push."""

    keys: PushKeys


class PushKeyAnswer(TypedDict):
    """The key with which browsers subscribe to web push."""

    publicKey: str


class ListRequest(NamedTuple):
    """The requested part of a user's notifications.

    Args:
        before: Those older than the one with this id; None for the newest.
        limit: The maximum number.
    """

    before: str | None
    limit: int


def parse_notifications_query(args: Sequence[Any], _settings: object) -> ListRequest:
    """Parse a request for notifications."""
    fields = Fields(args, "an object")
    request = ListRequest(fields.optional_id("before"), fields.number("limit", DEFAULT_LIST_SIZE, 1, MAX_LIST_SIZE))
    fields.check()
    return request


def parse_subscription(args: Sequence[Any], _settings: object) -> PushSubscription:
    """Parse a browser's subscription; which values it may have is for the store to say."""
    fields = Fields(args, _SUBSCRIPTION)
    endpoint = fields.value(_ENDPOINT, _TEXT_EXPECTED, _as_text, "")
    keys = fields.value(_KEYS, "an object with p256dh and auth", lambda value: value if isinstance(value, dict) else None, _NO_KEYS)
    for name in _NO_KEYS:
        if _as_text(keys.get(name)) is None:
            fields.refuse(f"{_KEYS}.{name} must be {_TEXT_EXPECTED}")
    fields.check()
    return PushSubscription(endpoint, keys["p256dh"], keys["auth"])


def parse_endpoint(args: Sequence[Any], _settings: object) -> str:
    """Parse the end of a subscription."""
    fields = Fields(args, f"an object with {_ENDPOINT}")
    endpoint = fields.value(_ENDPOINT, _TEXT_EXPECTED, _as_text, "")
    fields.check()
    return endpoint


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) and "\0" not in value else None  # PostgreSQL has no text with it.


def notifications_answer(notifications: list[Any], unread: int) -> NotificationsAnswer:
    """Build the answer with notifications."""
    return {"notifications": notifications, "unreadCount": unread}


def push_key(key: str) -> PushKeyAnswer:
    """Build the answer with the key."""
    return {"publicKey": key}


def subscription(endpoint: str) -> EndedSubscription:
    """Build the answer to a subscription that is stored."""
    return {"endpoint": endpoint}
