"""Calls of conversations, for applications."""

from __future__ import annotations

from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.conversations.evictions import REMOVE, WAIT_SECONDS
from flask_realtime.features.conversations.feature import conversations


class ConversationCalls(Calls):
    """The calls about conversations."""

    def remove_from_conversation(self, conversation_id: WireId, user_id: WireId) -> None:
        """Remove all of a user's connections from a conversation, for instance after the user lost access.

        They get nothing that another server sends to it after this has returned, unless the message queue cannot be reached; on
        the server that sends, they may until the removal has arrived there. It waits for that: some milliseconds, and a second and
        a half at most, where the queue or a server gives no answer.

        Args:
            conversation_id: The conversation.
            user_id: The user.
        """
        arguments = (parse_id(conversation_id, "conversation_id"), parse_id(user_id, "user_id"))
        self._target().everywhere(conversations, REMOVE, *arguments)
        self._target().wait_passed(WAIT_SECONDS)
