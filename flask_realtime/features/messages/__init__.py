"""Messages: events to everyone in a conversation."""

from flask_realtime.features.messages.api import MessageCalls
from flask_realtime.features.messages.feature import messages

__all__ = ["MessageCalls", "messages"]
