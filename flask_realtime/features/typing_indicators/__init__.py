"""Typing indicators: relayed to the other users of a conversation, and ended by the server if the typist does not."""

from flask_realtime.features.typing_indicators.feature import typing_indicators
from flask_realtime.features.typing_indicators.state import TypingIndicators

__all__ = ["TypingIndicators", "typing_indicators"]
