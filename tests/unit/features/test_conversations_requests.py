"""What clients ask of conversations: what is read from it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from flask_realtime.errors import BadRequest
from flask_realtime.features.conversations import events
from flask_realtime.features.conversations.records import (
    ConversationChange,
    ConversationsQuery,
    MembersQuery,
    NewConversation,
    NewMembers,
    NewRole,
    OneMember,
    OneMessage,
)

Parse = Callable[[Any, object], Any]
LATER = datetime(2999, 1, 31, 12, tzinfo=timezone.utc)
ONE = {"conversationId": 7}


@pytest.mark.parametrize(
    ("parse", "payload", "parsed"),
    [
        (events.parse_message_reference, {**ONE, "messageId": "9"}, OneMessage("7", "9")),
        (events.parse_conversations_query, {}, ConversationsQuery(None, 50, by_activity=False)),
        (
            events.parse_conversations_query,
            {"before": "7", "limit": "2", "order": "activity"},
            ConversationsQuery("7", 2, by_activity=True),
        ),
        (events.parse_conversations_query, {"order": "newest"}, ConversationsQuery(None, 50, by_activity=False)),
        (events.parse_new_conversation, {"participantIds": [1, "2", "1"]}, NewConversation("group", None, ("1", "2"))),
        (events.parse_new_conversation, {}, NewConversation("group", None, ())),
        (events.parse_new_conversation, {"participantIds": []}, NewConversation("group", None, ())),
        (
            events.parse_new_conversation,
            {"participantIds": ["2"], "type": "direct", "title": None},
            NewConversation("direct", None, ("2",)),
        ),
        (
            events.parse_new_conversation,
            {"title": f" {'x' * 200} ", "participantIds": ["2"]},
            NewConversation("group", "x" * 200, ("2",)),
        ),
        (events.parse_conversation_change, {**ONE, "title": None}, ConversationChange("7", has_title=True, title=None, muted=None)),
        (
            events.parse_conversation_change,
            {**ONE, "muted": False},
            ConversationChange("7", has_title=False, title=None, muted=False),
        ),
        (
            events.parse_conversation_change,
            {**ONE, "title": "T", "muted": "2999-01-31T12:00:00.000Z"},
            ConversationChange("7", has_title=True, title="T", muted=LATER),
        ),
        (
            events.parse_conversation_change,
            {**ONE, "muted": "2999-01-31T13:00:00+01:00"},
            ConversationChange("7", has_title=False, title=None, muted=LATER),
        ),
        (events.parse_members_query, ONE, MembersQuery("7", None, 50)),
        (events.parse_members_query, {**ONE, "after": "3", "limit": 100}, MembersQuery("7", "3", 100)),
        (events.parse_new_members, {**ONE, "userIds": [1, "2"]}, NewMembers("7", ("1", "2"))),
        (events.parse_one_member, {**ONE, "userId": 3}, OneMember("7", "3")),
        (events.parse_new_role, {**ONE, "userId": "3", "role": "owner"}, NewRole("7", "3", "owner")),
    ],
)
def test_what_is_asked_is_read(parse: Parse, payload: Any, parsed: Any) -> None:
    assert parse([payload], None) == parsed


@pytest.mark.parametrize(
    ("parse", "payload", "told"),
    [
        (events.parse_message_reference, {"messageId": "9"}, ["conversationId is missing"]),
        (events.parse_message_reference, {"conversationId": True}, ["conversationId must be", "messageId is missing"]),
        (events.parse_conversations_query, {"limit": "0", "order": "oldest", "before": ""}, ["limit", "order", "before"]),
        (events.parse_conversations_query, {"limit": "101"}, ["limit must be an integer from 1 to 100"]),
        (events.parse_new_conversation, {"participantIds": "ann", "type": "crowd"}, ["participantIds must be", "type must be"]),
        (events.parse_new_conversation, {"participantIds": list(range(101))}, ["a list of 0 to 100 ids"]),
        (events.parse_new_conversation, {"participantIds": [None]}, ["participantIds[0] must be"]),
        (events.parse_new_conversation, {"type": ["group"]}, ["type must be one of direct, group"]),
        *((events.parse_new_conversation, {"title": title}, ["title must be"]) for title in ("", "  ", "x" * 201, "a\nb", 7)),
        (events.parse_conversation_change, ONE, ["title is missing: expected it or muted"]),
        *(
            (events.parse_conversation_change, {**ONE, "muted": muted}, ["muted must be"])
            for muted in (None, 1, "soon", "2020-01-31T12:00:00Z", "2999-01-31T12:00:00", "", ["soon"])
        ),
        (events.parse_new_members, ONE, ["userIds is missing"]),
        (events.parse_new_members, {**ONE, "userIds": []}, ["userIds must be a list of 1 to 100 ids"]),
        (events.parse_new_members, {**ONE, "userIds": ["1"] * 101}, ["userIds must be"]),
        (events.parse_new_role, {**ONE, "userId": "3", "role": "king"}, ["role must be one of owner, moderator, member"]),
        (events.parse_new_role, {}, ["role is missing", "userId is missing", "conversationId is missing"]),
    ],
)
def test_what_is_wrong_is_named(parse: Parse, payload: Any, told: list[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        parse([payload], None)
    assert [part for part in told if part not in refused.value.message] == []
