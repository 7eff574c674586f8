"""The messages of a conversation against a plain model of the rules: whoever does whatever in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import update

from flask_realtime import Identity, Realtime
from flask_realtime.chat import Chat
from flask_realtime.errors import BadRequest, EventError, Forbidden, NotFound
from flask_realtime.extension import gateway_of
from flask_realtime.gateway.requests import RequestCaller
from flask_realtime.store import Store
from tests.integration.example_support import shared_models

ROLES = {"ann": "owner", "ben": "moderator", "cat": "member"}
USERS = (*ROLES, "eve")
CLASSES = ("messages", "reactions", "receipts", "pages")
HEART, TADA = "\u2764\ufe0f", "\U0001f389"
EXAMPLES = 8

users = st.sampled_from(USERS)
places = st.integers(min_value=0, max_value=30)
contents = st.sampled_from(["hello", "yes", "no"])
emoji = st.sampled_from([HEART, TADA])


@dataclass
class Message:
    """A message, as the contract has it."""

    sender: str
    content: str
    reply_to: int | None = None
    thread: int | None = None
    mentions: tuple[str, ...] = ()
    reactions: dict[str, list[str]] = field(default_factory=dict)
    is_deleted: bool = False


messages = st.builds(
    Message,
    sender=st.just(""),
    content=contents,
    reply_to=st.none() | places,
    thread=st.none() | places,
    mentions=st.lists(st.sampled_from([*USERS, "*"]), max_size=2, unique=True).map(tuple),
)


class Model:
    """A conversation's messages, and how far each participant has read."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.keys: dict[tuple[str, str], int] = {}
        self.read = dict.fromkeys(ROLES, 0)

    def require(self, user: str) -> None:
        if user not in ROLES:
            raise Forbidden

    def there(self, place: int) -> Message:
        if place >= len(self.messages) or self.messages[place].is_deleted:
            raise NotFound
        return self.messages[place]

    def send(self, user: str, key: str, message: Message) -> int:
        self.require(user)
        if (user, key) in self.keys:
            return self.keys[user, key]
        for place in (message.reply_to, message.thread):
            if place is not None and place >= len(self.messages):
                raise BadRequest
        if message.thread is not None and self.messages[message.thread].thread is not None:
            raise BadRequest
        if "*" in message.mentions and ROLES[user] == "member":
            raise Forbidden
        if set(message.mentions) - {"*"} - ROLES.keys():
            raise BadRequest
        self.messages.append(message)
        self.keys[user, key] = len(self.messages) - 1
        return len(self.messages) - 1

    def edit(self, user: str, place: int, content: str) -> None:
        self.require(user)
        message = self.there(place)
        if message.sender != user:
            raise Forbidden
        message.content = content

    def delete(self, user: str, place: int) -> None:
        self.require(user)
        message = self.there(place)
        if message.sender != user and ROLES[user] == "member":
            raise Forbidden
        message.content, message.mentions, message.reactions, message.is_deleted = "", (), {}, True

    def react(self, user: str, place: int, kind: str, *, add: bool) -> None:
        self.require(user)
        reactions = self.there(place).reactions
        if add and user not in reactions.setdefault(kind, []):
            reactions[kind].append(user)
        if not add and user in reactions.get(kind, ()):
            reactions[kind].remove(user)
        if not reactions.get(kind):
            reactions.pop(kind, None)

    def mark_read(self, user: str, place: int) -> None:
        self.require(user)
        # A message that there is not names the last one before it.
        self.read[user] = max(self.read[user], min(place + 1, len(self.messages)))

    def unread(self, user: str) -> int:
        return sum(not each.is_deleted and each.sender != user for each in self.messages[self.read[user] :])

    def mentioned(self, user: str) -> int:
        unread = [each for each in self.messages[self.read[user] :] if each.sender != user]
        return sum(user in each.mentions or "*" in each.mentions for each in unread)

    def shown(self, thread: int | None) -> list[Any]:
        """Messages outside threads, or those in one, as a page has them."""
        return [
            (place, each.sender, each.content, each.is_deleted, each.reply_to, each.mentions, self.replies(place), each.reactions)
            for place, each in enumerate(self.messages)
            if each.thread == thread
        ]

    def replies(self, place: int) -> int:
        return sum(each.thread == place for each in self.messages)


class App:
    """An application with a chat, asked as requests ask it."""

    def __init__(self, database_url: str) -> None:
        self.app = Flask(__name__)
        self.app.config.update(
            JWT_SECRET_KEY="a secret of at least 32 characters",
            SQLALCHEMY_DATABASE_URI=database_url,
            REALTIME_USER_LIMITS=dict.fromkeys(CLASSES),
        )
        JWTManager(self.app)
        self.db, models = shared_models(self.app, log=True)
        self.store = Store(self.db, models)
        realtime = Realtime()
        Chat(realtime, self.store, users=lambda ids: {user_id: {"id": user_id} for user_id in ids if user_id in USERS})
        realtime.init_app(self.app)

    def ask(self, user: str, name: str, payload: dict[str, Any]) -> Any:
        """Send a request for a user, and return its answer."""
        return gateway_of(self.app).requests.perform(RequestCaller(Identity(user), ""), name, payload)

    def new_conversation(self) -> str:
        """Create a conversation of all but eve, with a role each."""
        conversation, participant = self.store.conversations.create(ROLES).id, self.store.models.participant
        for user, role in ROLES.items():
            own = (participant.user_id == user, participant.conversation_id == int(conversation))
            self.db.session.execute(update(participant).where(*own).values(role=role))
        self.db.session.commit()
        return conversation


