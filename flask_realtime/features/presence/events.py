"""Events of presence, and their payloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, TypedDict

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, parse_id
from flask_realtime.contract.parsing import listed, only_argument, raw_id
from flask_realtime.errors import BadRequest, InvalidId

USER_GET_STATUS: Final = "user:get-status"
USERS_GET_STATUS: Final = "users:get-status"

USER_ID: Final = "userId"
USER_IDS: Final = "userIds"

DEPARTED: Final = "departed"
"""The command that tells other servers of a departure that waits: the user, and the change's version."""

RETURNED: Final = "returned"
"""The command that tells other servers that a user is back whose departure waits: the user, and the change's version."""

HEARD: Final = "heard"
"""The command that reports a change to other servers: the user, whether online, the change's version, whether it is announced."""

Status = Literal["online", "offline"]


class UserStatus(TypedDict):
    """`user:status-changed`, and the answer to a query for a user's status."""

    userId: str
    status: Status


USER_STATUS_CHANGED: Final[OutgoingEvent[UserStatus]] = OutgoingEvent(
    "user:status-changed",
    UserStatus,
    "everyone, or those whom the `presence_audience` hook names",
    "A user's first connection was opened, or the last one closed.",
    volatile=True,
)


class OneUser(NamedTuple):
    """An event about one user."""

    user_id: str


class SomeUsers(NamedTuple):
    """An event about several users, in the requested order."""

    user_ids: tuple[str, ...]


class Settings(Protocol):
    """The settings that limit a query."""

    @property
    def max_status_ids(self) -> int:
        """Maximum number of user ids in one `users:get-status`."""


def user_status(user_id: str, *, online: bool) -> UserStatus:
    """Build a user's status."""
    return {"userId": user_id, "status": "online" if online else "offline"}


def parse_user_id(args: Sequence[Any], _settings: object) -> OneUser:
    """Parse an event whose only argument is a user's id."""
    return OneUser(raw_id(only_argument(args, USER_ID, EXPECTED), USER_ID)[0])


def parse_user_ids(args: Sequence[Any], settings: Settings) -> SomeUsers:
    """Parse an event whose only argument is a list of user ids."""
    values = only_argument(args, USER_IDS, "a list of user ids")
    if not isinstance(values, list):
        msg = "userIds must be a list of user ids"
        raise BadRequest(msg)
    if len(values) > settings.max_status_ids:
        msg = f"userIds must hold at most {settings.max_status_ids} ids, not {len(values)}"
        raise BadRequest(msg)
    try:
        return SomeUsers(tuple(parse_id(value, USER_IDS) for value in values))
    except InvalidId:
        raise BadRequest(listed(_wrong_ids(values, USER_IDS))) from None


def _wrong_ids(values: Sequence[object], field: str) -> Iterator[str]:
    for index, value in enumerate(values):
        try:
            parse_id(value, f"{field}[{index}]")
        except InvalidId as error:
            yield str(error)
