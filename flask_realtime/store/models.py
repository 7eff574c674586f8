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
from flask_realtime.features.conversations.models import ConversationMixin, ParticipantMixin
from flask_realtime.features.log.models import LogEntryMixin
from flask_realtime.features.messages.models import MessageMixin, MessageSendMixin
from flask_realtime.features.notifications.models import NotificationMixin, PushSubscriptionMixin
from flask_realtime.features.receipts.models import ReadReceiptMixin
from flask_realtime.jobs.models import JobMixin

ModelT = TypeVar("ModelT", bound=RealtimeModelMixin)


@dataclass(frozen=True)
class Models:
    """The models of one application, each built from the mixin of that name.

    Without `message_send`, clients cannot send messages with `message:send`; without `job` no notification can be critical, and
    without `push_subscription` there is no web push. With `read_receipt`, users mark messages as read one by one, and counting the
    unread ones takes time in proportion to the messages; with None the participants have cursors. Without `log_entry` there is no
    log: the application emits the events itself.
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


def define_models(  # noqa: PLR0913 - what an application chooses
    db: SQLAlchemy,
    *,
    prefix: str = "realtime_",
    user_key: str | None = None,
    user_id_type: TypeEngine[str] | None = None,
    read_receipts: bool = False,
    log: bool = False,
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

    Returns:
        The models, for a `Store`.
    """
    define = _Definition(db, prefix, user_key, user_id_type or StringUserId())
    return Models(
        conversation=define.model("Conversation", "conversation", ConversationMixin),
        participant=define.model("Participant", "participant", ParticipantMixin, "user_id"),
        message=define.model("Message", "message", MessageMixin, "sender_id"),
        read_receipt=define.model("ReadReceipt", "read_receipt", ReadReceiptMixin, "user_id") if read_receipts else None,
        notification=define.model("Notification", "notification", NotificationMixin, "user_id"),
        message_send=define.model("MessageSend", "message_send", MessageSendMixin, "sender_id"),
        job=define.model("Job", "job", JobMixin, "user_id"),
        push_subscription=define.model("PushSubscription", "push_subscription", PushSubscriptionMixin, "user_id"),
        log_entry=define.model("LogEntry", "log", LogEntryMixin) if log else None,
    )


@dataclass(frozen=True)
class _Definition:
    db: SQLAlchemy
    prefix: str
    user_key: str | None
    user_id_type: TypeEngine[str]

    def model(self, name: str, table: str, mixin: type[ModelT], user_column: str | None = None) -> type[ModelT]:
        attributes: dict[str, Any] = {
            "__module__": __name__,
            "__doc__": mixin.__doc__,
            "__tablename__": f"{self.prefix}{table}",
            "conversation_key": f"{self.prefix}conversation.id",
            "message_key": f"{self.prefix}message.id",
            "user_key": self.user_key,
        }
        if user_column is not None:
            attributes[user_column] = mapped_column(self.user_id_type, nullable=False)
        base = self.db.Model
        defined = new_class(name, (mixin, base), exec_body=lambda namespace: namespace.update(attributes))
        return cast("type[ModelT]", defined)
