"""What came out: medians, their ratios and the targets, as text, as Markdown and as JSON."""

import importlib.metadata
import json
import platform
import statistics
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.namespaces import allowed
from benchmarks.operations import SIDES
from benchmarks.servers import BUN, CONTENDERS

Figures = dict[str, float]

OURS = "extension"
ABSENT = "absent"
COLUMNS = {
    "cpu_us": "server CPU an event, µs",
    "kib_each": "memory a connection, KiB",
    "rate": "events a second",
    "peak_rate": "at most",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "memory_mib": "server memory, MiB",
    "idle_percent": "of a core at rest, %",
    "answered_us": "CPU of an answered event, µs",
    "scrape_ms": "a scrape, ms",
    "scrape_cpu_ms": "its CPU, ms",
    "page_kib": "its page, KiB",
}
TITLES = {**{name: contender.title for name, contender in CONTENDERS.items()}, **SIDES}
ROWS = {
    "rooms_1x1000": "`typing:start` in 1 room of 1,000",
    "rooms_100x10": "`typing:start` in 100 rooms of 10",
    "rooms_500x2": "`typing:start` in 500 rooms of 2",
    "emit_200": "`emit_new_message` to 1,000, 200 bytes",
    "emit_2048": "`emit_new_message` to 1,000, 2 KB",
    "connect": "connect and join, a storm of 1,000",
    "connect_again": "connect and join, 1,000 once more",
    "connect_presence": "the same, presence announced to everyone",
    "calls": "`user:get-status`, acknowledged",
    "workers_1x1000": "several workers, `typing:start` in 1 room of 1,000",
    "workers_100x10": "several workers, `typing:start` in 100 rooms of 10",
    "workers_500x2": "several workers, `typing:start` in 500 rooms of 2",
    "busy_workers_1x1000": "several workers, three times the load in 1 room of 1,000",
    "busy_workers_100x10": "several workers, three times the load in 100 rooms of 10",
    "handover_home": "a long-polling request on a connection to its session's worker",
    "handover_away": "a long-polling request that is handed over, with its connection",
    "handover_after": "the next request on that connection",
    "counting_repeated": "counting a `typing:start` that repeats the one before",
    "counting_relayed": "counting a `typing:start` in turns with another one",
    "counting_relayed_room": "counting a `typing:start` in a room of ten, in turns with another one",
    "counting_answered": "counting `user:get-status`, acknowledged",
    "counting_application": "counting an application's event, acknowledged",
    "counting_message": "counting `emit_new_message` to two, without the request that calls it",
    "counting_custom": "counting `send_to_conversation` to two, likewise",
    "counting_message_room": "counting `emit_new_message` to ten, likewise",
    "counting_view": "counting `emit_new_message` to two, with Flask's part of the request that calls it",
    "watched_production_1": "the Admin UI in production mode, 10,000 connections",
    "watched_production_2": "the Admin UI in production mode, 10,000 connections, two workers",
    "watched_development_1": "the Admin UI in development mode, 10,000 connections",
    "watched_development_2": "the Admin UI in development mode, 10,000 connections, two workers",
    "scrape_1": "a scrape of metrics, 10,000 connections",
    "scrape_2": "a scrape of metrics, 10,000 connections, two workers",
}
_OPERATIONS = ("counting_", "watched_", "scrape_")
"""What the rows of operations begin with."""

PACKAGES = ("Flask", "Flask-SocketIO", "Flask-JWT-Extended", "python-socketio", "gevent", "gevent-websocket", "gunicorn")


@dataclass(frozen=True)
class Target:
    """What a figure of the extension is to be, as a share of another server's or in itself.

    Args:
        row: The row it stands in.
        figure: The figure's name.
        peer: The other server; None for the figure itself.
        limit: What is to be reached, or less.
    """

    row: str
    figure: str
    peer: str | None
    limit: float


TARGETS = [
    Target(row, "cpu_us", peer, limit)
    for row, limits in {
        "rooms_1x1000": {"node": 0.60, "bun": 0.95, "floor": 1.5},
        "rooms_100x10": {"node": 0.60, "bun": 0.95, "floor": 1.7},
        "rooms_500x2": {"node": 0.50, "bun": 0.85, "floor": 2.5},
        "connect": {"node": 0.45},
    }.items()
    for peer, limit in limits.items()
] + [
    Target("idle_5000", "kib_each", None, 10),
    Target("idle_5000", "kib_each", "node", 1),
    Target("idle_5000", "kib_each", "bun", 1),
]


