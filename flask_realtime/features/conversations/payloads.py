"""Payloads of conversations, with what other stores know: users, last messages, mentions and pins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from flask_realtime.features.conversations.events import (
    ConversationPayload,
    conversation_payload,
    last_message_subject,
    viewed_conversation,
)
from flask_realtime.features.conversations.records import ConversationRecord

Pinned = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]


class ToldConversation(NamedTuple):
    """A conversation as an event tells of it.

    Args:
        payload: The conversation.
        about: The name under which the log finds it when the message that it shows changes; None if it shows none.
    """

    payload: ConversationPayload
    about: str | None


class SeenUsers(Protocol):
    """Users, as clients see them."""

    def of(self, user_ids: Iterable[str]) -> Mapping[str, Any]:
        """Map users to what clients see of them."""


class LastMessages(Protocol):
    """The store of messages, as far as conversations show them."""

    def newest_outside_threads(self, viewer_id: str, conversation_ids: Sequence[str]) -> Mapping[str, Any]:
        """Map conversations to their newest message outside threads, as the viewer sees it."""

    def as_json(self, records: Sequence[Any]) -> Sequence[Any]:
        """Return messages as clients see them."""

    def mention_counts(self, user_id: str, conversation_ids: Sequence[str]) -> Mapping[str, int]:
        """Map conversations to the number of unread messages in which a user is mentioned."""


class ConversationPayloads:
    """Builds what clients see of conversations, in as many statements for many of them as for one.

    Args:
        users: The users.
        messages: The messages.
        pinned: Maps conversations to the ids of their pinned messages.
    """

    def __init__(self, users: SeenUsers, messages: LastMessages, pinned: Pinned) -> None:
        self._users = users
        self._messages = messages
        self._pinned = pinned

    def viewed_by(self, user_id: str, records: Sequence[ConversationRecord]) -> list[ConversationPayload]:
        """Return conversations as a participant sees them; the records are of what that user sees."""
        return [told.payload for told in self._viewed_by(user_id, records)]

    def for_user(self, user_id: str, record: ConversationRecord) -> ToldConversation:
        """Return a conversation for the devices of a participant; the record is of what that user sees."""
        (told,) = self._viewed_by(user_id, [record])
        return told

    def _viewed_by(self, user_id: str, records: Sequence[ConversationRecord]) -> list[ToldConversation]:
        ids = [record.id for record in records]
        if not ids:
            return []
        last = self._messages.newest_outside_threads(user_id, ids)
        mentions = self._messages.mention_counts(user_id, ids)
        shared = self._shared(records, last)
        return [
            ToldConversation(viewed_conversation(payload, record, mentions.get(record.id, 0)), about)
            for (payload, about), record in zip(shared, records, strict=True)
        ]

    def for_everybody(self, record: ConversationRecord) -> ToldConversation:
        """Return a conversation without what each viewer sees otherwise; the last message is as its sender sees it."""
        sender = self.last_sender(record.id)
        last = {} if sender is None else self._messages.newest_outside_threads(sender, [record.id])
        (told,) = self._shared([record], last)
        return told

    def last_sender(self, conversation_id: str) -> str | None:
        """Return the sender of a conversation's last message outside threads, or None."""
        last = self._messages.newest_outside_threads("", [conversation_id]).get(conversation_id)
        return None if last is None else last.sender_id

    def _shared(self, records: Sequence[ConversationRecord], last: Mapping[str, Any]) -> list[ToldConversation]:
        users = self._users.of(user_id for record in records for user_id in record.participant_ids)
        shown = dict(zip(last, self._messages.as_json(list(last.values())), strict=True))
        pinned = self._pinned([record.id for record in records])
        about = {conversation_id: last_message_subject(message.id) for conversation_id, message in last.items()}
        return [
            ToldConversation(
                conversation_payload(record, users, shown.get(record.id), pinned.get(record.id, ())), about.get(record.id)
            )
            for record in records
        ]
