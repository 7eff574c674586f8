"""Reactions: emoji that users attach to messages."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.feature.feature import Feature, stateless
from flask_realtime.features.messages import messages
from flask_realtime.features.reactions import handlers
from flask_realtime.features.reactions.events import (
    REACTION_ADD,
    REACTION_ADDED,
    REACTION_REMOVE,
    REACTION_REMOVED,
    ReactionPayload,
    parse_reaction,
)
from flask_realtime.features.reactions.hooks import REACTIONS
from flask_realtime.features.reactions.reaction import MAX_KINDS
from flask_realtime.features.reactions.views import ROUTES

reactions: Final = Feature("reactions", state=stateless, requires=[messages], section="Messaging")

reactions.add_outgoing(REACTION_ADDED, REACTION_REMOVED)
reactions.add_hook(REACTIONS)

_event: Final = partial(
    reactions.event,
    payload=ReactionPayload,
    parse=parse_reaction,
    limit="reactions",
    hint="There is no hook for it. Store.register keeps reactions in the database.",
)

_event(
    REACTION_ADD,
    summary="React to a message with an emoji. Only for participants of the conversation: others get `forbidden`; a message that "
    "was deleted is `not_found`. A user reacts to a message with an emoji once: doing it again is no error, and nobody is told. "
    f"`emoji` is exactly one emoji. A message has at most {MAX_KINDS} kinds of reactions: one more is `forbidden`. Without a store "
    "of reactions the answer is `unknown_event`.",
)(handlers.add)

_event(
    REACTION_REMOVE,
    summary="Take a reaction back; otherwise as `reaction:add`. Taking back what is not there is no error, and nobody is told.",
)(handlers.remove)

reactions.add_routes(*ROUTES)
