"""Models of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import conv

from flask_realtime.database.base import MAX_TITLE_LENGTH, Constraint, RealtimeModelMixin, foreign_keys, index, unique
from flask_realtime.database.columns import StringUserId, UtcDateTime
from flask_realtime.features.notifications.subscriptions import MAX_ENDPOINT_LENGTH

MAX_TYPE_LENGTH = 64
MAX_LINK_LENGTH = 2048
MAX_PUSH_KEY_LENGTH = 128
MAX_SUBJECT_LENGTH = 64


class NotificationMixin(RealtimeModelMixin):
    """A notification to one user. Unread while `read_at` is NULL.

    `about` names what its text repeats, so that the text can be changed with that; NULL if it is the notification's own.
    """

    __tablename__ = "realtime_notification"
    user_key: ClassVar[str | None] = None

    user_id: Mapped[str] = mapped_column(StringUserId)
    type: Mapped[str] = mapped_column(String(MAX_TYPE_LENGTH))
    title: Mapped[str] = mapped_column(String(MAX_TITLE_LENGTH))
    message: Mapped[str] = mapped_column(Text)
    link: Mapped[str | None] = mapped_column(String(MAX_LINK_LENGTH))
    data: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    about: Mapped[str | None] = mapped_column(String(MAX_SUBJECT_LENGTH))
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes."""
        table = cls.__tablename__
        unread, about = text("read_at IS NULL"), text("about IS NOT NULL")
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            index(table, "user_id", "id"),
            Index(conv(f"ix_{table}_unread"), "user_id", sqlite_where=unread, postgresql_where=unread),
            Index(conv(f"ix_{table}_about"), "about", sqlite_where=about, postgresql_where=about),
        )


class PushSubscriptionMixin(RealtimeModelMixin):
    """A browser's subscription to web push. A browser has one endpoint, which belongs to the user who subscribed there last."""

    __tablename__ = "realtime_push_subscription"
    user_key: ClassVar[str | None] = None

    user_id: Mapped[str] = mapped_column(StringUserId)
    endpoint: Mapped[str] = mapped_column(String(MAX_ENDPOINT_LENGTH))
    p256dh: Mapped[str] = mapped_column(String(MAX_PUSH_KEY_LENGTH))
    auth: Mapped[str] = mapped_column(String(MAX_PUSH_KEY_LENGTH))

    @classmethod
    def constraints(cls) -> tuple[Constraint, ...]:
        """Return the table's constraints and indexes; an endpoint is subscribed once."""
        table = cls.__tablename__
        return (
            *super().constraints(),
            *foreign_keys(table, user_id=cls.user_key),
            unique(table, "endpoint"),
            index(table, "user_id", "id"),
        )
