"""The error tree.

`EventError` and its children answer one client event: an application's hook or handler raises them to refuse, and the client gets
the code and the message. `ConnectionRefused` answers a connection attempt. The others concern the developer and never reach a
client.
"""

from __future__ import annotations

from typing import ClassVar


class RealtimeError(Exception):
    """The base of everything that this package raises."""


class ConfigError(RealtimeError, ValueError):
    """A `REALTIME_*` setting, or the extension's setup, cannot work; the message names the key and the remedy."""


class NotInitialised(RealtimeError, RuntimeError):
    """A call needs an application on which `Realtime.init_app` was called, and there is none, or more than one to choose from."""


class RegistrationError(RealtimeError, RuntimeError):
    """A hook was registered twice, too late, or for something that cannot be hooked."""


class PayloadNotSerializable(RealtimeError, TypeError):
    """A payload, or the value of a record, holds something that cannot be turned into strict JSON."""


class RecordTooLarge(RealtimeError, ValueError):
    """The value of a record is larger than what servers share in this way."""


class RecordConflict(RealtimeError):
    """A record is written by so many at once that a change of it came too late every time; nothing was written."""


class InvalidId(RealtimeError, ValueError):
    """An id is neither a string nor an integer, or is empty, over-long or unprintable.

    Args:
        field: The name of the field that held the id.
        expected: The expected form of an id, in plain words.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field} must be {expected}")
        self.field = field


class ConnectionRefused(RealtimeError):
    """A connection attempt is refused; the client gets `connect_error` with the message and `data.code`.

    Args:
        message: Plain words for the person who reads the client's log.
        code: One of the documented codes; an application's `on_connect` hook keeps the default, its `authenticate` hook may choose.
        retry_after: Seconds after which trying again makes sense, or None.
    """

    def __init__(
        self,
        message: str = "The application refused the connection",
        *,
        code: str = "connection_refused",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retry_after = retry_after


class EventError(RealtimeError):
    """An event is answered with an error.

    Args:
        message: Plain words for the client; each class has a default.
        retry_after: Seconds after which trying again makes sense, or None.
    """

    code: str
    default_message: ClassVar[str]

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        self.message = message if message is not None else self.default_message
        self.retry_after = retry_after
        super().__init__(self.message)


class BadRequest(EventError):
    """The payload is not what the event expects; the message names the field and what was expected."""

    code = "bad_request"
    default_message = "The payload is not what this event expects"


class Forbidden(EventError):
    """The user may not do this."""

    code = "forbidden"
    default_message = "You may not do this"


class TokenRefused(Forbidden):
    """A new access token is refused; the connection keeps the one it has.

    Args:
        message: Plain words for the client.
        code: The code with which connecting with that token would be refused.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotJoined(EventError):
    """The connection has not joined the conversation that the event concerns."""

    code = "not_joined"
    default_message = "Join the conversation first"


class NotFound(EventError):
    """The item that the event names does not exist, or not for this user."""

    code = "not_found"
    default_message = "Not found"


class RateLimited(EventError):
    """The client sends too often."""

    code = "rate_limited"
    default_message = "Too many events; slow down"


class TooManyRooms(EventError):
    """The connection has joined the maximum number of conversations."""

    code = "too_many_rooms"
    default_message = "You have joined too many conversations; leave one first"


class PayloadTooLarge(EventError):
    """The event is larger than the server accepts."""

    code = "payload_too_large"
    default_message = "The event is too large"


class UnknownEvent(EventError):
    """Neither the contract nor the application defines the event."""

    code = "unknown_event"
    default_message = "The server does not know this event"


class InternalError(EventError):
    """Something failed on the server; the client gets no detail of it."""

    code = "internal_error"
    default_message = "The server failed to handle the event"
