"""Ids of conversations, users, notifications and messages.

The contract accepts strings and integers; `7` and `"7"` name the same thing, so the package works on the text.
"""

from __future__ import annotations

from typing import TypeAlias

from flask_realtime.errors import InvalidId

WireId: TypeAlias = str | int
"""An id as a client or the application wrote it; it is sent back unchanged."""

MAX_ID_LENGTH = 128
"""Maximum number of characters; section 2 of the contract."""

EXPECTED = f"a non-empty string of at most {MAX_ID_LENGTH} printable characters, or an integer"
_INTEGER_LIMIT = 10**MAX_ID_LENGTH


def parse_id(value: object, field: str) -> str:
    """Return the text of an id.

    Args:
        value: The id that a client or the application gave.
        field: The name of the field, for the error.

    Returns:
        The id as text, so that `7` and `"7"` are equal.

    Raises:
        InvalidId: The value is not an id.
    """
    if isinstance(value, str):
        if value.strip() and len(value) <= MAX_ID_LENGTH and value.isprintable():
            return value
    # Check the range before converting: Python refuses to print integers of many thousand digits.
    elif isinstance(value, int) and not isinstance(value, bool) and -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        return parse_id(str(value), field)
    raise InvalidId(field, EXPECTED)


def parse_wire_id(value: object, field: str) -> tuple[str, WireId]:
    """Return the text of an id, and the id as it was written.

    Args:
        value: The id that a client or the application gave.
        field: The name of the field, for the error.

    Raises:
        InvalidId: The value is not an id.
    """
    text = parse_id(value, field)
    return text, value if isinstance(value, int) else text
