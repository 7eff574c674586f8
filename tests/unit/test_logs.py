"""What reaches a log: one line for each record, whatever is in it, and no more than a few of them for each peer."""

import io
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flask_realtime
from flask_realtime.gateway.limits.peer_log import SUMMARY_DELAY, PeerLog, user_peer
from flask_realtime.logs import escape, get_logger
from flask_realtime.rates import parse_rate
from tests.clock import Clock

FORGED = "x\n2026-01-01 WARNING forged\r\x1b[2K\x00\u2028\x85"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler writes that formats a record as most applications have it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("LINE %(levelname)s %(message)s"))
    logger = get_logger("test_logs")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


def test_an_argument_stays_in_one_line(written: io.StringIO) -> None:
    get_logger("test_logs").warning("event=%s user=%s number=%d", FORGED, ValueError(FORGED), 7)
    assert written.getvalue().count("\n") == 1
    assert written.getvalue().rstrip("\n").isprintable()
    assert r"x\n2026-01-01 WARNING forged\r\x1b[2K\x00\u2028\x85" in written.getvalue()
    assert "number=7" in written.getvalue()


def test_a_message_without_arguments_stays_in_one_line(written: io.StringIO) -> None:
    get_logger("test_logs").warning(f"Invalid session {FORGED}")
    assert written.getvalue().count("\n") == 1


def test_an_argument_by_name_stays_in_one_line(written: io.StringIO) -> None:
    get_logger("test_logs").warning("event=%(event)s", {"event": FORGED})
    assert written.getvalue().count("\n") == 1


def test_a_traceback_keeps_its_lines_and_its_messages_none_of_theirs(written: io.StringIO) -> None:
    def fail() -> None:
        try:
            dict[str, int]()[FORGED]
        except KeyError as error:
            raise ValueError(FORGED) from error

    try:
        fail()
    except ValueError as error:
        get_logger("test_logs").error("failed", exc_info=error)
    lines = written.getvalue().splitlines()
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert sum(line.startswith("Traceback") for line in lines) == 2
    assert any("direct cause" in line for line in lines)
    assert any(line.startswith(r"ValueError: x\n2026") for line in lines)
    assert any("in fail" in line for line in lines)


def test_a_note_of_an_exception_stays_in_one_line(written: io.StringIO) -> None:
    error = ValueError("no")
    error.__notes__ = [FORGED, "harmless"]  # type: ignore[attr-defined]  # what `add_note` of Python 3.11 does
    get_logger("test_logs").error("failed", exc_info=error)
    assert written.getvalue().splitlines() == ["LINE ERROR failed", "ValueError: no", escape(FORGED), "harmless"]


def test_an_exception_whose_context_leads_back_to_it_is_written(written: io.StringIO) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    get_logger("test_logs").error("failed", exc_info=first)
    assert "ValueError: first" in written.getvalue()


def test_an_exception_that_was_never_raised_has_no_traceback(written: io.StringIO) -> None:
    get_logger("test_logs").error("failed", exc_info=ValueError("never raised"))
    assert written.getvalue().splitlines()[1:] == ["ValueError: never raised"]


@given(st.text())
def test_whatever_it_is_it_is_printable_and_short(text: str) -> None:
    assert escape(text).isprintable()
    assert len(escape("\x00" * 5_000)) < 5_000


def test_every_logger_of_the_package_is_one_of_these() -> None:
    folder = Path(flask_realtime.__path__[0])
    own = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if "logging.getLogger(" in path.read_text("utf-8")}
    assert own == {"logs.py"}
    names = [name for name in logging.root.manager.loggerDict if re.match(r"flask_realtime\.", name)]
    records = [logging.LogRecord(name, 30, "", 0, "%s", (FORGED,), None) for name in names]
    made = [name for name in names if isinstance(logging.root.manager.loggerDict[name], logging.Logger)]
    assert made
    for record in records:
        if record.name in made:
            logging.getLogger(record.name).filter(record)
            assert record.getMessage().isprintable(), record.name


# A few lines for each peer ----------------------------------------------------------------------------


