"""A run in which workers are killed and Redis is restarted, while every message of a log is accounted for."""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from typing import Any, Final

import gevent
from flask import Flask
from sqlalchemy import select

from benchmarks.chaos.durable import Books, Member, Poster
from benchmarks.chaos.log_app import db, models, store
from benchmarks.chaos.stories import Sendings, Story
from benchmarks.servers import Running
from tests.redis_server import RedisServer

CONVERSATION_SIZE: Final = 10
POSTERS: Final = 8
MESSAGES_PER_SECOND: Final = 20.0
DROPS_PER_SECOND: Final = 0.01
"""How often each member leaves."""

BETWEEN: Final = (8.0, 12.0)
DOWNTIME: Final = (0.0, 4.0)
OPENING_LIMIT: Final = 60.0
SETTLING_LIMIT: Final = 60.0
MANNERS: Final = ("reset", "close frame", "fin")
STORIES: Final = 5
"""How many stories of messages that came twice, and of those that came late, are told: one of a member."""


class DurableRun:
    """The members, the posters, the outages, and what came of them.

    Args:
        server: The workers.
        redis: Their Redis.
        app: An application on their database.
        clients: How many members there are.
    """

    def __init__(self, server: Running, redis: RedisServer, app: Flask, clients: int) -> None:
        self._server = server
        self._redis = redis
        self._app = app
        self._start = time.monotonic()
        self._books = Books()
        self._outages: list[tuple[float, str]] = []
        posters = [f"poster-{number}" for number in range(POSTERS)]
        users = [f"user-{number}" for number in range(clients)]
        groups = [users[start : start + CONVERSATION_SIZE] for start in range(0, clients, CONVERSATION_SIZE)]
        with app.app_context():
            self._conversations = [store.conversations.create([*group, *posters]).id for group in groups]
            db.engine.dispose()
        homes = zip(self._conversations, groups, strict=True)
        self._members = [Member(server.port, user, home, self._books) for home, group in homes for user in group]
        pause = POSTERS / MESSAGES_PER_SECOND
        self._posters = [Poster(server.port, user, self._conversations, self._books, pause) for user in posters]

    def run(self, seconds: float) -> None:
        """Connect everybody, put the load on, and judge.

        Raises:
            TimeoutError: Not everybody could connect.
        """
        members = [gevent.spawn(member.run) for member in self._members]
        if not self._wait_until(self._are_up_to_date, OPENING_LIMIT):
            raise TimeoutError(f"not everybody joined: {self._books.totals}")
        self.say(f"{len(self._members)} members are connected")
        posting = [gevent.spawn(poster.run) for poster in self._posters]
        background = [gevent.spawn(self._disturb), gevent.spawn(self._drop)]
        gevent.sleep(seconds)
        gevent.killall(background)
        for poster in self._posters:
            poster.is_ended = True
        gevent.joinall(posting, SETTLING_LIMIT)
        self._settle()
        gevent.killall([*members, *posting])
        self._judge()

    def _settle(self) -> None:
        """Let all members ask for what they have missed, until they have everything or the time is over."""
        deadline = time.monotonic() + SETTLING_LIMIT

        def is_settled() -> bool:
            if not self._are_up_to_date():
                return False
            for member in self._members:
                member.ask()
            return self._wait_until(self._are_up_to_date, deadline - time.monotonic()) and not any(map(self._lacks, self._members))

        self._wait_until(is_settled, SETTLING_LIMIT)
        for member in self._members:
            if not member.is_up_to_date:
                self._books.faults.add("members who are not up to date", f"{member.user_id}, who {member.last_news}")

    def _are_up_to_date(self) -> bool:
        return all(member.is_up_to_date for member in self._members)

    def _lacks(self, member: Member) -> set[int]:
        return self._books.of(member.conversation) - member.received

    def _judge(self) -> None:
        books = self._books
        with self._app.app_context():
            rows = db.session.execute(select(models.message.id, models.message.content)).all()
        ids = {int(content): str(row_id) for row_id, content in rows}
        books.totals["messages posted"] = len(books.posted)
        if len(ids) < len(rows):
            books.faults.add("messages stored twice", f"{len(rows)} rows of {len(ids)} messages")
        for number in books.posted:
            if number not in books.stored:
                books.faults.add("messages never acknowledged", str(number))
            elif ids.get(number) != books.stored[number]:
                books.faults.add("messages not stored as acknowledged", f"{number}: {ids.get(number)}, not {books.stored[number]}")
        for member in self._members:
            if lacks := self._lacks(member):
                books.faults.add("members who lack messages", f"{member.user_id}: {sorted(lacks)[:5]} of {len(lacks)}")
            if others := member.received - books.of(member.conversation):
                books.faults.add("messages to others", f"{member.user_id}: {sorted(others)[:5]}")

    # Outages ------------------------------------------------------------------------------------------

    def _disturb(self) -> None:
        outages: list[Callable[[], None]] = [
            self._kill_worker,
            lambda: self._restart_redis(forget=False),
            self._kill_worker,
            lambda: self._restart_redis(forget=True),
        ]
        for outage in cycle(outages):
            gevent.sleep(random.uniform(*BETWEEN))  # noqa: S311 - a load, not a secret
            outage()

    def _kill_worker(self) -> None:
        pid = random.choice(self._server.tree.pids()[1:])  # noqa: S311 - as above
        self._books.killed[pid] = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self._books.totals["workers killed"] += 1
        self._say_outage(f"worker {pid} was killed")

    def _restart_redis(self, *, forget: bool) -> None:
        in_thread = gevent.get_hub().threadpool.apply
        self._say_outage("Redis is being killed")
        in_thread(self._redis.kill)
        if forget:
            in_thread(self._redis.forget)
        gevent.sleep(random.uniform(*DOWNTIME))  # noqa: S311 - as above
        in_thread(self._redis.start)
        what = "without its data" if forget else "with its data"
        self._books.totals[f"restarts of Redis {what}"] += 1
        self._say_outage(f"Redis was started {what}")

    def _say_outage(self, line: str) -> None:
        self._outages.append((time.monotonic(), line))
        self.say(line)

    def _drop(self) -> None:
        while True:
            gevent.sleep(1 / (DROPS_PER_SECOND * len(self._members)))
            session = random.choice(self._members).session  # noqa: S311 - as above
            if session is not None:
                session.leave(random.choice(MANNERS))  # noqa: S311 - as above
                self._books.totals["connections given up by members"] += 1

    # Report -------------------------------------------------------------------------------------------

    def report(self) -> bool:
        """Say what came of it; return whether all is well."""
        books, logged = self._books, self._server.log.read_text(encoding="utf-8", errors="replace")
        sendings = Sendings(logged, books.killed)
        self._judge_repeated(sendings)
        figures: list[tuple[str, Any]] = sorted(Counter(books.totals).items())
        figures += [
            ("messages on their way, median", f"{statistics.median(books.delays) * 1000:.1f} ms"),
            ("slowest message", f"{max(books.delays) * 1000:,.0f} ms"),
            ("slowest acknowledgement", f"{books.slowest_answer * 1000:,.0f} ms"),
            ("tracebacks in the server's log", logged.count("Traceback (most recent call last)")),
        ]
        for name, value in figures:
            self.say(f"{name:62} {value}")
        for kind, count in books.faults.count.items():
            self.say(f"FAULT: {kind}: {count} ({books.faults.first[kind]})")
        for story in [*self._some(books.repeated), *self._some(books.late)]:
            self.say(f"message {story.number} came to {story.user_id} {story.what}:")
            for at, what in sendings.tell(story, self._outages):
                self.say(f"  {at - self._start:8.3f} s  {what}")
        return not books.faults.count.total()

    def _judge_repeated(self, sendings: Sendings) -> None:
        books = self._books
        unwritten = [story for story in books.repeated if sendings.is_unwritten(story)]
        books.totals["messages live again that only a killed worker had sent"] = len(unwritten)
        books.repeated = [story for story in books.repeated if story not in unwritten]
        for story in books.repeated:
            books.faults.add("messages repeated live", f"{story.number} to {story.user_id}")

    @staticmethod
    def _some(stories: list[Story]) -> list[Story]:
        firsts = {story.user_id: story for story in reversed(stories)}
        return sorted(firsts.values(), key=lambda story: story.first_at)[:STORIES]

    def say(self, line: str) -> None:
        """Print a line."""
        sys.stdout.write(f"{time.monotonic() - self._start:6.1f} s  {line}\n")
        sys.stdout.flush()

    @staticmethod
    def _wait_until(condition: Callable[[], bool], limit: float) -> bool:
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                return False
            gevent.sleep(0.1)
        return True
