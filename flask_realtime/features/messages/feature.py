"""Messages: sending them, and events to everyone in a conversation."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature, stateless
from flask_realtime.features.log import log
from flask_realtime.features.messages import handlers, hooks
from flask_realtime.features.messages.events import (
    MESSAGE_DELETED,
    MESSAGE_NEW,
    MESSAGE_SEND,
    MessageSendPayload,
    MessageSentAnswer,
    parse_message_send,
)

messages: Final = Feature("messages", state=stateless, requires=[log], section="Messaging")

messages.add_outgoing(MESSAGE_NEW, MESSAGE_DELETED)
messages.add_hook(hooks.ON_MESSAGE_SEND)

messages.event(
    MESSAGE_SEND,
    hint="on_message_send is its hook.",
    payload=MessageSendPayload,
    parse=parse_message_send,
    answer=MessageSentAnswer,
    limit="messages",
    app_context=False,
    summary="Send a message to a conversation. Only for its participants. `clientId` is the client's own id of the message: for 24 "
    "hours, sending it again stores nothing, notifies nobody, and gets the same answer. The application's `on_message_send` hook "
    "stores it; without one the answer is `unknown_event`. `replyTo`, `threadId`, `mentions` and `attachmentIds` are not supported "
    "yet: with one of them the answer is `bad_request`.",
)(handlers.send)
