"""Flask-SQLAlchemy models and ready-made hooks, for applications that have none of their own.

::

    store = Store(db, define_models(db))
    store.register(realtime)
"""

from flask_realtime.database.columns import IntegerKey, IntegerUserId, StringUserId, UtcDateTime, parse_row_id, utc_now
from flask_realtime.features.analytics.models import ActiveUserMixin, FigureMixin
from flask_realtime.features.analytics.store import AnalyticsStore
from flask_realtime.features.conversations.members_store import MemberStore
from flask_realtime.features.conversations.models import ConversationMixin, MemberCount, ParticipantMixin, PinMixin
from flask_realtime.features.conversations.pins_store import PinStore
from flask_realtime.features.conversations.records import ConversationRecord, MemberPage, MemberRecord, ParticipantRecord
from flask_realtime.features.conversations.store import ConversationStore
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.log.store import LogStore
from flask_realtime.features.messages.models import MentionMixin, MessageMixin, MessageSendMixin
from flask_realtime.features.messages.reading import ReadResult
from flask_realtime.features.messages.records import MessagePage, MessageRecord, SendResult
from flask_realtime.features.messages.store import MessageStore
from flask_realtime.features.notifications.models import NotificationMixin, PushSubscriptionMixin
from flask_realtime.features.notifications.records import NotificationRecord
from flask_realtime.features.notifications.store import NotificationStore, PushStore
from flask_realtime.features.notifications.subscriptions import PushSubscription
from flask_realtime.features.presence.models import UserPresenceMixin
from flask_realtime.features.presence.store import PresenceStore, PrivacyRecord, PrivacyStore
from flask_realtime.features.reactions.models import ReactionCountMixin, ReactionMixin
from flask_realtime.features.reactions.store import ReactionRecord, ReactionStore
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.features.receipts.records import MessageReceipts, ReceiptRecord
from flask_realtime.features.receipts.seen import DeliveryResult
from flask_realtime.features.receipts.store import ReceiptStore
from flask_realtime.features.search.models import SearchIndex
from flask_realtime.features.search.store import SearchHit, SearchPage, SearchStore
from flask_realtime.jobs.job import Job
from flask_realtime.jobs.models import JobMixin
from flask_realtime.jobs.store import JobStore
from flask_realtime.store.models import Models, define_models
from flask_realtime.store.store import Store

parse_id = parse_row_id
"""The former name of `parse_row_id`; ids on the wire are parsed by another function of that name."""

__all__ = [
    "ActiveUserMixin",
    "AnalyticsStore",
    "ConversationMixin",
    "ConversationRecord",
    "ConversationStore",
    "DeliveryResult",
    "FigureMixin",
    "IntegerKey",
    "IntegerUserId",
    "Job",
    "JobMixin",
    "JobStore",
    "LogEntryMixin",
    "LogStore",
    "MemberCount",
    "MemberPage",
    "MemberRecord",
    "MemberStore",
    "MentionMixin",
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
    "ParticipantRecord",
    "PinMixin",
    "PinStore",
    "PresenceStore",
    "PrivacyRecord",
    "PrivacyStore",
    "PushStore",
    "PushSubscription",
    "PushSubscriptionMixin",
    "ReactionCountMixin",
    "ReactionMixin",
    "ReactionRecord",
    "ReactionStore",
    "ReadReceiptMixin",
    "ReadResult",
    "ReceiptRecord",
    "ReceiptStore",
    "SearchHit",
    "SearchIndex",
    "SearchPage",
    "SearchStore",
    "SendResult",
    "Store",
    "StringUserId",
    "UserPresenceMixin",
    "UtcDateTime",
    "define_models",
    "parse_id",
    "parse_row_id",
    "utc_now",
]
