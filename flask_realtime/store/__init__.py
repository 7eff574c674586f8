"""Flask-SQLAlchemy models and ready-made hooks, for applications that have none of their own.

::

    store = Store(db, define_models(db))
    store.register(realtime)
"""

from flask_realtime.database.columns import IntegerKey, IntegerUserId, StringUserId, UtcDateTime, parse_row_id, utc_now
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.conversations.store import ConversationRecord, ConversationStore
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.log.store import LogStore
from flask_realtime.features.messages.models import MessageMixin, MessageSendMixin, ReadReceiptMixin
from flask_realtime.features.messages.store import MessagePage, MessageRecord, MessageStore, ReadResult, SendResult
from flask_realtime.features.notifications.models import NotificationMixin
from flask_realtime.features.notifications.store import NotificationRecord, NotificationStore
from flask_realtime.store.models import Models, define_models
from flask_realtime.store.store import Store

parse_id = parse_row_id
"""The former name of `parse_row_id`; ids on the wire are parsed by another function of that name."""

__all__ = [
    "ConversationMixin",
    "ConversationRecord",
    "ConversationStore",
    "IntegerKey",
    "IntegerUserId",
    "LogEntryMixin",
    "LogStore",
    "MessageMixin",
    "MessagePage",
    "MessageRecord",
    "MessageSendMixin",
    "MessageStore",
    "Models",
    "NotificationMixin",
    "NotificationRecord",
    "NotificationStore",
    "ParticipantMixin",
    "ReadReceiptMixin",
    "ReadResult",
    "SendResult",
    "Store",
    "StringUserId",
    "UtcDateTime",
    "define_models",
    "parse_id",
    "parse_row_id",
    "utc_now",
]
