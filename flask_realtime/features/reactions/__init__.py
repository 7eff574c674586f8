"""Reactions: emoji that users attach to messages."""

from flask_realtime.features.reactions.feature import reactions
from flask_realtime.features.reactions.reaction import MAX_KINDS, MAX_USER_IDS, Reaction

__all__ = ["MAX_KINDS", "MAX_USER_IDS", "Reaction", "reactions"]
