"""A run in which workers are killed and Redis is restarted, while every message is accounted for.

`python -m benchmarks.chaos --minutes 10`; it exits with 1 when presence is not exact in the end, or when a message was lost,
repeated or out of order to a client that was connected throughout. Everything runs on 127.0.0.1, and needs a `redis-server`.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import gevent
from flask import Flask

from benchmarks import wire
from benchmarks.chaos.app import WATCHER, WATCHERS
from benchmarks.chaos.clients import Member, Poster, exchange, open_tcp
from benchmarks.chaos.durable_run import DurableRun
from benchmarks.chaos.ledger import GRACE, Ledger
from benchmarks.chaos.log_app import db
from benchmarks.servers import GUNICORN, Contender, Running, Settings, free_port, running
from tests.postgresql_server import PostgresqlServer
from tests.redis_server import RedisServer

WORKERS: Final = 4
CONVERSATION_SIZE: Final = 10
POSTERS: Final = 8
STORED: Final = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
# Per second and client.
RATES: Final = {"message": 0.1, "type": 0.08, "ask": 0.1, "drop": 0.004}
BETWEEN: Final = (17.0, 23.0)  # seconds between two outages
DOWNTIME: Final = (0.0, 4.0)  # seconds for which Redis is away
AWAY: Final = (0.0, 20.0)  # seconds for which a client that left stays away
OPENING_LIMIT: Final = 60.0
# A dead worker's lease, and the time that the others give one another after a restart of Redis.
PRESENCE_LIMIT: Final = 40.0
NOTES: Final = 20  # how many are shown
MANNERS: Final = ("reset", "close frame", "fin")


class Run:
    """The clients, the outages, and what came of them.

    Args:
        server: The workers.
        redis: Their Redis.
        clients: How many there are.
    """

    def __init__(self, server: Running, redis: RedisServer, clients: int) -> None:
        self.server = server
        self.redis = redis
        self.start = time.monotonic()
        self.conversations = [f"room-{number}" for number in range(-(-clients // CONVERSATION_SIZE))]
        self.ledger = Ledger(self.conversations)
        self.members = [self._member(number) for number in range(clients)]
        self.posters = [
            Poster(server.port, self.conversations, self.ledger, POSTERS / (RATES["message"] * clients)) for _ in range(POSTERS)
        ]
        self.presence_took = 0.0

    def _member(self, number: int) -> Member:
        user_id = f"{WATCHER}{number}" if number < WATCHERS else f"user-{number}"
        room = self.conversations[number // CONVERSATION_SIZE]
        return Member(self.server.port, user_id, room, self.ledger, polling=number % 2 == 1)

    def run(self, seconds: float) -> None:
        """Connect everybody, put the load on, and judge.

        Raises:
            TimeoutError: Not everybody could connect.
        """
        greenlets = [gevent.spawn(member.run) for member in self.members]
        self._wait_until(self._all_joined, OPENING_LIMIT)
        if not self._all_joined():
            raise TimeoutError(f"not everybody joined: {self.ledger.totals}")
        self.say(f"{len(self.members)} clients are connected")
        posting = [gevent.spawn(poster.run) for poster in self.posters]
        background = [gevent.spawn(self._disturb), gevent.spawn(self._keep_books)]
        self._load(seconds)
        gevent.killall(background[:1])
        self._end_posting(posting)
        self._check_presence()
        for member in self.members:
            member.end()
        gevent.killall([*greenlets, *background])
        self.ledger.settle()

    def _all_joined(self) -> bool:
        return all(member.is_joined for member in self.members)

    def _load(self, seconds: float) -> None:
        actions: dict[str, Callable[[Member], None]] = {"type": Member.type, "ask": Member.ask, "drop": _drop}
        names = list(actions)
        weights = [RATES[name] for name in names]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            (name,) = random.choices(names, weights)  # noqa: S311 - a load, not a secret
            member = random.choice(self.members)  # noqa: S311 - as above
            if member.is_joined:
                actions[name](member)
            gevent.sleep(1 / (sum(weights) * len(self.members)))

    def _disturb(self) -> None:
        outages: Iterator[Callable[[], None]] = cycle(
            [
                self._kill_worker,
                lambda: self._restart_redis(forget=True),
                self._kill_worker,
                lambda: self._restart_redis(forget=False),
            ]
        )
        for outage in outages:
            gevent.sleep(random.uniform(*BETWEEN))  # noqa: S311 - as above
            outage()

    def _kill_worker(self) -> None:
        pid = random.choice(self.server.tree.pids()[1:])  # noqa: S311 - as above
        count = sum(member.session is not None and member.session.worker == pid for member in self.members)
        self.ledger.killed[pid] = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.ledger.totals["workers killed"] += 1
        began = time.monotonic()
        gevent.sleep(0.1)  # Then its clients know.
        self._wait_until(lambda: all(member.is_joined or member.away_until > began for member in self.members), GRACE)
        self.say(f"worker {pid} was killed, with {count} sessions; all are back after {time.monotonic() - began:.1f} s")

    def _restart_redis(self, *, forget: bool) -> None:
        downtime = random.uniform(*DOWNTIME)  # noqa: S311 - as above
        in_thread = gevent.get_hub().threadpool.apply
        in_thread(self.redis.kill)
        if forget:
            in_thread(self.redis.forget)
        gevent.sleep(downtime)
        in_thread(self.redis.start)
        what = "without its data" if forget else "with its data"
        self.ledger.totals[f"restarts of Redis {what}"] += 1
        self.say(f"Redis was killed, and started {what} after {downtime:.1f} s")

    def _keep_books(self) -> None:
        while True:
            gevent.sleep(0.2)
            self.ledger.check_due()

    def _end_posting(self, posting: list[Any]) -> None:
        for poster in self.posters:
            poster.is_ended = True
        gevent.joinall(posting, GRACE)
        gone = [member for member in self.members[WATCHERS:] if random.random() < 0.2]  # noqa: S311, PLR2004 - a fifth
        for member in gone:
            member.leave(random.choice(MANNERS), float("inf"))  # noqa: S311 - as above
        gevent.sleep(GRACE + 1)
        self._wait_until(lambda: all(member.is_joined or member in gone for member in self.members), GRACE)

    # Presence -----------------------------------------------------------------------------------------

    def _check_presence(self) -> None:
        """Ask every worker until all of them say what is true, or for some time."""
        began = time.monotonic()
        wrong: list[str] = []

        def is_exact() -> bool:
            wrong[:] = [*self._wrong_answers(), *self._wrong_announcements()]
            return not wrong

        self._wait_until(is_exact, PRESENCE_LIMIT)
        self.presence_took = time.monotonic() - began
        for case in wrong:
            self.ledger.faults.add("presence not exact", case)

    def _wrong_answers(self) -> Iterator[str]:
        online = {member.user_id for member in self.members if member.is_joined}
        rooms = {name: {member.user_id for member in self.members if _is_in(member, name)} for name in self.conversations}
        for worker, answer in self._ask_workers().items():
            if difference := online ^ set(answer["online"]):
                yield f"worker {worker} is wrong about {sorted(difference)[:5]}"
            if len(answer["online"]) != len(set(answer["online"])):
                yield f"worker {worker} names somebody twice"
            for name in self.conversations:
                if difference := rooms[name] ^ set(answer["rooms"][name]):
                    yield f"worker {worker} is wrong about {sorted(difference)[:5]} in {name}"

    def _ask_workers(self) -> dict[int, dict[str, Any]]:
        answers: dict[int, dict[str, Any]] = {}
        request = wire.request(self.server.port, "/presence", json.dumps(self.conversations))
        pids = set(self.server.tree.pids()[1:])
        while pids - set(answers):
            with open_tcp(self.server.port) as tcp:
                answer = json.loads(exchange(tcp, request)[1])
            answers[answer["worker"]] = answer
        return answers

    def _wrong_announcements(self) -> Iterator[str]:
        online = {member.user_id: member.is_joined for member in self.members}
        for watcher in self.members[:WATCHERS]:
            for user_id, status in watcher.statuses.items():
                if (status == "online") is not online[user_id]:
                    yield f"{watcher.user_id} heard last that {user_id} is {status}"

    # Report -------------------------------------------------------------------------------------------

    def report(self) -> bool:
        """Say what came of it; return whether all is well."""
        ledger, logged = self.ledger, self.server.log.read_text(encoding="utf-8", errors="replace")
        for name, value in self._figures(logged):
            self.say(f"{name:62} {value}")
        for note in ledger.notes[:NOTES]:
            self.say(f"worth a look: {note}")
        for kind, count in ledger.faults.count.items():
            self.say(f"FAULT: {kind}: {count} ({ledger.faults.first[kind]})")
        return not ledger.faults.count.total()

    def _figures(self, logged: str) -> list[tuple[str, str]]:
        ledger, delays = self.ledger, self.ledger.delays
        return [
            *((name, f"{count:,}") for name, count in sorted(ledger.totals.items())),
            ("messages on their way, median", f"{statistics.median(delays) * 1000:.1f} ms"),
            ("messages on their way, 99 of 100 at most", f"{statistics.quantiles(delays, n=100)[98] * 1000:.1f} ms"),
            ("slowest message", f"{max(delays) * 1000:,.0f} ms"),
            ("slowest answer to a post", f"{ledger.slowest_post * 1000:,.0f} ms"),
            ("presence was exact on every worker after", f"{self.presence_took:.1f} s"),
            ("tracebacks in the server's log", str(logged.count("Traceback (most recent call last)"))),
        ]

    def say(self, line: str) -> None:
        """Print a line."""
        sys.stdout.write(f"{time.monotonic() - self.start:6.1f} s  {line}\n")
        sys.stdout.flush()

    @staticmethod
    def _wait_until(condition: Callable[[], bool], limit: float) -> None:
        deadline = time.monotonic() + limit
        while not condition() and time.monotonic() < deadline:
            gevent.sleep(0.1)


def _drop(member: Member) -> None:
    member.leave(random.choice(MANNERS), random.uniform(*AWAY))  # noqa: S311 - a load, not a secret


def _is_in(member: Member, conversation: str) -> bool:
    return member.conversation == conversation and member.is_joined


def _command(redis: RedisServer, app: str = "app", *more: str) -> Callable[[Settings], list[str]]:
    variables = [f"FLASK_REALTIME_MESSAGE_QUEUE={redis.url}", *more]
    return lambda settings: [
        *("env", *variables, *GUNICORN, "--workers", str(WORKERS)),
        *("--bind", f"127.0.0.1:{settings.port}", f"benchmarks.chaos.{app}:create_app()"),
    ]


def _run_with_log(redis: RedisServer, clients: int, seconds: float, keep_log: Callable[[Path], None]) -> bool:
    """Run the application with a log, on PostgreSQL, and return whether all is well."""
    with PostgresqlServer() as postgresql, postgresql.new_database() as database_url:
        app = Flask("chaos")
        app.config["SQLALCHEMY_DATABASE_URI"] = database_url
        db.init_app(app)
        with app.app_context():
            db.create_all()  # Before the workers look for them.
            db.engine.dispose()
        command = _command(redis, "log_app", f"FLASK_SQLALCHEMY_DATABASE_URI={database_url}")
        contender = Contender("chaos", f"{WORKERS} workers, Redis and PostgreSQL", command)
        with running(contender, Settings(free_port()), []) as server:
            run = DurableRun(server, redis, app, clients)
            try:
                run.run(seconds)
                return run.report()
            finally:
                keep_log(server.log)


def _run_without_log(redis: RedisServer, clients: int, seconds: float, keep_log: Callable[[Path], None]) -> bool:
    contender = Contender("chaos", f"{WORKERS} workers and Redis", _command(redis))
    with running(contender, Settings(free_port()), []) as server:
        run = Run(server, redis, clients)
        try:
            run.run(seconds)
            return run.report()
        finally:
            keep_log(server.log)


def main() -> int:
    """Read the command line, start the servers, and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--clients", type=int, default=300, help="how many (default 300)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--log", action="store_true", help="messages are stored, with a log, and sent until acknowledged")
    parser.add_argument("--server-log", type=Path, help="where what the servers wrote is kept")
    options = parser.parse_args()

    def keep_log(path: Path) -> None:
        if options.server_log is not None:
            shutil.copy(path, options.server_log)

    with RedisServer(options=STORED) as redis:
        run = _run_with_log if options.log else _run_without_log
        passed = run(redis, options.clients, options.minutes * 60, keep_log)
    sys.stdout.write("passed\n" if passed else "FAILED\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
