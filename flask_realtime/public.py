"""Public names, which `flask_realtime` has as well."""

from flask_realtime.backends.base import PresenceEntry
from flask_realtime.emitter import RealtimeEmitter
from flask_realtime.extension import Realtime
from flask_realtime.feature import Caller, Emit, Feature, FeatureContext, Hook, Outcome, OutgoingEvent
from flask_realtime.features.messages import NewMessage, ReadResult, SentMessage
from flask_realtime.features.notifications import CriticalNotification, new_push_key
from flask_realtime.features.receipts import DeliveryResult, SeenMessages
from flask_realtime.functions import (
    broadcast_to_all,
    disconnect_token,
    disconnect_user,
    emit,
    emit_message_deleted,
    emit_message_delivered,
    emit_message_read,
    emit_new_message,
    emit_notification_to_user,
    emit_order_update,
    emit_receipts,
    get_online_users,
    get_online_users_count,
    get_presence,
    get_user_connections,
    get_user_status,
    is_user_online,
    log,
    remove_from_conversation,
    send_to_conversation,
    send_to_user,
    set_presence,
    set_privacy,
    state_of,
)
from flask_realtime.gateway.connection import current_connection
from flask_realtime.identity import Identity

__all__ = [
    "Caller",
    "CriticalNotification",
    "DeliveryResult",
    "Emit",
    "Feature",
    "FeatureContext",
    "Hook",
    "Identity",
    "NewMessage",
    "Outcome",
    "OutgoingEvent",
    "PresenceEntry",
    "ReadResult",
    "Realtime",
    "RealtimeEmitter",
    "SeenMessages",
    "SentMessage",
    "broadcast_to_all",
    "current_connection",
    "disconnect_token",
    "disconnect_user",
    "emit",
    "emit_message_deleted",
    "emit_message_delivered",
    "emit_message_read",
    "emit_new_message",
    "emit_notification_to_user",
    "emit_order_update",
    "emit_receipts",
    "get_online_users",
    "get_online_users_count",
    "get_presence",
    "get_user_connections",
    "get_user_status",
    "is_user_online",
    "log",
    "new_push_key",
    "remove_from_conversation",
    "send_to_conversation",
    "send_to_user",
    "set_presence",
    "set_privacy",
    "state_of",
]
