"""Model of servers that share events through Redis: how often they write and read, and what that costs.

The traffic is simulated: events come to servers, a server writes those that wait as one entry, and each server reads entries, both
at most once in the bus's linger. What each write, read, entry, event and delivery costs is fitted to the measurements of 1, 2 and 4
workers in `results.json`, apart from what `bus_costs.json` has measured alone. Everything is deterministic.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.bus_costs import COSTS
from flask_realtime.backends.redis.options import DEFAULT_OPTIONS
from flask_realtime.backends.redis.stream import MAX_ENTRIES

RESULTS = Path(__file__).with_name("results.json")
LINGER: Final = DEFAULT_OPTIONS.linger
BURST: Final = 0.01
"""Seconds from one burst of the load generator to the next."""

ALONE: Final = {"rooms_1x1000": (20, 999), "rooms_100x10": (2000, 9), "rooms_500x2": (5000, 1)}
SHARED: Final = {
    "workers_1x1000": (20, 999),
    "busy_workers_1x1000": (60, 999),
    "workers_100x10": (2000, 9),
    "busy_workers_100x10": (6000, 9),
}
"""Rows of the results: events a second, and the deliveries of each."""

WORKERS: Final = (1, 2, 4)
_SERVICE: Final = 5e-6
"""Seconds in which a server delivers an event to one receiver, for the order in which things happen; costs are fitted."""


class Traffic(NamedTuple):
    """What servers do in a second.

    Args:
        writes: Entries that all of them write.
        reads: How often all of them read.
        entries: Entries that all of them read, their own too.
        received: Events of others that all of them read.
    """

    writes: float = 0.0
    reads: float = 0.0
    entries: float = 0.0
    received: float = 0.0


@dataclass(frozen=True)
class Row:
    """A measurement.

    Args:
        name: Its row in the results.
        servers: How many servers share the load; 0 for one without Redis.
        events: Events a second.
        deliveries: Deliveries of each.
        measured: CPU time of each delivery, in microseconds.
    """

    name: str
    servers: int
    events: int
    deliveries: int
    measured: float

    @property
    def total(self) -> float:
        """Measured CPU time in a second, in microseconds."""
        return self.measured * self.events * self.deliveries


@dataclass(frozen=True)
class Costs:
    """What things cost, in microseconds of CPU time of servers and Redis together.

    Args:
        delivery: Sending an event to a connection.
        event: Handling an event of a client.
        publish: Handing it to the bus.
        read: Reading once, whatever is found.
        received: Handling an event of another server.
        server: A second of a server that does nothing.
        bus: What was measured alone: of Redis, and of a server.
    """

    delivery: float
    event: float
    publish: float
    read: float
    received: float
    server: float
    bus: dict[str, float]

    @property
    def write(self) -> float:
        """Writing an entry."""
        return self.bus["server_write"] + self.bus["redis_write"]

    @property
    def entry(self) -> float:
        """Reading one more entry."""
        return self.bus["server_entry"] + self.bus["redis_entry"]

    def of(self, row: Row) -> float:
        """Return the CPU time of each delivery of a row, as the model has it."""
        fixed, factors = _parts(row, self)
        fitted = (self.delivery, self.event, self.publish, self.read, self.received, self.server)
        total = fixed + sum(cost * factor for cost, factor in zip(fitted, factors, strict=True))
        return total / row.events / row.deliveries


def bursts(servers: int, events: int, deliveries: int, seconds: float = 20.0) -> list[list[float]]:
    """Return when each server has handled which of the load generator's events, in order.

    Args:
        servers: How many servers there are.
        events: Events a second, which come in bursts.
        deliveries: Deliveries of each.
        seconds: For how long.
    """
    choose = random.Random(1)  # noqa: S311 - a simulation
    handled: list[list[float]] = [[] for _ in range(servers)]
    free, due = [0.0] * servers, 0.0
    for tick in range(round(seconds / BURST)):
        due += events * BURST
        while due >= 1 - 1e-9:
            due -= 1
            server = choose.randrange(servers)
            free[server] = max(free[server], tick * BURST) + deliveries / servers * _SERVICE
            handled[server].append(free[server])
    return handled


def arrivals(servers: int, rate: float, seconds: float) -> list[list[float]]:
    """Return when events come to each server, independently of each other.

    Args:
        servers: How many servers there are.
        rate: Events a second and server.
        seconds: For how long.
    """
    choose = random.Random(2)  # noqa: S311 - a simulation
    times: list[list[float]] = []
    for _ in range(servers):
        now, mine = choose.expovariate(rate), []
        while now < seconds:
            mine.append(now)
            now += choose.expovariate(rate)
        times.append(mine)
    return times


def written(handled: Sequence[Sequence[float]]) -> list[tuple[float, int, int]]:
    """Return the entries that servers write: when, by which server, and how many events each has."""
    entries = []
    for server, times in enumerate(handled):
        allowed, index = 0.0, 0
        while index < len(times):
            at, first = max(times[index], allowed), index
            while index < len(times) and times[index] <= at:
                index += 1
            entries.append((at, server, index - first))
            allowed = at + LINGER
    return sorted(entries)


def read(entries: Sequence[tuple[float, int, int]], server: int) -> tuple[int, int, int]:
    """Return how often a server reads, how many entries, and how many events of others."""
    reads = received = index = 0
    now = 0.0
    while index < len(entries):
        began = max(now, entries[index][0])
        end = index + MAX_ENTRIES
        while index < min(end, len(entries)) and entries[index][0] <= began:
            _, origin, events = entries[index]
            received += events if origin != server else 0
            index += 1
        reads += 1
        now = began + LINGER
    return reads, index, received


def traffic(handled: Sequence[Sequence[float]], seconds: float) -> Traffic:
    """Return what servers do in a second whose events were handled at some times.

    Args:
        handled: When each server handled which event.
        seconds: For how long.
    """
    entries = written(handled)
    done = [read(entries, server) for server in range(len(handled))]
    reads, read_entries, received = (sum(part) / seconds for part in zip(*done, strict=True))
    return Traffic(len(entries) / seconds, reads, read_entries, received)


@cache
def _measured_traffic(servers: int, events: int, deliveries: int) -> Traffic:
    return traffic(bursts(servers, events, deliveries), 20.0) if servers else Traffic()


def rows() -> list[Row]:
    """Return the measurements that the model is fitted to: of machines that share nothing but Redis, where those were measured.

    Otherwise they are of workers of one machine, and of one without Redis.
    """
    medians = json.loads(RESULTS.read_text(encoding="utf-8"))["medians"]
    if all(f"machines-{servers}" in medians[name] for name in SHARED for servers in WORKERS):
        return _shared(medians, "machines")
    alone = [Row(name, 0, *load, medians[name]["extension"]["cpu_us"]) for name, load in ALONE.items()]
    return alone + _shared(medians, "redis")


def _shared(medians: dict[str, dict[str, dict[str, float]]], kind: str) -> list[Row]:
    return [
        Row(name, servers, *load, medians[name][f"{kind}-{servers}"]["cpu_us"])
        for name, load in SHARED.items()
        for servers in WORKERS
    ]


def bus_costs() -> dict[str, float]:
    """Return what was measured alone."""
    costs: dict[str, float] = json.loads(COSTS.read_text(encoding="utf-8"))["microseconds"]
    return costs


def _parts(row: Row, costs: Costs) -> tuple[float, list[float]]:
    """Return a row's CPU time in a second that is known, and how often each fitted cost comes up."""
    found = _measured_traffic(row.servers, row.events, row.deliveries)
    published = row.events if row.servers else 0
    fixed = costs.write * found.writes + costs.entry * found.entries
    factors = [row.events * row.deliveries, row.events, published, found.reads, found.received, max(row.servers, 1)]
    return fixed, [float(factor) for factor in factors]


