"""JSON formatter for log lines: one object a line, with the ids that join the lines of one connection, user or trace.

    handler.setFormatter(JsonFormatter())

The package's own lines name their values, as in `connected: user=%s id=%s`, so that each becomes a field; those of the application
have what they are given as `extra`.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Final

_STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime"})
_PLACEHOLDER: Final = re.compile(r"(?:\b([a-z]+)=)?%(?:\.\d+)?[sdfr]")
_ACTION: Final = re.compile(r"([a-z ]+): [a-z]+=%")
_RENAMED: Final[Mapping[str, str]] = {"id": "connection"}


class JsonFormatter(logging.Formatter):
    """Formats records as JSON.

    Args:
        server: The value of the field `server`; None for the machine's name. The process is in the field `process`.
        fields: Returns more fields of each line, such as `flask_realtime.tracing.current_ids`.
    """

    def __init__(self, *, server: str | None = None, fields: Callable[[], Mapping[str, Any]] | None = None) -> None:
        super().__init__()
        self._server = socket.gethostname() if server is None else server
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of JSON. The standard fields take precedence over others of the same names."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "server": self._server,
            "process": record.process,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        others = {**_named(record), **_extra(record), **({} if self._fields is None else self._fields())}
        return json.dumps({**others, **line} if others else line, default=str)


def _named(record: logging.LogRecord) -> dict[str, Any]:
    """Return the values that the text of a record names, and what it says has happened."""
    if not isinstance(record.msg, str) or not isinstance(record.args, tuple):
        return {}
    action = _ACTION.match(record.msg)
    named = {} if action is None else {"action": action[1]}
    return {**named, **dict(_values(record.msg, record.args))}


def _values(text: str, args: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    # Not strict: a text that does not fit its arguments is an error of `getMessage`.
    for placeholder, value in zip(_PLACEHOLDER.finditer(text.replace("%%", "")), args, strict=False):
        name = placeholder[1]
        if name is not None and value is not None and value != "":
            yield _RENAMED.get(name, name), value


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
