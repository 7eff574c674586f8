"""Events of conversations, and their payloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, Literal, NamedTuple, TypedDict

from flask_realtime.contract.events import Document, OutgoingEvent
from flask_realtime.contract.fields import Fields
from flask_realtime.contract.ids import EXPECTED, WireId
from flask_realtime.contract.parsing import missing, only_argument, raw_id
from flask_realtime.contract.times import parse_wire_time, wire_time
from flask_realtime.errors import BadRequest
from flask_realtime.features.conversations.records import (
    ConversationChange,
    ConversationRecord,
    ConversationsQuery,
    MemberPage,
    MemberRecord,
    MembersQuery,
    NewConversation,
    NewMembers,
    NewRole,
    OneMember,
    OneMessage,
)
from flask_realtime.features.conversations.roles import GROUP, MAX_MEMBERS_AT_ONCE, MAX_TITLE_LENGTH, ROLES, TYPES

JOIN_CONVERSATION: Final = "join:conversation"
LEAVE_CONVERSATION: Final = "leave:conversation"
GET_ONLINE_USERS: Final = "conversation:get-online-users"
MESSAGE_PIN: Final = "message:pin"
MESSAGE_UNPIN: Final = "message:unpin"

CONVERSATION_ID: Final = "conversationId"
PARTICIPANT_IDS: Final = "participantIds"
USER_IDS: Final = "userIds"

MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 50

_JOINED: Final = "every connection joined to the conversation"
_MESSAGE_ID, _USER_ID, _TITLE, _MUTED, _ROLE = "messageId", "userId", "title", "muted", "role"
_TITLE_EXPECTED: Final = f"null, or a string of 1 to {MAX_TITLE_LENGTH} printable characters, not all white space"
_MUTED_EXPECTED: Final = "true, false, or a time in the future, as 2026-01-31T12:00:00Z"
_NEWEST: Final = "newest"
_ORDERS: Final = {_NEWEST: False, "activity": True}
"""The orders of a user's conversations, and whether each is that of their activity."""


class ConversationReference(TypedDict):
    """The payload of a client's `typing:start` and `typing:stop`."""

    conversationId: WireId


class MessageReference(TypedDict):
    """The payload of a client's `message:pin` and `message:unpin`."""

    conversationId: WireId
    messageId: WireId


class _ConversationRequired(TypedDict):
    id: str
    type: Literal["direct", "group"]
    title: str | None
    participants: list[Document]
    participantCount: int
    createdAt: str
    lastMessage: Any
    lastSeq: int
    pinned: list[str]


class ConversationPayload(_ConversationRequired, total=False):
    """A conversation. What each viewer sees otherwise is left out of events to all of them."""

    unreadCount: int
    mentionCount: int
    muted: bool | str


class ConversationRemovedPayload(TypedDict):
    """`conversation:removed`."""

    conversationId: str


class MemberPayload(TypedDict):
    """`member:joined` and `member:updated`; `by` is null if the application itself did it."""

    conversationId: str
    userId: str
    role: Literal["owner", "moderator", "member"]
    by: str | None


class MemberLeftPayload(TypedDict):
    """`member:left`."""

    conversationId: str
    userId: str
    by: str | None
    reason: Literal["left", "removed"]


class ConversationsQueryPayload(TypedDict, total=False):
    """The query of a page of conversations."""

    before: WireId
    limit: int
    order: Literal["newest", "activity"]


class NewConversationPayload(TypedDict, total=False):
    """The body that creates a conversation; the user who sends it takes part."""

    participantIds: list[WireId] | None
    type: Literal["direct", "group"]
    title: str | None


class ConversationChangePayload(ConversationReference, total=False):
    """The body that changes a conversation."""

    title: str | None
    muted: bool | str


class MembersQueryPayload(ConversationReference, total=False):
    """The query of a page of members."""

    after: WireId
    limit: int


class NewMembersPayload(ConversationReference):
    """The body that adds members."""

    userIds: list[WireId]


class OneMemberPayload(ConversationReference):
    """A member, in the path."""

    userId: WireId


class NewRolePayload(OneMemberPayload):
    """The body that gives a member a role."""

    role: Literal["owner", "moderator", "member"]


class MembersAnswer(TypedDict):
    """Members: what clients see of the user, `role` and `joinedAt`."""

    members: list[Document]


class MembersPageAnswer(MembersAnswer):
    """A page of members, in the order in which they came."""

    nextAfter: str | None


