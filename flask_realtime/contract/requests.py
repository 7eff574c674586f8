"""What clients send: each event's arguments, parsed and checked before anything else looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.ids import EXPECTED, WireId, parse_id, parse_wire_id
from flask_realtime.errors import BadRequest, InvalidId

MAX_PROBLEMS: Final = 10
"""What one answer names of all that is wrong with a payload."""


class ConversationReference(TypedDict):
    """The payload of a client's `typing:start` and `typing:stop`."""

    conversationId: WireId


@dataclass(frozen=True)
class Bounds:
    """How much one event may ask for.

    Args:
        max_status_ids: User ids in one `users:get-status`.
    """

    max_status_ids: int = 100


class Empty(NamedTuple):
    """An event without a payload."""


class OneConversation(NamedTuple):
    """An event about one conversation."""

    conversation_id: str
    wire_id: WireId


class OneNotification(NamedTuple):
    """An event about one notification."""

    notification_id: str
    wire_id: WireId


class OneUser(NamedTuple):
    """An event about one user."""

    user_id: str


class SomeUsers(NamedTuple):
    """An event about some users, in the order asked for."""

    user_ids: tuple[str, ...]


class NewToken(NamedTuple):
    """A new access token."""

    token: str

    def __repr__(self) -> str:
        """Leave the token out: whoever prints a request must not print that."""
        return "NewToken(...)"


def _argument(args: Sequence[Any], field: str, expected: str) -> Any:
    if not args:
        msg = f"{field} is missing: expected {expected}"
        raise BadRequest(msg)
    return args[0]


def _wire_id(value: object, field: str) -> tuple[str, WireId]:
    try:
        return parse_wire_id(value, field)
    except InvalidId as error:
        raise BadRequest(str(error)) from None


def parse_nothing(_args: Sequence[Any], _bounds: Bounds) -> Empty:
    """Parse an event that has no payload; whatever comes with it is ignored, as Node's server does."""
    return Empty()


def parse_conversation_id(args: Sequence[Any], _bounds: Bounds) -> OneConversation:
    """Parse an event whose only argument is a conversation's id."""
    return OneConversation(*_wire_id(_argument(args, "conversationId", EXPECTED), "conversationId"))


def parse_conversation_reference(args: Sequence[Any], _bounds: Bounds) -> OneConversation:
    """Parse an event whose only argument is an object with a `conversationId`."""
    payload = _argument(args, "payload", "an object with a conversationId")
    if not isinstance(payload, dict):
        msg = "payload must be an object with a conversationId"
        raise BadRequest(msg)
    try:
        conversation_id = payload["conversationId"]
    except KeyError:
        msg = f"conversationId is missing: expected {EXPECTED}"
        raise BadRequest(msg) from None
    return OneConversation(*_wire_id(conversation_id, "conversationId"))


def parse_notification_id(args: Sequence[Any], _bounds: Bounds) -> OneNotification:
    """Parse an event whose only argument is a notification's id."""
    return OneNotification(*_wire_id(_argument(args, "notificationId", EXPECTED), "notificationId"))


def parse_user_id(args: Sequence[Any], _bounds: Bounds) -> OneUser:
    """Parse an event whose only argument is a user's id."""
    return OneUser(_wire_id(_argument(args, "userId", EXPECTED), "userId")[0])


def parse_user_ids(args: Sequence[Any], bounds: Bounds) -> SomeUsers:
    """Parse an event whose only argument is a list of user ids."""
    values = _argument(args, "userIds", "a list of user ids")
    if not isinstance(values, list):
        msg = "userIds must be a list of user ids"
        raise BadRequest(msg)
    if len(values) > bounds.max_status_ids:
        msg = f"userIds must hold at most {bounds.max_status_ids} ids, not {len(values)}"
        raise BadRequest(msg)
    try:
        return SomeUsers(tuple(parse_id(value, "userIds") for value in values))
    except InvalidId:
        raise BadRequest(listed(_wrong_ids(values, "userIds"))) from None


def _wrong_ids(values: Sequence[object], field: str) -> Iterator[str]:
    for index, value in enumerate(values):
        try:
            parse_id(value, f"{field}[{index}]")
        except InvalidId as error:
            yield str(error)


def listed(problems: Iterable[str]) -> str:
    """Join what is wrong with a payload to one message, which names the first ten problems and counts the others."""
    every = list(problems)
    more = len(every) - MAX_PROBLEMS
    return "; ".join(every[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def parse_token(args: Sequence[Any], _bounds: Bounds) -> NewToken:
    """Parse an event whose only argument is an access token; what is wrong with the token itself shows later."""
    token = _argument(args, "token", "the new access token, a string")
    if not isinstance(token, str) or not token:
        msg = "token must be the new access token, a string"
        raise BadRequest(msg)
    return NewToken(token)
