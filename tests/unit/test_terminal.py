"""What commands print: tables, sparklines, JSON; and nothing of a terminal's where there is none."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta, timezone

import click
import pytest
from click.testing import CliRunner

from flask_realtime.terminal import (
    Column,
    CommandFailed,
    coloured,
    count,
    display_width,
    format_table,
    format_time,
    has_colours,
    print_json,
    print_line,
    print_note,
    print_table,
    progress,
    sparkline,
)

NOON = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
COLUMNS = (Column("USER", may_be_cut=True), Column("SINCE"), Column("ROOMS", is_number=True))


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 60 columns that has colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


@contextmanager
def on(stream: io.StringIO) -> Iterator[None]:
    """Let a stream be standard output and standard error."""
    with redirect_stdout(stream), redirect_stderr(stream):
        yield


def test_columns_are_aligned_numbers_to_the_right() -> None:
    assert format_table(COLUMNS, [("ann", NOON, 12), ("benjamin", None, 3)], 80) == [
        "USER      SINCE                      ROOMS",
        "ann       2026-03-01T12:00:00+00:00     12",
        "benjamin                                 3",
    ]


def test_wide_and_combining_characters_are_counted_as_a_terminal_shows_them() -> None:
    assert [display_width(text) for text in ("ann", "日本", "e\u0301", "😀!")] == [3, 4, 1, 3]
    lines = format_table((Column("NAME"), Column("N", is_number=True)), [("日本", 1), ("e\u0301a", 2)], 80)
    assert lines == ["NAME  N", "日本  1", "e\u0301a    2"]


def test_the_columns_that_may_be_cut_are_cut_to_the_terminal_the_widest_first() -> None:
    columns = (Column("ID"), Column("A", may_be_cut=True), Column("B", may_be_cut=True))
    rows = [("x" * 20, "a" * 30, "b" * 10), ("y", "日" * 15, "b")]
    header, first, second = format_table(columns, rows, 46)
    assert first == f"{'x' * 20}  {'a' * 11}…  {'b' * 10}"
    assert second == f"y{' ' * 21}{'日' * 5}…   b"
    assert [display_width(line) <= 46 for line in (header, first, second)] == [True] * 3


def test_what_is_typed_into_another_command_is_never_cut() -> None:
    assert format_table((Column("ID"),), [("x" * 50,)], 20) == ["ID", "x" * 50]
    narrow = format_table((Column("ID"), Column("A", may_be_cut=True)), [("x" * 50, "a" * 20)], 20)
    assert narrow[1] == f"{'x' * 50}  {'a' * 7}…"


def test_a_cell_is_one_line_whatever_it_holds() -> None:
    cells = format_table([Column("")] * 4, [("a\x1b[2J\nb", True, 1.50, False)], 80)[1]
    assert cells == r"a\x1b[2J\nb  yes  1.5  no"


def test_a_sparkline_is_as_high_as_its_values() -> None:
    assert sparkline([0, 1, 4, None, 7, -2]) == "▁▂▅ █▁"
    assert sparkline([0, 1, 1000]) == "▁▂█"  # What happened at all is seen.
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == sparkline(iter(())) == ""


def test_on_a_terminal_a_table_has_a_bold_header(terminal: Terminal) -> None:
    with on(terminal):
        print_table(COLUMNS, [("ann", NOON, 12)])
    header, row = terminal.getvalue().splitlines()
    assert header == "\x1b[1mUSER  SINCE                      ROOMS\x1b[0m"
    assert row == "ann   2026-03-01T12:00:00+00:00     12"


def test_a_table_is_as_wide_as_the_terminal(terminal: Terminal) -> None:
    with on(terminal):
        print_table(COLUMNS, [("a" * 90, NOON, 12)])
    assert [len(click.unstyle(line)) for line in terminal.getvalue().splitlines()] == [60, 60]


def test_an_empty_table_prints_nothing(terminal: Terminal) -> None:
    with on(terminal):
        print_table(COLUMNS, [])
    assert terminal.getvalue() == ""


def test_in_a_pipe_a_table_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [("a" * 90, NOON, 12), ("b\tc", None, None)])
    assert capsys.readouterr().out == f"{'a' * 90}\t2026-03-01T12:00:00+00:00\t12\nb\\tc\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_turned_off(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with on(terminal):
        assert has_colours()
        assert coloured("no", "red") == "\x1b[31mno\x1b[0m"
        monkeypatch.setenv(name, value)
        assert not has_colours()
        print_line(coloured("no", "red", bold=True))
        print_table(COLUMNS, [("ann", NOON, 12)])
    assert "\x1b" not in terminal.getvalue()


def test_an_empty_no_color_is_none(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert has_colours(terminal)


def test_in_a_pipe_there_are_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(coloured("no", "red", bold=True))
    assert capsys.readouterr().out == "no\n"


def test_what_the_output_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    print_line("日 €")
    sys.stdout.flush()
    assert written.getvalue() == rb"\u65e5 \u20ac" + b"\n"


def test_json_is_one_document_with_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "日", "at": NOON})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": "日", "at": "2026-03-01T12:00:00+00:00"}
    assert "日" in printed
    with pytest.raises(TypeError, match="is not JSON"):
        print_json({"it": object()})


def test_notes_and_failures_stay_out_of_the_output() -> None:
    @click.command
    def failing() -> None:
        print_note("There are more.")
        msg = "Set it."
        raise CommandFailed(msg)

    done = CliRunner().invoke(failing)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "There are more.\nError: Set it.\n")


def test_progress_is_shown_on_a_terminal_alone(terminal: Terminal) -> None:
    piped = io.StringIO()
    for stream in (terminal, piped):
        with on(stream), progress(4, "Rooms") as done:
            done(1)
            done(3)
    assert "Rooms" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert piped.getvalue() == ""


def test_numbers_and_times_are_written_for_people() -> None:
    assert (count(1, "room"), count(0, "room")) == ("1 room", "0 rooms")
    assert format_time(0) == "1970-01-01T00:00:00+00:00"
