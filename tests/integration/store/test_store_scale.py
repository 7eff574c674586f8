"""One conversation, however large: what its operations read grows with neither its members, its messages nor its reactions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from flask_jwt_extended import JWTManager
from sqlalchemy import Connection, insert, select, text, update

from flask_realtime import Identity, Realtime
from flask_realtime.database.columns import MAX_INTEGER_ID
from flask_realtime.features.messages.records import PageRequest
from flask_realtime.features.messages.sending import NewMessage
from flask_realtime.store import utc_now
from tests.integration.conftest import KEY
from tests.integration.example_support import Statement, StoreApp, full_scans, instructions, new_store_app, recorded

EMOJI, ONE_EACH = ("❤️", "👍"), "😀"
LARGE, SMALL = 3000, 200
"""Members, messages, and reactions of a kind: the small one has as many as an answer shows at most."""
PAGE = 10
TOLERANCE, SLACK = 1.25, 10


class Conversation:
    """A conversation in which dan has read nothing, ben and cat not the last messages, and all others everything but the newest.

    The first half of its messages is a thread. Each mentions a member and has a reaction, and the last one has as many of two kinds
    as there are members.

    Args:
        chat: The application.
        size: The number of its members and of its messages.
    """

    def __init__(self, chat: StoreApp, size: int) -> None:
        self.chat = chat
        self.store = chat.store
        self.id = chat.store.conversations.create(["ann", "ben", "cat", "dan"]).id
        self._size = size
        self._members = [f"user{number}" for number in range(size)]
        self._add_members()
        self._add_messages()
        message = chat.models.message
        numbers = select(message.id).where(message.conversation_id == int(self.id)).order_by(message.id)
        self.messages = [str(number) for number in chat.db.session.scalars(numbers)]
        self._add_mentions()
        self._add_reactions()
        chat.db.session.commit()
        self.newest = chat.store.messages.add(self.id, "ann", "new").id

    def _add_members(self) -> None:
        participant, number = self.chat.models.participant, int(self.id)
        everything = {"read_seq": self._size, "delivered_seq": self._size}
        rows = [{"conversation_id": number, "user_id": user, **everything} for user in self._members]
        self.chat.db.session.execute(insert(participant), rows)
        all_but_few = {"read_seq": self._size - PAGE, "delivered_seq": self._size - PAGE}
        late = (participant.conversation_id == number, participant.user_id.in_(["ben", "cat"]))
        self.chat.db.session.execute(update(participant).where(*late).values(all_but_few))

    def _add_messages(self) -> None:
        message, conversation, number = self.chat.models.message, self.chat.models.conversation, int(self.id)
        common = {"conversation_id": number, "content": "hello", "created_at": utc_now()}
        root = insert(message).values(**common, sender_id="ann", seq=1).returning(message.id)
        first = self.chat.db.session.execute(root).scalar_one()
        for thread, seqs in ((first, range(2, self._size // 2)), (None, range(self._size // 2, self._size + 1))):
            rows = [{**common, "sender_id": ("ann", "user1")[seq % 2], "seq": seq, "thread_id": thread} for seq in seqs]
            self.chat.db.session.execute(insert(message), rows)
        counted = {"last_seq": self._size, "participant_count": self._size + 4}
        self.chat.db.session.execute(update(conversation).where(conversation.id == number).values(counted))

    def _add_mentions(self) -> None:
        mention, number = self.chat.models.mention, int(self.id)
        assert mention is not None
        common = {"conversation_id": number, "user_id": "user9", "sender_id": "ann"}
        rows = [{**common, "message_id": int(message), "seq": seq} for seq, message in enumerate(self.messages, 1)]
        self.chat.db.session.execute(insert(mention), rows)

    def _add_reactions(self) -> None:
        models, session, last = self.chat.models, self.chat.db.session, int(self.messages[-1])
        assert models.reaction is not None
        assert models.reaction_count is not None
        of_last = [(last, emoji, user) for emoji in EMOJI for user in self._members]
        every = of_last + [(int(message), ONE_EACH, "ann") for message in self.messages]
        session.execute(insert(models.reaction), [dict(zip(("message_id", "emoji", "user_id"), row, strict=True)) for row in every])
        counted = Counter((message, emoji) for message, emoji, _ in every)
        counts = [{"message_id": message, "emoji": emoji, "count": count} for (message, emoji), count in counted.items()]
        session.execute(insert(models.reaction_count), counts)


Operation = Callable[[Conversation], object]

OPERATIONS: dict[str, Operation] = {
    "send": lambda chat: chat.store.messages.send(chat.id, "ann", "hello", "new"),
    "send_to_everyone": lambda chat: _mention_everyone(chat),  # noqa: PLW0108 - it is defined below
    "newest_page": lambda chat: chat.store.messages.page(chat.id, "ann", limit=PAGE),
    "newest_page_of_who_is_late": lambda chat: chat.store.messages.page(chat.id, "ben", limit=PAGE),
    "earlier_page": lambda chat: chat.store.messages.page(chat.id, "ann", before=chat.messages[-PAGE * 2], limit=PAGE),
    "later_page": lambda chat: _page(chat, after=chat.messages[-PAGE * 2]),
    "page_around_a_message": lambda chat: _page(chat, around=chat.messages[-PAGE * 2]),
    "page_of_a_thread": lambda chat: _page(chat, thread=chat.messages[0]),
    "one_message": lambda chat: chat.store.messages.get(chat.id, chat.messages[-1], "ann"),
    "deliver": lambda chat: chat.store.receipts.mark_delivered(chat.id, "cat", up_to=chat.messages[-5]),
    "read_some": lambda chat: chat.store.receipts.mark_read(chat.id, "ben", chat.messages[-5:-3]),
    "read_all": lambda chat: chat.store.receipts.mark_read(chat.id, "cat", up_to=chat.messages[-1]),
    "read_to_the_end": lambda chat: chat.store.receipts.mark_read(chat.id, "user5", up_to=chat.newest),
    "unread_count": lambda chat: chat.store.receipts.unread_count("ben"),
    "unread_counts": lambda chat: chat.store.receipts.unread_counts("ben"),
    "mention_count_of_who_is_not_mentioned": lambda chat: chat.store.messages.mention_counts("dan", [chat.id]),
    "react": lambda chat: _reactions(chat).add(chat.id, chat.messages[-1], "ann", EMOJI[0]),
    "take_back": lambda chat: _reactions(chat).remove(chat.id, chat.messages[-1], "user7", EMOJI[1]),
    "reactions": lambda chat: _reactions(chat).of_messages([int(message) for message in chat.messages[-PAGE:]]),
    "conversation": lambda chat: chat.store.conversations.get(chat.id, "ann"),
    "members": lambda chat: chat.store.conversations.members.page(chat.id, limit=PAGE),
    "later_members": lambda chat: chat.store.conversations.members.page(chat.id, after=_middle(chat), limit=PAGE),
    "place_of_a_receipt": lambda chat: chat.store.receipts._place(chat.id, chat.messages[-1]),
    "delete_unread_by_all": lambda chat: chat.store.messages.delete(chat.id, chat.newest),
}


def _mention_everyone(chat: Conversation) -> object:
    """Send a message, and notify as many more as one part of the job does."""
    sent = chat.store.messages._send_for(Identity("ann"), NewMessage(chat.id, "everyone", "look", mentions=("*",)))
    message: Any = sent.message
    return chat.store.messages.notify_more(message["id"], {"up_to": 0, "last": MAX_INTEGER_ID})


def _page(chat: Conversation, **request: str) -> object:
    return chat.store.messages.page_for("ann", chat.id, PageRequest(**request, limit=PAGE))


def _middle(chat: Conversation) -> str | None:
    """The member in the middle, as pages of members name it."""
    return chat.store.conversations.members.page(chat.id, limit=SMALL // 2).next_after


def _reactions(chat: Conversation) -> Any:
    return chat.store.reactions


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def chat(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreApp]:
    """A store whose events go to nobody."""
    if request.param == "sqlite":
        yield from _chat(f"sqlite:///{tmp_path_factory.mktemp('scale') / 'test.sqlite3'}")
        return
    with request.getfixturevalue("postgresql_server").new_database() as address:
        yield from _chat(address)


def _chat(database_url: str) -> Iterator[StoreApp]:
    with new_store_app(database_url) as made:
        made.app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading")
        JWTManager(made.app)
        realtime = Realtime()
        made.store.register(realtime)
        realtime.init_app(made.app)
        yield made


@pytest.fixture(scope="module")
def conversations(chat: StoreApp) -> tuple[Conversation, Conversation]:
    """A small and a large conversation, beside another large one, and what the database knows of its tables."""
    assert chat.models.user_presence is not None
    chat.db.session.execute(insert(chat.models.user_presence), [{"user_id": f"user{number}"} for number in range(LARGE)])
    made = Conversation(chat, SMALL), Conversation(chat, LARGE)
    Conversation(chat, LARGE)
    with chat.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if connection.dialect.name == "sqlite" else "VACUUM ANALYZE"))
    return made


def cost(chat: StoreApp, call: Callable[[], object]) -> int:
    """What a call takes the database: on SQLite the instructions of its machine, on PostgreSQL the rows that are read."""
    chat.db.session.commit()
    if chat.db.engine.dialect.name == "sqlite":
        return instructions(chat.db.session, call)
    before = _rows_read(chat)
    call()
    return _rows_read(chat) - before


def _rows_read(chat: StoreApp) -> int:
    session = chat.db.session
    session.execute(text("SELECT pg_stat_force_next_flush()"))
    session.commit()
    in_tables, in_indexes = (
        "SELECT sum(seq_tup_read) FROM pg_stat_user_tables",
        "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes",
    )
    found = session.execute(text(f"SELECT ({in_tables}) + ({in_indexes})")).scalar_one()
    session.commit()
    return int(found)


def sorts(chat: StoreApp, statements: Sequence[Statement]) -> list[str]:
    """The steps of the database's plans that sort, but for those of what is asked for by a list, which sort no more than that."""
    connection, unlisted = chat.db.session.connection(), [statement for statement in statements if " IN (" not in statement.sql]
    return [step for statement in unlisted for step in _plan(connection, statement) if "Sort" in step or "ORDER BY" in step]


