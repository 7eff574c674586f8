"""Membership: rooms, features and hooks stay in step, whatever the application says and whenever a connection goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flask_realtime.backends.memory import MemoryConversations
from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import BadRequest, Forbidden, TooManyRooms
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.effects import Send
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.membership import Membership
from flask_realtime.gateway.parts import Parts
from flask_realtime.identity import Identity

MOST = 2


class World:
    """The parts that membership works on, each noting what it was asked, in order."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.answer: Any = True
        self.on_join: list[Any] = [self.joined]
        self.conversations = Conversations(MemoryConversations())
        hooks = SimpleNamespace(authorize_join=self.authorize, on_join=self.on_join, on_leave=[self.left])
        self.hooks = hooks
        self.application = SimpleNamespace(hooks=hooks, decide=self.decide, call=self.call, announce=self.announce)
        typing = SimpleNamespace(left=self.typing_left, disconnected=lambda _id: [Send("typing:stop", (), ("everywhere",))])
        self.parts = SimpleNamespace(
            application=self.application,
            config=RealtimeConfig(max_rooms=MOST),
            features=SimpleNamespace(conversations=self.conversations, typing=typing),
            server=SimpleNamespace(enter=self.note("enter"), leave=self.note("leave")),
            delivery=SimpleNamespace(send=self.note("send")),
        )
        self.membership = Membership(cast("Parts", self.parts))
        self.ann = self.connection("c1", "ann")

    @staticmethod
    def connection(connection_id: str, user_id: str) -> Connection:
        return Connection(connection_id, Identity(user_id, {}, None), cast("Session", SimpleNamespace()))

    def note(self, name: str) -> Any:
        return lambda *args: self.steps.append((name, *args))

    def authorize(self, identity: Identity, conversation_id: str) -> Any:
        self.steps.append(("authorize", identity.user_id, conversation_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def decide(self, hook: Any, *args: Any, connection: Connection, event: str, default: bool) -> bool:
        assert (connection.user_id, event) == (args[0].user_id, "join:conversation")
        answer = hook(*args)
        return default if answer is None else bool(answer)

    def call(self, hook: Any, *args: Any, connection: Connection, event: str) -> Any:
        assert (connection.user_id, event) == (args[0].user_id, "join:conversation")
        return hook(*args)

    def announce(self, hooks: list[Any], *args: Any, connection: Connection) -> None:
        assert connection.user_id == args[0].user_id
        for hook in hooks:
            hook(*args)

    def joined(self, identity: Identity, conversation_id: str) -> None:
        self.steps.append(("joined", identity.user_id, conversation_id))

    def left(self, identity: Identity, conversation_id: str) -> None:
        self.steps.append(("left", identity.user_id, conversation_id))

    def typing_left(self, connection_id: str, conversation_id: str) -> list[Send]:
        return [Send("typing:stop", (), (conversation_id,))] if self.conversations.count_joined(connection_id) else []

    def join(self, conversation_id: str) -> list[Any]:
        """Join, and return what was done."""
        self.steps.clear()
        self.membership.join(self.ann, conversation_id)
        return [*self.steps]


@pytest.fixture
def world() -> World:
    return World()


def test_joining_asks_first_and_tells_last(world: World) -> None:
    assert world.join("7") == [("authorize", "ann", "7"), ("enter", "c1", "conversation:7"), ("joined", "ann", "7")]
    assert world.conversations.is_joined("c1", "7")
    assert world.conversations.online_users("7") == ["ann"]


def test_joining_again_asks_again_and_tells_nobody(world: World) -> None:
    world.join("7")
    assert world.join("7") == [("authorize", "ann", "7"), ("enter", "c1", "conversation:7")]


@pytest.mark.parametrize("answer", [False, None])
def test_whoever_may_not_join_is_not_in_it_even_if_it_was(world: World, answer: object) -> None:
    world.join("7")
    world.answer = answer
    with pytest.raises(Forbidden, match="may not join"):
        world.join("7")
    assert world.steps == [("authorize", "ann", "7"), ("leave", "c1", "conversation:7"), ("left", "ann", "7")]
    assert world.conversations.online_users("7") == []


def test_without_anybody_to_ask_nobody_joins(world: World) -> None:
    world.hooks.authorize_join = None
    with pytest.raises(Forbidden):
        world.join("7")
    assert not world.conversations.is_joined("c1", "7")


def test_what_the_hook_raises_reaches_the_client_and_nothing_is_joined(world: World) -> None:
    world.answer = BadRequest("that is no conversation")
    with pytest.raises(BadRequest, match="that is no conversation"):
        world.join("7")
    assert world.steps == [("authorize", "ann", "7"), ("leave", "c1", "conversation:7")]


def test_a_hook_that_fails_after_joining_undoes_it(world: World) -> None:
    def fail(_identity: Identity, _conversation_id: str) -> None:
        raise BadRequest("no")

    world.on_join.append(fail)
    with pytest.raises(BadRequest):
        world.join("7")
    assert world.steps[-2:] == [("leave", "c1", "conversation:7"), ("left", "ann", "7")]
    assert not world.conversations.is_joined("c1", "7")
    assert world.conversations.online_users("7") == []


def test_one_joins_as_many_as_one_may_and_those_again(world: World) -> None:
    for number in range(MOST):
        world.join(f"{number}")
    with pytest.raises(TooManyRooms, match=f"joined {MOST} conversations"):
        world.join("one more")
    assert world.steps == [], "it is neither asked about nor entered"
    assert world.join("0") == [("authorize", "ann", "0"), ("enter", "c1", "conversation:0")]
    world.membership.leave(world.ann, "0")
    world.join("one more")
    assert world.conversations.count_joined("c1") == MOST


def test_a_connection_that_went_while_the_application_was_asked_joins_nothing(world: World) -> None:
    world.ann.closed = True
    assert world.join("7") == [("authorize", "ann", "7")]
    assert not world.conversations.is_joined("c1", "7")
    assert world.conversations.online_users("7") == []


def test_leaving_ends_the_room_what_was_shared_and_tells(world: World) -> None:
    world.join("7")
    world.join("8")
    world.steps.clear()
    world.membership.leave(world.ann, "7")
    assert world.steps == [("leave", "c1", "conversation:7"), ("send", Send("typing:stop", (), ("7",))), ("left", "ann", "7")]
    assert world.conversations.online_users("7") == []
    assert world.conversations.online_users("8") == ["ann"]


def test_whoever_was_not_joined_leaves_without_anybody_hearing_of_it(world: World) -> None:
    world.membership.leave(world.ann, "7")
    assert world.steps == [("leave", "c1", "conversation:7")]


def test_a_connection_that_is_gone_stops_typing_and_leaves_all_it_had_joined(world: World) -> None:
    world.join("7")
    world.join("8")
    world.steps.clear()
    conversation_ids = world.membership.disconnected(world.ann)
    assert sorted(conversation_ids) == ["7", "8"]
    assert world.steps == [("send", Send("typing:stop", (), ("everywhere",)))]
    assert world.conversations.count_joined("c1") == 0
    world.steps.clear()
    world.membership.tell_left_all(world.ann, conversation_ids)
    assert sorted(world.steps) == [("left", "ann", "7"), ("left", "ann", "8")]
