"""Flask-SQLAlchemy models and ready-made hooks, for applications that have none of their own.

::

    store = Store(db, define_models(db))
    store.register(realtime)
"""

from flask_realtime.store.columns import IntegerKey, IntegerUserId, StringUserId, UtcDateTime, parse_id, utc_now
from flask_realtime.store.mixins import (
    ConversationMixin,
    MessageMixin,
    NotificationMixin,
    ParticipantMixin,
    ReadReceiptMixin,
)
from flask_realtime.store.models import Models, define_models
from flask_realtime.store.records import (
    ConversationRecord,
    MessagePage,
    MessageRecord,
    NotificationRecord,
    ReadResult,
)
from flask_realtime.store.store import Store

__all__ = [
    "ConversationMixin",
    "ConversationRecord",
    "IntegerKey",
    "IntegerUserId",
    "MessageMixin",
    "MessagePage",
    "MessageRecord",
    "Models",
    "NotificationMixin",
    "NotificationRecord",
    "ParticipantMixin",
    "ReadReceiptMixin",
    "ReadResult",
    "Store",
    "StringUserId",
    "UtcDateTime",
    "define_models",
    "parse_id",
    "utc_now",
]
