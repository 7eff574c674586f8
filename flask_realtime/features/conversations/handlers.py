"""Handlers of conversations, for events and closed connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flask_realtime.contract.effects import Effect
from flask_realtime.contract.rooms import conversation_room
from flask_realtime.errors import Forbidden, UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.conversations.events import GET_ONLINE_USERS, MESSAGE_PIN, MESSAGE_UNPIN, OneConversation
from flask_realtime.features.conversations.evictions import Evictions
from flask_realtime.features.conversations.hooks import AUTHORIZE_JOIN, CONVERSATIONS, MAY_ADD_MEMBERS, ON_JOIN, ON_LEAVE
from flask_realtime.features.conversations.membership import Membership
from flask_realtime.features.conversations.records import OneMessage
from flask_realtime.features.conversations.state import MEMBERS, Conversations
from flask_realtime.features.conversations.stored import StoredConversations, StoredPins


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
        self.evictions = Evictions(context)
        self._context = context
        self.shown_users: Callable[[Caller, Sequence[str], str], list[str]] = _all_users
        """Returns those of some users who may be shown to one, who asks by an event; the feature presence sets it."""

    @property
    def is_stored(self) -> bool:
        """Return whether the store keeps the conversations, so that their ids are text in all that it sends."""
        return self._context.is_registered(CONVERSATIONS)

    def stored(self, request: str) -> StoredConversations:
        """Return the store, which answers a request about conversations.

        Args:
            request: The event or request, for the error.

        Raises:
            UnknownEvent: There is none, or it is not registered.
        """
        for function in self._context.functions(CONVERSATIONS):
            stored: StoredConversations = function()
            return stored
        msg = f"The server does not take {request}: the application has no store of conversations"
        raise UnknownEvent(msg)

    def require_may_add(self, caller: Caller, user_ids: Sequence[str], request: str) -> None:
        """Ask the application whether a user may add others to a conversation.

        Raises:
            Forbidden: The application refused.
            EventError: The hook raised it, or failed.
        """
        context = self._context
        if not context.is_registered(MAY_ADD_MEMBERS):
            return
        if not context.decide(MAY_ADD_MEMBERS, caller.identity, tuple(user_ids), caller=caller, event=request):
            msg = "You may not add these users"
            raise Forbidden(msg)


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
    return state.shown_users(caller, state.online_users(request.conversation_id), GET_ONLINE_USERS)


def pin(state: ConversationRooms, caller: Caller, message: OneMessage) -> None:
    """Handle `message:pin`."""
    _pins(state, MESSAGE_PIN).add(message.conversation_id, message.message_id, by=caller.user_id)


def unpin(state: ConversationRooms, caller: Caller, message: OneMessage) -> None:
    """Handle `message:unpin`."""
    _pins(state, MESSAGE_UNPIN).remove(message.conversation_id, message.message_id, by=caller.user_id)


def _pins(state: ConversationRooms, event: str) -> StoredPins:
    pins = state.stored(event).pins
    if not pins.is_available:
        msg = f"The server does not take {event}: the store has no model of pins"
        raise UnknownEvent(msg)
    return pins


def disconnected(state: ConversationRooms, caller: Caller) -> Iterable[Effect]:
    """Forget a closed connection."""
    return state.membership.disconnected(caller)


def recovered(state: ConversationRooms, caller: Caller) -> None:
    """Join a connection that came back to its conversations."""
    state.membership.recovered(caller)


def begin_removal(state: ConversationRooms, conversation_id: str, user_id: str) -> None:
    """Take a user's connections on this server out of a conversation's room, lost ones first, and let none in for now."""
    state.membership.joins.begin_removal(user_id, conversation_id)
    for lost in state.lost_connections(user_id):
        lost.leave_room(conversation_room(conversation_id))
    for caller in state.connections_of(user_id):
        state.membership.put_out(caller, conversation_id)


def undo_removal(state: ConversationRooms, conversation_id: str, user_id: str) -> None:
    """Let a user's connections on this server into a conversation's room again."""
    state.membership.joins.end_removal(user_id, conversation_id)
    for caller in state.connections_of(user_id):
        state.membership.put_back(caller, conversation_id)


def remove(state: ConversationRooms, conversation_id: str, user_id: str) -> None:
    """Remove a user's connections on this server from a conversation, lost ones first: they may come back meanwhile."""
    state.membership.joins.end_removal(user_id, conversation_id)
    for lost in state.lost_connections(user_id):
        lost.leave_room(conversation_room(conversation_id))
    for caller in state.connections_of(user_id):
        state.membership.leave(caller, conversation_id)


def _all_users(_caller: Caller, user_ids: Sequence[str], _event: str) -> list[str]:
    return list(user_ids)
