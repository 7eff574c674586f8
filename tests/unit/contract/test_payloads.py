"""Payloads: what the server sends, spelt as the contract has it, and requests, parsed as it has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime.config import RealtimeConfig
from flask_realtime.contract import answers
from flask_realtime.contract.parsing import listed, parse_nothing
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.errors import BadRequest, ConnectionRefused, EventError, RateLimited
from flask_realtime.features.authentication import events as authentication
from flask_realtime.features.conversations import events as conversations
from flask_realtime.features.log import events as log
from flask_realtime.features.log.events import SyncRequest
from flask_realtime.features.messages import NewMessage
from flask_realtime.features.messages import events as messages
from flask_realtime.features.notifications import events as notifications
from flask_realtime.features.presence import events as presence
from flask_realtime.features.receipts import events as receipts
from flask_realtime.features.typing_indicators.events import TYPING_START, relayed

SEND = {"conversationId": 7, "clientId": "c1", "content": "hello"}
BOUNDS = RealtimeConfig(max_status_ids=3)
Parse = Callable[[Any, Any], Any]


def test_payloads_are_spelt_as_in_the_contract() -> None:
    assert relayed(TYPING_START, "ann", "7", 7).args == ({"conversationId": 7, "userId": "ann"},)
    assert receipts.receipt_payload("7", [1, "2"], "ann") == {
        "conversationId": "7",
        "messageIds": [1, "2"],
        "userId": "ann",
    }
    assert receipts.receipt_payload(7, (), None) == {"conversationId": 7, "messageIds": []}
    assert messages.message_deleted_payload("7", 1) == {"conversationId": "7", "messageId": 1}
    assert presence.user_status("ann", online=True) == {"userId": "ann", "status": "online"}
    assert presence.user_status("ann", online=False) == {"userId": "ann", "status": "offline"}
    assert answers.ACKNOWLEDGED == {"ok": True}


def test_moments_are_written_as_javascript_does() -> None:
    assert authentication.expiry(0) == {"expiresAt": "1970-01-01T00:00:00.000Z"}
    assert authentication.expiry(1_767_323_045.25) == {"expiresAt": "2026-01-02T03:04:05.250Z"}
    assert authentication.refreshed(1_767_323_045) == {"expiresAt": "2026-01-02T03:04:05.000Z"}
    assert authentication.refreshed(0) == {"expiresAt": "1970-01-01T00:00:00.000Z"}
    assert authentication.refreshed(None) == {"expiresAt": None}


def test_an_error_says_when_to_come_back_where_that_is_known() -> None:
    assert answers.error_answer(BadRequest("no")) == {"error": {"code": "bad_request", "message": "no"}}
    limited = RateLimited("later", retry_after=0.0)
    assert answers.error_answer(limited)["error"] == {"code": "rate_limited", "message": "later", "retryAfter": 0.0}
    assert answers.error_event(limited, "typing:start") == {**answers.error_answer(limited), "event": "typing:start"}


def test_a_refusal_says_when_to_come_back_where_that_is_known() -> None:
    refused = ConnectionRefused("no", code="too_many_connections")
    assert answers.refusal(refused) == {"message": "no", "data": {"code": "too_many_connections"}}
    later = ConnectionRefused("later", code="rate_limited", retry_after=0.0)
    assert answers.refusal(later) == {"message": "later", "data": {"code": "rate_limited", "retryAfter": 0.0}}


def test_no_room_is_anothers() -> None:
    assert (user_room("7"), conversation_room("7")) == ("user:7", "conversation:7")


@pytest.mark.parametrize(
    ("parse", "args", "request_"),
    [
        (parse_nothing, [], ()),
        (parse_nothing, [1, 2], ()),
        (conversations.parse_conversation_id, [7], ("7", 7)),
        (conversations.parse_conversation_id, ["7", "ignored"], ("7", "7")),
        (conversations.parse_conversation_reference, [{"conversationId": 7, "more": 1}], ("7", 7)),
        (notifications.parse_notification_id, [7], ("7", 7)),
        (presence.parse_user_id, [7], ("7",)),
        (presence.parse_user_ids, [[7, "ann", 7]], (("7", "ann", "7"),)),
        (presence.parse_user_ids, [[]], ((),)),
        (authentication.parse_token, ["a.b.c"], ("a.b.c",)),
        (messages.parse_message_send, [SEND], NewMessage("7", "c1", "hello")),
        (log.parse_sync, [], SyncRequest(None, 100)),
        (log.parse_sync, [{"cursor": None}], SyncRequest(None, 100)),
        (log.parse_sync, [{"cursor": "log-0", "limit": 1, "more": 1}, 2], SyncRequest(0, 1)),
        (log.parse_sync, [{"cursor": f"log-{2**63 - 1}", "limit": 500}], SyncRequest(2**63 - 1, 500)),
        (messages.parse_message_send, [{**SEND, "clientId": 1, "mentions": [], "more": 1}, 2], NewMessage("7", "1", "hello")),
    ],
)
def test_what_is_asked_for_is_parsed(parse: Parse, args: list[Any], request_: Any) -> None:
    assert parse(args, BOUNDS) == request_


@pytest.mark.parametrize(
    ("parse", "args", "message"),
    [
        (conversations.parse_conversation_id, [], "conversationId is missing"),
        (conversations.parse_conversation_id, [None], "conversationId must be"),
        (conversations.parse_conversation_reference, [], "payload is missing"),
        (conversations.parse_conversation_reference, ["7"], "payload must be an object"),
        (conversations.parse_conversation_reference, [{}], "conversationId is missing"),
        (conversations.parse_conversation_reference, [{"conversationId": ""}], "conversationId must be"),
        (notifications.parse_notification_id, [], "notificationId is missing"),
        (notifications.parse_notification_id, [True], "notificationId must be"),
        (presence.parse_user_id, [], "userId is missing"),
        (presence.parse_user_id, [{}], "userId must be"),
        (presence.parse_user_ids, [], "userIds is missing"),
        (presence.parse_user_ids, ["ann"], "userIds must be a list"),
        (presence.parse_user_ids, [["1", None]], r"userIds\[1\] must be"),
        (presence.parse_user_ids, [["1", "2", "3", "4"]], "at most 3 ids, not 4"),
        (authentication.parse_token, [], "token is missing"),
        (authentication.parse_token, [""], "token must be"),
        (authentication.parse_token, [7], "token must be"),
        (messages.parse_message_send, [], "payload is missing"),
        (messages.parse_message_send, [7], "payload must be an object with conversationId, clientId and content"),
        (messages.parse_message_send, [{}], "conversationId is missing.*; clientId is missing.*; content is missing"),
        (messages.parse_message_send, [{**SEND, "clientId": "x" * 129}], "^clientId must be"),
        (messages.parse_message_send, [{**SEND, "content": "x" * 4001}], "^content must be a string of 1 to 4000 characters"),
        (messages.parse_message_send, [{**SEND, "replyTo": []}], "^replyTo must be a non-empty string"),
        (messages.parse_message_send, [{**SEND, "threadId": ""}], "^threadId must be a non-empty string"),
        (messages.parse_message_send, [{**SEND, "mentions": [None]}], r"^mentions\[0\] must be a non-empty string"),
        (messages.parse_message_send, [{**SEND, "attachmentIds": 0}], "^attachmentIds is not supported yet$"),
        (messages.parse_message_edit, [{**SEND, "messageId": 1, "content": " "}], "^content must be a string of 1 to 4000"),
        (messages.parse_message_edit, [{}], "^conversationId is missing: .*; messageId is missing: .*; content is missing"),
        (messages.parse_message_reference, [{"conversationId": 1}], "^messageId is missing"),
        (log.parse_sync, [None], "^payload must be an object with cursor and limit, both optional$"),
        (log.parse_sync, [{"cursor": "log-x"}], "^cursor must be a cursor that an earlier sync has returned$"),
        (log.parse_sync, [{"cursor": "x" * 513, "limit": 0}], "^cursor must be .*; limit must be an integer from 1 to 500$"),
    ],
)
def test_what_is_wrong_is_named(parse: Parse, args: list[Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message) as refused:
        parse(args, BOUNDS)
    assert isinstance(refused.value, EventError)


def test_as_many_ids_as_are_allowed_are_taken() -> None:
    assert presence.parse_user_ids([["1", "2", "3"]], BOUNDS).user_ids == ("1", "2", "3")
    assert RealtimeConfig().max_status_ids == 100


def test_a_token_is_never_printed() -> None:
    assert "secret" not in repr(authentication.parse_token(["secret"], BOUNDS))


@pytest.mark.parametrize(("count", "end"), [(1, "p0"), (10, "p9"), (11, "p9; and 1 more"), (25, "p9; and 15 more")])
def test_the_first_ten_problems_are_named_and_the_others_counted(count: int, end: str) -> None:
    problems = [f"p{number}" for number in range(count)]
    told = listed(iter(problems))
    assert told.startswith("; ".join(problems[:10]))
    assert told.endswith(end)
