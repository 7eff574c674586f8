"""Every event once: its name, its direction, what it carries and how it is answered.

The dispatcher, the event reference and the generated type descriptions all read this table.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask_realtime.contract import payloads, requests
from flask_realtime.contract.ids import WireId

JOIN_CONVERSATION: Final = "join:conversation"
LEAVE_CONVERSATION: Final = "leave:conversation"
TYPING_START: Final = "typing:start"
TYPING_STOP: Final = "typing:stop"
GET_ONLINE_USERS: Final = "conversation:get-online-users"
MESSAGE_NEW: Final = "message:new"
MESSAGES_READ: Final = "messages:read"
MESSAGE_DELETED: Final = "message:deleted"
NOTIFICATION_NEW: Final = "notification:new"
NOTIFICATION_READ: Final = "notification:read"
NOTIFICATIONS_READ_ALL: Final = "notifications:read-all"
USER_GET_STATUS: Final = "user:get-status"
USERS_GET_STATUS: Final = "users:get-status"
USER_STATUS_CHANGED: Final = "user:status-changed"
ORDER_UPDATE: Final = "order:update"
AUTH_EXPIRING: Final = "auth:expiring"
AUTH_EXPIRED: Final = "auth:expired"
AUTH_REFRESH: Final = "auth:refresh"
REALTIME_ERROR: Final = "realtime:error"

RESERVED_NAMES: Final = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
"""Names that Socket.IO keeps for its own life cycle, on either side."""

MAX_EVENT_NAME_LENGTH: Final = 128
"""Characters; a longer name is answered without being repeated."""


class RateClass(enum.Enum):
    """Which events share one allowance."""

    TYPING = "typing"
    PRESENCE = "presence"
    JOINS = "joins"
    NOTIFICATIONS = "notifications"
    AUTHENTICATION = "authentication"
    APPLICATION = "application"


Parser = Callable[[Sequence[Any], requests.Bounds], Any]


@dataclass(frozen=True)
class FromClient:
    """A client may send the event.

    Args:
        argument: The name and type of the only argument, or None.
        parse: Turns the arguments into a request, or raises `BadRequest`.
        answer: The type of what the callback gets.
        rate_class: The allowance that the event draws on.
        purpose: What it does, for the reference.
    """

    argument: tuple[str, Any] | None
    parse: Parser
    rate_class: RateClass
    purpose: str
    answer: Any = payloads.Acknowledgement


@dataclass(frozen=True)
class FromServer:
    """The server may send the event.

    Args:
        argument: The name and type of the only argument, or None.
        receivers: Who gets it, for the reference.
        purpose: When it is sent, for the reference.
    """

    argument: tuple[str, Any] | None
    receivers: str
    purpose: str


@dataclass(frozen=True)
class Event:
    """One event of the contract; in both directions where both parts are there."""

    name: str
    section: str
    from_client: FromClient | None = None
    from_server: FromServer | None = None


Document = dict[str, Any]
"""An object whose fields are the application's own."""

_MESSAGING, _NOTIFICATIONS, _PRESENCE, _AUTHENTICATION = "Messaging", "Notifications", "Presence", "Authentication"

