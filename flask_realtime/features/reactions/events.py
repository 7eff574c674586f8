"""Events of reactions, and their payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, WireId, parse_id
from flask_realtime.contract.parsing import listed, missing, only_argument
from flask_realtime.errors import BadRequest, InvalidId
from flask_realtime.features.reactions.reaction import Reaction
from flask_realtime.features.reactions.single_emoji import parse_emoji

REACTION_ADD: Final = "reaction:add"
REACTION_REMOVE: Final = "reaction:remove"

_CONVERSATION_ID, _MESSAGE_ID, _EMOJI = "conversationId", "messageId", "emoji"
_EMOJI_EXPECTED: Final = "exactly one emoji"
_REACTION_EXPECTED: Final = f"an object with {_CONVERSATION_ID}, {_MESSAGE_ID} and {_EMOJI}"
_JOINED: Final = "every connection joined to the conversation"


class ReactionPayload(TypedDict):
    """`reaction:add` and `reaction:remove`."""

    conversationId: WireId
    messageId: WireId
    emoji: str


class ReactionChangedPayload(TypedDict):
    """`reaction:added` and `reaction:removed`: how many users react to the message with the emoji now."""

    conversationId: str
    messageId: str
    emoji: str
    userId: str
    count: int


REACTION_ADDED: Final[OutgoingEvent[ReactionChangedPayload]] = OutgoingEvent(
    "reaction:added", ReactionChangedPayload, _JOINED, "A user has reacted to a message with an emoji."
)
REACTION_REMOVED: Final[OutgoingEvent[ReactionChangedPayload]] = OutgoingEvent(
    "reaction:removed", ReactionChangedPayload, _JOINED, "A user has taken a reaction to a message back."
)


def reaction_changed_payload(reaction: Reaction, user_id: str, count: int) -> ReactionChangedPayload:
    """Build the payload of `reaction:added` or `reaction:removed`."""
    return {
        "conversationId": reaction.conversation_id,
        "messageId": reaction.message_id,
        "emoji": reaction.emoji,
        "userId": user_id,
        "count": count,
    }


def parse_reaction(args: Sequence[Any], _settings: object) -> Reaction:
    """Parse `reaction:add` or `reaction:remove`."""
    payload = only_argument(args, "payload", _REACTION_EXPECTED)
    if not isinstance(payload, dict):
        msg = f"payload must be {_REACTION_EXPECTED}"
        raise BadRequest(msg)
    emoji = _emoji(payload)
    problems = list(_problems(payload, emoji))
    if problems:
        raise BadRequest(listed(problems))
    return Reaction(parse_id(payload[_CONVERSATION_ID], ""), parse_id(payload[_MESSAGE_ID], ""), emoji or "")


def _emoji(payload: Mapping[str, Any]) -> str | None:
    text = payload.get(_EMOJI)
    return parse_emoji(text) if isinstance(text, str) else None


def _problems(payload: Mapping[str, Any], emoji: str | None) -> Iterator[str]:
    for field in (_CONVERSATION_ID, _MESSAGE_ID):
        try:
            parse_id(payload.get(field), field)
        except InvalidId as error:
            yield str(error) if field in payload else missing(field, EXPECTED)
    if emoji is None:
        yield f"{_EMOJI} must be {_EMOJI_EXPECTED}" if _EMOJI in payload else missing(_EMOJI, _EMOJI_EXPECTED)