class Messages(RuleBasedStateMachine):
    """A conversation in the store and in the model, which refuse the same, and are the same after each step."""

    def __init__(self, chat: App) -> None:
        super().__init__()
        self.chat = chat
        self.id = chat.new_conversation()
        self.model = Model()
        self.ids: list[str] = []

    def both(self, of_model: Callable[[], Any], user: str, name: str, **fields: Any) -> Any:
        """Do the same with the model and the store, and return what both say."""
        payload = {"conversationId": self.id, **fields}
        try:
            expected = of_model()
        except EventError as error:
            with pytest.raises(type(error)):
                self.chat.ask(user, name, payload)
            return None, None
        return expected, self.chat.ask(user, name, payload)

    def named(self, place: int) -> str:
        return self.ids[place] if place < len(self.ids) else "99999999"

    @rule(
        user=users, key=st.integers(0, 20), content=contents, reply_to=st.none() | places, thread=st.none() | places, data=st.data()
    )
    def send(self, user: str, key: int, content: str, reply_to: int | None, thread: int | None, data: st.DataObject) -> None:
        mentions = tuple(data.draw(st.lists(st.sampled_from([*USERS, "*"]), max_size=2, unique=True)))
        message = Message(user, content, reply_to, thread, mentions)
        fields = {
            "clientId": f"c{key}",
            "content": content,
            "replyTo": None if reply_to is None else self.named(reply_to),
            "threadId": None if thread is None else self.named(thread),
            "mentions": list(mentions),
        }
        place, answer = self.both(lambda: self.model.send(user, f"c{key}", message), user, "message:send", **fields)
        if answer is None:
            return
        if place == len(self.ids):
            self.ids.append(answer["message"]["id"])
        assert (answer["message"]["id"], answer["message"]["seq"]) == (self.ids[place], place + 1)

    @precondition(lambda self: self.ids)
    @rule(user=users, place=places, content=contents)
    def edit(self, user: str, place: int, content: str) -> None:
        done = lambda: self.model.edit(user, place, content)  # noqa: E731
        self.both(done, user, "message:edit", messageId=self.named(place), content=content)

    @precondition(lambda self: self.ids)
    @rule(user=users, place=places)
    def delete(self, user: str, place: int) -> None:
        self.both(lambda: self.model.delete(user, place), user, "message:delete", messageId=self.named(place))

    @precondition(lambda self: self.ids)
    @rule(user=users, place=places, kind=emoji, add=st.booleans())
    def react(self, user: str, place: int, kind: str, add: bool) -> None:  # noqa: FBT001
        event = "reaction:add" if add else "reaction:remove"
        done = lambda: self.model.react(user, place, kind, add=add)  # noqa: E731
        self.both(done, user, event, messageId=self.named(place), emoji=kind)

    @precondition(lambda self: self.ids)
    @rule(user=users, place=places)
    def read(self, user: str, place: int) -> None:
        self.both(lambda: self.model.mark_read(user, place), user, "messages:read", upTo=self.named(place))

    @invariant()
    def pages_are_the_same(self) -> None:
        threads = {message.thread for message in self.model.messages}
        for thread in {None, *threads}:
            assert self.page(thread) == self.model.shown(thread)

    def page(self, thread: int | None) -> list[Any]:
        """A page of the store, in the model's terms."""
        fields = {"limit": 100} if thread is None else {"limit": 100, "thread": self.ids[thread]}
        page = self.chat.ask("cat", "GET /conversations/<conversationId>/messages", {"conversationId": self.id, **fields})
        place: dict[str | None, int | None] = {None: None, **{number: index for index, number in enumerate(self.ids)}}
        return [
            (
                place[each["id"]],
                each["senderId"],
                each["content"],
                each["deletedAt"] is not None,
                place[each["replyTo"]],
                tuple(each["mentions"]),
                each["thread"]["count"] if each["thread"] else 0,
                {one["emoji"]: one["userIds"] for one in each["reactions"]},
            )
            for each in page["messages"]
        ]

    @invariant()
    def counts_are_the_same(self) -> None:
        for user in ROLES:
            (found,) = self.chat.store.conversations.of_user(user, limit=1)
            mentions = self.chat.store.messages.mention_counts(user, [self.id]).get(self.id, 0)
            assert (found.unread_count, mentions) == (self.model.unread(user), self.model.mentioned(user))
        self.chat.db.session.rollback()


def test_messages_follow_the_rules_whatever_happens(database_url: str) -> None:
    chat = App(database_url)
    with chat.app.app_context():
        chat.db.create_all()
        steps = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        made: Any = partial(Messages, chat)
        run_state_machine_as_test(made, settings=steps)
        chat.db.session.remove()
        chat.db.engine.dispose()
