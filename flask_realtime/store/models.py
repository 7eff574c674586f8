"""The models of a store, and a ready-made set for applications that have none of their own."""

from __future__ import annotations

from dataclasses import dataclass
from types import new_class
from typing import Any, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import mapped_column
from sqlalchemy.types import TypeEngine

from flask_realtime.database.base import RealtimeModelMixin
from flask_realtime.database.columns import StringUserId
from flask_realtime.features.analytics.models import ActiveUserMixin, FigureMixin
from flask_realtime.features.conversations.models import ConversationMixin, MemberCount, ParticipantMixin, PinMixin
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.messages.models import MentionMixin, MessageMixin, MessageSendMixin
from flask_realtime.features.notifications.models import NotificationMixin, PushSubscriptionMixin
from flask_realtime.features.presence.models import UserPresenceMixin
from flask_realtime.features.reactions.models import ReactionCountMixin, ReactionMixin
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.features.search.models import SearchIndex
from flask_realtime.jobs.models import JobMixin

ModelT = TypeVar("ModelT", bound=RealtimeModelMixin)


@dataclass(frozen=True)
class Models:
    """The models of one application, each built from the mixin of that name.

    Without `message_send`, clients cannot send messages with `message:send`; without `job` no notification can be critical, and
    without `push_subscription` there is no web push. With `read_receipt`, users mark messages as read one by one, and counting the
    unread ones takes time in proportion to the messages; with None the participants have cursors. Without `log_entry` there is no
    log: the application emits the events itself. Without `user_presence`, what users set of their presence survives no restart, and
    everybody's receipts are sent. Without `mention` nobody can be mentioned, without `reaction` and `reaction_count` there are no
    reactions, and without `pin` no message can be pinned. Without `message_search` messages are not searched, and without `figure`
    and `active_user` there are no analytics.
    """

    conversation: type[ConversationMixin]
    participant: type[ParticipantMixin]
    message: type[MessageMixin]
    read_receipt: type[ReadReceiptMixin] | None
    notification: type[NotificationMixin]
    message_send: type[MessageSendMixin] | None = None
    job: type[JobMixin] | None = None
    push_subscription: type[PushSubscriptionMixin] | None = None
    log_entry: type[LogEntryMixin] | None = None
    user_presence: type[UserPresenceMixin] | None = None
    mention: type[MentionMixin] | None = None
    reaction: type[ReactionMixin] | None = None
    reaction_count: type[ReactionCountMixin] | None = None
    pin: type[PinMixin] | None = None
    message_search: SearchIndex | None = None
    figure: type[FigureMixin] | None = None
    active_user: type[ActiveUserMixin] | None = None

    def __post_init__(self) -> None:
        """Let the trigger that counts participants be made with their table."""
        MemberCount.of(self.conversation, self.participant)


def define_models(  # noqa: PLR0913 - what an application chooses
    db: SQLAlchemy,
    *,
    prefix: str = "realtime_",
    user_key: str | None = None,
    user_id_type: TypeEngine[str] | None = None,
    read_receipts: bool = False,
    log: bool = False,
    search: bool = False,
    analytics: bool = False,
) -> Models:
    """Define the models on `db`, for an application that has none of its own. Call it once for each `db`.

    Args:
        db: The application's Flask-SQLAlchemy object.
        prefix: The prefix of the table names.
        user_key: The column that user ids refer to, such as `"users.id"`; None for no foreign key.
        user_id_type: The type of the user id columns, `StringUserId()` by default; `IntegerUserId()` where
            `user_key` is an integer column.
        read_receipts: Whether read receipts are rows, as version 0.1 had them, instead of cursors of the participants.
        log: Whether there is a log, which sends the events of all that the store changes; the application no longer does so.
        search: Whether there is a full-text index of the messages, which `create_all` makes with their table.
        analytics: Whether the servers count what they do; see `Store.analytics`.

    Returns:
        The models, for a `Store`.
    """
    define = _Definition(db, prefix, user_key, user_id_type or StringUserId())
    message = define.model("Message", "message", MessageMixin, sender_id=False)
    return Models(
        conversation=define.model("Conversation", "conversation", ConversationMixin),
        participant=define.model("Participant", "participant", ParticipantMixin, user_id=False),
        message=message,
        read_receipt=define.model("ReadReceipt", "read_receipt", ReadReceiptMixin, user_id=False) if read_receipts else None,
        notification=define.model("Notification", "notification", NotificationMixin, user_id=False),
        message_send=define.model("MessageSend", "message_send", MessageSendMixin, sender_id=False),
        job=define.model("Job", "job", JobMixin, user_id=False),
        push_subscription=define.model("PushSubscription", "push_subscription", PushSubscriptionMixin, user_id=False),
        log_entry=define.model("LogEntry", "log", LogEntryMixin) if log else None,
        user_presence=define.model("UserPresence", "user_presence", UserPresenceMixin, user_id=False),
        mention=define.model("Mention", "mention", MentionMixin, sender_id=False, user_id=True),
        reaction=define.model("Reaction", "reaction", ReactionMixin, user_id=False),
        reaction_count=define.model("ReactionCount", "reaction_count", ReactionCountMixin),
        pin=define.model("Pin", "pin", PinMixin, user_id=False),
        message_search=SearchIndex.of(message) if search else None,
        figure=define.model("Figure", "figure", FigureMixin) if analytics else None,
        active_user=define.model("ActiveUser", "active_user", ActiveUserMixin, user_id=False) if analytics else None,
    )


@dataclass(frozen=True)
class _Definition:
    db: SQLAlchemy
    prefix: str
    user_key: str | None
    user_id_type: TypeEngine[str]

    def model(self, name: str, table: str, mixin: type[ModelT], **user_columns: bool) -> type[ModelT]:
        """Define a model; each of its user id columns may be NULL if that is True."""
        attributes: dict[str, Any] = {
            "__module__": __name__,
            "__doc__": mixin.__doc__,
            "__tablename__": f"{self.prefix}{table}",
            "conversation_key": f"{self.prefix}conversation.id",
            "message_key": f"{self.prefix}message.id",
            "user_key": self.user_key,
        }
        columns = {column: mapped_column(self.user_id_type, nullable=nullable) for column, nullable in user_columns.items()}
        attributes.update(columns)
        base = self.db.Model
        defined = new_class(name, (mixin, base), exec_body=lambda namespace: namespace.update(attributes))
        return cast("type[ModelT]", defined)
