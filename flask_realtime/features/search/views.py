"""Request that searches, and its answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypedDict

from flask_realtime.contract.events import Document
from flask_realtime.contract.fields import Fields
from flask_realtime.features.search.query import MAX_QUERY_LENGTH

SEARCH: Final = "/search"
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 100


class SearchPayload(TypedDict, total=False):
    """The query string of a search; `q` is needed."""

    q: str
    conversationId: str
    senderId: str
    before: str
    limit: str


class SearchHitPayload(TypedDict):
    """A message that was found, and the part of it around what was searched for, as HTML without other mark-up than `<mark>`."""

    message: Document
    snippet: str


class SearchAnswer(TypedDict):
    """A page of messages that were found, newest first, and the `before` of the next page."""

    hits: list[SearchHitPayload]
    nextBefore: str | None


class SearchRequest(NamedTuple):
    """A search.

    Args:
        query: The words.
        conversation_id: The conversation to search in; None for all of the user's.
        sender_id: The sender; None for anybody.
        before: The id of a message that is newer than all that are wanted; None for the newest.
        limit: The maximum number of messages.
    """

    query: str
    conversation_id: str | None
    sender_id: str | None
    before: str | None
    limit: int


def parse_search(args: Sequence[Any], _settings: object) -> SearchRequest:
    """Parse a search."""
    fields = Fields(args, "an object")
    query = fields.value("q", f"text of at most {MAX_QUERY_LENGTH} characters", _text, "")
    conversation_id, sender_id, before = map(fields.optional_id, ("conversationId", "senderId", "before"))
    limit = fields.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    fields.check()
    return SearchRequest(query, conversation_id, sender_id, before, limit)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_QUERY_LENGTH else None


def search_answer(hits: Iterable[tuple[Any, str]], next_before: str | None) -> SearchAnswer:
    """Build the answer to a search.

    Args:
        hits: The messages as clients get them, and their snippets.
        next_before: The `before` of the next page.
    """
    return {"hits": [{"message": message, "snippet": snippet} for message, snippet in hits], "nextBefore": next_before}
