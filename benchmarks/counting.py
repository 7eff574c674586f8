"""Cost of counting on the path of an event: the package, and a copy of it that counts nothing, in turns in one server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.build import FOLDER
from benchmarks.servers import KEY

Figures = dict[str, float]
Rows = dict[str, dict[str, Figures]]
"""Figures by row and side."""

NOT_COUNTED: Final = "not_counted"
COUNTED: Final = "counted"
ROUNDS: Final = 40

_TIMED_OR_NOT: Final = """\
        if self._is_sampled:
            self._is_sampled = False
            self._begin_timed(session, connection, call, packet.id)
        else:
            self._begin(session, connection, call, packet.id)
"""
_RECEIVED: Final = """\
            tally = self._received[name]
            sizes = tally.sizes
            sizes.append(len(packet.body))
            if len(sizes) >= tally.due:
                tally.add_up()
                self._is_sampled = True
"""

REMOVED: Final[dict[str, list[tuple[str, str]]]] = {
    "engine/messages.py": [("Tally() if tally is None else tally", "UNCOUNTED")],
    "gateway/delivery/local.py": [
        (", self._sent[event], volatile)", ", None, volatile)"),
        (", self._sent[name], header", ", None, header"),
    ],
    "gateway/delivery/rooms.py": [
        (", self._sent[event], volatile)", ", None, volatile)"),
        (", packet_id), self._sent[event])", ", packet_id), None)"),
        ("            size = self._deliver_to_all(", "            self._deliver_to_all("),
        ("            number, tally = len(receivers), message.tally\n", ""),
        ("            tally.events += number\n            tally.bytes += number * size\n", ""),
        ("message.count(1)", "..."),
        ("message.count(len(receivers))", "..."),
    ],
    "gateway/repeats.py": [
        ("            route.counter.times += 1\n", ""),
        ("message.tally.alike(number, number * len(message.frames))", "Alike(number, 0)"),
    ],
    "gateway/dispatch/routing.py": [("            repeatable[2].times += 1\n", "")],
    "gateway/dispatch/dispatcher.py": [
        (_TIMED_OR_NOT, "        self._begin(session, connection, call, packet.id)\n"),
        ("        number = alike.times = alike.times + 1\n", ""),
        ("self._begin_timed if number % SAMPLE == 1 else self._begin\n", "self._begin\n"),
        ("self._received[call.event].alike(1, len(body))", "Alike(1, 0)"),
        (_RECEIVED, ""),
        ("            self._count(self._tally(name), packet)\n", ""),
        ("        self._count(self._tally(name), packet)\n", ""),
        ("                self._counts.answered += 1\n", ""),
    ],
}
"""What counts, by file, and what is in its place in the copy."""


def measure(_tokens: Path, runs: int, _seconds: float) -> list[Rows]:
    """Return the time of an event of each kind, counted and not counted, by row and side, some times."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        write_copy(Path(folder))
        return [_one_run(folder, str(FOLDER.parent)) for _ in range(runs)]


def _one_run(copy: str, package: str) -> Rows:
    return {
        f"counting_{kind}": {NOT_COUNTED: {"cpu_us": not_counted}, COUNTED: {"cpu_us": not_counted + more}}
        for kind, (not_counted, more) in _compared(copy, package).items()
    }


def _compared(before: str, after: str) -> dict[str, tuple[float, float]]:
    command = [sys.executable, "-m", "benchmarks.exchanged", before, after, str(ROUNDS)]
    settings = {"JWT_SECRET_KEY": KEY, "FLASK_REALTIME_PING_INTERVAL": "3600"}
    output = subprocess.run(  # noqa: S603 - our own command
        command, cwd=FOLDER.parent, env={**os.environ, **settings}, check=True, stdout=subprocess.PIPE
    ).stdout
    found: dict[str, tuple[float, float]] = json.loads(output)
    return found


def write_copy(folder: Path) -> None:
    """Write a copy of the package without what counts.

    Args:
        folder: Where to.

    Raises:
        ValueError: Something that counts is not where it is said to be.
    """
    shutil.copytree(FOLDER.parent / "flask_realtime", folder / "flask_realtime", ignore=shutil.ignore_patterns("__pycache__"))
    for name, replaced in REMOVED.items():
        path = folder / "flask_realtime" / name
        text = path.read_text(encoding="utf-8")
        for before, after in replaced:
            if before not in text:
                message = f"{name} does not have {before!r}"
                raise ValueError(message)
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")
