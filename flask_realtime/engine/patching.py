"""Objects and calls of other packages that there is no public way to: their classes are changed, their frames searched.

The one module that does either, for those who must: neither gunicorn nor gevent tells an application what serves it, and a server
of python-engineio's is made before it is known whether it is to be ours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any


def put_before(front: type[Any], kind: type[Any], members: Mapping[str, Any] | None = None) -> Any:
    """Return a class of another one's name that has a class go before it.

    Args:
        front: The class that goes first.
        kind: That other one.
        members: What the new class has of its own.
    """
    return type(kind.__name__, (front, kind), dict(members or {}))


def change_class(thing: Any, kind: type[Any]) -> None:
    """Make an object one of another class; what it holds stays.

    Args:
        thing: The object.
        kind: A class whose objects hold what this one does, and may hold more.
    """
    thing.__class__ = kind


def callers() -> Iterator[FrameType]:
    """Yield the frames of the functions that are being called, from whoever asks outwards."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - inspect.currentframe is this, and may return None
    while frame is not None:
        yield frame
        frame = frame.f_back
