"""Conversations: membership of connections, and who may join."""

from flask_realtime.features.conversations.api import ConversationCalls
from flask_realtime.features.conversations.events import ConversationReference, OneConversation, parse_conversation_reference
from flask_realtime.features.conversations.feature import conversations
from flask_realtime.features.conversations.hooks import AUTHORIZE_JOIN, ConversationHooks
from flask_realtime.features.conversations.roles import MODERATING, NOT_TAKING_PART
from flask_realtime.features.conversations.state import MEMBERS, Conversations

__all__ = [
    "AUTHORIZE_JOIN",
    "MEMBERS",
    "MODERATING",
    "NOT_TAKING_PART",
    "ConversationCalls",
    "ConversationHooks",
    "ConversationReference",
    "Conversations",
    "OneConversation",
    "conversations",
    "parse_conversation_reference",
]
