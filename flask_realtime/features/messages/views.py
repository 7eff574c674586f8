"""Requests about messages, their payloads and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypedDict
from uuid import uuid4

from flask_realtime.contract.events import Document
from flask_realtime.contract.fields import Fields
from flask_realtime.contract.ids import WireId
from flask_realtime.errors import BadRequest
from flask_realtime.feature.routes import Route
from flask_realtime.features.messages.events import (
    CLIENT_ID,
    CONVERSATION_ID,
    MESSAGE_DELETE,
    MESSAGE_EDIT,
    MESSAGE_SEND,
    sent_message,
)
from flask_realtime.features.messages.records import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MessagePage, PageRequest

MESSAGES: Final = "/conversations/<conversationId>/messages"
MESSAGE: Final = f"{MESSAGES}/<messageId>"
UNREAD_COUNT: Final = "/messages/unread-count"

_BEFORE, _AFTER, _AROUND, _THREAD, _LIMIT = "before", "after", "around", "thread", "limit"
_PLACES: Final = (_BEFORE, _AFTER, _AROUND)


def with_client_id(payload: dict[str, Any]) -> dict[str, Any]:
    """Give a message an id of the client's own if it has none; such a request is another message each time."""
    return payload if payload.get(CLIENT_ID) is not None else {**payload, CLIENT_ID: uuid4().hex}


ROUTES: Final = (
    Route("POST", MESSAGES, MESSAGE_SEND, HTTPStatus.CREATED, sent_message, Document, with_client_id, (CLIENT_ID,)),
    Route("PATCH", MESSAGE, MESSAGE_EDIT, HTTPStatus.OK, sent_message, Document),
    Route("DELETE", MESSAGE, MESSAGE_DELETE, HTTPStatus.NO_CONTENT),
)


class _MessagesQueryRequired(TypedDict):
    conversationId: WireId


class MessagesQuery(_MessagesQueryRequired, total=False):
    """The requested part of a conversation, or of a thread; `before`, `after` and `around` exclude each other."""

    before: WireId
    after: WireId
    around: WireId
    thread: WireId
    limit: int


class MessagesAnswer(TypedDict):
    """Messages of a conversation, newest last; `before` and `after` of the pages beside it, or null at its ends."""

    messages: list[Document]
    nextBefore: str | None
    nextAfter: str | None


class UnreadAnswer(TypedDict):
    """The number of messages that the user has not read."""

    unreadCount: int


class PageOf(NamedTuple):
    """A request for a page.

    Args:
        conversation_id: The conversation.
        page: The part of it.
    """

    conversation_id: str
    page: PageRequest


def parse_messages_query(args: Sequence[Any], _settings: object) -> PageOf:
    """Parse a request for a page."""
    fields = Fields(args, f"an object with {CONVERSATION_ID}")
    places = {name: fields.optional_id(name) for name in _PLACES}
    limit = fields.number(_LIMIT, DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    request = PageOf(fields.id(CONVERSATION_ID), PageRequest(**places, thread=fields.optional_id(_THREAD), limit=limit))
    fields.check()
    given = [name for name, value in places.items() if value is not None]
    if len(given) > 1:
        msg = f"Give one of {', '.join(_PLACES)}, not {' and '.join(given)}"
        raise BadRequest(msg)
    return request


def messages_page(messages: list[Any], page: MessagePage) -> MessagesAnswer:
    """Build the answer with a page."""
    return {"messages": messages, "nextBefore": page.next_before, "nextAfter": page.next_after}


def unread_messages(count: int) -> UnreadAnswer:
    """Build the answer with the number of unread messages."""
    return {"unreadCount": count}
