"""Answers to client callbacks, and the error answers."""

from __future__ import annotations

from typing import Final, Literal, TypedDict

from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.errors import ConnectionRefused, EventError

MESSAGE_QUEUE: Final = "messageQueue"
"""The name of the message queue in the answers of health checks."""

REALTIME_ERROR: Final = "realtime:error"
"""The event that reports an error to a client that passed no callback."""


class Acknowledgement(TypedDict):
    """The default answer, to events for which the contract defines no other."""

    ok: Literal[True]


class _ErrorRequired(TypedDict):
    code: str
    message: str


class ErrorDetail(_ErrorRequired, total=False):
    """The details of an error; `retryAfter` is in seconds."""

    retryAfter: float


class ErrorAnswer(TypedDict):
    """The answer to an event that failed."""

    error: ErrorDetail


class ErrorEvent(ErrorAnswer):
    """`realtime:error`: an event without a callback failed."""

    event: str


class _RefusalRequired(TypedDict):
    code: str


class RefusalData(_RefusalRequired, total=False):
    """`error.data` of a `connect_error`; `retryAfter` is in seconds."""

    retryAfter: float


class Refusal(TypedDict):
    """The payload of a CONNECT_ERROR packet."""

    message: str
    data: RefusalData


ERROR_EVENT: Final[OutgoingEvent[ErrorEvent]] = OutgoingEvent(
    REALTIME_ERROR, ErrorEvent, "the connection that sent the event", "An event that was sent without a callback failed."
)


class Ready(TypedDict):
    """`realtime:ready`: whether the lost connection was recovered, and whether that was asked for and not possible."""

    recovered: bool
    gap: bool


READY_EVENT: Final[OutgoingEvent[Ready]] = OutgoingEvent(
    "realtime:ready",
    Ready,
    "the connection itself, if its client has recovery",
    "The connection is open. With `recovered`, all that was missed has come before; with `gap`, events may be missing that were "
    "sent while the client was away.",
)

ACKNOWLEDGED: Acknowledgement = {"ok": True}


def error_answer(error: EventError) -> ErrorAnswer:
    """Build the answer to an event that failed."""
    detail: ErrorDetail = {"code": error.code, "message": error.message}
    if error.retry_after is not None:
        detail["retryAfter"] = error.retry_after
    return {"error": detail}


def error_event(error: EventError, event: str) -> ErrorEvent:
    """Build the payload of `realtime:error`."""
    return {"error": error_answer(error)["error"], "event": event}


def ready(*, recovered: bool, gap: bool) -> Ready:
    """Build the payload of `realtime:ready`."""
    return {"recovered": recovered, "gap": gap}


def refusal(error: ConnectionRefused) -> Refusal:
    """Build the payload of a CONNECT_ERROR packet."""
    data: RefusalData = {"code": error.code}
    if error.retry_after is not None:
        data["retryAfter"] = error.retry_after
    return {"message": error.message, "data": data}
