"""Messages: sending them, and events to everyone in a conversation."""

from flask_realtime.features.messages.api import MessageCalls
from flask_realtime.features.messages.feature import messages
from flask_realtime.features.messages.hooks import MessageHooks
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.sending import NewMessage, SentMessage

__all__ = ["MessageCalls", "MessageHooks", "NewMessage", "ReadResult", "SentMessage", "messages"]
