"""What the log keeps and costs, on SQLite and PostgreSQL: `python -m benchmarks.outbox`.

It rolls back transactions, kills workers between the commit and the sending, and times messages with and without the log. It exits
with 1 when a rolled-back event was heard of, or one of a killed worker came later than after 5 seconds, twice or never.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import gevent
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy

from benchmarks import wire
from benchmarks.chaos.clients import RefusedError, Session, exchange, open_tcp
from benchmarks.chaos.ledger import Inbox
from benchmarks.outbox_app import WATCHER, db
from benchmarks.servers import GUNICORN, KEY, Contender, Settings, free_port, running
from flask_realtime import Realtime
from flask_realtime.store import Store, define_models
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

WORKERS: Final = 3
WATCHERS: Final = 4
LIMIT: Final = 5.0
"""Seconds within which an event of a killed worker is to come."""

PATIENCE: Final = 30.0
BATCH: Final = 500
ROUNDS: Final = 5


class Watcher:
    """A session that opens another one when it ends, and keeps when each event came.

    Args:
        port: The server's.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.came: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
        """The seconds between the writing of each event and its arrivals."""
        self.is_connected = False

    def run(self) -> None:
        """Connect, and connect again, for ever."""
        while True:
            session = Session(self._port, Inbox(WATCHER))
            with suppress(OSError, RefusedError):
                session.open(wire.token(WATCHER), polling=False)
                self.is_connected = True
                for packet in session.packets():
                    self._on_packet(session, packet)
            self.is_connected = False
            session.close()
            gevent.sleep(0.05)

    def _on_packet(self, session: Session, packet: str) -> None:
        if packet == "2":
            session.send("3")
        elif packet.startswith("42"):
            name, number, *rest = json.loads(packet[2:])
            if name in {"real", "ghost"}:
                self.came[name, number].append(time.time() - rest[0] if rest else 0.0)


class Server:
    """The workers of one database, and those who watch.

    Args:
        port: Where they listen.
        watchers: The watchers.
    """

    def __init__(self, port: int, watchers: list[Watcher]) -> None:
        self._port = port
        self._watchers = watchers
        self._last = 0
        wait_until(lambda: all(watcher.is_connected for watcher in watchers))

    def roll_back(self, count: int) -> int:
        """Roll back so many transactions, and return how many of their events were heard of."""
        for _ in range(0, count, BATCH):
            self._post(f"/roll-back/{min(BATCH, count)}")
        self._last += 1
        self._post(f"/log/{self._last}")
        for watcher in self._watchers:
            wait_until(lambda watcher=watcher: ("real", self._last) in watcher.came)
        return sum(name == "ghost" for watcher in self._watchers for name, _ in watcher.came)

    def kill(self) -> tuple[float, int]:
        """Kill a worker between the commit and the sending; return after how long its event came, and how often at most."""
        self._last += 1
        self._post(f"/die/{self._last}")
        key = ("real", self._last)
        wait_until(lambda: any(key in watcher.came for watcher in self._watchers))
        wait_until(lambda: all(watcher.is_connected for watcher in self._watchers))
        came = [watcher.came[key] for watcher in self._watchers if key in watcher.came]
        return min(times[0] for times in came), max(map(len, came))

    def again(self) -> int:
        """Return how many events came to somebody more than once."""
        return sum(len(times) > 1 for watcher in self._watchers for times in watcher.came.values())

    def _post(self, path: str) -> None:
        with suppress(ConnectionError), open_tcp(self._port) as tcp:
            tcp.settimeout(PATIENCE)
            exchange(tcp, wire.request(self._port, path, ""))


