"""Handlers of requests about receipts."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract.effects import Outcome
from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.features.messages import MessageReference, ReadResult
from flask_realtime.features.receipts.events import MESSAGES_DELIVERED, MESSAGES_READ
from flask_realtime.features.receipts.handlers import Receipts, stored
from flask_realtime.features.receipts.hooks import ON_MESSAGES_DELIVERED, ON_MESSAGES_READ, RECEIPT_ARCHIVE
from flask_realtime.features.receipts.records import ReceiptArchive
from flask_realtime.features.receipts.seen import DeliveryResult, SeenMessages
from flask_realtime.features.receipts.views import message_receipts, seen_messages


def read_by_request(state: Receipts, caller: Caller, seen: SeenMessages) -> Outcome:
    """Mark messages as read. The answer names all that are read now; the others are sent the newly read ones."""
    result = stored(state.context, ON_MESSAGES_READ, ReadResult, caller, seen, MESSAGES_READ.name)
    return Outcome(seen_messages(result.read_ids), state.emits(seen.conversation_id, caller.user_id, result))


def delivered_by_request(state: Receipts, caller: Caller, seen: SeenMessages) -> Outcome:
    """Mark messages as delivered to the user; otherwise as for read ones."""
    result = stored(state.context, ON_MESSAGES_DELIVERED, DeliveryResult, caller, seen, MESSAGES_DELIVERED.name)
    return Outcome(seen_messages(result.delivered_ids), state.emits(seen.conversation_id, caller.user_id, result))


def receipts_of(state: Receipts, caller: Caller, reference: MessageReference) -> Any:
    """Return to whom a message is delivered, and who has read it; the first to do so first."""
    for function in state.context.functions(RECEIPT_ARCHIVE):
        archive: ReceiptArchive = function()
        return message_receipts(archive.of_message_for(caller.user_id, reference))
    msg = "The server keeps no receipts: the application registered no store"
    raise UnknownEvent(msg)