def _plan(connection: Connection, statement: Statement) -> list[str]:
    if connection.dialect.name == "sqlite":
        return [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)]
    for way in ("seqscan", "bitmapscan", "sort"):
        connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
    return list(connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {statement.sql}", statement.parameters).scalars())


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_large_conversation_costs_what_a_small_one_does(
    chat: StoreApp, conversations: tuple[Conversation, Conversation], name: str
) -> None:
    small, large = conversations
    expected = cost(chat, lambda: OPERATIONS[name](small))
    with recorded(chat.app) as statements:
        found = cost(chat, lambda: OPERATIONS[name](large))
    assert found <= expected * TOLERANCE + SLACK
    own = [statement for statement in statements if "pg_stat" not in statement.sql]
    assert full_scans(chat.app, own) == []
    assert sorts(chat, own) == []


def test_reading_many_messages_takes_no_longer_the_more_there_are(
    chat: StoreApp, conversations: tuple[Conversation, Conversation]
) -> None:
    some, many = Conversation(chat, LARGE // 3), conversations[1]
    expected = cost(chat, lambda: chat.store.receipts.mark_read(some.id, "dan", up_to=some.messages[-PAGE]))
    found = cost(chat, lambda: chat.store.receipts.mark_read(many.id, "dan", up_to=many.messages[-PAGE]))
    assert found <= expected * TOLERANCE + SLACK
