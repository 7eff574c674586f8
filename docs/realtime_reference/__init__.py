"""Sphinx extension: the parts of the reference that the code itself states.

A page asks for one with a comment on a line of its own, such as `<!-- generated: events -->`.
"""

import re
from collections.abc import Callable
from typing import Any

from realtime_reference.commands import command_help
from realtime_reference.configuration import settings
from realtime_reference.errors import event_errors
from realtime_reference.events import event_list, event_summary
from realtime_reference.metrics import metrics

GENERATORS: dict[str, Callable[[], str]] = {
    "event-summary": event_summary,
    "events": event_list,
    "commands": command_help,
    "settings": settings,
    "event-errors": event_errors,
    "metrics": metrics,
}
_REQUEST = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


def _fill_in(_app: Any, _docname: str, source: list[str]) -> None:
    source[0] = _REQUEST.sub(lambda request: GENERATORS[request[1]](), source[0])


def setup(app: Any) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", _fill_in)
    return {"parallel_read_safe": True}
