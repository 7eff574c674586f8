"""Messages: what everybody in a conversation hears of them."""

from flask_realtime.features.messages.api import MessageCalls
from flask_realtime.features.messages.feature import messages

__all__ = ["MessageCalls", "messages"]
