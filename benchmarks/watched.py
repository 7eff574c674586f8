"""Cost of operations to a server with 10,000 connections: of a scrape, and of the Admin UI, watched and unwatched in turns."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import socketio
from werkzeug.security import generate_password_hash

from benchmarks.generator import generator
from benchmarks.scenarios import IN_FLIGHT, Bench
from benchmarks.servers import CONTENDERS, Settings, free_port, running

Figures = dict[str, float]
Rows = dict[str, dict[str, Figures]]
"""Figures by row and side."""

UNWATCHED: Final = "unwatched"
WATCHED: Final = "watched"
CONNECTIONS: Final = 10_000
PASSWORD: Final = "the benchmark's own password"  # noqa: S105 - it protects nothing
ROOM_SIZE: Final = 10
LOAD: Final = "call 100"
SETTLE_SECONDS: Final = 8.0
"""Seconds after which an administrator has the list of all connections, and what a load leaves behind is done."""

PING_SECONDS: Final = 25

SERVERS: Final = {1: "extension", 2: "redis-2"}
SCRAPES: Final = 5


@contextmanager
def watching(port: int) -> Iterator[None]:
    """Watch the server, as the page does."""
    client = socketio.Client()
    auth = {"username": "admin", "password": PASSWORD}
    client.connect(f"http://127.0.0.1:{port}", namespaces=["/admin"], auth=auth, transports=["websocket"])
    try:
        yield
    finally:
        client.disconnect()


def idle(bench: Bench) -> float:
    """Return the share of one core that the server uses while its clients do nothing, in percent."""
    before, start = bench.tree.cpu_seconds(), time.monotonic()
    bench.generator.wait(PING_SECONDS)  # So that each connection is pinged once: they are not spread evenly.
    return (bench.tree.cpu_seconds() - before) / (time.monotonic() - start) * 100


def scrape(bench: Bench) -> Figures:
    """Return how long a scrape takes, what it costs all workers, and its size."""
    address, used, before = f"http://127.0.0.1:{bench.port}/metrics", [], bench.tree.cpu_seconds()
    for _ in range(SCRAPES):
        start = time.monotonic()
        with urllib.request.urlopen(address, timeout=10) as answer:
            size = len(answer.read())
        used.append(time.monotonic() - start)
    cost = (bench.tree.cpu_seconds() - before) / SCRAPES
    return {"scrape_ms": min(used) * 1e3, "scrape_cpu_ms": cost * 1e3, "page_kib": size / 1024}


def watched(workers: int, mode: str) -> Callable[[Path, int, float], list[Rows]]:
    """Return what measures a server of so many workers, whose Admin UI is in a mode, some times.

    Args:
        workers: Their number.
        mode: The mode.
    """

    def run(tokens: Path, runs: int, seconds: float) -> list[Rows]:
        setting = {"username": "admin", "password": generate_password_hash(PASSWORD), "mode": mode}
        os.environ["FLASK_REALTIME_ADMIN"] = json.dumps(setting)
        try:
            with (
                running(CONTENDERS[SERVERS[workers]], Settings(free_port(), ping_interval=PING_SECONDS), []) as server,
                generator(server.port, tokens, []) as load,
            ):
                bench = Bench(server.tree, load, server.port, 1.0, seconds)
                load.connect(CONNECTIONS, room_size=ROOM_SIZE, in_flight=IN_FLIGHT)
                load.wait(SETTLE_SECONDS)  # What connecting leaves behind.
                return [_one_run(bench, turn, workers, mode) for turn in range(runs)]
        finally:
            del os.environ["FLASK_REALTIME_ADMIN"]

    return run


def _one_run(bench: Bench, turn: int, workers: int, mode: str) -> Rows:
    found: dict[str, Figures] = {}
    for side in (UNWATCHED, WATCHED)[:: 1 if turn % 2 else -1]:
        with watching(bench.port) if side == WATCHED else nullcontext():
            bench.generator.wait(SETTLE_SECONDS)
            at_rest = idle(bench)
            found[side] = {"idle_percent": at_rest, "answered_us": bench.measure(LOAD)["cpu_us"]}
    rows = {f"watched_{mode}_{workers}": {side: found[side] for side in (UNWATCHED, WATCHED)}}
    return {**rows, f"scrape_{workers}": {SERVERS[workers]: scrape(bench)}} if mode == "production" else rows
