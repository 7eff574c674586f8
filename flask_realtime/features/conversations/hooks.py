"""Hooks of conversations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

AUTHORIZE_JOIN: Final = Hook("authorize_join", ("identity", "conversation_id"), is_single=True, default=False)
ON_JOIN: Final = Hook("on_join", ("identity", "conversation_id"))
ON_LEAVE: Final = Hook("on_leave", ("identity", "conversation_id"))

AuthorizeJoin = Callable[[Identity, str], "bool | None"]
OnConversation = Callable[[Identity, str], None]
AuthorizeJoinT = TypeVar("AuthorizeJoinT", bound=AuthorizeJoin)
OnConversationT = TypeVar("OnConversationT", bound=OnConversation)


class ConversationHooks(HookDecorators):
    """The decorators of the hooks of conversations."""

    @hook_decorator
    def authorize_join(self, hook: AuthorizeJoinT) -> AuthorizeJoinT:
        """Register the hook that decides who may join a conversation, or ask who is online in it. There can be one.

        It gets the identity and the conversation's id, and returns True to admit; False or None refuses. Without it every join is
        refused.
        """
        return self.hook(AUTHORIZE_JOIN)(hook)

    @hook_decorator
    def on_join(self, hook: OnConversationT) -> OnConversationT:
        """Register a hook that is called with the identity and the conversation's id when a connection has joined.

        If it raises, the connection is removed again and the client gets the error.
        """
        return self.hook(ON_JOIN)(hook)

    @hook_decorator
    def on_leave(self, hook: OnConversationT) -> OnConversationT:
        """Register a hook that is called with the identity and the conversation's id when a connection has left, or is closed."""
        return self.hook(ON_LEAVE)(hook)
