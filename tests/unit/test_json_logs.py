"""Log lines as JSON: one object a line, whatever is logged."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.json_logs import JsonFormatter
from flask_realtime.logs import get_logger

LOGGER = "test_json_logs"


def line(
    text: Any, *args: Any, formatter: JsonFormatter | None = None, level: int = logging.INFO, **options: Any
) -> dict[str, Any]:
    """What a record comes to that is made as a logger of the package makes it."""
    logger = get_logger(LOGGER)
    record = logger.makeRecord(LOGGER, level, "", 0, text, args, options.get("exc_info"), extra=options.get("extra"))
    logger.filter(record)
    written = (formatter or JsonFormatter()).format(record)
    assert "\n" not in written
    found: dict[str, Any] = json.loads(written)
    return found


def own(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in found if name not in {"time", "server", "process", "level", "logger"}}


def test_each_line_says_when_where_and_how_bad() -> None:
    found = line("something happened", level=logging.WARNING)
    assert datetime.now(timezone.utc) - datetime.fromisoformat(found["time"]) < timedelta(minutes=1)
    assert found["time"].endswith("+00:00")
    assert {name: found[name] for name in ("level", "logger", "server", "process")} == {
        "level": "WARNING",
        "logger": LOGGER,
        "server": socket.gethostname(),
        "process": os.getpid(),
    }
    assert own(found) == {"message": "something happened"}
    assert line("x", formatter=JsonFormatter(server="chat-1"))["server"] == "chat-1"


def test_what_a_text_names_is_a_field() -> None:
    assert own(line("disconnected: user=%s id=%s reason=%s seconds=%.1f", "7", "abc", "transport close", 1.25)) == {
        "message": "disconnected: user=7 id=abc reason=transport close seconds=1.2",
        "action": "disconnected",
        "user": "7",
        "connection": "abc",
        "reason": "transport close",
        "seconds": 1.25,
    }


def test_a_value_that_is_not_named_is_none_and_moves_no_other() -> None:
    assert own(line("Of 100%% %s, user=%s did %d", "all", "7", 3)) == {"message": "Of 100% all, user=7 did 3", "user": "7"}


def test_what_is_not_there_is_left_out() -> None:
    assert own(line("failed: event=%s user=%s", None, "")) == {"message": "failed: event=None user=", "action": "failed"}


def test_a_text_is_not_asked_for_names_where_its_values_have_them() -> None:
    assert own(line("user=%(user)s", {"user": "7"})) == {"message": "user=7"}


def test_what_is_no_text_is_written_as_one() -> None:
    assert own(line(ValueError("x"))) == {"message": "x"}


def test_extra_fields_are_fields_and_forge_none_of_the_formatter_s() -> None:
    found = line("x", extra={"conversation": 7, "price": Decimal(1), "level": "forged", "server": "forged"})
    assert own(found) == {"message": "x", "conversation": 7, "price": "1"}
    assert (found["level"], found["server"]) == ("INFO", socket.gethostname())


def test_more_fields_are_asked_for_each_line() -> None:
    formatter = JsonFormatter(fields=lambda: {"trace_id": "a"})
    assert own(line("x", formatter=formatter)) == {"message": "x", "trace_id": "a"}


def test_an_exception_is_named_and_has_its_traceback() -> None:
    try:
        dict[str, int]()["x"]
    except KeyError:
        found = line("failed", exc_info=sys.exc_info())
    assert found["error"] == "KeyError"
    assert found["traceback"].startswith("Traceback (most recent call last)")
    assert found["traceback"].endswith("KeyError: 'x'")


def test_an_exception_of_another_s_logger_has_its_traceback_too() -> None:
    record = logging.LogRecord("other", logging.ERROR, "", 0, "failed", (), (ValueError, ValueError("x"), None))
    assert json.loads(JsonFormatter().format(record))["traceback"] == "ValueError: x"


@given(st.text(), st.text())
def test_whatever_a_client_sends_is_one_line(first: str, second: str) -> None:
    found = line("failed: event=%s user=%s", first, second)
    assert found["action"] == "failed"


def test_settings_that_name_the_formatter_import_nothing_that_gevent_patches() -> None:
    """They are read by gunicorn before its worker patches the standard library."""
    script = """
import logging.config, sys

formatters = {"json": {"()": "flask_realtime.json_logs.JsonFormatter"}}
logging.config.dictConfig({"version": 1, "formatters": formatters})
print([name for name in ("ssl", "gevent", "socketio", "redis", "flask_realtime.public") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