CONVERSATION_NEW: Final[OutgoingEvent[Any]] = OutgoingEvent(
    "conversation:new",
    Document,
    "all connections of each new participant",
    "The user takes part in a conversation from now on.",
    "conversation",
)
CONVERSATION_UPDATED: Final[OutgoingEvent[ConversationPayload]] = OutgoingEvent(
    "conversation:updated",
    ConversationPayload,
    f"{_JOINED}; where only `muted` has changed, all of the user's connections",
    "The title or the pinned messages have changed; `unreadCount`, `mentionCount` and `muted`, which each user sees otherwise, are "
    "not in it. Or the user has muted the conversation, or ended that; they are in it.",
    "conversation",
)
CONVERSATION_REMOVED: Final[OutgoingEvent[ConversationRemovedPayload]] = OutgoingEvent(
    "conversation:removed",
    ConversationRemovedPayload,
    "all connections of the user",
    "The user takes no part in the conversation any more.",
)
MEMBER_JOINED: Final[OutgoingEvent[MemberPayload]] = OutgoingEvent(
    "member:joined", MemberPayload, _JOINED, "A user was added to the conversation."
)
MEMBER_UPDATED: Final[OutgoingEvent[MemberPayload]] = OutgoingEvent(
    "member:updated", MemberPayload, _JOINED, "A member has another role."
)
MEMBER_LEFT: Final[OutgoingEvent[MemberLeftPayload]] = OutgoingEvent(
    "member:left", MemberLeftPayload, f"{_JOINED}, but for the user's own", "A user takes no part in the conversation any more."
)


class OneConversation(NamedTuple):
    """An event about one conversation."""

    conversation_id: str
    raw_id: WireId


def parse_conversation_id(args: Sequence[Any], _settings: object) -> OneConversation:
    """Parse an event whose only argument is a conversation's id."""
    return OneConversation(*raw_id(only_argument(args, CONVERSATION_ID, EXPECTED), CONVERSATION_ID))


def parse_conversation_reference(args: Sequence[Any], _settings: object) -> OneConversation:
    """Parse an event whose only argument is an object with a `conversationId`."""
    payload = only_argument(args, "payload", "an object with a conversationId")
    if not isinstance(payload, dict):
        msg = "payload must be an object with a conversationId"
        raise BadRequest(msg)
    try:
        conversation_id = payload["conversationId"]
    except KeyError:
        raise BadRequest(missing("conversationId", EXPECTED)) from None
    return OneConversation(*raw_id(conversation_id, "conversationId"))


def parse_message_reference(args: Sequence[Any], _settings: object) -> OneMessage:
    """Parse `message:pin` and `message:unpin`."""
    fields = Fields(args, f"an object with {CONVERSATION_ID} and {_MESSAGE_ID}")
    message = OneMessage(fields.id(CONVERSATION_ID), fields.id(_MESSAGE_ID))
    fields.check()
    return message


def parse_conversations_query(args: Sequence[Any], _settings: object) -> ConversationsQuery:
    """Parse the query of a page of conversations."""
    fields = Fields(args, "a query")
    by_activity = _one_of(fields, "order", tuple(_ORDERS), _NEWEST)
    query = ConversationsQuery(fields.optional_id("before"), _limit(fields), _ORDERS[by_activity])
    fields.check()
    return query


def parse_new_conversation(args: Sequence[Any], _settings: object) -> NewConversation:
    """Parse the body that creates a conversation."""
    fields = Fields(args, f"an object with {PARTICIPANT_IDS}")
    kind = _one_of(fields, "type", TYPES, GROUP)
    new = NewConversation(kind, _title(fields), fields.ids(PARTICIPANT_IDS, MAX_MEMBERS_AT_ONCE))
    fields.check()
    return new


def parse_conversation_change(args: Sequence[Any], _settings: object) -> ConversationChange:
    """Parse the body that changes a conversation."""
    fields = Fields(args, f"an object with {_TITLE} or {_MUTED}")
    if not {_TITLE, _MUTED} & fields.payload.keys():
        fields.refuse(missing(_TITLE, f"it or {_MUTED}"))
    change = ConversationChange(fields.id(CONVERSATION_ID), _TITLE in fields.payload, _title(fields), _muted(fields))
    fields.check()
    return change


def parse_members_query(args: Sequence[Any], _settings: object) -> MembersQuery:
    """Parse the query of a page of members."""
    fields = Fields(args, "a query")
    query = MembersQuery(fields.id(CONVERSATION_ID), fields.optional_id("after"), _limit(fields))
    fields.check()
    return query


def parse_new_members(args: Sequence[Any], _settings: object) -> NewMembers:
    """Parse the body that adds members."""
    fields = Fields(args, f"an object with {USER_IDS}")
    new = NewMembers(fields.id(CONVERSATION_ID), fields.ids(USER_IDS, MAX_MEMBERS_AT_ONCE, least=1))
    fields.check()
    return new