class Chat:
    """An application in this process, with one conversation that nobody has joined.

    Args:
        database_url: Its database.
        prefix: The prefix of its tables.
        log: Whether it has a log.
    """

    def __init__(self, database_url: str, prefix: str, *, log: bool) -> None:
        self._app = Flask(__name__)
        self._app.config.update(SQLALCHEMY_DATABASE_URI=database_url, JWT_SECRET_KEY=KEY)
        JWTManager(self._app)
        self._db = SQLAlchemy(self._app)
        self._store = Store(self._db, define_models(self._db, prefix=prefix, log=log))
        self._realtime = Realtime()
        self._store.register(self._realtime)
        self._realtime.init_app(self._app)
        self._is_logged = log
        with self._app.app_context():
            self._db.create_all()
            self._conversation = self._store.conversations.create(["ann", "ben"]).id

    def write(self, count: int) -> float:
        """Store and send messages one after the other, and return how many a second."""
        with self._app.app_context():
            began = perf_counter()
            for _ in range(count):
                message = self._store.messages.add(self._conversation, "ann", "hello")
                if not self._is_logged:
                    self._realtime.emit_new_message(self._conversation, {"id": message.id, "content": message.content})
            return count / (perf_counter() - began)


def wait_until(condition: Any) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not come true.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was to come did not come")
        gevent.sleep(0.01)


@contextmanager
def databases(kind: str) -> Iterator[str]:
    """Lend an empty database."""
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="outbox-"))
            yield f"sqlite:///{Path(folder) / 'outbox.sqlite3'}"
        else:
            yield stack.enter_context(stack.enter_context(PostgresqlServer()).new_database())


def _command(redis: RedisServer, database_url: str) -> Any:
    variables = [f"FLASK_REALTIME_MESSAGE_QUEUE={redis.url}", f"FLASK_SQLALCHEMY_DATABASE_URI={database_url}"]
    return lambda settings: [
        *("env", *variables, *GUNICORN, "--workers", str(WORKERS)),
        *("--bind", f"127.0.0.1:{settings.port}", "benchmarks.outbox_app:create_app()"),
    ]


def keep(kind: str, rolled_back: int, kills: int) -> bool:
    """Roll back and kill on one database, print what came of it, and return whether all is well."""
    with RedisServer() as redis, databases(kind) as database_url:
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = database_url
        db.init_app(app)
        with app.app_context():
            db.create_all()
            db.engine.dispose()
        contender = Contender("outbox", f"{WORKERS} workers and Redis", _command(redis, database_url))
        with running(contender, Settings(free_port()), []) as server:
            watchers = [Watcher(server.port) for _ in range(WATCHERS)]
            greenlets = [gevent.spawn(watcher.run) for watcher in watchers]
            workers = Server(server.port, watchers)
            heard = workers.roll_back(rolled_back)
            _write(f"| {kind} | of {rolled_back:,} transactions rolled back, events heard | {heard} |")
            delays = [workers.kill()[0] for _ in range(kills)]
            again = workers.again()
            _write(f"| {kind} | {kills} kills between commit and sending: longest delay | {max(delays):.2f} s |")
            _write(f"| {kind} | median delay | {median(delays):.2f} s |")
            _write(f"| {kind} | events that came twice | {again} |")
            gevent.killall(greenlets)
    return not heard and not again and max(delays) <= LIMIT


def compare(kind: str, messages: int) -> None:
    """Time messages with and without the log on one database, side by side, and print it."""
    with databases(kind) as database_url:
        chats = {"with the log": Chat(database_url, "logged_", log=True), "without": Chat(database_url, "plain_", log=False)}
        rates: defaultdict[str, list[float]] = defaultdict(list)
        for _ in range(ROUNDS):
            for name, chat in chats.items():
                rates[name].append(chat.write(messages // ROUNDS))
        for name, found in rates.items():
            _write(f"| {kind} | messages a second, {name} | {median(found):,.0f} |")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run on each database, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox", description=__doc__)
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--rolled-back", type=int, default=10_000, help="transactions (default 10,000)")
    parser.add_argument("--kills", type=int, default=20, help="how many workers (default 20)")
    parser.add_argument("--messages", type=int, default=5_000, help="messages to time (default 5,000)")
    options = parser.parse_args()
    _write("| database | | |\n| --- | --- | ---: |")
    kept = [keep(kind, options.rolled_back, options.kills) for kind in options.databases]
    for kind in options.databases:
        compare(kind, options.messages)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
