"""Messages: what everybody in a conversation hears of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_realtime.contract import events
from flask_realtime.contract.ids import WireId, parse_wire_id
from flask_realtime.contract.payloads import message_deleted_payload, messages_read_payload
from flask_realtime.contract.rooms import conversation_room
from flask_realtime.features.effects import Send


def new_message(conversation_id: WireId, message: Any) -> Send:
    """Announce a new message.

    Raises:
        InvalidId: The conversation's id is none.
    """
    text, _ = parse_wire_id(conversation_id, "conversation_id")
    return Send(events.MESSAGE_NEW, (message,), (conversation_room(text),))


def messages_read(conversation_id: WireId, message_ids: Iterable[WireId], user_id: str | None) -> Send:
    """Announce that messages were read.

    Raises:
        InvalidId: The conversation's or a message's id is none.
    """
    text, wire_id = parse_wire_id(conversation_id, "conversation_id")
    ids = [parse_wire_id(message_id, "message_ids")[1] for message_id in message_ids]
    return Send(events.MESSAGES_READ, (messages_read_payload(wire_id, ids, user_id),), (conversation_room(text),))


def message_deleted(conversation_id: WireId, message_id: WireId) -> Send:
    """Announce that a message was deleted.

    Raises:
        InvalidId: The conversation's or the message's id is none.
    """
    text, wire_id = parse_wire_id(conversation_id, "conversation_id")
    payload = message_deleted_payload(wire_id, parse_wire_id(message_id, "message_id")[1])
    return Send(events.MESSAGE_DELETED, (payload,), (conversation_room(text),))
