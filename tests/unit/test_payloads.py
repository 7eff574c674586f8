"""Payloads: what the server sends, spelt as the contract has it, and requests, parsed as it has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.contract import payloads, requests
from flask_realtime.contract.requests import Bounds
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.errors import BadRequest, ConnectionRefused, EventError, RateLimited

BOUNDS = Bounds(max_status_ids=3)
Parse = Callable[[Any, Bounds], Any]


def test_payloads_are_spelt_as_in_the_contract() -> None:
    assert payloads.typing_payload(7, "ann") == {"conversationId": 7, "userId": "ann"}
    assert payloads.messages_read_payload("7", [1, "2"], "ann") == {
        "conversationId": "7",
        "messageIds": [1, "2"],
        "userId": "ann",
    }
    assert payloads.messages_read_payload(7, (), None) == {"conversationId": 7, "messageIds": []}
    assert payloads.message_deleted_payload("7", 1) == {"conversationId": "7", "messageId": 1}
    assert payloads.user_status("ann", online=True) == {"userId": "ann", "status": "online"}
    assert payloads.user_status("ann", online=False) == {"userId": "ann", "status": "offline"}
    assert payloads.ACKNOWLEDGED == {"ok": True}


def test_moments_are_written_as_javascript_does() -> None:
    assert payloads.expiry(0) == {"expiresAt": "1970-01-01T00:00:00.000Z"}
    assert payloads.expiry(1_767_323_045.25) == {"expiresAt": "2026-01-02T03:04:05.250Z"}
    assert payloads.refreshed(1_767_323_045) == {"expiresAt": "2026-01-02T03:04:05.000Z"}
    assert payloads.refreshed(0) == {"expiresAt": "1970-01-01T00:00:00.000Z"}
    assert payloads.refreshed(None) == {"expiresAt": None}


def test_an_error_says_when_to_come_back_where_that_is_known() -> None:
    assert payloads.error_answer(BadRequest("no")) == {"error": {"code": "bad_request", "message": "no"}}
    limited = RateLimited("later", retry_after=0.0)
    assert payloads.error_answer(limited)["error"] == {"code": "rate_limited", "message": "later", "retryAfter": 0.0}
    assert payloads.error_event(limited, "typing:start") == {**payloads.error_answer(limited), "event": "typing:start"}


def test_a_refusal_says_when_to_come_back_where_that_is_known() -> None:
    refused = ConnectionRefused("no", code="too_many_connections")
    assert payloads.refusal(refused) == {"message": "no", "data": {"code": "too_many_connections"}}
    later = ConnectionRefused("later", code="rate_limited", retry_after=0.0)
    assert payloads.refusal(later) == {"message": "later", "data": {"code": "rate_limited", "retryAfter": 0.0}}


def test_no_room_is_anothers() -> None:
    assert (user_room("7"), conversation_room("7")) == ("user:7", "conversation:7")


@pytest.mark.parametrize(
    ("parse", "args", "request_"),
    [
        (requests.parse_nothing, [], ()),
        (requests.parse_nothing, [1, 2], ()),
        (requests.parse_conversation_id, [7], ("7", 7)),
        (requests.parse_conversation_id, ["7", "ignored"], ("7", "7")),
        (requests.parse_conversation_reference, [{"conversationId": 7, "more": 1}], ("7", 7)),
        (requests.parse_notification_id, [7], ("7", 7)),
        (requests.parse_user_id, [7], ("7",)),
        (requests.parse_user_ids, [[7, "ann", 7]], (("7", "ann", "7"),)),
        (requests.parse_user_ids, [[]], ((),)),
        (requests.parse_token, ["a.b.c"], ("a.b.c",)),
    ],
)
def test_what_is_asked_for_is_parsed(parse: Parse, args: list[Any], request_: tuple[Any, ...]) -> None:
    assert parse(args, BOUNDS) == request_


@pytest.mark.parametrize(
    ("parse", "args", "message"),
    [
        (requests.parse_conversation_id, [], "conversationId is missing"),
        (requests.parse_conversation_id, [None], "conversationId must be"),
        (requests.parse_conversation_reference, [], "payload is missing"),
        (requests.parse_conversation_reference, ["7"], "payload must be an object"),
        (requests.parse_conversation_reference, [{}], "conversationId is missing"),
        (requests.parse_conversation_reference, [{"conversationId": ""}], "conversationId must be"),
        (requests.parse_notification_id, [], "notificationId is missing"),
        (requests.parse_notification_id, [True], "notificationId must be"),
        (requests.parse_user_id, [], "userId is missing"),
        (requests.parse_user_id, [{}], "userId must be"),
        (requests.parse_user_ids, [], "userIds is missing"),
        (requests.parse_user_ids, ["ann"], "userIds must be a list"),
        (requests.parse_user_ids, [["1", None]], r"userIds\[1\] must be"),
        (requests.parse_user_ids, [["1", "2", "3", "4"]], "at most 3 ids, not 4"),
        (requests.parse_token, [], "token is missing"),
        (requests.parse_token, [""], "token must be"),
        (requests.parse_token, [7], "token must be"),
    ],
)
def test_what_is_wrong_is_named(parse: Parse, args: list[Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        parse(args, BOUNDS)
    assert isinstance(refused.value, EventError)


def test_as_many_ids_as_are_allowed_are_taken() -> None:
    assert requests.parse_user_ids([["1", "2", "3"]], BOUNDS).user_ids == ("1", "2", "3")
    assert Bounds().max_status_ids == 100


def test_a_token_is_never_printed() -> None:
    assert "secret" not in repr(requests.parse_token(["secret"], BOUNDS))
