"""Membership: rooms, features and hooks stay in step, whatever the application says and whenever a connection goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flask_realtime.backends.memory import MemoryTracker
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.effects import Announce, Change, Share
from flask_realtime.errors import BadRequest, EventError, Forbidden, TooManyRooms
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.conversations.hooks import AUTHORIZE_JOIN, ON_JOIN, ON_LEAVE
from flask_realtime.features.conversations.joins import REMOVAL_SECONDS
from flask_realtime.features.conversations.membership import Membership
from flask_realtime.features.conversations.state import Conversations
from flask_realtime.gateway.changes import Means, carry_out
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.identity import Identity
from tests.clock import Clock

MOST = 2


class World:
    """The surroundings of the feature, each part noting what it was asked, in order."""

    def __init__(self) -> None:
        self.config = RealtimeConfig(max_rooms=MOST)
        self.clock = Clock()
        self.meanwhile: Callable[[], object] = lambda: None
        self.steps: list[Any] = []
        self.answer: Any = True
        self.hooks: dict[Hook, list[Any]] = {
            AUTHORIZE_JOIN: [self.authorize],
            ON_JOIN: [self.note_hook("joined")],
            ON_LEAVE: [self.note_hook("left")],
        }
        self.conversations = Conversations(MemoryTracker())
        collaborators = (self.conversations, AUTHORIZE_JOIN, ON_JOIN, ON_LEAVE)
        self.membership = Membership(cast("FeatureContext", self), *collaborators)
        self.ann = self.connection("c1", "ann")

    @staticmethod
    def connection(connection_id: str, user_id: str) -> Connection:
        return Connection(connection_id, Identity(user_id, {}, None), cast("Session", SimpleNamespace()))

    def note_hook(self, name: str) -> Any:
        return lambda identity, conversation_id: self.steps.append((name, identity.user_id, conversation_id))

    def authorize(self, identity: Identity, conversation_id: str) -> Any:
        self.steps.append(("authorize", identity.user_id, conversation_id))
        answer = self.answer
        self.meanwhile()
        if isinstance(answer, EventError):
            raise answer
        return answer

    @staticmethod
    def lock() -> AbstractContextManager[Any]:
        return nullcontext()

    def is_registered(self, hook: Hook) -> bool:
        return bool(self.hooks[hook])

    def decide(self, hook: Hook, *args: Any, caller: Connection, event: str) -> bool:
        assert (caller.user_id, event) == (args[0].user_id, "join:conversation")
        answers = [function(*args) for function in self.hooks[hook]]
        return bool(answers and answers[0])

    def call(self, hook: Hook, *args: Any, caller: Connection, event: str) -> None:
        assert (caller.user_id, event) == (args[0].user_id, "join:conversation")
        for function in self.hooks[hook]:
            function(*args)

    def announce(self, hook: Hook, *args: Any, caller: Connection) -> None:
        assert caller.user_id == args[0].user_id
        for function in self.hooks[hook]:
            function(*args)

    def enter_room(self, caller: Connection, room: str) -> None:
        self.steps.append(("enter", caller.id, room))

    def leave_room(self, caller: Connection, room: str) -> None:
        self.steps.append(("leave", caller.id, room))

    def joined(self, caller: Connection, conversation_id: str) -> None:
        self.steps.append(("features hear of joining", caller.id, conversation_id))

    def left(self, caller: Connection, conversation_id: str) -> None:
        self.steps.append(("features hear of leaving", caller.id, conversation_id))

    def change(self, caller: Connection, change: Callable[[], Iterable[Change]]) -> None:
        carry_out(cast("Means", self), caller, change)

    def join(self, conversation_id: str) -> list[Any]:
        """Join, and return what was done."""
        self.steps.clear()
        self.membership.join(self.ann, conversation_id)
        return [*self.steps]


@pytest.fixture
def world() -> World:
    return World()


def test_joining_asks_first_and_tells_last(world: World) -> None:
    assert world.join("7") == [
        ("authorize", "ann", "7"),
        ("enter", "c1", "conversation:7"),
        ("features hear of joining", "c1", "7"),
        ("joined", "ann", "7"),
    ]
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
    assert world.steps == [
        ("authorize", "ann", "7"),
        ("leave", "c1", "conversation:7"),
        ("features hear of leaving", "c1", "7"),
        ("left", "ann", "7"),
    ]
    assert world.conversations.online_users("7") == []


def test_without_anybody_to_ask_nobody_joins(world: World) -> None:
    world.hooks[AUTHORIZE_JOIN] = []
    with pytest.raises(Forbidden):
        world.join("7")
    assert not world.conversations.is_joined("c1", "7")


def test_what_the_hook_raises_reaches_the_client_and_nothing_is_joined(world: World) -> None:
    world.answer = BadRequest("that is no conversation")
    with pytest.raises(BadRequest, match="that is no conversation"):
        world.join("7")
    assert world.steps == [("authorize", "ann", "7"), ("leave", "c1", "conversation:7"), ("features hear of leaving", "c1", "7")]


def test_a_hook_that_fails_after_joining_undoes_it(world: World) -> None:
    def fail(_identity: Identity, _conversation_id: str) -> None:
        raise BadRequest("no")

    world.hooks[ON_JOIN].append(fail)
    with pytest.raises(BadRequest):
        world.join("7")
    assert world.steps[-3:] == [("leave", "c1", "conversation:7"), ("features hear of leaving", "c1", "7"), ("left", "ann", "7")]
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
    assert world.steps == [("leave", "c1", "conversation:7"), ("features hear of leaving", "c1", "7"), ("left", "ann", "7")]
    assert world.conversations.online_users("7") == []
    assert world.conversations.online_users("8") == ["ann"]


def test_whoever_was_not_joined_leaves_without_anybody_hearing_of_it(world: World) -> None:
    world.membership.leave(world.ann, "7")
    assert world.steps == [("leave", "c1", "conversation:7"), ("features hear of leaving", "c1", "7")]


def test_a_connection_that_is_gone_leaves_all_it_had_joined_and_the_application_hears_of_it_last(world: World) -> None:
    world.join("7")
    world.join("8")
    world.steps.clear()
    share, *announced = world.membership.disconnected(world.ann)
    assert isinstance(share, Share)
    assert world.conversations.count_joined("c1") == 0
    assert world.conversations.online_users("7") == ["ann"], "what servers share comes later"
    share.change()
    assert world.conversations.online_users("7") == []
    assert announced == [Announce(ON_LEAVE, (world.ann.identity, "7")), Announce(ON_LEAVE, (world.ann.identity, "8"))]
    assert world.steps == []


def test_a_removal_while_the_application_is_asked_makes_it_be_asked_again(world: World) -> None:
    def remove() -> None:
        world.meanwhile = lambda: None
        world.answer = False
        world.membership.joins.end_removal("ann", "7")
        world.membership.leave(world.ann, "7")

    world.meanwhile = remove
    with pytest.raises(Forbidden, match="may not join"):
        world.join("7")
    assert [step for step in world.steps if step[0] in {"authorize", "enter"}] == [("authorize", "ann", "7")] * 2
    assert not world.conversations.is_joined("c1", "7")


def test_a_removal_of_somebody_else_or_from_elsewhere_changes_nothing(world: World) -> None:
    def remove() -> None:
        world.membership.joins.begin_removal("ben", "7")
        world.membership.joins.end_removal("ann", "8")

    world.meanwhile = remove
    world.join("7")
    assert world.conversations.is_joined("c1", "7")


def test_nobody_joins_between_the_beginning_of_a_removal_and_its_end(world: World) -> None:
    world.membership.joins.begin_removal("ann", "7")
    with pytest.raises(Forbidden, match="being removed"):
        world.join("7")
    world.join("8")
    world.membership.joins.end_removal("ann", "7")
    world.join("7")
    assert [world.conversations.is_joined("c1", number) for number in "78"] == [True, True]


def test_a_removal_that_begins_while_the_application_is_asked_keeps_the_user_out(world: World) -> None:
    world.meanwhile = lambda: world.membership.joins.begin_removal("ann", "7")
    with pytest.raises(Forbidden, match="being removed"):
        world.join("7")
    assert not world.conversations.is_joined("c1", "7")


def test_a_removal_whose_end_never_comes_keeps_nobody_out_for_long(world: World) -> None:
    world.membership.joins.begin_removal("ann", "7")
    world.clock.now += REMOVAL_SECONDS
    world.join("7")
    assert world.conversations.is_joined("c1", "7")


def test_whoever_is_put_out_is_let_in_again_if_the_removal_fails_and_it_has_not_left(world: World) -> None:
    for number in "78":
        world.join(number)
        world.membership.put_out(world.ann, number)
    world.membership.leave(world.ann, "8")
    world.steps.clear()
    for number in "78":
        world.membership.put_back(world.ann, number)
    assert world.steps == [("enter", "c1", "conversation:7")]
