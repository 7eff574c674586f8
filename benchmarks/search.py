"""Time that searches take among a million messages, on SQLite and PostgreSQL: `python -m benchmarks.search`."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from itertools import accumulate, islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import insert, text

from flask_realtime.store import Store, define_models
from tests.postgresql_server import PostgresqlServer

BUSY, QUIET, CROWD = "busy", "quiet", "member"
"""A user with a tenth of the conversations, one with three, and the others of the first conversation."""

MEMBERS: Final = 10_000
CONVERSATIONS: Final = 5_000
OF_BUSY: Final = 500
NOW: Final = datetime(2026, 1, 31, tzinfo=timezone.utc)
VOCABULARY: Final = 50_000
BATCH: Final = 20_000
RUNS: Final = 21
COMMON: Final = "hello"
"""A word of every third message."""

RARE: Final = "unicorn"
"""A word of one in 100,000 messages, all of them in the busy user's conversations."""

QUERIES: Final = {
    "a word of every third message": COMMON + " ",
    "its first two letters": COMMON[:2],
    "a word of ten messages": RARE,
    "a word that nobody wrote": "zzzzzzzzz",
    "two words": f"{RARE} {COMMON}",
    "a phrase": f'"{COMMON} {COMMON}"',
}


class Chat:
    """A database of messages, half of them in the busy user's conversations.

    Args:
        url: The address of the database.
        messages: How many there are.
    """

    def __init__(self, url: str, messages: int) -> None:
        self.db = SQLAlchemy()
        self.models = define_models(self.db, search=True)
        self.store = Store(self.db, self.models)
        self.app = Flask(__name__)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        self.db.init_app(self.app)
        self._messages = messages

    def fill(self) -> float:
        """Write everything, past the store, and return the seconds in which the index of it was made."""
        self.db.create_all()
        index = self.models.message_search
        if index is None:
            raise AssertionError
        index.drop(self.db.session.connection())
        self._insert(self.models.conversation, ({"title": None, "created_at": NOW} for _ in range(CONVERSATIONS)))
        self._insert(self.models.participant, self._participants())
        self._insert(self.models.message, self._contents())
        start = perf_counter()
        index.create(self.db.session.connection())
        self.db.session.commit()
        taken = perf_counter() - start
        self.db.session.execute(text("ANALYZE"))
        self.db.session.commit()
        return taken

    def _participants(self) -> Iterator[dict[str, Any]]:
        own = [(number, BUSY) for number in range(1, OF_BUSY + 1)]
        own += [(number, QUIET) for number in range(CONVERSATIONS - 2, CONVERSATIONS + 1)]
        crowd = [(1, f"{CROWD}{number}") for number in range(MEMBERS)]
        for conversation, user in own + crowd:
            yield {"conversation_id": conversation, "user_id": user, "created_at": NOW}

    def _contents(self) -> Iterator[dict[str, Any]]:
        chance = random.Random(1)  # noqa: S311 - the same messages each time
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(VOCABULARY)]
        weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
        for number in range(self._messages):
            content = chance.choices(words, cum_weights=weights, k=chance.randint(3, 20))
            if number % 3 == 0:
                content.append(COMMON)
            if number % 100_000 == 0:
                content.append(RARE)
            conversation = 1 + (number // 2 % OF_BUSY if number % 2 == 0 else OF_BUSY + number // 2 % (CONVERSATIONS - OF_BUSY))
            yield {
                "conversation_id": conversation,
                "sender_id": f"{CROWD}{number % MEMBERS}",
                "content": " ".join(content),
                "created_at": NOW,
            }

    def _insert(self, model: Any, rows: Iterator[dict[str, Any]]) -> None:
        while batch := list(islice(rows, BATCH)):
            self.db.session.execute(insert(model), batch)
        self.db.session.commit()

    def measure(self) -> Iterator[tuple[str, str, int, float]]:
        """Yield who searches, what for, how many messages come, and the median time in milliseconds."""
        for name, query in QUERIES.items():
            for where, user, conversation in (
                (f"in {OF_BUSY} conversations", BUSY, None),
                ("in 3 conversations", QUIET, None),
                ("in one conversation", BUSY, "1"),
            ):
                search = partial(self.store.search.find, user, query, conversation_id=conversation)
                yield where, name, len(search().hits), _milliseconds(search)


def _milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        call()
        times.append((perf_counter() - start) * 1000)
        if sum(times) > 10_000:  # noqa: PLR2004 - ten seconds
            break
    return statistics.median(times)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print a table for each database."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--databases", default="sqlite,postgresql")
    arguments.add_argument("--messages", type=int, default=1_000_000)
    given = arguments.parse_args()
    with ExitStack() as stack:
        for database in given.databases.split(","):
            if database == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="search-"))
                url = f"sqlite:///{Path(folder) / 'chat.sqlite3'}"
            else:
                url = stack.enter_context(stack.enter_context(PostgresqlServer()).new_database())
            chat = Chat(url, given.messages)
            with chat.app.app_context():
                _write(f"\n{database}: index made in {chat.fill():.0f} s\n")
                _write("| searched | for | found | ms |\n| --- | --- | ---: | ---: |")
                for where, name, found, milliseconds in chat.measure():
                    _write(f"| {where} | {name} | {found} | {milliseconds:.1f} |")
                chat.db.session.remove()
                chat.db.engine.dispose()


if __name__ == "__main__":
    main()
