"""CPU time that the pieces of sharing through Redis cost, one by one: `python -m benchmarks.bus_costs`.

Writes `bus_costs.json`, which `python -m benchmarks.simulate` reads. Each figure is the median of several runs, in microseconds of
CPU time, of the Redis process or of the thread that uses it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

from benchmarks.processes import ProcessTree
from benchmarks.report import machine
from benchmarks.servers import free_port
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack
from flask_realtime.backends.redis import scripts
from flask_realtime.backends.redis.connections import OwnConnection
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId, fields_of
from flask_realtime.backends.redis.lease import Lease
from flask_realtime.backends.redis.link import RedisLink
from flask_realtime.backends.redis.options import DEFAULT_OPTIONS
from flask_realtime.backends.redis.reader import Reader
from flask_realtime.backends.redis.stream import Stream

COSTS = Path(__file__).with_name("bus_costs.json")
RUNS = 5
ENTRIES = 4000
READERS = 16
ROUNDS = 200
USERS = 2000
MANY = 20
"""Envelopes of an entry, where it has many."""
LARGE = 8192
"""Bytes of an envelope's parts, where they are large; otherwise a message of a chat."""
MESSAGE = 300


class Costs:
    """A Redis server, and what is measured with it.

    Args:
        link: A link to it.
        redis: Its process.
    """

    def __init__(self, link: RedisLink, redis: ProcessTree) -> None:
        self._link = link
        self._redis = redis

    def measure(self) -> dict[str, float]:
        """Return each piece's cost, in microseconds."""
        small, large, many = (self._write(*size) for size in ((1, MESSAGE), (1, LARGE), (MANY, MESSAGE)))
        entry, large_entry, many_entry = (self._read(*size) for size in ((1, MESSAGE), (1, LARGE), (MANY, MESSAGE)))
        kib = (LARGE - MESSAGE) / 1024
        return {
            "redis_write": small[0],
            "redis_write_kib": max(0.0, large[0] - small[0]) / kib,
            "redis_read": self._wake() - entry[0],
            "redis_entry": entry[0],
            "redis_entry_kib": max(0.0, large_entry[0] - entry[0]) / kib,
            "server_write": small[1] - (many[1] - small[1]) / (MANY - 1),
            "server_entry": entry[1] - (many_entry[1] - entry[1]) / (MANY - 1),
            "server_envelope": (many_entry[1] - entry[1]) / (MANY - 1),
            **self._presence(),
        }

    def _write(self, count: int, size: int) -> tuple[float, float]:
        """Return what an entry costs Redis and its writer."""
        stream, fields = self._new_stream(), _fields("writer", count, size)
        connection, _ = stream.open(self._link)
        stream.append(connection, fields)
        costs = self._each(ENTRIES, lambda: stream.append(connection, fields))
        connection.close()
        return costs

    def _read(self, count: int, size: int) -> tuple[float, float]:
        """Return what an entry costs Redis and its reader where many are read at once."""
        stream, fields = self._new_stream(), _fields("writer", count, size)
        connection, _ = stream.open(self._link)
        for _ in range(ENTRIES):
            stream.append(connection, fields)
        reader = Reader(self._link, stream, "reader", lambda _envelope: None, DEFAULT_OPTIONS)
        read = 0

        def read_all() -> None:
            nonlocal read
            after = NO_ID
            while entries := stream.read(connection, after, 0.001):
                for entry_id, found in entries:
                    reader._deliver(entry_id, found)  # noqa: SLF001 - what `Reader.run` does with each
                after, read = entries[-1][0], read + len(entries)

        costs = self._each(1, read_all)
        connection.close()
        return costs[0] / read, costs[1] / read

    def _wake(self) -> float:
        """Return what it costs Redis to give a new entry to a reader that waits for it."""
        stream, fields = self._new_stream(), _fields("writer", 1, MESSAGE)
        writer, _ = stream.open(self._link)
        readers = [stream.open(self._link, 1.0)[0] for _ in range(READERS)]
        last = stream.append(writer, fields)
        alone = self._each(ROUNDS, lambda: stream.append(writer, fields))[0]
        last = stream.append(writer, fields)

        def wake() -> None:
            nonlocal last
            for reader in readers:
                _send(reader, stream.key, last)
            time.sleep(0.002)  # All of them wait by then.
            last = stream.append(writer, fields)
            for reader in readers:
                reader._connection.read_response()  # noqa: SLF001 - a read in two steps

        cost = self._each(ROUNDS, wake)[0]
        for connection in (writer, *readers):
            connection.close()
        return (cost - alone) / READERS

    def _presence(self) -> dict[str, float]:
        lease = Lease(self._link, "server", "costs")
        users = iter(range(10_000_000))

        def come() -> None:
            user = str(next(users))
            lease.run(scripts.add(user, f"c{user}", "0 "))
            lease.run(scripts.join(user, f"c{user}", f"conversations:members:{int(user) // 10}"))

        come()
        coming = self._each(USERS, come)[0]
        leaving = iter(range(1, USERS + 1))

        def go() -> None:
            user = str(next(leaving))
            joined = [f"conversations:members:{int(user) // 10}"]
            lease.run(scripts.remove(user, f"c{user}", told_online=0, joined=joined))

        return {"redis_coming": coming, "redis_going": self._each(USERS, go)[0]}

    def _each(self, times: int, function: Callable[[], object]) -> tuple[float, float]:
        redis, thread = self._redis.cpu_seconds(), time.thread_time()
        for _ in range(times):
            function()
        return (self._redis.cpu_seconds() - redis) / times * 1e6, (time.thread_time() - thread) / times * 1e6

    def _new_stream(self) -> Stream:
        self._link.call(lambda client: client.flushall())
        return Stream("{costs}:events", 60.0)


def _send(reader: OwnConnection, key: str, after: StreamId) -> None:
    reader._connection.send_command("XREAD", "COUNT", 32, "BLOCK", 1000, "STREAMS", key, str(after))  # noqa: SLF001


def _fields(origin: str, count: int, size: int) -> list[str | bytes | int]:
    items = []
    for number in range(count):
        head, body = pack(Envelope("send", {"room": "conversation:12", "event": "message:new"}, ("2" + "x" * size,)))
        items.append(Item(0.0, head, body, len(head) + len(body), number=number + 1))
    return fields_of(origin, items)


@contextmanager
def _redis() -> Iterator[Costs]:
    program, port = which("redis-server"), free_port()
    if program is None:
        message = "There is no redis-server on the PATH"
        raise SystemExit(message)
    with tempfile.TemporaryDirectory(prefix="costs-") as folder:
        options = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        link = RedisLink(f"redis://127.0.0.1:{port}/0", 10.0, channel="costs")
        try:
            with suppress(BackendUnavailable):
                link.ping()
            link.wait(10.0)
            yield Costs(link, ProcessTree(process.pid))
        finally:
            link.close()
            process.kill()
            process.wait()


def main() -> None:
    """Measure, and write the medians."""
    runs = []
    for _ in range(RUNS):
        with _redis() as costs:
            runs.append(costs.measure())
    medians = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    COSTS.write_text(json.dumps({"machine": machine(), "microseconds": medians}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(medians, indent=1))  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
