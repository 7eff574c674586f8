"""Lines of the log, as the guide's table has them: each is written when what it tells happens, with the fields that it promises."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple

import pytest
from flask import Flask

from flask_realtime import Identity, Realtime
from flask_realtime.extension import gateway_of
from flask_realtime.gateway.limits import peer_log
from flask_realtime.json_logs import JsonFormatter
from tests.integration.conftest import MakeApp
from tests.integration.recovery_client import come_back, enter, lose
from tests.integration.wire import Wire

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "logging.md"
SECONDS: Final = 10.0
DESK: Final = "/desk"
ADDRESS: Final = "203.0.113.5"

Line = dict[str, Any]


class Row(NamedTuple):
    """What the table says of the lines of an action."""

    levels: list[str]
    loggers: str
    fields: list[str]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def table() -> dict[str, Row]:
    """The guide's table, by action; lines that name none have no fields either."""
    found = {}
    section = PAGE.read_text(encoding="utf-8").partition("## What is logged")[2]
    for row in re.findall(r"^\| `.*$", section, re.MULTILINE):
        levels, loggers, actions, fields = row.strip("|").split("|")
        assert quoted(actions) or not quoted(fields), row
        found.update({action: Row(quoted(levels), loggers, quoted(fields)) for action in quoted(actions)})
    return found


TABLE: Final = table()


class Log(logging.Handler):
    """What the package logs, as JSON."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonFormatter())
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def of(self, action: str, **fields: Any) -> list[Line]:
        """The lines of an action that have these values."""
        return [line for line in self.lines if {"action": action, **fields}.items() <= line.items()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    log = Log()
    caplog.set_level("DEBUG", "flask_realtime")
    monkeypatch.setattr(peer_log, "SUMMARY_DELAY", 0.0)
    logging.getLogger("flask_realtime").addHandler(log)
    yield log
    logging.getLogger("flask_realtime").removeHandler(log)


def boom_elsewhere() -> None:
    raise RuntimeError


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """An application with a namespace, whose handlers fail, and which soon has enough of whom it refuses."""
    app = make_app(REALTIME_MAX_REFUSALS="1/hour", REALTIME_LIMITS={"application": "2/hour"})
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, conversation: conversation == "1")
    realtime.socketio.on("connect", namespace=DESK)(lambda: None)

    @realtime.on("boom")
    def boom(_identity: Identity) -> None:
        raise RuntimeError

    realtime.socketio.on_event("boom", boom_elsewhere, namespace=DESK)
    return app


def entered(app: Flask, user_id: str, namespace: str = "") -> tuple[Wire, str]:
    """A session that has been let in, and the connection's id."""
    wire = Wire(app, REMOTE_ADDR=ADDRESS)
    answer = wire.enter(user_id, namespace)
    return wire, str(json.loads(answer[answer.index("{") :])["sid"])


def call(wire: Wire, event: str, *args: str) -> str:
    """Send an event, and return the text of its answer."""
    wire.send("21" + json.dumps([event, *args]))
    return wire.receive_until("31")[2:]


def cause_all(app: Flask) -> None:
    """Have everything happen that the table tells of."""
    gateway = gateway_of(app)
    gateway.on_serving()
    ann, _ = entered(app, "ann")
    assert call(ann, "join:conversation", "1") == call(ann, "leave:conversation", "1") == '[{"ok":true}]'
    for _ in range(20):
        assert "forbidden" in call(ann, "join:conversation", "2")
    ben, _ = entered(app, "ben")
    assert "internal_error" in call(ben, "boom")
    refused = Wire(app, REMOTE_ADDR=ADDRESS)
    refused.send('0{"token":"nonsense"}')
    assert refused.receive().startswith("4")
    lost = Wire(app, REMOTE_ADDR=ADDRESS)
    place = enter(lost, "cleo")
    lose(app, lost, "cleo")
    assert come_back(Wire(app, REMOTE_ADDR=ADDRESS), "cleo", place).ready["recovered"]
    dora, _ = entered(app, "dora")
    dora.send("9")
    dora.until_closed()
    gateway.begin_drain()
    gateway.wait_idle()


def wait_for(app: Flask, log: Log, action: str) -> None:
    """Wait for a line that nothing else waits for."""
    deadline = monotonic() + SECONDS
    while not log.of(action) and monotonic() < deadline:
        gateway_of(app)._server.sleep(0.005)


def test_whatever_the_table_promises_is_in_the_line(app: Flask, log: Log) -> None:
    cause_all(app)
    wait_for(app, log, "left out")
    missing: dict[str, list[str]] = {}
    for action, row in TABLE.items():
        lines = log.of(action)
        fields = [field for field in row.fields if not lines or any(field not in line for line in lines)]
        if fields or not lines:
            missing[action] = fields
    assert missing == {}
    for line in log.lines:
        if line.get("action") in TABLE:
            row = TABLE[line["action"]]
            assert line["level"] in row.levels, line
            loggers = quoted(row.loggers) or [".".join(line["logger"].split(".")[1:])]
            own = line["logger"].removeprefix("flask_realtime.")
            assert any(own == name or (own.startswith(f"{name}.") and "below" in row.loggers) for name in loggers), line


@pytest.mark.parametrize("namespace", ["", DESK])
def test_a_traceback_is_joined_to_the_connection_whose_event_it_was(app: Flask, log: Log, namespace: str) -> None:
    ids = {}
    for number in range(2):
        wire, ids[number] = entered(app, "ann", namespace)
        wire.send(f'2{namespace and namespace + ","}{number}["boom"]')
        wire.receive_until(f"3{namespace and namespace + ','}{number}[")
    for connection in ids.values():
        (line,) = log.of("application failed", connection=connection)
        assert (line["user"], line["event"], line["error"]) == ("ann", "boom", "RuntimeError")
        assert line["traceback"].endswith("RuntimeError")


@pytest.mark.parametrize("namespace", ["", DESK])
def test_who_sends_nonsense_is_named(app: Flask, log: Log, namespace: str) -> None:
    wire, connection = entered(app, "ann", namespace)
    wire.send("9")
    wire.until_closed()
    (line,) = log.of("closed")
    told = {name: line.get(name) for name in ("user", "connection", "address", "reason")}
    assert told == {"user": "ann", "connection": connection, "address": ADDRESS, "reason": "malformed packet: no packet"}


def test_nonsense_of_nobody_has_an_address_alone(app: Flask, log: Log) -> None:
    wire = Wire(app, REMOTE_ADDR=ADDRESS)
    wire.send("9")
    wire.until_closed()
    (line,) = log.of("closed")
    assert line["address"] == ADDRESS
    assert not {"user", "connection"} & set(line)


@pytest.mark.parametrize("namespace", ["", DESK])
def test_who_keeps_sending_too_much_is_named(app: Flask, log: Log, namespace: str) -> None:
    wire, connection = entered(app, "ann", namespace)
    for _ in range(5):
        wire.send(f'2{namespace and namespace + ","}["none"]')
    wait_for(app, log, "closed")
    told = {name: log.of("closed")[0].get(name) for name in ("user", "connection", "address", "reason")}
    assert told == {"user": "ann", "connection": connection, "address": ADDRESS, "reason": "keeps sending too much"}
