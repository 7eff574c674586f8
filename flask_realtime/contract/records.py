"""Values of records, with their versions."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Stored(NamedTuple):
    """A value of a record.

    Args:
        value: The value, as JSON has it; None if there is none.
        version: Its version, or 0 if there is none. A later write has a higher one, after a removal too.
    """

    value: Any
    version: int


NOTHING: Final = Stored(None, 0)
"""The result of looking for a value that was never written, was removed, or has expired."""
