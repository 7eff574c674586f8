"""Handlers of reactions: the store keeps them, and tells the conversation of each change."""

from __future__ import annotations

from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.reactions.events import REACTION_ADD, REACTION_REMOVE
from flask_realtime.features.reactions.hooks import REACTIONS
from flask_realtime.features.reactions.reaction import Reaction, StoredReactions


def add(context: FeatureContext, caller: Caller, reaction: Reaction) -> None:
    """Handle `reaction:add`."""
    stored = _stored_reactions(context, REACTION_ADD)
    stored.add(reaction.conversation_id, reaction.message_id, caller.user_id, reaction.emoji)


def remove(context: FeatureContext, caller: Caller, reaction: Reaction) -> None:
    """Handle `reaction:remove`."""
    stored = _stored_reactions(context, REACTION_REMOVE)
    stored.remove(reaction.conversation_id, reaction.message_id, caller.user_id, reaction.emoji)


def _stored_reactions(context: FeatureContext, event: str) -> StoredReactions:
    """Return what keeps the application's reactions.

    Raises:
        UnknownEvent: There is nothing.
    """
    for function in context.functions(REACTIONS):
        stored: StoredReactions = function()
        return stored
    msg = f"The server does not take {event}: no store of reactions is registered"
    raise UnknownEvent(msg)
