"""Handlers of conversations, for events and closed connections."""

from __future__ import annotations

from collections.abc import Iterable

from flask_realtime.contract.effects import Effect
from flask_realtime.contract.rooms import conversation_room
from flask_realtime.feature.context import Caller, FeatureContext
from flask_realtime.features.conversations.events import GET_ONLINE_USERS, OneConversation
from flask_realtime.features.conversations.hooks import AUTHORIZE_JOIN, ON_JOIN, ON_LEAVE
from flask_realtime.features.conversations.membership import Membership
from flask_realtime.features.conversations.state import MEMBERS, Conversations


class ConversationRooms(Conversations):
    """The state of conversations in one application: memberships, and the handlers that change them.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        super().__init__(context.tracker(MEMBERS))
        self.membership = Membership(context, self, AUTHORIZE_JOIN, ON_JOIN, ON_LEAVE)
        self.connections_of = context.connections_of
        self.lost_connections = context.lost_connections
        self.everywhere = context.everywhere


def join(state: ConversationRooms, caller: Caller, request: OneConversation) -> None:
    """Handle `join:conversation`."""
    state.membership.join(caller, request.conversation_id)


def leave(state: ConversationRooms, caller: Caller, request: OneConversation) -> None:
    """Handle `leave:conversation`."""
    state.membership.leave(caller, request.conversation_id)


def online_users(state: ConversationRooms, caller: Caller, request: OneConversation) -> list[str]:
    """Handle `conversation:get-online-users`."""
    if not state.is_joined(caller.id, request.conversation_id):
        state.membership.authorize(caller, request.conversation_id, GET_ONLINE_USERS)
    return state.online_users(request.conversation_id)


def disconnected(state: ConversationRooms, caller: Caller) -> Iterable[Effect]:
    """Forget a closed connection."""
    return state.membership.disconnected(caller)


def recovered(state: ConversationRooms, caller: Caller) -> None:
    """Join a connection that came back to its conversations."""
    state.membership.recovered(caller)


def remove(state: ConversationRooms, conversation_id: str, user_id: str) -> None:
    """Remove a user's connections on this server from a conversation, lost ones first: they may come back meanwhile."""
    for lost in state.lost_connections(user_id):
        lost.leave_room(conversation_room(conversation_id))
    for caller in state.connections_of(user_id):
        state.membership.leave(caller, conversation_id)
