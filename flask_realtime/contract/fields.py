"""Fields of a payload: reads them one by one, and names every wrong one in a single error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from flask_realtime.contract.ids import EXPECTED, parse_id
from flask_realtime.contract.parsing import listed, missing, only_argument
from flask_realtime.errors import BadRequest, InvalidId

ValueT = TypeVar("ValueT")

_LONGEST_NUMBER: Final = 19


class Fields:
    """The fields of the object that is an event's only argument.

    Call `check` once all have been read; until then, the value of a wrong field stands for nothing.

    Args:
        args: The event's arguments.
        expected: What the object must be, for the error.

    Raises:
        BadRequest: There is no object.
    """

    def __init__(self, args: Sequence[Any], expected: str) -> None:
        payload = only_argument(args, "payload", expected)
        if not isinstance(payload, dict):
            msg = f"payload must be {expected}"
            raise BadRequest(msg)
        self.payload = payload
        self._problems: list[str] = []

    def check(self) -> None:
        """Check that no field was wrong.

        Raises:
            BadRequest: Some were; the message names them.
        """
        if self._problems:
            raise BadRequest(listed(self._problems))

    def refuse(self, problem: str) -> None:
        """Add a problem."""
        self._problems.append(problem)

    def id(self, name: str) -> str:
        """Return the text of an id."""
        if name not in self.payload:
            self.refuse(missing(name, EXPECTED))
        return self._id(self.payload[name], name) if name in self.payload else ""

    def optional_id(self, name: str) -> str | None:
        """Return the text of an id, or None if it is null or missing."""
        value = self.payload.get(name)
        return None if value is None else self._id(value, name)

    def ids(self, name: str, most: int, *, least: int = 0) -> tuple[str, ...]:
        """Return the texts of ids, each once; none if the field is null or missing and may be."""
        value = self.payload.get(name)
        if value is None and least == 0:
            return ()
        expected = f"a list of {least} to {most} ids"
        if not isinstance(value, list) or not least <= len(value) <= most:
            self.refuse(f"{name} must be {expected}" if name in self.payload else missing(name, expected))
            return ()
        return tuple(dict.fromkeys(self._id(each, f"{name}[{place}]") for place, each in enumerate(value)))

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return an integer, which may be text as in a query, or the default if it is null or missing."""
        value = self.payload.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.refuse(f"{name} must be an integer from {least} to {most}")
            return default
        return value

    def value(self, name: str, expected: str, read: Callable[[Any], ValueT | None], default: ValueT) -> ValueT:
        """Return what a function makes of a field; None refuses it, and a missing field is wrong.

        Args:
            name: The field.
            expected: What it must be, for the error.
            read: Returns the value, or None.
            default: What a wrong one stands for.
        """
        value = read(self.payload[name]) if name in self.payload else None
        if value is None:
            self.refuse(f"{name} must be {expected}" if name in self.payload else missing(name, expected))
            return default
        return value

    def _id(self, value: object, name: str) -> str:
        try:
            return parse_id(value, name)
        except InvalidId as error:
            self.refuse(str(error))
            return ""
