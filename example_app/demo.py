"""The demo users' first conversation, so that a new database has something to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, update

from example_app.models import models
from flask_realtime.store import utc_now

ALICE, BOB, CAROL = range(3)

CODE = """\
On the server, not much:

```python
chat = Chat(realtime, store, users=find_users)
app.register_blueprint(chat.blueprint)
realtime.init_app(app)
```"""


class DemoMessage(NamedTuple):
    """A message.

    Args:
        sender: Which of the demo users.
        minutes_ago: When it was sent, before now.
        content: Its text.
        reply_to: The place, among these messages, of the one that it quotes.
        thread: The place of the one whose thread it is in.
        mentions: Which of the demo users it mentions.
        reactions: Who of the demo users reacts with which emoji.
    """

    sender: int
    minutes_ago: int
    content: str
    reply_to: int | None = None
    thread: int | None = None
    mentions: Sequence[int] = ()
    reactions: Mapping[str, Sequence[int]] = {}


MESSAGES = (
    DemoMessage(
        ALICE,
        2 * 24 * 60,
        "Welcome! Everything here is live: open a second window as *bob* or *carol* and **write something**.",
        reactions={"🎉": (BOB, CAROL), "👍": (BOB,)},
    ),
    DemoMessage(BOB, 2 * 24 * 60 - 7, "It arrived before I had looked up. How much code is that?", reply_to=0),
    DemoMessage(
        CAROL,
        24 * 60 + 95,
        CODE,
    ),
    DemoMessage(BOB, 24 * 60 + 80, "And with several workers?", thread=2),
    DemoMessage(CAROL, 24 * 60 + 72, "The same, with Redis between them: `MESSAGE_QUEUE_URL`.", thread=2),
    DemoMessage(
        BOB, 55, "Clients are the usual ones of Socket.IO: https://socket.io/docs/v4/client-api/", reactions={"👍": (CAROL,)}
    ),
    DemoMessage(CAROL, 12, "@alice, shall we show this to the others on Friday?", mentions=(ALICE,)),
)

# Alice has not read what came after these.
READ_BY_ALICE = 5


def insert_demo_messages(connection: Connection, conversation_id: int, user_ids: Sequence[str]) -> None:
    """Insert messages of the demo users into their conversation. All have read them, except for Alice the last ones."""
    demo = _Demo(connection, conversation_id, user_ids)
    for place in range(len(MESSAGES)):
        demo.insert_message(place)
    demo.summarise_threads()
    demo.mark_read()


class _Demo:
    def __init__(self, connection: Connection, conversation_id: int, user_ids: Sequence[str]) -> None:
        self._connection = connection
        self._conversation_id = conversation_id
        self._user_ids = user_ids
        self._message_ids: list[int] = []
        self._now = utc_now()

    def insert_message(self, place: int) -> None:
        message = MESSAGES[place]
        row = {
            "conversation_id": self._conversation_id,
            "sender_id": self._user_ids[message.sender],
            "content": message.content,
            "seq": place + 1,
            "created_at": self._sent_at(message),
            "reply_to": None if message.reply_to is None else self._message_ids[message.reply_to],
            "thread_id": None if message.thread is None else self._message_ids[message.thread],
        }
        inserted = insert(models.message).values(row).returning(models.message.id)
        self._message_ids.append(self._connection.execute(inserted).scalar_one())
        shared = {name: row[name] for name in ("conversation_id", "sender_id", "seq")}
        self._insert_mentions(message, {**shared, "message_id": self._message_ids[-1]})
        self._insert_reactions(message, self._message_ids[-1])

    def _sent_at(self, message: DemoMessage) -> datetime:
        return self._now - timedelta(minutes=message.minutes_ago)

    def _insert_mentions(self, message: DemoMessage, row: Mapping[str, Any]) -> None:
        if models.mention is not None and message.mentions:
            rows = [{**row, "user_id": self._user_ids[user]} for user in message.mentions]
            self._connection.execute(insert(models.mention), rows)

    def _insert_reactions(self, message: DemoMessage, message_id: int) -> None:
        if models.reaction is None or models.reaction_count is None:
            return
        for emoji, users in message.reactions.items():
            kind = {"message_id": message_id, "emoji": emoji}
            self._connection.execute(insert(models.reaction), [{**kind, "user_id": self._user_ids[user]} for user in users])
            self._connection.execute(insert(models.reaction_count).values({**kind, "count": len(users)}))

    def summarise_threads(self) -> None:
        for parent in {message.thread for message in MESSAGES if message.thread is not None}:
            replies = [message for message in MESSAGES if message.thread == parent]
            summary = {"thread_count": len(replies), "thread_last_at": self._sent_at(replies[-1])}
            is_parent = models.message.id == self._message_ids[parent]
            self._connection.execute(update(models.message).where(is_parent).values(summary))

    def mark_read(self) -> None:
        count, last_at = len(MESSAGES), self._sent_at(MESSAGES[-1])
        is_it = models.conversation.id == self._conversation_id
        self._connection.execute(update(models.conversation).where(is_it).values(last_seq=count, active_at=last_at))
        participant = models.participant
        for user, user_id in enumerate(self._user_ids):
            read = READ_BY_ALICE if user == ALICE else count
            seen = {"read_seq": read, "delivered_seq": read, "read_at": last_at, "delivered_at": last_at}
            own = (participant.conversation_id == self._conversation_id, participant.user_id == user_id)
            self._connection.execute(update(participant).where(*own).values(seen))
