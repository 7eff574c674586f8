"""The README's figures are those of the last measurement."""

import re

import pytest

from tests.docs.pages import ROOT

SERVERS = ("flask_realtime under gunicorn", "bare Flask-SocketIO under gunicorn", "Socket.IO on Node", "Socket.IO on Bun's engine")
CPU, MEMORY = "server CPU an event, µs", "memory a connection, KiB"
MEASURED = {
    "one room of 1,000": ("`typing:start` in 1 room of 1,000", CPU),
    "100 rooms of 10": ("`typing:start` in 100 rooms of 10", CPU),
    "500 rooms of 2": ("`typing:start` in 500 rooms of 2", CPU),
    "connect and join": ("connect and join, a storm of 1,000", CPU),
    "an idle connection": ("5,000 idle connections (CPU: a connection and heartbeat)", MEMORY),
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def number(cell: str) -> float:
    return float(cell.removesuffix("KiB").replace(",", ""))


def results(title: str, column: str) -> list[float]:
    """The measured figures of the servers that the README compares, in its order."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    index = cells(lines[0]).index(column)
    by_server = {cells(line)[0]: number(cells(line)[index]) for line in lines[2:]}
    return [by_server[server] for server in SERVERS]


@pytest.mark.parametrize("row", MEASURED)
def test_the_readme_s_figures_are_the_measured_ones(row: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^\| {re.escape(row)} \|.*$", text, re.MULTILINE)
    shown = cells(line)[1:]
    assert [number(cell) for cell in shown] == [pytest.approx(measured, rel=0.02) for measured in results(*MEASURED[row])], (
        "the README says otherwise than benchmarks/RESULTS.md"
    )
