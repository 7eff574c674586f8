"""What is measured: each scenario puts one kind of load on one freshly started server."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.generator import Generator
from benchmarks.handover import costs
from benchmarks.processes import ProcessTree

FIRST = 50
"""Connections that come before what is measured: the first ones load what a server loads late."""

STORM = 1000
EMIT_RATE = 20
EMIT_WINDOW = 4
PEAK_SECONDS = 0.8
REST_SECONDS = 0.4
LEAVING_SECONDS = 12.0
"""How long 10,000 connections may take to leave; where it is too short, the cost is that of those that are gone."""

REST_LIMIT_SECONDS = 2.0

PRESENCE_REST_SECONDS = 3.0
PRESENCE_LIMIT_SECONDS = 30.0
REDIS_SOCKETS = 200
"""File descriptors that workers, and Redis, may have for one another."""

IN_FLIGHT = 200
"""Connections opening at once: fewer than any listen backlog holds, whose overflow costs the client a second, not the server."""

SENDERS = 20
"""Members of a room who type. Each types again well within the time after which the extension would end the typing state."""

HEARTBEAT_SECONDS = 4
"""The ping interval of the idle scenario: every connection is pinged exactly once in as long a measured time."""

Figures = dict[str, float]


@dataclass
class Bench:
    """One server with one generator beside it.

    Args:
        tree: The server's processes.
        generator: The load generator.
        port: The server's.
        warm: Seconds of load before the measured time.
        seconds: Measured seconds.
        scale: Share of the 10,000 idle connections to open; less than 1 in a quick run.
        on_start: Called with the measured seconds when a measured load begins.
    """

    tree: ProcessTree
    generator: Generator
    port: int
    warm: float
    seconds: float
    scale: float = 1.0
    on_start: Callable[[float], None] = lambda _seconds: None

    def connect(self, count: int, room_size: int) -> dict[str, Any]:
        """Open connections that are not themselves measured."""
        return self.generator.connect(count, room_size=room_size, in_flight=IN_FLIGHT)

    def peak(self, command: str) -> float:
        """Put as much load on the server as it takes, for a moment, and say how many events a second that was."""
        self.generator.at_marks = []
        answer = self.generator.load(f"{command} 0.2 {PEAK_SECONDS}")
        return float(answer["delivered"] / answer["seconds"])

    def all_leave(self, sockets: int, rest: float = REST_LIMIT_SECONDS) -> Figures:
        """Close every connection at once and wait until the server is done with it.

        Args:
            sockets: How many file descriptors the server had before the connections, or more where it needs some of its own.
            rest: How long the server may work on after the last connection was closed.

        Returns:
            What it cost the server, over those that it was done with before the time was over.
        """
        opened, before, start = self.tree.sockets(), self.tree.cpu_seconds(), time.monotonic()
        self.generator.close()
        _wait_until(lambda: self.tree.sockets() <= sockets, LEAVING_SECONDS)
        seconds = time.monotonic() - start
        _wait_until(self._is_at_rest, rest)
        used, gone = self.tree.cpu_seconds() - before, max(opened - self.tree.sockets(), 1)
        return {"cpu_us": used / gone * 1e6, "rate": gone / seconds, "memory_mib": self.tree.memory_kib() / 1024}

    def _is_at_rest(self) -> bool:
        used = self.tree.cpu_seconds()
        time.sleep(0.2)
        return self.tree.cpu_seconds() - used < 0.004  # noqa: PLR2004 - 2 % of the time

    def measure(self, command: str) -> Figures:
        """Put a load on the server and say what an event cost it."""
        marks: list[float] = []

        def mark() -> None:
            marks.append(self.tree.cpu_seconds())
            if len(marks) == 1:
                self.on_start(self.seconds)

        self.generator.at_marks = [mark]
        answer = self.generator.load(f"{command} {self.warm} {self.seconds}")
        used = marks[1] - marks[0]
        return {
            "cpu_us": used / max(answer["delivered"], 1) * 1e6,
            "rate": answer["delivered"] / answer["seconds"],
            "p50_ms": answer["p50_ms"],
            "p99_ms": answer["p99_ms"],
            "busy": used / answer["seconds"],
            "memory_mib": self.tree.memory_kib() / 1024,
        }


def rooms(count: int, size: int, rate: float, row: str = "rooms") -> Callable[[Bench], dict[str, Figures]]:
    """Relay of `typing:start` in some rooms of some size, at a rate and then as fast as the server can."""

    def run(bench: Bench) -> dict[str, Figures]:
        bench.connect(count * size, size)
        window = max(count, 8)
        figures = bench.measure(f"typing {rate} {window} {SENDERS}")
        return {f"{row}_{count}x{size}": {**figures, "peak_rate": bench.peak(f"typing 0 {window} {SENDERS}")}}

    return run


def emit(bench: Bench) -> dict[str, Figures]:
    """`emit_new_message` from a view to a room of 1,000."""
    bench.connect(1000, 1000)
    return {f"emit_{size}": bench.measure(f"emit {EMIT_RATE} {EMIT_WINDOW} {size}") for size in (200, 2048)}


def calls(bench: Bench) -> dict[str, Figures]:
    """`user:get-status` with a callback, as often as the server answers 100 connections that ask again at once."""
    bench.connect(1000, 10)
    return {"calls": bench.measure("call 100")}


def connect(bench: Bench) -> dict[str, Figures]:
    """A storm of 1,000 connections that each join a room of 10; and once more, when all of them have left."""
    bench.connect(FIRST, 10)
    sockets = bench.tree.sockets()
    first = storm(bench, STORM)
    bench.all_leave(sockets)
    return {"connect": first, "connect_again": storm(bench, STORM)}


def connect_presence(bench: Bench) -> dict[str, Figures]:
    """A storm with presence announced to everyone, as an application without `presence_audience` has it."""
    bench.connect(FIRST, 10)
    return {"connect_presence": storm(bench, STORM)}


def presence_storm(bench: Bench) -> dict[str, Figures]:
    """10,000 users who come online, each of whom the others of a room of 10 are told, and who all go again at once."""
    bench.connect(FIRST, 10)
    sockets = bench.tree.sockets()
    count = int(10_000 * bench.scale)
    coming = storm(bench, count, PRESENCE_REST_SECONDS)
    going = bench.all_leave(sockets + REDIS_SOCKETS, PRESENCE_LIMIT_SECONDS)
    del going["rate"]  # The sockets are closed long before what follows is done.
    return {f"presence_on_{count}": coming, f"presence_off_{count}": going}


def handover(bench: Bench) -> dict[str, Figures]:
    """Long-polling requests on connections that their session's worker has accepted, and on those that another one has."""
    return {f"handover_{kind}": {"cpu_us": cost} for kind, cost in costs(bench.port, bench.tree).items()}


