"""The order in which a change to a connection is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flask_realtime.contract.effects import Announce, Ask, Change, Emit, EnterRoom, Joined, LeaveRoom, Left, Share
from flask_realtime.errors import Forbidden
from flask_realtime.gateway.changes import Means, carry_out
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.locks import native_lock
from flask_realtime.identity import Identity

NEWS = Emit("news", (), ("green",))


class World:
    """What was done, and whether the connection's lock was held."""

    def __init__(self) -> None:
        self.lock: Any = native_lock()
        session = cast("Session", SimpleNamespace())
        self.ann = Connection("c1", Identity("ann", {}, None), session, lock=self.lock)
        self.steps: list[tuple[str, bool]] = []
        self.refusal: Forbidden | None = None

    def note(self, step: str) -> None:
        self.steps.append((step, self.lock.locked()))

    def emit(self, emit: Emit) -> bool:
        self.note(emit.event)
        return True

    def enter_room(self, _caller: Connection, room: str) -> None:
        self.note(f"enter {room}")

    def leave_room(self, _caller: Connection, room: str) -> None:
        self.note(f"leave {room}")

    def joined(self, _caller: Connection, conversation_id: str) -> None:
        self.note(f"joined {conversation_id}")

    def left(self, _caller: Connection, conversation_id: str) -> None:
        self.note(f"left {conversation_id}")

    def call(self, hook: str, *args: Any, caller: Connection, event: str) -> None:
        self.note(f"ask {hook} {args} {event} {caller.id}")
        if self.refusal is not None:
            raise self.refusal

    def announce(self, hook: str, *args: Any, caller: Connection) -> None:
        self.note(f"announce {hook} {args} {caller.id}")

    def change(self) -> Iterator[Change]:
        yield Announce("on_leave", (1,))
        yield Ask("on_join", (2,), "join:conversation")
        yield Joined("7")
        yield Share(lambda: self.note("share"))
        yield EnterRoom("green")
        yield LeaveRoom("red")
        yield Left("8")
        yield NEWS


AT_ONCE = [("enter green", True), ("leave red", True), ("left 8", True), ("news", True)]
LATER = [("share", False), ("joined 7", False), ("ask on_join (2,) join:conversation c1", False)]


def test_what_is_local_comes_under_the_lock_what_is_shared_behind_it_and_hooks_last() -> None:
    world = World()
    carry_out(cast("Means", world), world.ann, world.change)
    assert world.steps == [*AT_ONCE, *LATER, ("announce on_leave (1,) c1", False)]


def test_a_hook_that_refuses_is_the_last_that_is_called() -> None:
    world = World()
    world.refusal = Forbidden("no")
    with pytest.raises(Forbidden, match="no"):
        carry_out(cast("Means", world), world.ann, world.change)
    assert world.steps == [*AT_ONCE, *LATER]
    assert not world.lock.locked()
