"""Receipts: to whom messages are delivered, and who has read them."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.log import log
from flask_realtime.features.messages import MessageReferencePayload, messages, parse_message_reference
from flask_realtime.features.receipts import handlers, hooks, requests, views
from flask_realtime.features.receipts.events import MESSAGES_DELIVERED, MESSAGES_READ, UNREAD_CHANGED, SeenPayload, parse_seen
from flask_realtime.features.receipts.handlers import Receipts

receipts: Final = Feature("receipts", state=Receipts, requires=[messages, log], section="Messaging")

receipts.add_outgoing(MESSAGES_READ, MESSAGES_DELIVERED, UNREAD_CHANGED)
receipts.add_hook(hooks.ON_MESSAGES_READ)
receipts.add_hook(hooks.ON_MESSAGES_DELIVERED)
receipts.add_hook(hooks.RECEIPT_PLACE)
receipts.add_hook(hooks.RECEIPT_ARCHIVE)

_event: Final = partial(receipts.event, payload=SeenPayload, parse=parse_seen, limit="receipts", app_context=False)

_event(
    MESSAGES_READ.name,
    hint="on_messages_read is its hook.",
    summary="Say that the user has read messages: either `messageIds`, 500 at most, or all up to `upTo`. Only for participants of "
    "the conversation. The application's `on_messages_read` hook stores it; without one the answer is `unknown_event`. With the "
    "store's cursors, whoever has read a message has read all before it.",
)(handlers.read)

_event(
    MESSAGES_DELIVERED.name,
    hint="on_messages_delivered is its hook.",
    summary="Say that messages have reached the user: as `messages:read`, with the `on_messages_delivered` hook. A message that "
    "was read is delivered.",
)(handlers.delivered)

_request: Final = partial(receipts.request, payload=SeenPayload, parse=parse_seen, limit="receipts")

_request("POST", views.READ, answer=views.SeenAnswer)(requests.read_by_request)
_request("POST", views.DELIVERED, answer=views.SeenAnswer)(requests.delivered_by_request)
receipts.request(
    "GET",
    views.RECEIPTS,
    payload=MessageReferencePayload,
    parse=parse_message_reference,
    answer=views.MessageReceiptsAnswer,
    limit="pages",
)(requests.receipts_of)
