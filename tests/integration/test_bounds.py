"""Each bound at its exact value: what is just within it is done, one more is refused, and the connection stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flask_realtime import Identity, Realtime
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp

PAYLOAD, NESTING, STATUSES, ROOMS = 300, 4, 5, 3
BOUNDS = {
    "REALTIME_MAX_PAYLOAD_BYTES": PAYLOAD,
    "REALTIME_MAX_NESTING": NESTING,
    "REALTIME_MAX_STATUS_IDS": STATUSES,
    "REALTIME_MAX_ROOMS": ROOMS,
}
OK = {"ok": True}


@pytest.fixture
def client(make_app: MakeApp, connect: Connect) -> Iterator[RealtimeTestClient]:
    app = make_app(**BOUNDS)
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, _conversation_id: True)

    @realtime.on("echo", binary=True)
    def echo(_identity: Identity, value: Any = None) -> Any:
        return {"size": len(value) if isinstance(value, str | bytes) else 0}

    @realtime.on("x" * 128)
    def longest(_identity: Identity) -> str:
        return "longest"

    with connect(app, "ann") as client:
        yield client


def code(answer: Any) -> str | None:
    """The code of an answer that is an error."""
    return answer["error"]["code"] if isinstance(answer, dict) and "error" in answer else None


def event_of(size: int, character: str = "x") -> str:
    """An argument for `echo` that makes an event of exactly that size."""
    empty = len(json.dumps(["echo", ""], separators=(",", ":")))
    text = character * ((size - empty) // len(character.encode()))
    return text + "x" * (size - empty - len(text.encode()))


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f642"])
def test_an_event_may_have_exactly_as_many_bytes_as_are_allowed(client: RealtimeTestClient, character: str) -> None:
    within, beyond = event_of(PAYLOAD, character), event_of(PAYLOAD + 1, character)
    assert send_text(client, within) == {"size": len(within)}
    assert code(send_text(client, beyond)) == "payload_too_large"
    assert client.call("user:get-status", "ann")["status"] == "online"


def send_text(client: RealtimeTestClient, text: str) -> Any:
    """Call `echo` with a text that is not escaped."""
    packet_id = next(client._ids)
    body = json.dumps(["echo", text], separators=(",", ":"), ensure_ascii=False)
    client._connection.send_body(f"42{packet_id}{body}")
    client._wait(lambda: packet_id in client._answers, 5.0, "an answer")
    (answer,) = client._answers.pop(packet_id)
    return answer


def test_attachments_count_with_the_text_they_come_with(client: RealtimeTestClient) -> None:
    text = len('["echo",{"_placeholder":true,"num":0}]')
    assert client.call("echo", b"x" * (PAYLOAD - text)) == {"size": PAYLOAD - text}
    assert code(client.call("echo", b"x" * (PAYLOAD - text + 1))) == "payload_too_large"


@pytest.mark.parametrize("event", ["join:conversation", "leave:conversation", "user:get-status"])
def test_an_id_may_have_128_characters(client: RealtimeTestClient, event: str) -> None:
    assert code(client.call(event, "x" * 128)) is None
    assert code(client.call(event, "x" * 129)) == "bad_request"


def test_an_events_name_may_have_128_characters(client: RealtimeTestClient) -> None:
    assert client.call("x" * 128) == "longest"
    assert code(client.call("y" * 128)) == "unknown_event"
    assert code(client.call("x" * 129)) == "bad_request"


def test_arguments_may_be_nested_as_deeply_as_is_allowed(client: RealtimeTestClient) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for depth, expected in ((NESTING, None), (NESTING + 1, "bad_request")):
            value = json.loads(opening * depth + "1" + closing * depth)
            assert code(client.call("echo", value)) == expected


def test_one_question_may_hold_as_many_ids_as_are_allowed(client: RealtimeTestClient) -> None:
    names = [f"{number}" for number in range(STATUSES)]
    assert [status["userId"] for status in client.call("users:get-status", names)] == names
    assert code(client.call("users:get-status", [*names, "more"])) == "bad_request"


def test_as_many_conversations_may_be_joined_as_are_allowed(client: RealtimeTestClient) -> None:
    assert [client.call("join:conversation", number) for number in range(ROOMS)] == [OK] * ROOMS
    assert code(client.call("join:conversation", ROOMS)) == "too_many_rooms"
    assert client.call("join:conversation", 0) == OK
    assert client.call("leave:conversation", 0) == OK
    assert client.call("join:conversation", ROOMS) == OK
