"""The reference of event errors, from the error tree."""

import inspect

from flask_realtime.errors import EventError

# What a client does about each; a new code without an entry here fails the build.
ADVICE = {
    "bad_request": "Mend the call; sending the same again fails again.",
    "forbidden": "Do not try again; the user lacks a permission.",
    "not_joined": "Send `join:conversation` and wait for its answer first. After every reconnect a client has to join again.",
    "not_found": "Remove the thing from the display; it is gone, or was never the user's.",
    "rate_limited": "Wait for `retryAfter` seconds where it is given, then try again.",
    "too_many_rooms": "Send `leave:conversation` for one that is not on the screen.",
    "payload_too_large": "Send less, or send large data over HTTP.",
    "unknown_event": "Check the spelling of the event's name.",
    "internal_error": "Show that it failed; trying again later may help.",
}


def event_errors() -> str:
    """Return a section for each code."""
    return "\n\n".join(_error(kind) for kind in EventError.__subclasses__())


def _error(kind: type[EventError]) -> str:
    return "\n".join(
        [
            f"### `{kind.code}`",
            "",
            inspect.getdoc(kind) or "",
            "",
            f"- Raised in Python: `flask_realtime.errors.{kind.__name__}`",
            f"- Message where none is given: “{kind.default_message}”",
            f"- What a client does: {ADVICE[kind.code]}",
        ]
    )
