"""Time that operations on one large conversation take, beside a small one: `python -m benchmarks.conversation`."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any, Final, NamedTuple

from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import bindparam, select, text

from flask_realtime import Identity, Realtime
from flask_realtime.features.messages.records import PageRequest
from flask_realtime.features.messages.sending import EVERYONE, NewMessage
from flask_realtime.store import Store, UtcDateTime, define_models
from tests.postgresql_server import PostgresqlServer

NOW: Final = datetime(2026, 1, 31, tzinfo=timezone.utc)
RUNS: Final = 25
PATIENCE: Final = 5000.0
"""Milliseconds after which an operation is not run again."""

EMOJI: Final = "❤️"
DATABASES: Final = ("sqlite", "postgresql")

_NUMBERS: Final = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :size)"
MEMBERS: Final = (
    "INSERT INTO realtime_participant (conversation_id, user_id, created_at, read_seq, delivered_seq)",
    "SELECT :conversation, 'user' || i, :now, CASE WHEN i <= 40 THEN :late ELSE :messages END, :messages FROM n",
)
MESSAGES: Final = (
    "INSERT INTO realtime_message (conversation_id, sender_id, content, created_at, seq, thread_id)",
    "SELECT :conversation, CASE WHEN i % 2 = 0 THEN 'user1' ELSE 'user3' END, 'hello', :now, i + :before, :thread FROM n",
)
REACTIONS: Final = (
    "INSERT INTO realtime_reaction (message_id, emoji, user_id, created_at)",
    "SELECT :message, :emoji, 'user' || i, :now FROM n",
)
COUNT: Final = "INSERT INTO realtime_reaction_count (message_id, emoji, count, created_at) VALUES (:message, :emoji, :size, :now)"
LAST_SEQ: Final = "UPDATE realtime_conversation SET last_seq = :messages, participant_count = :size WHERE id = :conversation"


class Size(NamedTuple):
    """The size of a conversation: its members, its messages outside threads, and the replies in one thread."""

    members: int
    messages: int
    replies: int


SMALL: Final = Size(100, 100, 60)
"""As large as what an answer shows at most, so that both conversations are asked for as much."""


class Chat:
    """An application with a store and a log.

    Args:
        address: The address of its database.
    """

    def __init__(self, address: str) -> None:
        self.app = Flask(__name__)
        self.app.config.update(SQLALCHEMY_DATABASE_URI=address, JWT_SECRET_KEY=token_hex(32))
        JWTManager(self.app)
        self.db = SQLAlchemy(self.app)
        self.models = define_models(self.db, log=True)
        self.store = Store(self.db, self.models)
        realtime = Realtime()
        self.store.register(realtime)
        realtime.init_app(self.app)

    def execute(self, statement: str, **values: Any) -> None:
        """Execute a statement with those of the values that it names."""
        named = {name: value for name, value in values.items() if f":{name}" in statement}
        times = [bindparam("now", type_=UtcDateTime())] if "now" in named else []
        self.db.session.execute(text(statement).bindparams(*times), named)

    def insert(self, rows: tuple[str, str], **values: Any) -> None:
        """Insert as many rows as `size` says."""
        into, found = rows
        self.execute(f"{into} {_NUMBERS} {found}", **values)

    def settle(self) -> None:
        """Let the database learn what is in its tables."""
        self.db.session.commit()
        with self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE" if connection.dialect.name == "sqlite" else "VACUUM ANALYZE"))


class Conversation:
    """A conversation in which all but two have read everything, and all have reacted to the last message.

    Args:
        chat: The application.
        size: Its size.
    """

    def __init__(self, chat: Chat, size: Size) -> None:
        self._store = chat.store
        self.id = chat.store.conversations.create(["owner"]).id
        number, all_messages = int(self.id), size.messages + size.replies
        common = {"conversation": number, "now": NOW, "messages": all_messages}
        chat.insert(MEMBERS, size=size.members, late=size.messages - RUNS * 2, **common)
        chat.insert(MESSAGES, size=size.messages, before=0, thread=None, **common)
        message = chat.models.message
        own = select(message.id).where(message.conversation_id == number)
        self.root = chat.db.session.scalars(own.order_by(message.seq).limit(1)).one()
        chat.insert(MESSAGES, size=size.replies, before=size.messages, thread=self.root, **common)
        newest = chat.db.session.scalars(own.where(message.thread_id.is_(None)).order_by(message.seq.desc()).limit(RUNS * 2)).all()
        self._unread = [str(one) for one in reversed(newest)]
        self.last = newest[0]
        reactions = {"size": size.members, "message": self.last, "emoji": EMOJI, "now": NOW}
        chat.insert(REACTIONS, **reactions)
        chat.execute(COUNT, **reactions)
        chat.execute(LAST_SEQ, size=size.members + 1, **common)

    def calls(self) -> Iterator[tuple[str, Callable[[int], object]]]:
        """The operations, each with the number of its run."""
        store, conversation = self._store, self.id

        def page(**request: Any) -> Callable[[int], object]:
            return lambda _run: store.messages.page_for("user1", conversation, PageRequest(**request))

        yield "send", lambda run: store.messages.send(conversation, "user1", "hello", f"client{run}")
        yield "send to everyone", self._mention_everyone
        yield "page, newest", page()
        yield "page, before", page(before=self._unread[RUNS])
        yield "page, around", page(around=self._unread[RUNS])
        yield "page, thread", page(thread=str(self.root))
        yield "page of members", lambda _run: store.conversations.members.page(conversation)
        yield "conversation", lambda _run: store.conversations.get(conversation, "user1")
        yield "deliver up to", lambda run: store.receipts.mark_delivered(conversation, "owner", up_to=self._unread[run])
        yield "read up to", lambda run: store.receipts.mark_read(conversation, "user1", up_to=self._unread[run])
        yield "read to the end", lambda run: store.receipts.mark_read(conversation, f"user{run + 5}", up_to=self._unread[-1])
        yield "unread count", lambda _run: store.receipts.unread_count("user2")
        yield "react", lambda _run: self._reactions.add(conversation, str(self.last), "owner", EMOJI)
        yield "take back", lambda _run: self._reactions.remove(conversation, str(self.last), "owner", EMOJI)
        yield "reactions of a page", lambda _run: self._reactions.of_messages([int(one) for one in self._unread])
        yield "delete, read by most", lambda run: store.messages.delete(conversation, self._unread[run + RUNS])
        new = [store.messages.add(conversation, "user1", "hello").id for _ in range(RUNS)]
        yield "delete, unread by all", lambda run: store.messages.delete(conversation, new[run])

    def _mention_everyone(self, run: int) -> object:
        """Send a message that notifies everyone; what is left to a job is not done."""
        message = NewMessage(self.id, f"everyone{run}", "hello", mentions=(EVERYONE,))
        return self._store.messages._send_for(Identity("owner"), message)  # noqa: SLF001 - as an event of a client does

    @property
    def _reactions(self) -> Any:
        return self._store.reactions


def measure(small: Conversation, large: Conversation) -> Iterator[tuple[str, float, float]]:
    """Return the median times of each operation, in milliseconds, the two conversations taking turns."""
    for (name, of_small), (_, of_large) in zip(small.calls(), large.calls(), strict=True):
        times: list[tuple[float, float]] = []
        while len(times) < RUNS and sum(map(sum, times)) < PATIENCE:
            times.append((_milliseconds(of_small, len(times)), _milliseconds(of_large, len(times))))
        yield name, statistics.median(one for one, _ in times), statistics.median(one for _, one in times)


def _milliseconds(call: Callable[[int], object], run: int) -> float:
    start = perf_counter()
    call(run)
    return (perf_counter() - start) * 1000


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _addresses(stack: ExitStack, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conversation-")))
            yield name, f"sqlite:///{folder / 'conversation.sqlite3'}"
        else:
            yield name, stack.enter_context(stack.enter_context(PostgresqlServer()).new_database())


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--databases", nargs="+", choices=DATABASES, default=list(DATABASES))
    arguments.add_argument("--members", type=int, default=10_000)
    arguments.add_argument("--messages", type=int, default=1_000_000)
    given = arguments.parse_args()
    _write("| database | call | small, ms | large, ms | ratio |\n| --- | --- | ---: | ---: | ---: |")
    with ExitStack() as stack:
        for name, address in _addresses(stack, given.databases):
            chat = Chat(address)
            with chat.app.app_context():
                chat.db.create_all()
                large = Conversation(chat, Size(given.members, given.messages, given.messages // 10))
                small = Conversation(chat, SMALL)
                chat.settle()
                for call, of_small, of_large in measure(small, large):
                    _write(f"| {name} | {call} | {of_small:.2f} | {of_large:.2f} | {of_large / of_small:.2f} |")
                chat.db.engine.dispose()


if __name__ == "__main__":
    main()