@dataclass
class Results:
    """All that was measured.

    Args:
        machine: Where: what is worth knowing about the machine and the software on it.
    """

    machine: dict[str, str]
    figures: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    measured: dict[str, str] = field(default_factory=dict)
    """The date of each row that was not measured now."""

    earlier: list[dict[str, str]] = field(default_factory=list)
    """The machine, and the software on it, on these dates."""

    def add_earlier(self, path: Path) -> None:
        """Add the rows of earlier runs that were not measured now, each with its date.

        Args:
            path: The file that `write_json` wrote.
        """
        earlier = json.loads(path.read_text(encoding="utf-8"))
        rows = {row: servers for row, servers in earlier["runs"].items() if row not in self.figures}
        self.measured = {row: earlier.get("measured", {}).get(row, earlier["machine"]["date"]) for row in rows}
        self.figures = {**rows, **self.figures}
        self.earlier = [*earlier.get("earlier", ()), earlier["machine"]]
        self.failures += [failure for failure in earlier["failures"] if failure not in self.failures]

    def _date_of(self, row: str) -> str:
        runs = max(len(runs) for runs in self.figures[row].values())
        return f"Medians of {runs} run{'' if runs == 1 else 's'} on {self.measured.get(row, self.machine['date'])}."

    def add(self, server: str, row: str, figures: Figures) -> None:
        """Keep one run's figures."""
        self.figures.setdefault(row, {}).setdefault(server, []).append(figures)

    def failed(self, server: str, scenario: str, why: str) -> None:
        """Keep that a run gave none."""
        self.failures.append({"server": server, "scenario": scenario, "why": why})

    def median(self, row: str, server: str, figure: str) -> float | None:
        """The median of a figure over the runs; None where it was not measured."""
        values = [run[figure] for run in self.figures.get(row, {}).get(server, []) if figure in run]
        return statistics.median(values) if values else None

    def ratio(self, row: str, figure: str, peer: str) -> float | None:
        """The extension's median as a share of another server's."""
        ours, theirs = self.median(row, OURS, figure), self.median(row, peer, figure)
        return None if ours is None or not theirs else ours / theirs

    def reached(self, target: Target) -> tuple[float, bool] | None:
        """What a target's figure came to and whether that is within its limit; None where it was not measured."""
        value = self.ratio(target.row, target.figure, target.peer) if target.peer else self.median(target.row, OURS, target.figure)
        return None if value is None else (value, value <= target.limit)

    def tables(self) -> list[tuple[str, list[list[str]]]]:
        """One titled table for the targets, and one for each row of figures; each begins with its head."""
        tables = [(title_of(row), self._table(row)) for row in self._in_order()]
        judged = [(target, self.reached(target)) for target in TARGETS]
        lines = [_judgement(target, outcome) for target, outcome in judged if outcome is not None]
        return [("Targets", [["what", "to", "came to", "limit", "reached"], *lines]), *tables] if lines else tables

    def _table(self, row: str) -> list[list[str]]:
        servers = [name for name in TITLES if name in self.figures[row]]
        columns = [name for name in COLUMNS if self.median(row, servers[0], name) is not None]
        main = "kib_each" if "kib_each" in columns else "cpu_us"
        if row.startswith(_OPERATIONS):
            return self._compared(row, servers, columns)
        head = ["server", *(COLUMNS[name] for name in columns), "extension to it"]
        return [head, *([TITLES[server], *self._cells(row, server, columns, main)] for server in servers)]

    def _compared(self, row: str, sides: list[str], columns: list[str]) -> list[list[str]]:
        """Return a table of sides, and how much more the second is than the first."""
        head = ["", *(COLUMNS[name] for name in columns)]
        lines = [[TITLES[side], *(shown(self.median(row, side, name)) for name in columns)] for side in sides]
        if len(sides) == 1:
            return [head, *lines]
        return [head, *lines, ["more", *(self._more(row, sides, name) for name in columns)]]

    def _more(self, row: str, sides: list[str], name: str) -> str:
        """Return the median of the pairs' differences, in points or in percent: the sides of a run were measured in turns."""
        pairs = [(first[name], second[name]) for first, second in zip(*(self.figures[row][side] for side in sides), strict=True)]
        if name == "idle_percent":
            return f"{statistics.median(second - first for first, second in pairs):+.2f}"
        return f"{statistics.median(second / first - 1 for first, second in pairs) * 100:+.1f} %"

    def _in_order(self) -> list[str]:
        """Return the rows, operations last."""
        return sorted(self.figures, key=lambda row: row.startswith(_OPERATIONS))

    def _cells(self, row: str, server: str, columns: list[str], main: str) -> list[str]:
        ratio = self.ratio(row, main, server) if server != OURS else None
        return [*(shown(self.median(row, server, name)) for name in columns), shown(ratio)]

    def as_text(self) -> str:
        """The tables for a terminal."""
        parts = [f"{title}\n{_aligned(table)}\n" for title, table in self.tables()]
        return "\n".join([*parts, *(f"failed: {item['server']} {item['scenario']}: {item['why']}" for item in self.failures), ""])

    def as_markdown(self) -> str:
        """The tables and the machine, as a page."""
        head = [
            "# Results",
            "",
            "Written by `make bench`. What is measured, and how, is in [README.md](README.md).",
            "",
            "## The machine",
            "",
            *(f"- {name}: {value}" for name, value in self.machine.items()),
            *self._changes(),
        ]
        dates = {title_of(row): f"\n\n{self._date_of(row)}" for row in self.figures}
        parts = [f"\n## {title}\n\n{_markdown(table)}{dates.get(title, '')}" for title, table in self.tables()]
        failures = [f"\nFailed: {item['server']}, {item['scenario']}: {item['why'].splitlines()[0]}" for item in self.failures]
        return "\n".join([*head, *parts, *failures, ""])

    def _changes(self) -> list[str]:
        """Return what was different when rows were measured that are kept."""
        dates = set(self.measured.values())
        machines = [machine for machine in self.earlier if machine["date"] in dates]
        lines = [
            f"- {name} on {machine['date']}: {value}"
            for machine in machines
            for name, value in machine.items()
            if name != "date" and value != self.machine.get(name) and ABSENT not in value
        ]
        return list(dict.fromkeys(lines))

    def write_json(self, path: Path) -> None:
        """Write everything: the machine, each run, the medians and the targets."""
        medians = {
            row: {server: {name: self.median(row, server, name) for name in runs[0]} for server, runs in servers.items()}
            for row, servers in self.figures.items()
        }
        outcomes = [(target, self.reached(target)) for target in TARGETS]
        targets = [{**vars(target), "came_to": outcome[0], "reached": outcome[1]} for target, outcome in outcomes if outcome]
        everything = {
            "machine": self.machine,
            "earlier": self.earlier,
            "measured": {row: self.measured.get(row, self.machine["date"]) for row in self.figures},
            "medians": medians,
            "targets": targets,
            "runs": self.figures,
            "failures": self.failures,
        }
        path.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")


