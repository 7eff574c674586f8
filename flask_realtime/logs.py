"""Loggers whose lines no client can forge: control characters are escaped when a record is made.

Event names, reasons, forwarded addresses, user ids and the messages of exceptions may all come from a client. Every
module of the package gets its logger here, so that no call has to escape anything.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from typing import Any, Final

_MAX_LENGTH: Final = 1000
"""Maximum number of characters of one value; the rest is cut."""

_NEVER_ESCAPED: Final = (int, float, type(None))


def get_logger(name: str) -> logging.Logger:
    """Return a module's logger, which escapes its arguments."""
    logger = logging.getLogger(name)
    protect(logger)
    return logger


def protect(logger: logging.Logger) -> None:
    """Make a logger escape its arguments; repeated calls change nothing."""
    if not any(isinstance(item, _Escaping) for item in logger.filters):
        logger.addFilter(_Escaping())


def escape(text: str) -> str:
    """Return a text in one line: unprintable characters are escaped as in a Python string, and long texts are cut."""
    if len(text) > _MAX_LENGTH:
        text = f"{text[:_MAX_LENGTH]}… ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class _Escaping(logging.Filter):
    """Escapes a record's arguments, and the messages in its traceback; line breaks of the traceback itself stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.args:
            record.args = _escaped_arguments(record.args)
        else:
            record.msg = escape(str(record.msg))
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            record.exc_text = "".join(_traceback(record.exc_info[1], set())).rstrip("\n")
        return True


def _escaped_arguments(args: Any) -> Any:
    if isinstance(args, dict):
        return {key: _escaped(value) for key, value in args.items()}
    return tuple(map(_escaped, args))


def _escaped(value: Any) -> Any:
    return value if isinstance(value, _NEVER_ESCAPED) else escape(str(value))


def _traceback(error: BaseException, seen: set[int]) -> Iterator[str]:
    """Format an exception as Python does, but with its message on one line."""
    seen.add(id(error))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None and id(earlier) not in seen:
        yield from _traceback(earlier, seen)
        direct = "The above exception was the direct cause of the following exception:"
        yield f"\n{direct if error.__cause__ else 'During handling of the above exception, another exception occurred:'}\n\n"
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    shown = traceback.TracebackException(type(error), error, None, compact=True)
    shown.__notes__ = None  # type: ignore[attr-defined]  # their lines would be escaped one by one; before Python 3.11 there are none
    for line in shown.format_exception_only():
        yield escape(line.rstrip("\n")) + "\n"
    for note in _notes(error):
        yield escape(note) + "\n"


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None) or []
    return [*map(str, notes)] if isinstance(notes, (list, tuple)) else [repr(notes)]
