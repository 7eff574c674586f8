"""Handlers of messages: the application's hook stores what was sent, then the conversation is notified."""

from __future__ import annotations

from flask_realtime.contract.effects import Outcome
from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.context import Caller, FeatureContext
from flask_realtime.features.log import log
from flask_realtime.features.messages.events import MESSAGE_NEW, MESSAGE_SEND, sent_answer
from flask_realtime.features.messages.hooks import ON_MESSAGE_SEND
from flask_realtime.features.messages.sending import NewMessage, SentMessage


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