class Later:
    """Keeps the timer's work for the test to run, when its clock says so."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []

    def start_background_task(self, target: Any, *args: Any) -> None:
        self.tasks.append((target, args))

    def sleep(self, seconds: float = 0) -> None: ...


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def peer_log(clock: Clock, later: Later) -> PeerLog:
    return PeerLog(later, threading.Event, clock, parse_rate("2/second, burst 3"))


def write(peer_log: PeerLog, peer: str, count: int = 1, level: int = logging.WARNING) -> None:
    for _ in range(count):
        peer_log.write(get_logger("test_logs"), level, peer, "refused: %s", peer)


def lines(written: io.StringIO, text: str) -> int:
    return sum(text in line for line in written.getvalue().splitlines())


def run(later: Later, clock: Clock, seconds: float) -> None:
    clock.now += seconds
    (target, args) = later.tasks.pop()
    target(*args)


def test_a_peer_writes_so_many_lines_and_the_rest_is_summed_up_later(
    peer_log: PeerLog, written: io.StringIO, clock: Clock, later: Later
) -> None:
    write(peer_log, "1.2.3.4", 1_000)
    assert lines(written, "refused: 1.2.3.4") == 3
    run(later, clock, SUMMARY_DELAY)
    assert "LINE WARNING left out: lines=997 peer=1.2.3.4 seconds=5\n" in written.getvalue()
    assert later.tasks == []
    write(peer_log, "1.2.3.4")
    assert lines(written, "refused: 1.2.3.4") == 4


def test_a_summary_comes_from_where_the_last_line_would_have(
    peer_log: PeerLog, clock: Clock, later: Later, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("test_logs.first", "test_logs.last"):
        for _ in range(5):
            peer_log.write(get_logger(name), logging.WARNING, "1.2.3.4", "refused")
    run(later, clock, SUMMARY_DELAY)
    assert [(record.name, record.getMessage()) for record in caplog.records[3:]] == [
        ("test_logs.last", "left out: lines=7 peer=1.2.3.4 seconds=5")
    ]


def test_it_takes_nothing_from_others(peer_log: PeerLog, written: io.StringIO) -> None:
    write(peer_log, "1.2.3.4", 1_000)
    write(peer_log, "5.6.7.8", 2)
    write(peer_log, user_peer("1.2.3.4", "9.9.9.9"), 2)
    assert lines(written, "refused: 5.6.7.8") == 2
    assert lines(written, "refused: user 1.2.3.4") == 2


def test_an_address_of_ipv6_counts_by_its_network(peer_log: PeerLog, written: io.StringIO) -> None:
    for number in range(100):
        write(peer_log, f"2001:db8::{number:x}")
    assert lines(written, "refused: 2001:db8::") == 3


def test_all_peers_together_have_a_bound(peer_log: PeerLog, written: io.StringIO, clock: Clock, later: Later) -> None:
    for number in range(3_000):
        write(peer_log, f"peer {number}")
    assert lines(written, "refused: ") == 200
    assert len(peer_log._buckets) == 1_000
    run(later, clock, SUMMARY_DELAY)
    assert re.findall(r"left out: (.+)", written.getvalue()) == ["lines=2800 peer=others seconds=5"]


def test_a_peer_that_writes_too_much_is_named_beside_all_others(
    peer_log: PeerLog, written: io.StringIO, clock: Clock, later: Later
) -> None:
    for number in range(300):
        write(peer_log, f"peer {number}")
    write(peer_log, "1.2.3.4", 100)
    run(later, clock, SUMMARY_DELAY)
    assert re.findall(r"left out: (.+) seconds", written.getvalue()) == ["lines=103 peer=others", "lines=97 peer=1.2.3.4"]


def test_so_many_peers_are_named_and_no_more(peer_log: PeerLog, written: io.StringIO, clock: Clock, later: Later) -> None:
    for number in range(1_500):
        write(peer_log, f"peer {number}", 4)
    assert len(peer_log._silences) == 1_000
    run(later, clock, SUMMARY_DELAY)
    counted = sum(map(int, re.findall(r"left out: lines=(\d+)", written.getvalue())))
    assert counted == 1_500 * 4 - lines(written, "refused: ")


def test_what_nobody_wants_to_see_is_not_counted(peer_log: PeerLog, written: io.StringIO, later: Later) -> None:
    write(peer_log, "1.2.3.4", 100, logging.DEBUG)
    write(peer_log, "1.2.3.4")
    assert lines(written, "refused: ") == 1
    assert later.tasks == []


def test_the_line_of_an_exception_has_its_traceback(peer_log: PeerLog, written: io.StringIO) -> None:
    peer_log.write(get_logger("test_logs"), logging.ERROR, "1.2.3.4", "failed", error=ValueError("why"))
    assert "ValueError: why" in written.getvalue()
