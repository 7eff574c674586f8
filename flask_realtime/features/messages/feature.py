"""Messages: events to everyone in a conversation."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature, stateless
from flask_realtime.features.messages.events import MESSAGE_DELETED, MESSAGE_NEW, MESSAGES_READ

messages: Final = Feature("messages", state=stateless, section="Messaging")

messages.add_outgoing(MESSAGE_NEW, MESSAGES_READ, MESSAGE_DELETED)
