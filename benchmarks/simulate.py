"""Simulation of 1 to 1,000 machines that share events through Redis: `python -m benchmarks.simulate`.

It prints how well the model agrees with what 1, 2 and 4 workers were measured at, and then what each way of sharing needs at each
size. `--write` puts both into `docs/topics/scaling.md`. `--help` lists the load, which is one of a chat by default.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Final

from benchmarks.bus_costs import MESSAGE
from benchmarks.model import LINGER, RESULTS, WORKERS, Costs, Row, arrivals, bus_costs, fit, read, rows, written
from flask_realtime.backends.redis.stream import MAX_ENTRIES

PAGE = Path(__file__).parents[1] / "docs" / "topics" / "scaling.md"
SIZES: Final = (1, 10, 100, 1000)
LIMIT: Final = 0.7
"""The share of a core beyond which a worker, or a Redis, is too busy: bursts wait too long there."""

PAUSES: Final = (10.0, 60.0, 600.0)
MAX_MASTERS: Final = 1000
STREAMS: Final = 64
CELL: Final = 4
"""Machines that share a channel, where conversations are divided among cells."""

HEARTBEAT_SECONDS: Final = 25.0
SESSION_SECONDS: Final = 3600.0
_SECONDS: Final = 4.0


@dataclass(frozen=True)
class Load:
    """The users of an application.

    Args:
        connections: Connections of a machine.
        workers: Workers of a machine.
        pause: Seconds from one event of a connection to its next.
        members: Connections that have joined a conversation.
    """

    connections: int = 10_000
    workers: int = 1
    pause: float = 60.0
    members: int = 20

    @property
    def rate(self) -> float:
        """Events a second that come to each worker."""
        return self.connections / self.workers / self.pause


@dataclass(frozen=True)
class Sharing:
    """What a worker does in a second to share its events, and how many Redis servers all of them need.

    Args:
        writes: Entries that it writes.
        reads: How often it reads.
        entries: Entries that it reads.
        received: Events of others that it reads.
        keeps_up: Whether it can read as many entries as there are.
    """

    writes: float
    reads: float
    entries: float
    received: float
    keeps_up: bool = True


@dataclass(frozen=True)
class Need:
    """What a number of machines needs.

    Args:
        delivering: The share of a core with which a worker serves its clients.
        sharing: The share with which it shares events.
        redis: How many cores of Redis all of them need.
        sent: Bytes a second that Redis sends.
        keeps_up: As in `Sharing`.
    """

    delivering: float
    sharing: float
    redis: float
    sent: float
    keeps_up: bool


@dataclass(frozen=True)
class Way:
    """A way of sharing events.

    Args:
        title: What it is.
        share: Returns what a worker does, with so many machines and so many Redis servers.
        max_masters: How many Redis servers can share the work.
    """

    title: str
    share: Callable[[Load, int, int], Sharing]
    max_masters: int


@cache
def write_rate(rate: float) -> float:
    """Return how many entries a second a server writes to a stream for which it has so many events a second."""
    if rate < 1:  # Two hardly ever wait together.
        return rate
    return len(written(arrivals(1, rate, _SECONDS))) / _SECONDS


@cache
def read_rate(entries: float) -> float:
    """Return how often a second a server reads to which so many entries a second come; at most once in the linger."""
    if entries < 1:
        return entries
    if entries * LINGER >= MAX_ENTRIES:
        return 1 / LINGER
    (times,) = arrivals(1, entries, _SECONDS)
    return read([(time, 0, 1) for time in times], 0)[0] / _SECONDS


def _reading(entries: float, masters: int) -> tuple[float, bool]:
    """Return how often a server reads from its masters, with one connection to each, and whether it keeps up."""
    return masters * read_rate(entries / masters), entries / masters * LINGER < MAX_ENTRIES


def one_stream(load: Load, machines: int, masters: int) -> Sharing:
    """All servers write to one stream and read all of it."""
    del masters
    servers, writes = machines * load.workers, write_rate(load.rate)
    reads, keeps_up = _reading(servers * writes, 1)
    return Sharing(writes, reads, servers * writes, (servers - 1) * load.rate, keeps_up)


def many_streams(load: Load, machines: int, masters: int) -> Sharing:
    """An event is in the stream of its conversation; each server has clients in all of them, and reads all."""
    servers, writes = machines * load.workers, STREAMS * write_rate(load.rate / STREAMS)
    reads, keeps_up = _reading(servers * writes, min(masters, STREAMS))
    return Sharing(writes, reads, servers * writes, (servers - 1) * load.rate, keeps_up)


def cells(load: Load, machines: int, masters: int) -> Sharing:
    """Groups of machines have a stream each, and conversations stay within a group."""
    del masters  # A group's stream is on one.
    return one_stream(load, min(machines, CELL), 1)


def own_streams(load: Load, machines: int, masters: int) -> Sharing:
    """Each server has a stream, to which others write what its clients get; clients are anywhere."""
    del masters
    others = machines * load.workers - 1
    receivers = others * (1 - (1 - 1 / (others + 1)) ** (load.members - 1))
    writes = others * write_rate(load.rate * receivers / max(others, 1))
    reads, keeps_up = _reading(writes, 1)
    return Sharing(writes, reads, writes, load.rate * receivers, keeps_up)


WAYS: Final = (
    Way("One stream, which all servers read: built", one_stream, 1),
    Way(f"{STREAMS} streams, chosen by conversation; clients anywhere: not built", many_streams, STREAMS),
    Way(f"Cells of {CELL} machines, each with a channel of its own: built, where conversations stay in a cell", cells, MAX_MASTERS),
    Way("A stream for each server, to which others write; clients anywhere: not built", own_streams, MAX_MASTERS),
)


@dataclass(frozen=True)
class Model:
    """What machines need, with the costs that the measurements give.

    Args:
        costs: What things cost.
        bus: What was measured alone.
        heartbeat: CPU time of a heartbeat, in microseconds.
        load: The users.
    """

    costs: Costs
    bus: dict[str, float]
    heartbeat: float
    load: Load

    def need(self, way: Way, machines: int, masters: int) -> Need:
        """Return what some machines need, over so many masters."""
        load, costs, bus = self.load, self.costs, self.bus
        shared, servers = way.share(load, machines, masters), machines * load.workers
        heartbeats = load.connections / load.workers / HEARTBEAT_SECONDS
        delivering = load.rate * (costs.event + (load.members - 1) * costs.delivery) + heartbeats * self.heartbeat + costs.server
        sharing = (
            load.rate * costs.publish
            + shared.writes * bus["server_write"]
            + shared.reads * (costs.read - bus["redis_read"])
            + shared.entries * bus["server_entry"]
            + shared.received * costs.received
        )
        kib = MESSAGE / 1024
        redis = (
            shared.writes * bus["redis_write"]
            + shared.reads * bus["redis_read"]
            + shared.entries * bus["redis_entry"]
            + max(0.0, shared.received - shared.entries) * kib * bus["redis_entry_kib"]
        )
        sent = servers * shared.received * MESSAGE
        return Need(delivering / 1e6, sharing / 1e6, servers * redis / 1e6, sent, shared.keeps_up)

    def needed(self, way: Way, machines: int) -> tuple[int, Need]:
        """Return how many Redis servers some machines need, as far as they can share the work, and what else."""
        masters = 1
        while (need := self.need(way, machines, masters)).redis / masters > LIMIT and masters < way.max_masters:
            masters = min(way.max_masters, max(masters + 1, ceil(need.redis / LIMIT)))
        return masters, need

    def failure(self, masters: int, need: Need) -> str:
        """Return what is too busy, or an empty string."""
        if need.redis / masters > LIMIT:
            return "Redis"
        if need.delivering + need.sharing > LIMIT:
            return "the workers"
        return "" if need.keeps_up else "the readers"

    def bend(self, way: Way) -> tuple[int, str]:
        """Return the largest number of machines, up to 1,000, that a way carries, and what is too busy with one more."""
        fits, fails, why = 1, SIZES[-1] + 1, ""
        while fails - fits > 1:
            middle = (fits + fails) // 2
            found = self.failure(*self.needed(way, middle))
            if found:
                fails, why = middle, found
            else:
                fits = middle
        return fits, why


def model(load: Load) -> Model:
    """Return the model, with the costs that `results.json` and `bus_costs.json` give."""
    bus = bus_costs()
    idle = json.loads(RESULTS.read_text(encoding="utf-8"))["medians"]["idle_5000"]["extension"]["cpu_us"]
    return Model(_fitted(), bus, idle, load)


@cache
def _fitted() -> Costs:
    return fit(rows(), bus_costs())


def _difference(costs: Costs, row: Row) -> float:
    return costs.of(row) / row.measured - 1


def agreement(costs: Costs) -> str:
    """Return a table of what was measured and what the model says, and the largest difference."""
    lines = [
        "| events a second | deliveries of each | servers | measured | model | |",
        "| ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows():
        servers = f"{row.servers} and Redis" if row.servers else "1 without Redis"
        figures = f"{row.measured:.1f} µs | {costs.of(row):.1f} µs | {100 * _difference(costs, row):+.0f} %"
        lines.append(f"| {row.events:,} | {row.deliveries} | {servers} | {figures} |")
    largest = max(abs(_difference(costs, row)) for row in rows())
    return "\n".join([*lines, "", f"The largest difference is {100 * largest:.0f} %."])


def scale(found: Model) -> str:
    """Return a table for each way of sharing."""
    return "\n\n".join(_way(found, way) for way in WAYS)


def _way(found: Model, way: Way) -> str:
    lines = [
        f"**{way.title}**\n",
        "| machines | connections | a worker delivers | and shares | Redis servers, busy | Redis sends | cores a million | holds |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [_line(found, way, machines) for machines in SIZES]
    fits, why = found.bend(way)
    bends = f"With more than {fits:,} machines, {why} {'are' if why.startswith('the') else 'is'} too busy."
    alone = f" With a single Redis server it is {found.bend(replace(way, max_masters=1))[0]:,}." if way.max_masters > 1 else ""
    return "\n".join([*lines, "", (bends if why else f"It holds for {fits:,} machines.") + alone])


def _line(found: Model, way: Way, machines: int) -> str:
    masters, need = found.needed(way, machines)
    workers, connections = machines * found.load.workers, machines * found.load.connections
    cores = (workers * (need.delivering + need.sharing) + need.redis) / connections * 1e6
    why = found.failure(masters, need)
    cells = (
        *(f"{machines:,}", f"{connections:,}", _share(need.delivering), _share(need.sharing)),
        *(f"{masters:,}, {_share(need.redis / masters)}", f"{need.sent / 1e6:,.1f} MB/s", f"{cores:,.0f}"),
        f"no: {why}" if why else "yes",
    )
    return f"| {' | '.join(cells)} |"


def _share(value: float) -> str:
    return f"{100 * value:,.1f} %" if value < 0.1 else f"{100 * value:,.0f} %"  # noqa: PLR2004 - two digits


def reach(load: Load) -> str:
    """Return a table of how many machines one stream carries, by the users' activity and the workers of a machine."""
    lines = [
        "| a connection sends every | " + " | ".join(f"{workers} worker{'s' if workers > 1 else ''}" for workers in WORKERS) + " |",
        "| ---: |" + " ---: |" * len(WORKERS),
    ]
    for pause in PAUSES:
        bends = [model(replace(load, pause=pause, workers=workers)).bend(WAYS[0]) for workers in WORKERS]
        lines.append(f"| {pause:,.0f} s | " + " | ".join(f"{fits:,}: {why}" for fits, why in bends) + " |")
    return "\n".join(lines)


