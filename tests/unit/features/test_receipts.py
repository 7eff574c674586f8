"""Receipts of large conversations, merged; without Flask or sockets, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.memory import MemoryRecord
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.effects import Emit
from flask_realtime.errors import BadRequest
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.receipts.events import (
    MESSAGES_DELIVERED,
    MESSAGES_READ,
    parse_seen,
    receipt_payload,
    unread_changed_payload,
)
from flask_realtime.features.receipts.handlers import Receipts
from flask_realtime.features.receipts.seen import SeenMessages, in_order
from flask_realtime.features.receipts.state import INTERVAL, TURN, MergedReceipts, Receipt
from tests.clock import Clock


def receipt(user: str, *ids: int, event: str = MESSAGES_READ.name, conversation: str = "7") -> Receipt:
    return Receipt(event, conversation, user, tuple(map(str, ids)), str(max(ids)), max(ids))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def merged(clock: Clock) -> MergedReceipts:
    return MergedReceipts(clock, Lock())


def test_the_first_receipt_is_due_at_once_and_those_of_the_next_second_together(merged: MergedReceipts, clock: Clock) -> None:
    assert merged.next_deadline() is None
    assert merged.add(receipt("ann", 3)) == clock()
    assert merged.take_due() == [receipt("ann", 3)]
    clock.now += 0.4
    for one in (receipt("ann", 4, 5), receipt("ben", 2, 4), receipt("cat", 3)):
        assert merged.add(one) == merged.next_deadline() == pytest.approx(clock() + INTERVAL - 0.4)
    assert merged.take_due() == []
    clock.now += INTERVAL - 0.4
    assert merged.take_due() == [Receipt(MESSAGES_READ.name, "7", None, ("4", "5", "2", "3"), "5", 5)]


def test_several_receipts_of_one_user_name_the_user(merged: MergedReceipts) -> None:
    for number in (4, 6, 5):
        merged.add(receipt("ann", number))
    assert merged.take_due() == [Receipt(MESSAGES_READ.name, "7", "ann", ("4", "6", "5"), "6", 6)]


def test_conversations_and_kinds_do_not_mix(merged: MergedReceipts) -> None:
    receipts = [receipt("ann", 1), receipt("ben", 2, event=MESSAGES_DELIVERED.name), receipt("cat", 3, conversation="8")]
    for one in receipts:
        merged.add(one)
    assert merged.take_due() == receipts


def test_a_conversation_without_receipts_is_forgotten_after_a_second(merged: MergedReceipts, clock: Clock) -> None:
    merged.add(receipt("ann", 1))
    merged.take_due()
    assert (len(merged), merged.next_deadline()) == (1, clock() + INTERVAL)
    clock.now += INTERVAL
    assert (merged.take_due(), len(merged), merged.next_deadline()) == ([], 0, None)


def test_what_another_server_has_to_wait_with_comes_before_what_follows(merged: MergedReceipts, clock: Clock) -> None:
    merged.add(receipt("ann", 1))
    held = merged.take_due()
    merged.add(receipt("ben", 2))
    merged.put_back(held)
    assert merged.take_due() == []
    clock.now += INTERVAL
    assert merged.take_due() == [Receipt(MESSAGES_READ.name, "7", None, ("1", "2"), "2", 2)]


def test_a_merged_receipt_names_the_newest_messages(merged: MergedReceipts) -> None:
    merged.add(receipt("ann", *range(1, 401)))
    merged.add(receipt("ben", *range(300, 601)))
    (found,) = merged.take_due()
    assert found.message_ids == tuple(str(number) for number in range(101, 601))


class Server:
    """The surroundings of the feature on one server of several, with the timer in the test's hand.

    Args:
        clock: The clock of all of them.
        turns: The record that they share.
    """

    def __init__(self, clock: Clock, turns: Any) -> None:
        self.clock = clock
        self.config = RealtimeConfig(receipts_limit=2)
        self.expire: Callable[[], Iterable[Emit]] = lambda: ()
        self._turns = turns
        self.receipts = Receipts(self)  # type: ignore[arg-type]  # the part of a context that it uses

    def state_of(self, _log: object) -> Any:
        return SimpleNamespace(is_logged=lambda _event: False, relay_with=lambda *_: None)

    def lock(self) -> Any:
        return Lock()

    def record(self, _kind: str, *, ttl: float) -> Any:
        assert ttl == TURN
        return self._turns

    def timer(self, _next_deadline: object, expire: Callable[[], Iterable[Emit]]) -> Server:
        self.expire = expire
        return self

    def wake_by(self, deadline: float) -> None:
        assert deadline >= self.clock()

    def read(self, user: str, message: str, participants: int = 3) -> list[str]:
        """Tell of a message that a user has read, and return the events that are sent at once."""
        result = ReadResult((message,), (message,), message, int(message), participants, 0)
        return [emit.event for emit in self.receipts.emits("7", user, result)]

    def due(self) -> list[Any]:
        """The payloads that are sent when the timer has its turn."""
        return [emit.args[0] for emit in self.expire()]


def payload(*ids: str, user: str | None = None) -> dict[str, Any]:
    said = {"conversationId": "7", "messageIds": list(ids), "upTo": ids[-1]}
    return said if user is None else {**said, "userId": user}


def test_servers_send_receipts_of_a_large_conversation_once_a_second_together(clock: Clock) -> None:
    turns = MemoryRecord(TURN, clock=clock)
    first, second = Server(clock, turns), Server(clock, turns)
    assert (first.read("ann", "1"), second.read("ben", "2")) == (["unread:changed"], ["unread:changed"])
    assert (first.due(), second.due()) == ([payload("1", user="ann")], [])
    assert (second.read("cat", "3"), second.due()) == (["unread:changed"], [])
    clock.now += 1.1
    assert (first.due(), second.due()) == ([], [payload("2", "3")])


def test_a_conversation_of_the_limit_is_none_of_the_large_ones(clock: Clock) -> None:
    server = Server(clock, MemoryRecord(TURN, clock=clock))
    assert server.read("ann", "1", participants=2) == ["messages:read", "unread:changed"]
    assert server.due() == []


def test_without_redis_each_server_sends_its_own(clock: Clock) -> None:
    class Gone:
        def put(self, *_args: object, **_options: object) -> int:
            raise BackendUnavailable

    servers = [Server(clock, Gone()) for _ in range(2)]
    for server, message in zip(servers, "12", strict=True):
        server.read("ann", message)
    assert [server.due() for server in servers] == [[payload("1", user="ann")], [payload("2", user="ann")]]


def test_payloads_are_spelt_as_in_the_contract() -> None:
    expected = {"conversationId": "7", "messageIds": ["1"], "userId": "ann", "upTo": "1"}
    assert receipt_payload("7", ["1"], "ann", "1") == expected
    assert receipt_payload(7, (), None) == {"conversationId": 7, "messageIds": []}
    assert unread_changed_payload("7", 3, 2) == {"conversationId": "7", "unreadCount": 3, "mentionCount": 2}


def test_messages_are_named_by_their_ids_or_by_the_last_one() -> None:
    assert parse_seen([{"conversationId": 7, "messageIds": [1, "2"]}], None) == SeenMessages("7", ("1", "2"))
    assert parse_seen([{"conversationId": "7", "messageIds": []}, "more"], None) == SeenMessages("7")
    assert parse_seen([{"conversationId": "7", "upTo": 9}], None) == SeenMessages("7", (), "9")
    assert len(parse_seen([{"conversationId": "7", "messageIds": list(range(500))}], None).message_ids) == 500


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ("7", "payload must be an object with conversationId, and messageIds or upTo"),
        ({"conversationId": "7"}, "^messageIds or upTo is missing: expected a list of at most 500 ids, or the last message's id$"),
        ({}, "^conversationId is missing: expected a non-empty string .*; messageIds or upTo is missing: expected"),
        ({"conversationId": "7", "messageIds": ["1"], "upTo": "1"}, "^messageIds and upTo are both there: expected one of them$"),
        (
            {"messageIds": "x", "upTo": {}},
            "^conversationId is missing: .*; messageIds and upTo are both there: .*; upTo must be .*; messageIds must be a list",
        ),
        ({"messageIds": ["1"]}, "conversationId is missing"),
        ({"conversationId": {}, "messageIds": ["1"]}, "conversationId must be"),
        ({"conversationId": "7", "messageIds": "1"}, "messageIds must be a list of at most 500 ids"),
        ({"conversationId": "7", "messageIds": list(range(501))}, "messageIds must be a list of at most 500 ids"),
        ({"conversationId": "7", "messageIds": ["1", None, True]}, r"messageIds\[1\] must be .*; messageIds\[2\] must be"),
        ({"conversationId": "7", "upTo": None}, "upTo must be"),
        ({"conversationId": "7", "upTo": ["1"]}, "upTo must be"),
    ],
)
def test_what_names_no_messages_is_refused(payload: Any, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        parse_seen([payload], None)
    with pytest.raises(BadRequest, match="payload is missing"):
        parse_seen([], None)


def test_ids_keep_the_order_in_which_they_were_asked_for() -> None:
    assert in_order(["3", "1", "3", "x", "2"], [1, 2, 3]) == ("3", "1", "2")
