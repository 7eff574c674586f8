"""Messages: sending them, and events to everyone in a conversation."""

from flask_realtime.features.messages.api import MessageCalls
from flask_realtime.features.messages.archive import MessageArchive
from flask_realtime.features.messages.events import MessageReferencePayload, parse_message_reference
from flask_realtime.features.messages.feature import messages
from flask_realtime.features.messages.hooks import MessageHooks
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.records import MessagePage, MessageRecord, PageRequest, SendResult
from flask_realtime.features.messages.sending import MessageReference, NewMessage, SentMessage

__all__ = [
    "MessageArchive",
    "MessageCalls",
    "MessageHooks",
    "MessagePage",
    "MessageRecord",
    "MessageReference",
    "MessageReferencePayload",
    "NewMessage",
    "PageRequest",
    "ReadResult",
    "SendResult",
    "SentMessage",
    "messages",
    "parse_message_reference",
]