def presence(found: Model) -> str:
    """Return a table of what coming and going costs the one Redis that has the presence of all."""
    coming, going = found.bus["redis_coming"], found.bus["redis_going"]
    lines = ["| connections | Redis busy, sessions of an hour | all come back, Redis fully busy |", "| ---: | ---: | ---: |"]
    for machines in SIZES:
        connections = machines * found.load.connections
        churn = connections / SESSION_SECONDS * (coming + going) / 1e6
        lines.append(f"| {connections:,} | {_share(churn)} | {connections * coming / 1e6:,.0f} s |")
    return "\n".join(lines)


def blocks(load: Load) -> dict[str, str]:
    """Return what is printed, by the name of the page's part that it is in."""
    found = model(load)
    return {"agreement": agreement(found.costs), "scale": scale(found), "reach": reach(load), "presence": presence(found)}


def replaced(page: str, parts: dict[str, str]) -> str:
    """Return a page with its parts between `<!-- simulated: name -->` and `<!-- end -->` replaced."""
    for name, text in parts.items():
        pattern = rf"(<!-- simulated: {name} -->\n).*?(<!-- end -->)"
        page = re.sub(pattern, lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL)  # type: ignore[misc]
    return page


def parse(arguments: Sequence[str] | None = None) -> tuple[Load, bool]:
    """Return the load, and whether the page is to be written."""
    parser, usual = argparse.ArgumentParser(description=__doc__), Load()
    parser.add_argument("--write", action="store_true", help="write the tables into the page on scaling")
    parser.add_argument("--connections", type=int, default=usual.connections, help="of a machine")
    parser.add_argument("--workers", type=int, default=usual.workers, help="of a machine")
    parser.add_argument("--pause", type=float, default=usual.pause, help="seconds from one event of a connection to its next")
    parser.add_argument("--members", type=int, default=usual.members, help="connections that have joined a conversation")
    given = parser.parse_args(arguments)
    return Load(given.connections, given.workers, given.pause, given.members), given.write


def main() -> None:
    """Print the tables, or write them."""
    load, writes = parse()
    parts = blocks(load)
    if writes:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")
    else:
        print("\n\n".join(parts.values()))  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
