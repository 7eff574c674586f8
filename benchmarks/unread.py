"""Time that unread counts take with cursors and with rows, on SQLite: `python -m benchmarks.unread`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import insert, update

from flask_realtime.store import Store, define_models

READER, WRITER = "ann", "ben"
NOW: Final = datetime(2026, 1, 31, tzinfo=timezone.utc)
BATCH: Final = 50_000
RUNS: Final = 51


class Chat:
    """A database of conversations of two users, in which the reader has read half of what the other wrote.

    Args:
        folder: The folder of the database.
        conversations: How many there are.
        messages: How many messages are in all of them together.
        in_rows: Whether read receipts are rows.
    """

    def __init__(self, folder: Path, conversations: int, messages: int, *, in_rows: bool) -> None:
        self.db = SQLAlchemy()
        self.models = define_models(self.db, read_receipts=in_rows)
        self.store = Store(self.db, self.models)
        self.app = Flask(__name__)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / ('rows' if in_rows else 'cursors')}.sqlite3"
        self.db.init_app(self.app)
        self._conversations = conversations
        self._each = messages // conversations

    def fill(self) -> None:
        """Write everything, past the store: a transaction for each of a million messages would take an hour."""
        self.db.create_all()
        for _ in range(self._conversations):
            self.store.conversations.create([READER, WRITER])
        self._insert(self.models.message, self._messages())
        if self.models.read_receipt is not None:
            self._insert(self.models.read_receipt, self._receipts())
        participant, own = self.models.participant, self.models.participant.user_id == READER
        self.db.session.execute(update(self.models.conversation).values(last_seq=self._each))
        self.db.session.execute(update(participant).where(own).values(read_seq=self._each // 2))
        self.db.session.commit()

    def _messages(self) -> Iterator[dict[str, Any]]:
        common = {"sender_id": WRITER, "content": "hello", "created_at": NOW}
        for seq in range(1, self._each + 1):
            for conversation in range(1, self._conversations + 1):
                yield {**common, "conversation_id": conversation, "seq": seq}

    def _receipts(self) -> Iterator[dict[str, Any]]:
        for message in range(1, self._each // 2 * self._conversations + 1):
            yield {"message_id": message, "user_id": READER, "created_at": NOW}

    def _insert(self, model: Any, rows: Iterator[dict[str, Any]]) -> None:
        while batch := list(islice(rows, BATCH)):
            self.db.session.execute(insert(model), batch)
        self.db.session.commit()

    def measure(self) -> dict[str, float]:
        """Return the median time of each call, in milliseconds."""
        unread = {str(number): self._each - self._each // 2 for number in range(1, self._conversations + 1)}
        if self.store.receipts.unread_counts(READER) != unread:
            msg = "The counts are wrong"
            raise RuntimeError(msg)
        return {
            "unread_counts, of each conversation": _milliseconds(lambda: self.store.receipts.unread_counts(READER)),
            "unread_count, of all": _milliseconds(lambda: self.store.receipts.unread_count(READER)),
            "of_user, all conversations with it": _milliseconds(lambda: self.store.conversations.of_user(READER)),
        }


def _milliseconds(call: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = perf_counter()
        call()
        times.append((perf_counter() - start) * 1000)
        if sum(times) > 10_000:  # noqa: PLR2004 - ten seconds; rows take some for each call
            break
    return statistics.median(times)


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure both, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--conversations", type=int, default=500)
    arguments.add_argument("--messages", type=int, default=1_000_000)
    given = arguments.parse_args()
    _write("| receipts | call | ms |\n| --- | --- | ---: |")
    with tempfile.TemporaryDirectory(prefix="unread-") as folder:
        for in_rows in (False, True):
            chat = Chat(Path(folder), given.conversations, given.messages, in_rows=in_rows)
            with chat.app.app_context():
                chat.fill()
                for call, milliseconds in chat.measure().items():
                    _write(f"| {'rows' if in_rows else 'cursors'} | {call} | {milliseconds:.2f} |")


if __name__ == "__main__":
    main()
