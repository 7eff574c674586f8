"""Hooks of conversations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

AUTHORIZE_JOIN: Final = Hook("authorize_join", ("identity", "conversation_id"), is_single=True, default=False)
ON_JOIN: Final = Hook("on_join", ("identity", "conversation_id"))
ON_LEAVE: Final = Hook("on_leave", ("identity", "conversation_id"))

MAY_ADD_MEMBERS: Final = Hook("may_add_members", ("identity", "user_ids"), is_single=True, default=True)

CONVERSATIONS: Final = Hook("conversations.stored", (), is_single=True)
"""Its function returns the `StoredConversations`. `Store.register` registers it; an application without the store has none."""

AuthorizeJoin = Callable[[Identity, str], "bool | None"]
MayAddMembers = Callable[[Identity, Sequence[str]], "bool | None"]
MayAddMembersT = TypeVar("MayAddMembersT", bound=MayAddMembers)
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

    @hook_decorator
    def may_add_members(self, hook: MayAddMembersT) -> MayAddMembersT:
        """Register the hook that is asked before users are added to a conversation, a new one too. There can be one.

        It gets the identity of the user who adds them, and their ids, and returns False to refuse, or raises `RateLimited` or
        another `EventError`. It is asked before the store looks whether they exist.
        """
        return self.hook(MAY_ADD_MEMBERS)(hook)
