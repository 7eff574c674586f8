"""Conversations."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.limits import PARTICIPANTS_OF_USER, take
from example_app.models import find_users, store
from example_app.schemas import NewConversation, Page, read_body, read_query
from example_app.serializers import Json, conversation_json
from example_app.tokens import require_access_token, signed_in_user_id
from flask_realtime.store import ConversationRecord

conversations = Blueprint("conversations", __name__, url_prefix="/api/conversations")
conversations.before_request(require_access_token)


@conversations.get("")
def list_conversations() -> list[Json]:
    """Return a page of the conversations that the user takes part in, newest first."""
    query = read_query(Page)
    before = None if query.before is None else str(query.before)
    found = store.conversations.of_user(signed_in_user_id(), before=before, limit=query.limit)
    users = find_users({user_id for conversation in found for user_id in conversation.participant_ids})
    return [{**conversation_json(conversation, users), "unreadCount": conversation.unread_count} for conversation in found]


@conversations.post("")
def create_conversation() -> tuple[Json, HTTPStatus]:
    """Create a conversation that the user takes part in. The log notifies all participants."""
    body = read_body(NewConversation)
    participant_ids = [signed_in_user_id(), *body.participant_ids]
    users = find_users(participant_ids)
    unknown = [user_id for user_id in participant_ids if user_id not in users]
    if unknown:
        abort(HTTPStatus.BAD_REQUEST, f"participantIds: no user {', '.join(unknown)}")
    # A conversation with nobody else counts too.
    take(PARTICIPANTS_OF_USER, signed_in_user_id(), max(1, len(users) - 1))
    return conversation_json(store.conversations.create(participant_ids, body.title), users), HTTPStatus.CREATED


def new_conversation_json(conversation: ConversationRecord) -> Json:
    """Return a new conversation as its participants get it from the log."""
    return conversation_json(conversation, find_users(conversation.participant_ids))


def require_participant(conversation_id: str) -> None:
    """Refuse requests of users who do not take part in the conversation."""
    if store.conversations.has_participant(conversation_id, signed_in_user_id()):
        return
    if store.conversations.exists(conversation_id):
        abort(HTTPStatus.FORBIDDEN, "You do not take part in this conversation")
    abort(HTTPStatus.NOT_FOUND, "Conversation not found")
