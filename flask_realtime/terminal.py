"""Terminal output of commands: tables, sparklines, colours, progress bars, and JSON instead of all that.

A command prints for whoever reads. On a terminal a table has a header and aligned columns; in a pipe or a file it is a line a row,
whose fields are separated by tabs, for `cut` and `awk`. With `--json` a command prints one JSON document::

    columns = (Column("USER"), Column("CONNECTIONS", is_number=True))

    @click.command("users")
    @json_option
    def users(*, as_json: bool) -> None:
        found = count_connections()
        if as_json:
            print_json({"users": [{"user_id": user, "connections": count} for user, count in found.items()]})
        else:
            print_table(columns, found.items())

Tests of tables call `format_table`, which takes the width.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import IO, Any, Final, NamedTuple
from unicodedata import category, east_asian_width

import click

from flask_realtime.logs import escape

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

_BARS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "  "
_CUT: Final = "…"
_MIN_CUT: Final = 8
"""The least width that a column is cut to."""


class CommandFailed(click.ClickException):
    """A failure of a command: one line on stderr, which says what to do, and the exit code 1."""


class Column(NamedTuple):
    """A column of a table.

    Args:
        title: Its title, on a terminal.
        is_number: Whether its cells are aligned to the right.
        may_be_cut: Whether its cells are cut where the terminal is too narrow; never cut what is typed into another command.
    """

    title: str
    is_number: bool = False
    may_be_cut: bool = False


def is_terminal(stream: IO[Any] | None = None) -> bool:
    """Return whether somebody reads a stream on a terminal.

    Args:
        stream: The stream; None for standard output.
    """
    return (sys.stdout if stream is None else stream).isatty()


def has_colours(stream: IO[Any] | None = None) -> bool:
    """Return whether a stream may have colours: it is a terminal that has them, and `NO_COLOR` is not set.

    Args:
        stream: The stream; None for standard output.
    """
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, colour: str | None = None, *, bold: bool = False) -> str:
    """Return a text for standard output in a colour, or as it is where there are no colours.

    Args:
        text: The text.
        colour: A colour of `click.style`, such as `red`, or None.
        bold: Whether it is bold.
    """
    return click.style(text, fg=colour, bold=bold or None) if has_colours() else text


def print_line(text: str = "") -> None:
    """Print a line; characters that the output cannot encode are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), color=has_colours())


def print_json(document: Any) -> None:
    """Print one JSON document; times in it are written as ISO 8601 in UTC."""
    print_line(json.dumps(document, indent=2, ensure_ascii=False, default=_as_json))


def print_note(text: str) -> None:
    """Print a line about the output, on standard error, so that it is in no file that the output goes to."""
    click.echo(text, err=True)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table: aligned and with a header on a terminal, otherwise a line a row, with tabs between the cells.

    Args:
        columns: The columns.
        rows: The cells of each row: text, which is escaped, numbers, times, truth values, or None for an empty one.
    """
    if not is_terminal():
        for row in rows:
            print_line("\t".join(map(cell, row)).rstrip("\t"))
        return
    header, *lines = format_table(columns, rows, shutil.get_terminal_size().columns)
    if lines:
        print_line(coloured(header, bold=True))
    for line in lines:
        print_line(line)


def format_table(columns: Sequence[Column], rows: Iterable[Sequence[Any]], width: int) -> list[str]:
    """Return the lines of a table, its header first.

    Args:
        columns: The columns.
        rows: The cells of each row; see `print_table`.
        width: The width of the terminal. Columns that may be cut are cut to it; what is too wide then is wider.
    """
    cells = [[column.title for column in columns], *([cell(value) for value in row] for row in rows)]
    widths = _fitting(columns, [max(map(display_width, values)) for values in zip(*cells, strict=True)], width)
    return [_GAP.join(map(_padded, row, widths, columns)).rstrip() for row in cells]


def cell(value: Any) -> str:
    """Return the text of a table's cell, in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return format_time(value)
    return f"{value:g}" if isinstance(value, float) else escape(str(value))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(0 if category(char) in {"Mn", "Me"} else 1 + (east_asian_width(char) in {"F", "W"}) for char in text)


def sparkline(values: Iterable[float | None]) -> str:
    """Return a line of bars, as high as some values are; the lowest bar is 0 or less, and None leaves a gap.

    Args:
        values: The values.
    """
    known = list(values)
    highest = max((value for value in known if value is not None), default=0)
    return "".join(" " if value is None else _BARS[_bar(value, highest)] for value in known)


def format_time(moment: datetime | float) -> str:
    """Return a time as ISO 8601 in UTC, to the second.

    Args:
        moment: The time, or the seconds since 1970.
    """
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, timezone.utc)
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def count(number: int, noun: str) -> str:
    """Return a number and a noun, in the plural unless the number is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if that is a terminal, and yield a function that takes the number of further steps.

    Args:
        length: The number of steps.
        label: What is done.
    """
    if not is_terminal(sys.stderr):
        yield _nothing
        return
    with click.progressbar(length=length, label=label, file=sys.stderr, color=has_colours(sys.stderr)) as bar:
        yield bar.update


def _nothing(_steps: int) -> None:
    """Show nothing."""


def _bar(value: float, highest: float) -> int:
    return 0 if value <= 0 else max(1, round(value / highest * (len(_BARS) - 1)))


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    msg = f"{value!r} is not JSON"
    raise TypeError(msg)


def _fitting(columns: Sequence[Column], widths: list[int], total: int) -> list[int]:
    """Return the widths of columns, the widest of those that may be cut made narrower until all fit."""
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - total
    while excess > 0:
        cuttable = [index for index, column in enumerate(columns) if column.may_be_cut and widths[index] > _MIN_CUT]
        if not cuttable:
            break
        widths[max(cuttable, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths


def _padded(text: str, width: int, column: Column) -> str:
    text = _cut(text, width)
    padding = " " * (width - display_width(text))
    return padding + text if column.is_number else text + padding


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    while display_width(text) >= width:
        text = text[:-1]
    return text + _CUT