EVENTS: Final[tuple[Event, ...]] = (
    Event(
        JOIN_CONVERSATION,
        _MESSAGING,
        from_client=FromClient(
            argument=("conversationId", WireId),
            parse=requests.parse_conversation_id,
            rate_class=RateClass.JOINS,
            purpose="Join a conversation, to receive what is sent in it. The application's `authorize_join` hook decides; "
            "without one every join is refused. Joining twice is no error.",
        ),
    ),
    Event(
        LEAVE_CONVERSATION,
        _MESSAGING,
        from_client=FromClient(
            argument=("conversationId", WireId),
            parse=requests.parse_conversation_id,
            rate_class=RateClass.JOINS,
            purpose="Leave a conversation. Leaving one that the connection is not in is no error.",
        ),
    ),
    Event(
        TYPING_START,
        _MESSAGING,
        from_client=FromClient(
            argument=("payload", requests.ConversationReference),
            parse=requests.parse_conversation_reference,
            rate_class=RateClass.TYPING,
            purpose="Say that the user is typing. Only from a connection that has joined the conversation.",
        ),
        from_server=FromServer(
            argument=("payload", payloads.TypingPayload),
            receivers="the other users in the conversation",
            purpose="Another user is typing.",
        ),
    ),
    Event(
        TYPING_STOP,
        _MESSAGING,
        from_client=FromClient(
            argument=("payload", requests.ConversationReference),
            parse=requests.parse_conversation_reference,
            rate_class=RateClass.TYPING,
            purpose="Say that the user stopped typing. Only from a connection that has joined the conversation.",
        ),
        from_server=FromServer(
            argument=("payload", payloads.TypingPayload),
            receivers="the other users in the conversation",
            purpose="Another user stopped typing; also sent when the typist disconnects, leaves, or says nothing for "
            "`REALTIME_TYPING_TIMEOUT` seconds.",
        ),
    ),
    Event(
        GET_ONLINE_USERS,
        _MESSAGING,
        from_client=FromClient(
            argument=("conversationId", WireId),
            parse=requests.parse_conversation_id,
            rate_class=RateClass.PRESENCE,
            answer=list[str],
            purpose="Ask which users have a connection joined to a conversation. Only for one who has joined, or whom "
            "`authorize_join` admits.",
        ),
    ),
    Event(
        MESSAGE_NEW,
        _MESSAGING,
        from_server=FromServer(
            argument=("message", Document),
            receivers="every connection joined to the conversation",
            purpose="A message was sent.",
        ),
    ),
    Event(
        MESSAGES_READ,
        _MESSAGING,
        from_server=FromServer(
            argument=("payload", payloads.MessagesReadPayload),
            receivers="every connection joined to the conversation",
            purpose="Messages were read; `userId` is the reader when the application named one.",
        ),
    ),
    Event(
        MESSAGE_DELETED,
        _MESSAGING,
        from_server=FromServer(
            argument=("payload", payloads.MessageDeletedPayload),
            receivers="every connection joined to the conversation",
            purpose="A message was deleted.",
        ),
    ),
    Event(
        NOTIFICATION_NEW,
        _NOTIFICATIONS,
        from_server=FromServer(
            argument=("notification", Document),
            receivers="all of the user's connections",
            purpose="There is a new notification for the user.",
        ),
    ),
    Event(
        NOTIFICATION_READ,
        _NOTIFICATIONS,
        from_client=FromClient(
            argument=("notificationId", WireId),
            parse=requests.parse_notification_id,
            rate_class=RateClass.NOTIFICATIONS,
            purpose="Mark a notification as read. The application's `on_notification_read` hook stores it; if the hook "
            "fails nobody is told.",
        ),
        from_server=FromServer(
            argument=("notificationId", WireId),
            receivers="all of the user's connections, the sender's too",
            purpose="A notification was read on one of the user's devices.",
        ),
    ),
    Event(
        NOTIFICATIONS_READ_ALL,
        _NOTIFICATIONS,
        from_client=FromClient(
            argument=None,
            parse=requests.parse_nothing,
            rate_class=RateClass.NOTIFICATIONS,
            purpose="Mark all notifications as read. The application's `on_notifications_read_all` hook stores it; if the "
            "hook fails nobody is told.",
        ),
        from_server=FromServer(
            argument=None,
            receivers="all of the user's connections, the sender's too",
            purpose="All notifications were read on one of the user's devices.",
        ),
    ),
    Event(
        ORDER_UPDATE,
        _NOTIFICATIONS,
        from_server=FromServer(
            argument=("order", Document),
            receivers="all of the user's connections",
            purpose="An order of the user changed.",
        ),
    ),
    Event(
        USER_GET_STATUS,
        _PRESENCE,
        from_client=FromClient(
            argument=("userId", WireId),
            parse=requests.parse_user_id,
            rate_class=RateClass.PRESENCE,
            answer=payloads.UserStatus,
            purpose="Ask whether a user is online.",
        ),
    ),
    Event(
        USERS_GET_STATUS,
        _PRESENCE,
        from_client=FromClient(
            argument=("userIds", list[WireId]),
            parse=requests.parse_user_ids,
            rate_class=RateClass.PRESENCE,
            answer=list[payloads.UserStatus],
            purpose="Ask which users are online; at most `REALTIME_MAX_STATUS_IDS` ids, answered in the order asked.",
        ),
    ),
    Event(
        USER_STATUS_CHANGED,
        _PRESENCE,
        from_server=FromServer(
            argument=("payload", payloads.UserStatus),
            receivers="everyone, or those whom the `presence_audience` hook names",
            purpose="A user's first connection came, or the last one is gone.",
        ),
    ),
    Event(
        AUTH_EXPIRING,
        _AUTHENTICATION,
        from_server=FromServer(
            argument=("payload", payloads.Expiry),
            receivers="the connection whose token it is",
            purpose="The access token expires in `REALTIME_EXPIRY_WARNING` seconds, or sooner where it is a short-lived one. "
            "Send a new one with `auth:refresh`.",
        ),
    ),
    Event(
        AUTH_REFRESH,
        _AUTHENTICATION,
        from_client=FromClient(
            argument=("token", str),
            parse=requests.parse_token,
            rate_class=RateClass.AUTHENTICATION,
            answer=payloads.Refreshed,
            purpose="Go on with a new access token of the same user, without a reconnect. `expiresAt` is null where the new token "
            "does not expire. A token that is refused leaves the connection as it was; the codes are those of refused connections, "
            "and `forbidden` for another user's token.",
        ),
    ),
    Event(
        AUTH_EXPIRED,
        _AUTHENTICATION,
        from_server=FromServer(
            argument=("payload", payloads.Expiry),
            receivers="the connection whose token it was",
            purpose="The access token expired `REALTIME_EXPIRY_GRACE` seconds ago and no new one came. The server disconnects the "
            "client next.",
        ),
    ),
    Event(
        REALTIME_ERROR,
        "Errors",
        from_server=FromServer(
            argument=("payload", payloads.ErrorEvent),
            receivers="the connection that sent the event",
            purpose="An event failed that was sent without a callback.",
        ),
    ),
)

BY_NAME: Final = {event.name: event for event in EVENTS}
