"""Conversations: membership of connections, and who may join."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import events, handlers, hooks, roles, views
from flask_realtime.features.conversations.evictions import BEGIN_REMOVAL, REMOVE, UNDO_REMOVAL
from flask_realtime.features.conversations.handlers import ConversationRooms

conversations: Final = Feature("conversations", state=ConversationRooms, section="Messaging")

conversations.add_outgoing(
    events.CONVERSATION_NEW,
    events.CONVERSATION_UPDATED,
    events.CONVERSATION_REMOVED,
    events.MEMBER_JOINED,
    events.MEMBER_UPDATED,
    events.MEMBER_LEFT,
)
conversations.add_hook(hooks.AUTHORIZE_JOIN)
conversations.add_hook(hooks.ON_JOIN)
conversations.add_hook(hooks.ON_LEAVE)
conversations.add_hook(hooks.MAY_ADD_MEMBERS)
conversations.add_hook(hooks.CONVERSATIONS)

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
    hint="authorize_join is the hook that decides who may ask, may_see_presence the one that decides whom they see.",
    answer=list[str],
    limit="presence",
    summary="Ask which users have a connection joined to a conversation. Only for users who have joined, or whom `authorize_join` "
    "admits.",
)(handlers.online_users)

_pinning: Final = partial(
    conversations.event,
    hint="There is no hook for it. Store.register answers it.",
    payload=events.MessageReference,
    parse=events.parse_message_reference,
    limit="conversations",
)

_pinning(
    events.MESSAGE_PIN,
    summary="Pin a message in its conversation: in a group its owners and moderators may, in a direct conversation both. At most "
    f"{roles.MAX_PINS} messages are pinned in one. Pinning one twice is no error, and notifies nobody.",
)(handlers.pin)

_pinning(
    events.MESSAGE_UNPIN,
    summary="Unpin a message; as `message:pin`.",
)(handlers.unpin)

views.declare(conversations)

conversations.on_disconnected(handlers.disconnected)
conversations.on_recovered(handlers.recovered)
conversations.command(BEGIN_REMOVAL)(handlers.begin_removal)
conversations.command(UNDO_REMOVAL)(handlers.undo_removal)
conversations.command(REMOVE)(handlers.remove)
