"""A message by its id, where the chat's own requests have pages: what is pinned or quoted may be in any thread."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.models import store
from example_app.serializers import Json
from example_app.tokens import require_access_token, signed_in_user_id

messages = Blueprint("messages", __name__, url_prefix="/api")
messages.before_request(require_access_token)


@messages.get("/conversations/<conversation_id>/messages/<message_id>")
def get_message(conversation_id: str, message_id: str) -> Json:
    """Return a message, in a thread or not, to a user who takes part in its conversation."""
    user_id = signed_in_user_id()
    takes_part = store.conversations.has_participant(conversation_id, user_id)
    message = store.messages.get(conversation_id, message_id, user_id) if takes_part else None
    if message is None:
        abort(HTTPStatus.NOT_FOUND, "Message not found")
    answer: Json = store.messages.as_json([message])[0]
    return answer
