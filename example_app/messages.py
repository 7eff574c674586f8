"""Messages. The store writes each change and its event in one transaction, and sends the event after the commit."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.conversations import require_participant
from example_app.extensions import db, realtime
from example_app.models import User, find_users, store
from example_app.schemas import NewMessage, Page, SeenMessages, read_body, read_query
from example_app.serializers import Json, message_json, receipts_json
from example_app.tokens import require_access_token, signed_in_user, signed_in_user_id
from flask_realtime.store import MessageRecord

messages = Blueprint("messages", __name__, url_prefix="/api")
messages.before_request(require_access_token)


@messages.get("/conversations/<conversation_id>/messages")
def list_messages(conversation_id: str) -> Json:
    """Return a page of a conversation, newest message last."""
    require_participant(conversation_id)
    query = read_query(Page)
    before = None if query.before is None else str(query.before)
    page = store.messages.page(conversation_id, signed_in_user_id(), before=before, limit=query.limit)
    senders = find_users({message.sender_id for message in page.messages})
    return {
        "messages": [message_json(message, senders[message.sender_id]) for message in page.messages],
        "nextBefore": page.next_before,
    }


@messages.post("/conversations/<conversation_id>/messages")
def post_message(conversation_id: str) -> tuple[Json, HTTPStatus]:
    """Store a message, once for each of the client's own ids."""
    require_participant(conversation_id)
    body = read_body(NewMessage)
    return message_json(_store(conversation_id, body), signed_in_user()), HTTPStatus.CREATED


def _store(conversation_id: str, body: NewMessage) -> MessageRecord:
    if body.client_id is None:
        return store.messages.add(conversation_id, signed_in_user_id(), body.content)
    return store.messages.send(conversation_id, signed_in_user_id(), body.content, body.client_id).message


def sent_message_json(message: MessageRecord) -> Json:
    """Return a message as clients get it, with its sender's name."""
    return message_json(message, db.session.get_one(User, int(message.sender_id)))


@messages.post("/conversations/<conversation_id>/read")
def read_messages(conversation_id: str) -> Json:
    """Mark messages as read. The response names all that are read now; others are sent the newly read ones."""
    require_participant(conversation_id)
    body = read_body(SeenMessages)
    result = store.receipts.mark_read(conversation_id, signed_in_user_id(), body.message_ids, up_to=body.up_to)
    realtime.emit_receipts(conversation_id, signed_in_user_id(), result)
    return {"messageIds": result.read_ids}


@messages.post("/conversations/<conversation_id>/delivered")
def deliver_messages(conversation_id: str) -> Json:
    """Mark messages as delivered to the user; otherwise as for read ones."""
    require_participant(conversation_id)
    body = read_body(SeenMessages)
    result = store.receipts.mark_delivered(conversation_id, signed_in_user_id(), body.message_ids, up_to=body.up_to)
    realtime.emit_receipts(conversation_id, signed_in_user_id(), result)
    return {"messageIds": result.delivered_ids}


@messages.get("/conversations/<conversation_id>/messages/<message_id>/receipts")
def list_receipts(conversation_id: str, message_id: str) -> Json:
    """Return who has got and read a message."""
    require_participant(conversation_id)
    receipts = store.receipts.of_message(conversation_id, message_id)
    if receipts is None:
        abort(HTTPStatus.NOT_FOUND, "Message not found")
    return receipts_json(receipts)


@messages.delete("/conversations/<conversation_id>/messages/<message_id>")
def delete_message(conversation_id: str, message_id: str) -> tuple[str, HTTPStatus]:
    """Delete the user's own message; an administrator may delete any."""
    user = signed_in_user()
    if not user.is_administrator:
        require_participant(conversation_id)
    message = store.messages.get(conversation_id, message_id, str(user.id))
    if message is None:
        abort(HTTPStatus.NOT_FOUND, "Message not found")
    if message.sender_id != str(user.id) and not user.is_administrator:
        abort(HTTPStatus.FORBIDDEN, "Only its sender may delete a message")
    if not store.messages.delete(conversation_id, message_id):
        abort(HTTPStatus.NOT_FOUND, "Message not found")
    return "", HTTPStatus.NO_CONTENT


@messages.get("/messages/unread-count")
def unread_count() -> Json:
    """Count the messages that the user has not read."""
    return {"unreadCount": store.messages.unread_count(signed_in_user_id())}
