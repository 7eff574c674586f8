"""Events of typing indicators, and their payloads."""

from __future__ import annotations

from typing import Final, NamedTuple, TypedDict

from flask_realtime.contract import json
from flask_realtime.contract.effects import Emit
from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import WireId, parse_id, parse_wire_id

_AUDIENCE: Final = "the other users in the conversation"


class TypingPayload(TypedDict):
    """`typing:start` and `typing:stop`, to the other users of a conversation."""

    conversationId: WireId
    userId: str


TYPING_START: Final[OutgoingEvent[TypingPayload]] = OutgoingEvent(
    "typing:start", TypingPayload, _AUDIENCE, "Another user is typing.", volatile=True
)
TYPING_STOP: Final[OutgoingEvent[TypingPayload]] = OutgoingEvent(
    "typing:stop",
    TypingPayload,
    _AUDIENCE,
    "Another user stopped typing, on all devices of one server; also sent when the typist disconnects, leaves, or sends nothing "
    "for `REALTIME_TYPING_TIMEOUT` seconds.",
    volatile=True,
)


class Typist(NamedTuple):
    """A user who types, in a conversation.

    Args:
        user_id: The user.
        conversation_id: The conversation.
        raw_id: Its id as it is sent.
    """

    user_id: str
    conversation_id: str
    raw_id: WireId


def parse_typist(payload: str) -> Typist | None:
    """Parse the payload of an event that another server sent; None for what is not this feature's, but an application's."""
    try:
        match json.loads(payload):
            case {"conversationId": conversation_id, "userId": user_id}:
                return Typist(parse_id(user_id, ""), *parse_wire_id(conversation_id, ""))
    except ValueError:  # `InvalidId` too.
        pass
    return None


def relayed(event: OutgoingEvent[TypingPayload], user_id: str, conversation_id: str, raw_id: WireId) -> Emit:
    """Address a typing event to the other users of a conversation.

    Args:
        event: The event.
        user_id: The user who types.
        conversation_id: The conversation.
        raw_id: Its id as it is sent.
    """
    payload: TypingPayload = {"conversationId": raw_id, "userId": user_id}
    return event.to_conversation(conversation_id, payload, except_user=user_id)
