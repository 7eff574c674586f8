"""Column types that the models share."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import BigInteger, DateTime, Integer, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

MAX_USER_ID_LENGTH = 128
MAX_INTEGER_ID = 2**63 - 1

# SQLite numbers rows automatically only in a column declared INTEGER.
IntegerKey = BigInteger().with_variant(Integer(), "sqlite")


def utc_now() -> datetime:
    """Return the current time, with UTC as its time zone."""
    return datetime.now(timezone.utc)


def parse_row_id(value: object) -> int | None:
    """Convert an id from the wire, a decimal number, to the database's integer.

    Args:
        value: An id from a client, a URL or a hook.

    Returns:
        The number, or None if no row can have that id: the text is not a number, is not in canonical form
        (`"07"`), or does not fit 64 bits, which database drivers refuse.
    """
    text = str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_INTEGER_ID)):
        return None
    number = int(text)
    return number if str(number) == text and 0 < number <= MAX_INTEGER_ID else None


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware point in time, in UTC, on every database.

    SQLite stores no time zone, so a plain `DateTime(timezone=True)` would come back naive.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Convert to UTC; a naive time is an error, since its moment is ambiguous."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"expected a time with a time zone, not the naive {value!r}"
            raise ValueError(msg)
        return value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Restore the time zone if the database dropped it."""
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(timezone.utc)
        return value.replace(tzinfo=timezone.utc)


class StringUserId(TypeDecorator[str]):
    """A user id as in the token: text of at most 128 characters."""

    impl = String(MAX_USER_ID_LENGTH)
    cache_ok = True


class IntegerUserId(TypeDecorator[str]):
    """A user id that is text in Python and an integer in the database.

    For an application whose users table has an integer primary key that the models refer to. Text that is not a number
    is bound as NULL, which equals nothing: such a user is unknown.
    """

    impl = IntegerKey
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> int | None:
        """Turn the text into the number, or into NULL if it is not one."""
        return None if value is None else parse_row_id(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> str | None:
        """Turn the number into the text."""
        return None if value is None else str(value)