def storm(bench: Bench, count: int, rest: float = REST_SECONDS) -> Figures:
    """Let connections in, and say what one cost, with what the server does about them within `rest` seconds."""
    bench.generator.wait(rest)
    before = bench.tree.cpu_seconds()
    answer = bench.connect(count, 10)
    bench.generator.wait(rest)
    used = bench.tree.cpu_seconds() - before
    return {
        "cpu_us": used / count * 1e6,
        "rate": count / answer["seconds"],
        "p50_ms": answer["p50_ms"],
        "p99_ms": answer["p99_ms"],
        "memory_mib": bench.tree.memory_kib() / 1024,
    }


def idle(bench: Bench) -> dict[str, Figures]:
    """Memory and CPU of connections that do nothing, 5,000 and then 10,000 of them; then all of them leave at once."""
    bench.connect(FIRST, 10)
    sockets = bench.tree.sockets()
    bench.generator.wait(REST_SECONDS)
    memory = bench.tree.memory_kib()
    half = int(5000 * bench.scale)
    figures = {}
    for count in (half, 2 * half):
        bench.connect(half, 10)
        figures[f"idle_{count}"] = _at_rest(bench, count, memory)
    figures[f"disconnect_{2 * half}"] = bench.all_leave(sockets)
    return figures


def _at_rest(bench: Bench, count: int, memory: int) -> Figures:
    bench.generator.wait(REST_SECONDS)
    before = bench.tree.cpu_seconds()
    bench.generator.wait(HEARTBEAT_SECONDS)
    used = bench.tree.cpu_seconds() - before
    held = bench.tree.memory_kib() - memory
    return {"cpu_us": used / count * 1e6, "kib_each": held / count, "memory_mib": (held + memory) / 1024}


def _wait_until(condition: Callable[[], bool], limit: float) -> None:
    deadline = time.monotonic() + limit
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


@dataclass(frozen=True)
class Scenario:
    """One kind of load.

    Args:
        run: Puts it on a server; returns figures by the name of the row that they belong to.
        connections: How many it opens.
        ping_interval: What the server is started with.
        presence: To whom the extension announces presence; where that is not `nobody`, no other server is run.
        shares: Whether the servers are the extension alone and with others through Redis, and no others.
        spans: Whether those of several machines are among them.
    """

    run: Callable[[Bench], dict[str, Figures]]
    connections: int
    ping_interval: int = 25
    presence: str = "nobody"
    shares: bool = False
    spans: bool = False


SCENARIOS = {
    "rooms_1x1000": Scenario(rooms(1, 1000, 20), 1000),
    "rooms_100x10": Scenario(rooms(100, 10, 2000), 1000),
    "rooms_500x2": Scenario(rooms(500, 2, 5000), 1000),
    "emit": Scenario(emit, 1000),
    "connect": Scenario(connect, STORM + FIRST),
    "connect_presence": Scenario(connect_presence, STORM + FIRST, presence="everyone"),
    "calls": Scenario(calls, 1000),
    "workers_1x1000": Scenario(rooms(1, 1000, 20, "workers"), 1000, shares=True, spans=True),
    "workers_100x10": Scenario(rooms(100, 10, 2000, "workers"), 1000, shares=True, spans=True),
    "busy_workers_1x1000": Scenario(rooms(1, 1000, 60, "busy_workers"), 1000, shares=True, spans=True),
    "busy_workers_100x10": Scenario(rooms(100, 10, 6000, "busy_workers"), 1000, shares=True, spans=True),
    "workers_500x2": Scenario(rooms(500, 2, 2000, "workers"), 1000, shares=True),
    "presence_storm": Scenario(presence_storm, 10_000 + FIRST, presence="room", shares=True),
    "handover": Scenario(handover, 1, shares=True),
    "idle": Scenario(idle, 10_000 + FIRST, ping_interval=HEARTBEAT_SECONDS),
}
