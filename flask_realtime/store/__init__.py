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
from flask_realtime.features.messages.models import MessageMixin, MessageSendMixin
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.store import MessagePage, MessageRecord, MessageStore, SendResult
from flask_realtime.features.notifications.models import NotificationMixin, PushSubscriptionMixin
from flask_realtime.features.notifications.store import NotificationRecord, NotificationStore, PushStore
from flask_realtime.features.notifications.subscriptions import PushSubscription
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.features.receipts.seen import DeliveryResult
from flask_realtime.features.receipts.store import MessageReceipts, ReceiptRecord, ReceiptStore
from flask_realtime.jobs.job import Job
from flask_realtime.jobs.models import JobMixin
from flask_realtime.jobs.store import JobStore
from flask_realtime.store.models import Models, define_models
from flask_realtime.store.store import Store

parse_id = parse_row_id
"""The former name of `parse_row_id`; ids on the wire are parsed by another function of that name."""

__all__ = [
    "ConversationMixin",
    "ConversationRecord",
    "ConversationStore",
    "DeliveryResult",
    "IntegerKey",
    "IntegerUserId",
    "Job",
    "JobMixin",
    "JobStore",
    "LogEntryMixin",
    "LogStore",
    "MessageMixin",
    "MessagePage",
    "MessageReceipts",
    "MessageRecord",
    "MessageSendMixin",
    "MessageStore",
    "Models",
    "NotificationMixin",
    "NotificationRecord",
    "NotificationStore",
    "ParticipantMixin",
    "PushStore",
    "PushSubscription",
    "PushSubscriptionMixin",
    "ReadReceiptMixin",
    "ReadResult",
    "ReceiptRecord",
    "ReceiptStore",
    "SendResult",
    "Store",
    "StringUserId",
    "UtcDateTime",
    "define_models",
    "parse_id",
    "parse_row_id",
    "utc_now",
]
