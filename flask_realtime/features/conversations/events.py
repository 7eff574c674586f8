"""Events of conversations, and their payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.ids import EXPECTED, WireId
from flask_realtime.contract.parsing import missing, only_argument, raw_id
from flask_realtime.errors import BadRequest

JOIN_CONVERSATION: Final = "join:conversation"
LEAVE_CONVERSATION: Final = "leave:conversation"
GET_ONLINE_USERS: Final = "conversation:get-online-users"

CONVERSATION_NEW: Final = "conversation:new"
"""Tells the participants of a new conversation, in the application's own form; only the store sends it."""

CONVERSATION_ID: Final = "conversationId"


class ConversationReference(TypedDict):
    """The payload of a client's `typing:start` and `typing:stop`."""

    conversationId: WireId


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