def title_of(row: str) -> str:
    """What a row is, in words."""
    kind, _, count = row.partition("_")
    if kind == "idle":
        return f"{int(count):,} idle connections (CPU: a connection and heartbeat)"
    if kind == "presence":
        direction, _, users = count.partition("_")
        return f"{int(users):,} users {'coming' if direction == 'on' else 'going'}, a room of 10 told of each"
    if kind == "disconnect":
        return f"{int(count):,} disconnecting at once"
    return ROWS[row]


def shown(value: float | None) -> str:
    """A figure with as many digits as mean something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004 - three digits


def _judgement(target: Target, outcome: tuple[float, bool]) -> list[str]:
    what = f"{title_of(target.row)}: {COLUMNS[target.figure]}"
    # A limit of 1 means less than the other server's.
    return [what, target.peer or "-", shown(outcome[0]), f"{target.limit:g}", "yes" if outcome[1] else "NO"]


def _aligned(table: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = (
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))] for line in table
    )
    return "\n".join("  " + "  ".join(line).rstrip() for line in lines)


def _markdown(table: list[list[str]]) -> str:
    rule = ["---", *("---:" for _ in table[0][1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [table[0], rule, *table[1:]])


def machine() -> dict[str, str]:
    """The machine and the versions of what runs on it."""
    processor = _field(Path("/proc/cpuinfo"), "model name")
    cores = Path("/proc/cpuinfo").read_text(encoding="utf-8").count("processor\t")
    memory = int(_field(Path("/proc/meminfo"), "MemTotal").split()[0]) / 2**20
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": f"{processor}, {cores} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_version()}, {packages}",
        "Node": f"{_version(['node', '--version'])}, Socket.IO {_npm_version('socket.io')}",
        "Bun": f"{_version([str(BUN), '--version'])}, bun-engine {_npm_version('@socket.io/bun-engine')}",
        **({} if allowed() else {"across machines": "not measured: that needs root, and the commands of iproute2 and util-linux"}),
    }


def _field(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _version(command: list[str]) -> str:
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own commands
    except (OSError, subprocess.CalledProcessError):
        return ABSENT
    return answer.stdout.strip()


def _npm_version(package: str) -> str:
    manifest = BUN.parents[1] / package / "package.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"]) if manifest.exists() else ABSENT
