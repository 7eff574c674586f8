"""Typing indicators: relayed to the other users of a conversation, and ended by the server if the typist does not."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import ConversationReference, conversations, parse_conversation_reference
from flask_realtime.features.typing_indicators import handlers
from flask_realtime.features.typing_indicators.events import TYPING_START, TYPING_STOP
from flask_realtime.features.typing_indicators.handlers import Typing

typing_indicators: Final = Feature("typing_indicators", state=Typing, requires=[conversations], section="Messaging")

typing_indicators.add_outgoing(TYPING_START, TYPING_STOP)

_event: Final = partial(
    typing_indicators.event,
    hint="There is no hook for it.",
    payload=ConversationReference,
    parse=parse_conversation_reference,
    limit="typing",
    inline=True,
)

_event(
    TYPING_START.name,
    summary="Announce that the user is typing. Only from a connection that has joined the conversation.",
)(handlers.start)
typing_indicators.repeats(TYPING_START.name)(handlers.repeat_start)

_event(
    TYPING_STOP.name,
    summary="Announce that the user stopped typing. Only from a connection that has joined the conversation.",
)(handlers.stop)

typing_indicators.on_relayed(TYPING_START.name)(handlers.relayed_start)
typing_indicators.on_relayed(TYPING_STOP.name)(handlers.relayed_stop)

typing_indicators.on_left(handlers.left)
typing_indicators.on_disconnected(handlers.disconnected)
typing_indicators.on_recovered(handlers.disconnected)