def fit(measured: Sequence[Row], bus: dict[str, float]) -> Costs:
    """Return the costs with which the model is nearest to the measurements, relatively; none is negative.

    Args:
        measured: The measurements.
        bus: What was measured alone.
    """
    unknown = Costs(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, bus)
    equations, rests = [], []
    for row in measured:
        fixed, factors = _parts(row, unknown)
        equations.append([factor / row.total for factor in factors])
        rests.append(1 - fixed / row.total)
    delivery, event, publish, reading, received, server = _least_squares(equations, rests)
    return Costs(delivery, event, publish, reading, received, server, bus)


def _least_squares(equations: Sequence[Sequence[float]], rests: Sequence[float]) -> list[float]:
    """Solve equations as nearly as possible, with unknowns that are not negative, by one unknown after the other."""
    size = len(equations[0])
    scales = [max(abs(line[column]) for line in equations) or 1.0 for column in range(size)]
    lines = [[value / scale for value, scale in zip(line, scales, strict=True)] for line in equations]
    product = [[sum(line[a] * line[b] for line in lines) for b in range(size)] for a in range(size)]
    target = [sum(line[a] * rest for line, rest in zip(lines, rests, strict=True)) for a in range(size)]
    found = [0.0] * size
    for _ in range(5000):
        for a in range(size):
            step = (target[a] - sum(product[a][b] * found[b] for b in range(size))) / product[a][a]
            found[a] = max(0.0, found[a] + step)
    return [value / scale for value, scale in zip(found, scales, strict=True)]
