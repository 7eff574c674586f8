"""Typing on other servers, which may die before they have ended it, with a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from flask_realtime.contract.effects import Emit
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.typing_indicators import elsewhere, handlers
from flask_realtime.features.typing_indicators.elsewhere import TypingElsewhere
from flask_realtime.features.typing_indicators.handlers import Typing
from tests.clock import Clock

TIMEOUT = 7.0
GRACE = 2.0
LATEST = 1.0
"""Seconds that an end may be late, since not each state has a look of its own."""


class Timer(NamedTuple):
    next_deadline: Callable[[], float | None]
    expire: Callable[[], Iterable[Emit]]

    def wake(self) -> None:
        """Do nothing: the test looks whenever something is due."""


class Server:
    """A server, and what its own clients are told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[float, Emit]] = []
        surroundings = SimpleNamespace(
            config=SimpleNamespace(typing_timeout=TIMEOUT),
            clock=self.clock,
            lock=nullcontext,
            emit_again=None,
            emit_here=lambda emit: self.told.append((self.clock.now, emit)),
            repeated_emit=Emit,
            state_of=lambda _feature: SimpleNamespace(is_joined=lambda *_of: True, is_stored=False),
            timer=Timer,
        )
        self.typing = Typing(cast("FeatureContext", surroundings))
        self.looks = 0

    def start(self, **changes: Any) -> None:
        handlers.relayed_start(self.typing, payload(**changes))

    def stop(self, **changes: Any) -> None:
        handlers.relayed_stop(self.typing, payload(**changes))

    def wait(self, seconds: float) -> None:
        """Let time go by, in which the timer does what is due."""
        end = self.clock.now + seconds
        timer = cast("Timer", self.typing.timer_elsewhere)
        while (deadline := timer.next_deadline()) is not None and deadline <= end:
            self.clock.now = max(self.clock.now, deadline)
            assert list(timer.expire()) == [], "nothing goes to other servers"
            self.looks += 1
        self.clock.now = end

    def stops(self) -> list[Any]:
        """Return the payloads of the stops that clients were told, and forget them."""
        assert all(emit.event == "typing:stop" for _, emit in self.told)
        found = [emit.args[0] for _, emit in self.told]
        self.told.clear()
        return found


@pytest.fixture
def server() -> Server:
    return Server()


def about(conversation: Any = "1", user: Any = "ann") -> dict[str, Any]:
    return {"conversationId": conversation, "userId": user}


def payload(**changes: Any) -> str:
    return json.dumps(about(**changes), separators=(",", ":"))


def test_who_is_not_heard_of_again_types_no_more(server: Server) -> None:
    server.start(conversation=1)
    server.wait(TIMEOUT + GRACE - 0.1)
    assert server.stops() == []
    server.wait(0.1 + LATEST)
    assert [emit for _, emit in server.told] == [
        Emit("typing:stop", (about(1),), ("conversation:1",), ("user:ann",), volatile=True),
    ]
    server.wait(100)
    assert server.stops() == [about(1)], "once"
    assert server.typing.elsewhere.next_deadline() is None


def test_each_start_puts_the_end_off_and_a_stop_takes_its_place(server: Server) -> None:
    for _ in range(5):
        server.start(user="ann")
        server.start(user="ben")
        server.wait(TIMEOUT)
    assert server.stops() == []
    server.stop(user="ann")
    server.stop(user="eve")
    server.wait(GRACE + LATEST)
    assert server.stops() == [about(user="ben")]


def test_all_who_typed_on_a_server_that_died_are_ended_in_time_in_a_few_looks(server: Server) -> None:
    heard_at: dict[str, float] = {}
    for number in range(600):
        heard_at[str(number)] = server.clock.now
        server.start(conversation=str(number))
        server.wait(0.01)
    server.wait(TIMEOUT + GRACE)
    ended = {emit.args[0]["conversationId"]: at for at, emit in server.told}
    assert ended.keys() == heard_at.keys()
    for conversation, at in ended.items():
        assert 0 <= at - heard_at[conversation] - TIMEOUT - GRACE <= LATEST
    assert server.looks <= 10


def test_a_user_who_goes_on_typing_here_is_still_typing(server: Server) -> None:
    server.start()
    server.typing.start("c1", "ann", "1", "1")
    server.wait(TIMEOUT + GRACE + LATEST)
    assert server.stops() == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"conversationId":"1"}', '{"conversationId":{},"userId":"ann"}', payload(user="")]
)
def test_what_is_not_the_extensions_own_is_not_ended(server: Server, text: str) -> None:
    handlers.relayed_start(server.typing, text)
    server.start()
    server.wait(TIMEOUT + GRACE + LATEST)
    assert server.stops() == [about()]


def test_no_more_states_are_kept_than_there_is_room_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MAX_STATES", 2)
    for user in ("ann", "ben", "cid"):
        server.start(user=user)
    server.wait(TIMEOUT)
    server.start(user="ann")  # One that is known is renewed all the same.
    server.wait(GRACE + LATEST)
    assert server.stops() == [about(user="ben")]
    server.start(user="cid")
    server.wait(TIMEOUT + GRACE + LATEST)
    assert server.stops() == [about(user="ann"), about(user="cid")]


class RenewedMeanwhile(dict[str, float]):
    """Typing states of which one is renewed by another thread while this one looks at them."""

    def items(self) -> Any:
        seen = list(super().items())
        self["ann"] = self["ann"] + 5.0
        return seen


def test_a_state_that_is_renewed_while_it_expires_goes_on(clock: Clock) -> None:
    states = TypingElsewhere(9.0, clock)
    states._heard = RenewedMeanwhile()
    assert states.start("ann")
    clock.now += 9.0
    assert states.expire() == []
    states._heard = dict(states._heard)
    clock.now += 4.9
    assert states.expire() == []
    clock.now += 0.1
    assert states.expire() == ["ann"]
