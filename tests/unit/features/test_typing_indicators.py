"""Typing: section 3 of the contract, with a clock that the test moves."""

import pytest

from flask_realtime.contract.effects import Emit
from flask_realtime.features.typing_indicators import TypingIndicators
from tests.clock import Clock


@pytest.fixture
def typing(clock: Clock) -> TypingIndicators:
    return TypingIndicators(7, clock)


STOP = Emit("typing:stop", ({"conversationId": 1, "userId": "ann"},), ("conversation:1",), ("user:ann",), volatile=True)


def test_a_start_and_a_stop_go_to_the_other_users_of_the_conversation(typing: TypingIndicators) -> None:
    start = typing.start("c1", "ann", "1", 1)
    assert start == Emit(
        "typing:start", ({"conversationId": 1, "userId": "ann"},), ("conversation:1",), ("user:ann",), volatile=True
    )
    assert typing.stop("c1", "ann", "1", 1) == STOP
    assert typing.next_deadline() is None


def test_saying_nothing_for_the_time_out_ends_it_once(typing: TypingIndicators, clock: Clock) -> None:
    typing.start("c1", "ann", "1", 1)
    assert typing.next_deadline() == 107
    clock.now = 106.9
    assert typing.expire() == []
    clock.now = 107
    assert typing.expire() == [STOP]
    assert typing.expire() == []


def test_each_start_puts_the_end_off(typing: TypingIndicators, clock: Clock) -> None:
    typing.start("c1", "ann", "1", 1)
    clock.now = 105
    typing.start("c1", "ann", "1", 1)
    clock.now = 111.9
    assert typing.expire() == []
    clock.now = 112
    assert typing.expire() == [STOP]


def test_a_disconnect_ends_it_in_every_conversation(typing: TypingIndicators) -> None:
    typing.start("c1", "ann", "1", 1)
    typing.start("c1", "ann", "2", "2")
    ended = typing.disconnected("c1")
    assert [send.rooms for send in ended] == [("conversation:1",), ("conversation:2",)]
    assert typing.disconnected("c1") == []
    assert typing.next_deadline() is None


def test_leaving_ends_it_there_only(typing: TypingIndicators) -> None:
    typing.start("c1", "ann", "1", 1)
    typing.start("c1", "ann", "2", "2")
    assert typing.left("c1", "1") == [STOP]
    assert len(typing.disconnected("c1")) == 1


def test_whoever_types_on_another_device_is_still_typing(typing: TypingIndicators) -> None:
    typing.start("c1", "ann", "1", 1)
    typing.start("c2", "ann", "1", 1)
    typing.start("c3", "ann", "1", 1)
    assert typing.disconnected("c1") == []
    assert typing.stop("c2", "ann", "1", 1) is None
    assert typing.stop("c2", "ann", "1", 1) is None
    assert typing.stop("c2", "ann", "2", 2) is not None, "in another conversation"
    assert typing.stop("c4", "ben", "1", 1) is not None, "another user"
    assert typing.is_typing("ann", "1")
    assert typing.disconnected("c3") == [STOP]
    assert not typing.is_typing("ann", "1")
    assert typing.stop("c2", "ann", "1", 1) == STOP


def test_states_end_in_the_order_of_their_last_start(typing: TypingIndicators, clock: Clock) -> None:
    for moment, connection_id, user_id in ((100, "c1", "ann"), (101, "c2", "bob"), (102, "c1", "ann")):
        clock.now = moment
        typing.start(connection_id, user_id, "1", 1)
    clock.now = 110
    assert [send.args[0]["userId"] for send in typing.expire()] == ["bob", "ann"]


def test_who_goes_on_puts_the_end_off_until_the_state_has_ended(typing: TypingIndicators, clock: Clock) -> None:
    start = typing.start("c1", "ann", "1", 1)
    state = typing.state("c1", "1")
    assert state is not None
    clock.now = 105
    assert typing.touch(state, clock.now) is start
    clock.now = 111.9
    assert typing.expire() == []
    clock.now = 112
    assert typing.expire() == [STOP]
    assert typing.touch(state, clock.now) is None
    assert typing.expire() == []


def test_states_that_ended_are_not_kept(typing: TypingIndicators) -> None:
    for _ in range(10_000):
        typing.start("c1", "ann", "1", 1)
        typing.stop("c1", "ann", "1", 1)
    assert len(typing._due) < 100


def test_a_connection_that_types_here_and_there_keeps_nothing_of_where_it_stopped(typing: TypingIndicators) -> None:
    typing.start("c1", "ann", "kept", "kept")
    for number in range(100):
        typing.start("c1", "ann", f"{number}", number)
        typing.left("c1", f"{number}")
    assert list(typing._conversations["c1"]) == ["kept"]
    assert list(typing._typing) == [("c1", "kept")]
    assert dict(typing._devices) == {("ann", "kept"): 1}
    typing.disconnected("c1")
    assert (typing._conversations, typing._typing, dict(typing._devices)) == ({}, {}, {})


def test_a_user_of_whom_nobody_is_to_hear_stops_typing_everywhere(typing: TypingIndicators, clock: Clock) -> None:
    typing.start("c1", "ann", "1", 1)
    typing.start("c2", "ann", "1", 1)
    typing.start("c3", "ben", "1", 1)
    assert typing.silence("ann") == [STOP]
    assert typing.silence("ann") == []
    clock.now += 7
    assert [send.args[0]["userId"] for send in typing.expire()] == ["ben"]
