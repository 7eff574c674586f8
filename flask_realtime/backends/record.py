"""Record: small values by id, each with a version, so that a change is based on the value that it replaces."""

from __future__ import annotations

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from flask_realtime.contract.json import loads
from flask_realtime.contract.json_faults import FAULTS, FaultFinder
from flask_realtime.contract.records import NOTHING, Stored
from flask_realtime.errors import PayloadNotSerializable, RecordConflict, RecordTooLarge

MAX_BYTES: Final = 64 * 1024
"""Maximum size of a value, as JSON in UTF-8. A change transfers all of it, in both directions."""

MAX_ATTEMPTS: Final = 60

_FIRST_PAUSE: Final = 0.001
_MAX_PAUSE: Final = 0.02


class Text(NamedTuple):
    """A value as it is stored.

    Args:
        text: The value in JSON; empty if there is none.
        version: Its version, or 0.
    """

    text: str
    version: int


NO_TEXT: Final = Text("", 0)


class Attempt(NamedTuple):
    """The result of an attempt to write.

    Args:
        succeeded: Whether the value was written.
        current: The value that is stored after it.
    """

    succeeded: bool
    current: Text


class Record(ABC):
    """Small values by id, each of which expires some time after it was last written.

    Values are stored as JSON: tuples become lists, and the keys of objects strings.
    """

    def get(self, record_id: str) -> Stored:
        """Return a value and its version; `Stored(None, 0)` if there is none."""
        return _decoded(self._read(record_id))

    def put(self, record_id: str, value: Any, *, expected: int) -> int:
        """Write a value if the stored one has a version; see `Record.put` of features."""
        attempt = self._write(record_id, self._encoded(record_id, value), expected)
        return attempt.current.version if attempt.succeeded else 0

    def change(self, record_id: str, function: Callable[[Any], Any]) -> Stored:
        """Replace a value by what a function makes of it; see `Record.change` of features."""
        stored = self._read(record_id)
        for number in range(MAX_ATTEMPTS):
            text = self._encoded(record_id, function(_decoded(stored).value))
            succeeded, stored = self._write(record_id, text, stored.version)
            if succeeded:
                return _decoded(stored)
            _pause(number)
        msg = f"The record {record_id!r} was changed by others during each of {MAX_ATTEMPTS} attempts; change it less often."
        raise RecordConflict(msg)

    @abstractmethod
    def remove(self, record_id: str) -> bool:
        """Remove a value, whatever its version, and return whether there was one."""

    @abstractmethod
    def _read(self, record_id: str) -> Text:
        """Return a value as it is stored, or `NO_TEXT`."""

    @abstractmethod
    def _write(self, record_id: str, text: str, expected: int) -> Attempt:
        """Write a value if the stored one has the expected version."""

    @staticmethod
    def _encoded(record_id: str, value: Any) -> str:
        try:
            text = _encode(value)
            size = len(text.encode())
        except FAULTS as error:
            fault = _FAULTS.find([value], error)
            msg = f"The value of the record {record_id!r} cannot be stored as JSON: {fault}. Convert it before."
            raise PayloadNotSerializable(msg) from error
        if size > MAX_BYTES:
            msg = (
                f"The value of the record {record_id!r} has {size} bytes as JSON, over the maximum of {MAX_BYTES}: use a database."
            )
            raise RecordTooLarge(msg)
        return text


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_FAULTS: Final = FaultFinder(lambda value: _encode(value).encode(), None)


def _decoded(stored: Text) -> Stored:
    return Stored(loads(stored.text), stored.version) if stored.version else NOTHING


def _pause(number: int) -> None:
    # Random, because writers that collided would otherwise retry, and collide, at the same time.
    time.sleep(random.uniform(0, min(_FIRST_PAUSE * 2**number, _MAX_PAUSE)))  # noqa: S311
