"""Faults of payloads: the place in a value that JSON cannot represent, searched for after encoding has failed."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

FAULTS = (TypeError, ValueError, RecursionError)
"""Exceptions that encoding raises for a value that JSON cannot represent."""

_MAX_STEPS = 50
"""Maximum number of steps in a path, and of characters in a step; more would not help a reader."""


class Fault(NamedTuple):
    """A fault in a payload.

    Args:
        path: Its place, as a Python expression: `payload.items[3].price`.
        reason: What is wrong there.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        """Return the place, then what is wrong there."""
        return f"{self.path}: {self.reason}"


class FaultFinder:
    """Finds the first part of a value that cannot be encoded, by trying its parts.

    Args:
        encode: Encodes a value; raises one of `FAULTS` where it cannot.
        convert: Turns an object into something closer to JSON, as an encoder's `default` does; None if the encoder does not expose
            that.
    """

    def __init__(self, encode: Callable[[Any], object], convert: Callable[[Any], Any] | None) -> None:
        self._encode = encode
        self._convert = convert

    def find(self, args: Sequence[Any], error: Exception) -> Fault:
        """Return the fault in the arguments of an event or of an answer.

        Args:
            args: The arguments.
            error: The exception that encoding them raised.
        """
        path, value = ("payload", args[0]) if len(args) == 1 else ("arguments", args)
        above: list[Any] = []
        while len(above) < _MAX_STEPS and (step := self._first_fault(value)) is not None:
            above.append(value)
            name, value, error = step
            path += name
            if any(value is other for other in above):
                return Fault(path, f"a circular reference, back to the {type(value).__name__} that holds it")
        return Fault(path, _reason(value, error))

    def _first_fault(self, value: Any) -> tuple[str, Any, Exception] | None:
        for step, part in self._parts(value):
            try:
                self._encode(part)
            except FAULTS as error:
                return step, part, error
        return None

    def _parts(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Mapping):
            return ((_step(key), part) for key, part in value.items())
        if isinstance(value, list | tuple):
            return ((f"[{index}]", part) for index, part in enumerate(value))
        if self._convert is None or isinstance(value, str | int | float | None):
            return iter(())
        try:
            return self._parts(self._convert(value))
        except FAULTS:
            return iter(())


def _step(key: object) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() and len(key) <= _MAX_STEPS else f"[{reprlib.repr(key)}]"


def _reason(value: Any, error: Exception) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a number in JSON"
    if isinstance(value, str):
        return "a lone surrogate, which UTF-8 cannot encode"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(value, Mapping):
        return _reason_of_keys(value) or str(error)
    if isinstance(error, TypeError) and not isinstance(value, int):
        return f"{type(value).__name__} is not JSON serializable"
    return str(error)


def _reason_of_keys(value: Mapping[Any, Any]) -> str | None:
    for key in value:
        if not isinstance(key, str | int | float | None):
            return f"keys must be strings, not {type(key).__name__}"
        if isinstance(key, float) and not math.isfinite(key):
            return f"{key} is not a key in JSON"
        if isinstance(key, str) and not _is_text(key):
            return f"the key {reprlib.repr(key)} has a lone surrogate, which UTF-8 cannot encode"
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
