"""Evictions: connections of users who lose a conversation leave its room on every server, before that is committed.

::

    begin ─► stream ─► every server: out of the room, and nobody in        what is sent from the commit on is
      commit                                                               behind it in the stream
    end ──► stream ─► every server: hooks and the other features hear of it, and the application decides on joins again
"""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.feature.context import FeatureContext

REMOVE: Final = "remove_from_conversation"
BEGIN_REMOVAL: Final = "begin_removal"
UNDO_REMOVAL: Final = "undo_removal"

WAIT_SECONDS: Final = 1.0
"""Seconds for which a removal waits for the message queue."""


class Evictions:
    """The evictions of one application.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._context = context

    def begin(self, conversation_id: str, user_id: str) -> None:
        """Take a user's connections out of a conversation's room, and let none in until `end` or `undo`.

        Call it before the transaction that removes the user: with a message queue it waits, a second and a half at most, until no
        server gets a later message before it. Where `end` never follows, joins are possible again after 5 seconds.
        """
        self._context.everywhere(BEGIN_REMOVAL, conversation_id, user_id)
        self._context.backend.wait_passed(WAIT_SECONDS)

    def end(self, conversation_id: str, user_id: str) -> None:
        """Let a user's connections leave a conversation, when the current transaction of `db.session` is committed."""
        self._context.after_commit(REMOVE, partial(self._context.everywhere, REMOVE, conversation_id, user_id))

    def undo(self, conversation_id: str, user_id: str) -> None:
        """Let a user's connections into a conversation's room again: the user was not removed."""
        self._context.everywhere(UNDO_REMOVAL, conversation_id, user_id)
