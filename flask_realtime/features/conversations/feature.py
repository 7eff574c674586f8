"""Conversations: membership of connections, and who may join."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import events, handlers, hooks
from flask_realtime.features.conversations.handlers import ConversationRooms

REMOVE: Final = "remove_from_conversation"

conversations: Final = Feature("conversations", state=ConversationRooms, section="Messaging")

conversations.add_hook(hooks.AUTHORIZE_JOIN)
conversations.add_hook(hooks.ON_JOIN)
conversations.add_hook(hooks.ON_LEAVE)

_event: Final = partial(
    conversations.event, payload=WireId, parse=events.parse_conversation_id, argument=events.CONVERSATION_ID, app_context=False
)

_event(
    events.JOIN_CONVERSATION,
    hint="authorize_join is the hook that decides who may join, on_join the one that is notified.",
    limit="joins",
    summary="Join a conversation, to receive what is sent in it. The application's `authorize_join` hook decides; without one "
    "every join is refused. Joining twice is no error.",
)(handlers.join)

_event(
    events.LEAVE_CONVERSATION,
    hint="on_leave is its hook.",
    limit="joins",
    summary="Leave a conversation. Leaving one that the connection is not in is no error.",
)(handlers.leave)

_event(
    events.GET_ONLINE_USERS,
    hint="authorize_join is the hook that decides who may ask.",
    answer=list[str],
    limit="presence",
    summary="Ask which users have a connection joined to a conversation. Only for users who have joined, or whom `authorize_join` "
    "admits.",
)(handlers.online_users)

conversations.on_disconnected(handlers.disconnected)
conversations.on_recovered(handlers.recovered)
conversations.command(REMOVE)(handlers.remove)
