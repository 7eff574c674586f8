"""Events of authentication, and their payloads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.parsing import only_argument
from flask_realtime.contract.times import wire_time
from flask_realtime.errors import BadRequest

AUTH_REFRESH: Final = "auth:refresh"

LATEST: Final = 253_402_214_400
"""Unix time of the last day that a datetime can represent."""


class Expiry(TypedDict):
    """`auth:expiring` and `auth:expired`: when the token expires, ISO 8601 in UTC."""

    expiresAt: str


class Refreshed(TypedDict):
    """The answer to `auth:refresh`: when the new token expires; null if it does not."""

    expiresAt: str | None


AUTH_EXPIRING: Final[OutgoingEvent[Expiry]] = OutgoingEvent(
    "auth:expiring",
    Expiry,
    "the connection whose token it is",
    "The access token expires in `REALTIME_EXPIRY_WARNING` seconds, or sooner where it is a short-lived one. Send a new one with "
    "`auth:refresh`.",
)
AUTH_EXPIRED: Final[OutgoingEvent[Expiry]] = OutgoingEvent(
    "auth:expired",
    Expiry,
    "the connection whose token it was",
    "The access token expired `REALTIME_EXPIRY_GRACE` seconds ago and no new one came. The server disconnects the client next.",
)


class NewToken(NamedTuple):
    """A new access token."""

    token: str

    def __repr__(self) -> str:
        """Omit the token, which must not be printed with a request."""
        return "NewToken(...)"


def parse_token(args: Sequence[Any], _settings: object) -> NewToken:
    """Parse an event whose only argument is an access token; the token itself is verified later."""
    token = only_argument(args, "token", "the new access token, a string")
    if not isinstance(token, str) or not token:
        msg = "token must be the new access token, a string"
        raise BadRequest(msg)
    return NewToken(token)


def expiry(expires_at: float) -> Expiry:
    """Build the payload of `auth:expiring` and `auth:expired`."""
    return {"expiresAt": _moment(expires_at)}


def refreshed(expires_at: float | None) -> Refreshed:
    """Build the answer to `auth:refresh`."""
    return {"expiresAt": None if expires_at is None else _moment(expires_at)}


def _moment(seconds: float) -> str:
    """Format a Unix time as JavaScript's `toISOString` does."""
    return wire_time(datetime.fromtimestamp(seconds, timezone.utc))
