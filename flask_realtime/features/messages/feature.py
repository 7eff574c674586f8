"""Messages: sending, editing and deleting them, and events to everyone in a conversation."""

from __future__ import annotations

from typing import Final

from flask_realtime.contract.parsing import parse_nothing
from flask_realtime.feature.feature import Feature, stateless
from flask_realtime.features.log import log
from flask_realtime.features.messages import events, handlers, hooks, views

messages: Final = Feature("messages", state=stateless, requires=[log], section="Messaging")

messages.add_outgoing(events.MESSAGE_NEW, events.MESSAGE_UPDATED, events.MESSAGE_DELETED, events.THREAD_UPDATED)
messages.add_hook(hooks.ON_MESSAGE_SEND)
messages.add_hook(hooks.MESSAGE_ARCHIVE)
messages.add_hook(hooks.MAY_MODERATE)

_NO_HOOK: Final = "There is no hook for it. Store.register answers it from the store."

messages.event(
    events.MESSAGE_SEND,
    hint="on_message_send is its hook.",
    payload=events.MessageSendPayload,
    parse=events.parse_message_send,
    answer=events.MessageSentAnswer,
    limit="messages",
    app_context=False,
    summary="Send a message to a conversation. Only for its participants. `clientId` is the client's own id of the message: for 24 "
    "hours, sending it again stores nothing, notifies nobody, and gets the same answer. `replyTo` is a message that this one "
    "quotes, `threadId` the one whose thread it is in, and `mentions` holds ids of participants, at most 50, or `*` for everyone, "
    "which moderators and owners may. The application's `on_message_send` hook stores it; without one the answer is "
    "`unknown_event`. `attachmentIds` is not supported yet: with one the answer is `bad_request`.",
)(handlers.send)

messages.event(
    events.MESSAGE_EDIT,
    hint=_NO_HOOK,
    payload=events.MessageEditPayload,
    parse=events.parse_message_edit,
    answer=events.MessageSentAnswer,
    limit="messages",
    summary="Change the content of one's own message, for as long after its sending as `REALTIME_EDIT_WINDOW` says. Giving it the "
    "content that it has is no error, and tells nobody.",
)(handlers.edit)

messages.event(
    events.MESSAGE_DELETE,
    hint="may_moderate is the hook that decides who else may delete the messages of others.",
    payload=events.MessageReferencePayload,
    parse=events.parse_message_reference,
    limit="messages",
    summary="Delete a message: one's own or, as a moderator or owner of the conversation, anybody's. Its content goes, and it "
    "stays in its place with `deletedAt`.",
)(handlers.delete)

messages.add_routes(*views.ROUTES)
messages.request(
    "GET",
    views.MESSAGES,
    payload=views.MessagesQuery,
    parse=views.parse_messages_query,
    answer=views.MessagesAnswer,
    limit="pages",
)(handlers.page)
messages.request("GET", views.UNREAD_COUNT, payload=None, parse=parse_nothing, answer=views.UnreadAnswer, limit="pages")(
    handlers.unread_count
)