def parse_one_member(args: Sequence[Any], _settings: object) -> OneMember:
    """Parse the path of a member."""
    fields = Fields(args, "a path")
    member = OneMember(fields.id(CONVERSATION_ID), fields.id(_USER_ID))
    fields.check()
    return member


def parse_new_role(args: Sequence[Any], _settings: object) -> NewRole:
    """Parse the body that gives a member a role."""
    fields = Fields(args, f"an object with a {_ROLE}")
    role = fields.value(_ROLE, f"one of {', '.join(ROLES)}", lambda value: value if value in ROLES else None, "")
    new = NewRole(fields.id(CONVERSATION_ID), fields.id(_USER_ID), role)
    fields.check()
    return new


def _one_of(fields: Fields, name: str, values: Sequence[str], default: str) -> str:
    if name not in fields.payload:
        return default
    return fields.value(name, f"one of {', '.join(values)}", lambda value: value if value in values else None, default)


def _limit(fields: Fields) -> int:
    return fields.number("limit", DEFAULT_PAGE, 1, MAX_PAGE)


def _title(fields: Fields) -> str | None:
    if fields.payload.get(_TITLE) is None:
        return None
    return fields.value(_TITLE, _TITLE_EXPECTED, lambda value: value.strip() if _is_title(value) else None, "")


def _is_title(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= MAX_TITLE_LENGTH and value.strip().isprintable()


def _muted(fields: Fields) -> bool | datetime | None:
    unmuted: bool | datetime = False
    return fields.value(_MUTED, _MUTED_EXPECTED, _read_muted, unmuted) if _MUTED in fields.payload else None


def _read_muted(value: object) -> bool | datetime | None:
    if isinstance(value, bool):
        return value
    until = parse_wire_time(value) if isinstance(value, str) else None
    return until if until is not None and until > datetime.now(timezone.utc) else None


def conversation_payload(
    record: ConversationRecord, users: Mapping[str, Any], last_message: Any, pinned: Iterable[str]
) -> ConversationPayload:
    """Build a conversation without what each viewer sees otherwise.

    Args:
        record: The conversation.
        users: What clients see of its participants.
        last_message: Its last message outside threads, as clients see it, or None.
        pinned: The ids of its pinned messages.
    """
    kind: Any = record.type
    return {
        "id": record.id,
        "type": kind,
        "title": record.title,
        "participants": [{**users[user_id], "role": role} for user_id, role in record.participants],
        "participantCount": record.participant_count,
        "createdAt": wire_time(record.created_at),
        "lastMessage": last_message,
        "lastSeq": record.last_seq,
        "pinned": list(pinned),
    }


def last_message_subject(message_id: str) -> str:
    """Return the name under which the log finds the events that show a message as the last one of its conversation."""
    return f"last_message:{message_id}"


def with_last_message(message: Any, arguments: Sequence[Any]) -> list[Any]:
    """Return the arguments of an event about a conversation with another form of its last message.

    Args:
        message: The message; `isRead`, which each viewer sees otherwise, stays as it was.
        arguments: The arguments.
    """
    (conversation,) = arguments
    before = conversation["lastMessage"]
    if isinstance(message, dict) and isinstance(before, dict) and "isRead" in before:
        message = {**message, "isRead": before["isRead"]}
    return [{**conversation, "lastMessage": message}]


def viewed_conversation(payload: ConversationPayload, record: ConversationRecord, mention_count: int) -> ConversationPayload:
    """Add to a conversation what the viewer sees of it."""
    muted = wire_time(record.muted) if isinstance(record.muted, datetime) else record.muted
    return {**payload, "unreadCount": record.unread_count, "mentionCount": mention_count, "muted": muted}


def conversation_removed_payload(conversation_id: str) -> ConversationRemovedPayload:
    """Build the payload of `conversation:removed`."""
    return {"conversationId": conversation_id}


def member_payload(conversation_id: str, user_id: str, role: Any, by: str | None) -> MemberPayload:
    """Build the payload of `member:joined` and `member:updated`."""
    return {"conversationId": conversation_id, "userId": user_id, "role": role, "by": by}


def member_left_payload(conversation_id: str, user_id: str, by: str | None) -> MemberLeftPayload:
    """Build the payload of `member:left`."""
    return {"conversationId": conversation_id, "userId": user_id, "by": by, "reason": "left" if by == user_id else "removed"}


def member_json(member: MemberRecord, user: Mapping[str, Any]) -> Document:
    """Build a member."""
    return {**user, "role": member.role, "joinedAt": wire_time(member.joined_at)}


def members_answer(members: Iterable[Document]) -> MembersAnswer:
    """Build the answer to the request that adds members."""
    return {"members": list(members)}


def members_page_answer(page: MemberPage, members: Iterable[Document]) -> MembersPageAnswer:
    """Build a page of members."""
    return {"members": list(members), "nextAfter": page.next_after}
