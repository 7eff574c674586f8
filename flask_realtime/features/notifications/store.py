"""Stores notifications in the database, and answers their hooks from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, insert, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.sessions import committing
from flask_realtime.errors import NotFound
from flask_realtime.features.log import Append
from flask_realtime.features.notifications.events import (
    NOTIFICATION_NEW,
    NOTIFICATION_READ,
    NOTIFICATIONS_READ_ALL,
    stored_notification_payload,
)
from flask_realtime.features.notifications.hooks import NotificationHooks
from flask_realtime.features.notifications.models import NotificationMixin
from flask_realtime.identity import Identity

DEFAULT_LIST_SIZE = 50


@dataclass(frozen=True)
class NotificationRecord:
    """A notification to one user."""

    id: str
    user_id: str
    type: str
    title: str
    message: str
    link: str | None
    data: Any
    created_at: datetime
    is_read: bool = False


class NotificationStore:
    """The notifications of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of notifications.
        append: Writes an event to the log with the change that it tells of; None if there is no log.
    """

    def __init__(self, db: SQLAlchemy, model: type[NotificationMixin], append: Append | None = None) -> None:
        self._db = db
        self._model = model
        self._append = append
        self._notification_json: Callable[[NotificationRecord], Any] = _as_json

    @property
    def logged_by_hooks(self) -> tuple[str, ...]:
        """Return the events that the hooks write to the log, so that their handlers do not send them."""
        return () if self._append is None else (NOTIFICATION_READ.name, NOTIFICATIONS_READ_ALL.name)

    def register(self, hooks: NotificationHooks, notification_json: Callable[[NotificationRecord], Any] | None = None) -> None:
        """Register the hooks that store which notifications users have read.

        Args:
            hooks: The extension object.
            notification_json: Returns a notification as clients get it from the log; by default an object of the record's fields.
        """
        self._notification_json = notification_json or _as_json
        hooks.on_notification_read(self._read)
        hooks.on_notifications_read_all(self._read_all)

    def _read(self, identity: Identity, notification_id: str) -> None:
        if not self.mark_read(identity.user_id, notification_id):
            msg = "Notification not found"
            raise NotFound(msg)

    def _read_all(self, identity: Identity) -> None:
        self.mark_all_read(identity.user_id)

    def add(  # noqa: PLR0913 - a notification has that many fields
        self,
        user_id: str,
        kind: str,
        title: str,
        message: str,
        *,
        link: str | None = None,
        data: Any = None,
    ) -> NotificationRecord:
        """Store a notification and commit.

        Args:
            user_id: The user.
            kind: The kind of notification, chosen by the application: its `type` on the wire.
            title: Its heading.
            message: Its text.
            link: Its link, or None.
            data: Any JSON value.

        Raises:
            NotFound: The user does not exist; raised only where user ids refer to a users table.
        """
        now = utc_now()
        values = {"type": kind, "title": title, "message": message, "link": link, "data": data}
        with committing(self._db):
            added = insert(self._model).values(user_id=user_id, created_at=now, **values)
            number = self._db.session.execute(added.returning(self._model.id)).scalar_one()
            record = NotificationRecord(str(number), user_id, kind, title, message, link, data, now)
            if self._append is not None:
                self._append(NOTIFICATION_NEW.to_user(user_id, self._notification_json(record)))
        return record

    def of_user(self, user_id: str, *, before: str | None = None, limit: int = DEFAULT_LIST_SIZE) -> list[NotificationRecord]:
        """Return a user's notifications, newest first.

        Args:
            user_id: The user.
            before: Return notifications older than the one with this id; None for the newest.
            limit: The maximum number of notifications.
        """
        query = select(self._model).where(self._model.user_id == user_id)
        if before is not None:
            query = query.where(self._model.id < (parse_row_id(before) or 0))
        rows = self._db.session.scalars(query.order_by(self._model.id.desc()).limit(limit))
        return [
            NotificationRecord(
                id=str(row.id),
                user_id=row.user_id,
                type=row.type,
                title=row.title,
                message=row.message,
                link=row.link,
                data=row.data,
                created_at=row.created_at,
                is_read=row.read_at is not None,
            )
            for row in rows
        ]

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread notifications."""
        unread = (self._model.user_id == user_id, self._model.read_at.is_(None))
        return self._db.session.execute(select(func.count()).select_from(self._model).where(*unread)).scalar_one()

    def mark_read(self, user_id: str, notification_id: str) -> bool:
        """Mark a notification as read, and commit; it keeps the time at which it was first read.

        Returns:
            Whether this user has that notification.
        """
        marked = (
            update(self._model)
            .where(self._model.id == parse_row_id(notification_id), self._model.user_id == user_id)
            .values(read_at=func.coalesce(self._model.read_at, utc_now()))
            .returning(self._model.id)
        )
        with committing(self._db):
            found = self._db.session.scalars(marked).all()
            if self._append is not None and found:
                self._append(NOTIFICATION_READ.to_user(user_id, notification_id))
        return bool(found)

    def mark_all_read(self, user_id: str) -> None:
        """Mark all of a user's notifications as read, and commit."""
        marked = update(self._model).where(self._model.user_id == user_id, self._model.read_at.is_(None)).values(read_at=utc_now())
        with committing(self._db):
            self._db.session.execute(marked.execution_options(synchronize_session=False))
            if self._append is not None:
                self._append(NOTIFICATIONS_READ_ALL.to_user(user_id))


def _as_json(notification: NotificationRecord) -> Any:
    return stored_notification_payload(
        notification.id,
        notification.type,
        notification.title,
        notification.message,
        notification.link,
        notification.data,
        notification.created_at,
        notification.is_read,
    )
