"""Handlers of messages: the application's hook or its archive makes the change, then the conversation is notified."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask_realtime.contract.effects import Outcome
from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.log import log
from flask_realtime.features.messages.archive import MessageArchive
from flask_realtime.features.messages.events import MESSAGE_DELETE, MESSAGE_NEW, MESSAGE_SEND, sent_answer
from flask_realtime.features.messages.hooks import MAY_MODERATE, MESSAGE_ARCHIVE, ON_MESSAGE_SEND
from flask_realtime.features.messages.sending import MessageEdit, MessageReference, NewMessage, SentMessage
from flask_realtime.features.messages.views import PageOf, messages_page, unread_messages


def send(context: FeatureContext, caller: Caller, message: NewMessage) -> Outcome:
    """Handle `message:send`."""
    if not context.is_registered(ON_MESSAGE_SEND):
        msg = f"The server does not take {MESSAGE_SEND}: the application has no on_message_send hook"
        raise UnknownEvent(msg)
    sent = context.call(ON_MESSAGE_SEND, caller.identity, message, caller=caller, event=MESSAGE_SEND)
    if not isinstance(sent, SentMessage):
        msg = f"An on_message_send hook must return a SentMessage, not {type(sent).__name__}"
        raise TypeError(msg)
    if not sent.is_new or context.state_of(log).is_logged(MESSAGE_NEW.name):
        return Outcome(sent_answer(sent.message))
    return Outcome(sent_answer(sent.message), [MESSAGE_NEW.to_conversation(message.conversation_id, sent.message)])


def edit(context: FeatureContext, caller: Caller, change: MessageEdit) -> Any:
    """Handle `message:edit`."""
    archive, seconds = _archive(context), context.config.edit_window
    window = None if seconds is None else timedelta(seconds=seconds)
    return sent_answer(archive.as_json([archive.edit_for(caller.user_id, change, window)])[0])


def delete(context: FeatureContext, caller: Caller, message: MessageReference) -> None:
    """Handle `message:delete`."""
    archive = _archive(context)
    as_moderator = context.is_registered(MAY_MODERATE) and context.decide(
        MAY_MODERATE, caller.identity, message.conversation_id, caller=caller, event=MESSAGE_DELETE
    )
    archive.delete_for(caller.user_id, message, as_moderator=as_moderator)


def page(context: FeatureContext, caller: Caller, request: PageOf) -> Any:
    """Return a page of a conversation, newest message last."""
    archive = _archive(context)
    found = archive.page_for(caller.user_id, request.conversation_id, request.page)
    return messages_page(archive.as_json(found.messages), found)


def unread_count(context: FeatureContext, caller: Caller, _request: object) -> Any:
    """Count the user's unread messages in all conversations."""
    return unread_messages(_archive(context).unread_count(caller.user_id))


def _archive(context: FeatureContext) -> MessageArchive:
    for function in context.functions(MESSAGE_ARCHIVE):
        archive: MessageArchive = function()
        return archive
    msg = "The server keeps no messages: the application registered no store"
    raise UnknownEvent(msg)
