"""Events of presence, and their payloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final, Literal, NamedTuple, Protocol, TypedDict, cast

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import EXPECTED, parse_id
from flask_realtime.contract.parsing import listed, only_argument, raw_id
from flask_realtime.contract.times import parse_wire_time, wire_time
from flask_realtime.errors import BadRequest, InvalidId
from flask_realtime.features.presence.settings import MAX_TEXT_LENGTH, STATES, SetState, is_text, utc_now

USER_GET_STATUS: Final = "user:get-status"
USERS_GET_STATUS: Final = "users:get-status"

PRESENCE_SET: Final = "presence:set"
PRESENCE_GET: Final = "presence:get"
PRESENCE_IDLE: Final = "presence:idle"
PRESENCE_ACTIVE: Final = "presence:active"

USER_ID: Final = "userId"
USER_IDS: Final = "userIds"

DEPARTED: Final = "departed"
"""The command that tells other servers of a departure that waits: the user, and the change's version."""

RETURNED: Final = "returned"
"""The command that tells other servers that a user is back whose departure waits: the user, and the change's version."""

HEARD: Final = "heard"
"""The command that reports a change to other servers: the user, whether online, the change's version, whether it is announced."""

SETTINGS_CHANGED: Final = "settings"
"""The command that tells other servers of a user's new settings: the user, and the settings as JSON."""

SETTINGS_MISSED: Final = "settings-missed"
"""The command that tells other servers that a part of the exceptions was not there: they may know users who were in it."""

SETTINGS_RESTORED: Final = "settings-restored"
"""The command that tells other servers that exceptions were written again, which one that has read them meanwhile does not know."""

CHANGE_ANNOUNCED: Final = "change-announced"
"""The command that reports a `presence:changed` to other servers: the user."""

CHANGE_DELAYED: Final = "change-delayed"
"""The command that reports a `presence:changed` that waits to other servers: the user."""

Status = Literal["online", "offline"]
State = Literal["online", "away", "busy", "invisible", "offline"]


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


class DevicePresence(TypedDict):
    """One of a user's devices, for the user."""

    device: str
    since: str
    state: Literal["active", "idle"]


class _PresenceOfUser(TypedDict):
    userId: str
    status: Status
    state: State
    text: str | None
    lastSeenAt: str | None


class PresenceOfUser(_PresenceOfUser, total=False):
    """`presence:changed`, and an entry of the answer to `presence:get`; the user's own has the devices too."""

    devices: list[DevicePresence]


class _PresenceSetRequired(TypedDict):
    state: SetState


class PresenceSetPayload(_PresenceSetRequired, total=False):
    """`presence:set`."""

    text: str | None
    until: str | None


PRESENCE_CHANGED: Final[OutgoingEvent[PresenceOfUser]] = OutgoingEvent(
    "presence:changed",
    PresenceOfUser,
    "the audience of `user:status-changed`; with `devices`, the user's own connections",
    "A user set a state or a text, which is over now, or came online with one, or all of the user's devices are idle, or one is "
    "active again. The user's own devices are also told of a device that became idle or active. Users who set nothing come online "
    "and go offline with `user:status-changed` alone, unless others may know an earlier state of theirs.",
    volatile=True,
)


class PrivacyPayload(TypedDict, total=False):
    """A change of a user's privacy."""

    sendTyping: bool
    sendReceipts: bool


class Privacy(TypedDict):
    """A user's privacy."""

    sendTyping: bool
    sendReceipts: bool


class SetPresence(NamedTuple):
    """A state that a user sets, with a text, until a time."""

    state: SetState
    text: str | None
    until: datetime | None


class SetPrivacy(NamedTuple):
    """A change of what others hear of a user; None leaves it as it is."""

    send_typing: bool | None
    send_receipts: bool | None


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


def offline_presence(user_id: str, last_seen_at: datetime | None = None) -> PresenceOfUser:
    """Build the presence of a user who is offline, or may not be seen."""
    seen = None if last_seen_at is None else wire_time(last_seen_at)
    return {"userId": user_id, "status": "offline", "state": "offline", "text": None, "lastSeenAt": seen}


def online_presence(user_id: str, state: State, text: str | None) -> PresenceOfUser:
    """Build the presence of a user who is online."""
    return {"userId": user_id, "status": "online", "state": state, "text": text, "lastSeenAt": None}


def with_devices(presence: PresenceOfUser, devices: Iterable[DevicePresence]) -> PresenceOfUser:
    """Add the devices, for the user."""
    return cast("PresenceOfUser", {**presence, "devices": list(devices)})


def device_presence(device: str, since: float, *, idle: bool) -> DevicePresence:
    """Build an entry of a user's devices.

    Args:
        device: Its name, or an empty string.
        since: When its connection was opened, in seconds since 1970.
        idle: Whether it said that it is idle.
    """
    opened = wire_time(datetime.fromtimestamp(since, timezone.utc))
    return {"device": device, "since": opened, "state": "idle" if idle else "active"}


_PRIVACY: Final = ("sendTyping", "sendReceipts")
_SET_EXPECTED: Final = "an object with state, and optionally text and until"
_TEXT_EXPECTED: Final = f"one line of at most {MAX_TEXT_LENGTH} printable characters, or null"
_UNTIL_EXPECTED: Final = "a time in the future, in ISO 8601 with a time zone, or null"


def parse_set_presence(args: Sequence[Any], _settings: object) -> SetPresence:
    """Parse `presence:set`."""
    payload = only_argument(args, "payload", _SET_EXPECTED)
    if not isinstance(payload, Mapping):
        msg = f"payload must be {_SET_EXPECTED}"
        raise BadRequest(msg)
    return set_presence(payload.get("state"), payload.get("text"), payload.get("until"))


def set_presence(state: object, text: object = None, until: object = None) -> SetPresence:
    """Check a state that is to be set, with its text and its end.

    Raises:
        BadRequest: One of them is invalid; the message names each.
    """
    end = _end(until)
    problems = [
        "state must be one of " + ", ".join(STATES) if state not in STATES else "",
        f"text must be {_TEXT_EXPECTED}" if not (text is None or (isinstance(text, str) and is_text(text))) else "",
        f"until must be {_UNTIL_EXPECTED}" if until is not None and end is None else "",
    ]
    if any(problems):
        raise BadRequest(listed(filter(None, problems)))
    words = cast("str | None", text)
    return SetPresence(cast("SetState", state), words if words and words.strip() else None, end)


def parse_privacy(args: Sequence[Any], _settings: object) -> SetPrivacy:
    """Parse a change of a user's privacy."""
    payload = only_argument(args, "payload", "an object")
    wrong = [field for field in _PRIVACY if not isinstance(payload.get(field), bool | None)]
    if wrong:
        raise BadRequest(listed(f"{field} must be true or false" for field in wrong))
    return SetPrivacy(*(payload.get(field) for field in _PRIVACY))


def privacy(*, sends_typing: bool, sends_receipts: bool) -> Privacy:
    """Build a user's privacy."""
    return {"sendTyping": sends_typing, "sendReceipts": sends_receipts}


def _end(until: object) -> datetime | None:
    """Return the time that is given, if it is one in the future."""
    if isinstance(until, str):
        end = parse_wire_time(until)
    else:
        end = until.astimezone(timezone.utc) if isinstance(until, datetime) and until.tzinfo is not None else None
    return end if end is not None and end > utc_now() else None


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
