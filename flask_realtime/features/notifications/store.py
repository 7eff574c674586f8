"""Stores notifications in the database, and answers their hooks from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete, func, insert, select, update

from flask_realtime.database.columns import parse_row_id, utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.errors import ConfigError, NotFound
from flask_realtime.features.log import Append, Revise
from flask_realtime.features.notifications.critical import CRITICAL, EVERYONE_MENTIONED, CriticalNotification
from flask_realtime.features.notifications.events import (
    NOTIFICATION_NEW,
    NOTIFICATION_READ,
    NOTIFICATIONS_READ_ALL,
    stored_notification_payload,
)
from flask_realtime.features.notifications.hooks import (
    CRITICAL_STORE,
    NOTIFICATION_ARCHIVE,
    PUSH_SUBSCRIPTIONS,
    NotificationHooks,
)
from flask_realtime.features.notifications.models import NotificationMixin, PushSubscriptionMixin
from flask_realtime.features.notifications.records import DEFAULT_LIST_SIZE, NotificationRecord
from flask_realtime.features.notifications.state import Notifications
from flask_realtime.features.notifications.subscriptions import MAX_SUBSCRIPTIONS, PushSubscription, StoredSubscription
from flask_realtime.features.notifications.webpush import WebPush
from flask_realtime.identity import Identity
from flask_realtime.jobs.store import JobStore

GetState = Callable[[], Notifications]
"""Returns the feature's state in the current application."""

MENTION = "mention"
MENTION_TITLE = "You were mentioned"
MAX_MENTION_LENGTH = 200
"""Maximum number of characters of a message that a notification repeats."""

DELETED_MESSAGE = "Message deleted"
"""The text of a notification about a message that was deleted."""


class NotificationStore:
    """The notifications of one application.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of notifications.
        jobs: The jobs of critical ones; None if there are none.
        append: Writes an event to the log with the change that it tells of; None if there is no log.
        tell: Sends an event with the change that it tells of, also where there is no log.
    """

    def __init__(
        self,
        db: SQLAlchemy,
        model: type[NotificationMixin],
        jobs: JobStore | None = None,
        *,
        append: Append | None = None,
        tell: Append | None = None,
    ) -> None:
        self._db = db
        self._model = model
        self._jobs = jobs
        self._append = append
        self._tell = tell
        self._get_state: GetState | None = None
        self._notification_json: Callable[[NotificationRecord], Any] = _as_json

    @property
    def logged_by_hooks(self) -> tuple[str, ...]:
        """Return the events that the hooks write to the log, so that their handlers do not send them."""
        return () if self._append is None else (NOTIFICATION_READ.name, NOTIFICATIONS_READ_ALL.name)

    def register(
        self,
        hooks: NotificationHooks,
        get_state: GetState | None = None,
        notification_json: Callable[[NotificationRecord], Any] | None = None,
    ) -> None:
        """Register the hooks that store which notifications users have got and read.

        Args:
            hooks: The extension object.
            get_state: Returns the feature's state in the current application; None if there are no critical notifications.
            notification_json: Returns a notification as clients get it from the log; by default an object of the record's fields.
        """
        self._get_state = get_state
        self._notification_json = notification_json or _as_json
        hooks.hook(NOTIFICATION_ARCHIVE)(lambda: self)
        hooks.on_notification_read(self._read)
        hooks.on_notifications_read_all(self._read_all)
        hooks.on_notification_delivered(self._delivered)

    def _read(self, identity: Identity, notification_id: str) -> None:
        if not self.mark_read(identity.user_id, notification_id):
            msg = "Notification not found"
            raise NotFound(msg)

    def _read_all(self, identity: Identity) -> None:
        self.mark_all_read(identity.user_id)

    def _delivered(self, identity: Identity, notification_id: str) -> None:
        self.mark_delivered(identity.user_id, notification_id)

    def add(  # noqa: PLR0913 - a notification has that many fields
        self,
        user_id: str,
        kind: str,
        title: str,
        message: str,
        *,
        link: str | None = None,
        data: Any = None,
        critical: bool = False,
    ) -> NotificationRecord:
        """Store a notification and commit.

        Args:
            user_id: The user.
            kind: The kind of notification, chosen by the application: its `type` on the wire.
            title: Its heading.
            message: Its text.
            link: Its link, or None.
            data: Any JSON value.
            critical: Whether it has to reach the user: if no device confirms it in time, it goes to the application's channels.

        Raises:
            NotFound: The user does not exist; raised only where user ids refer to a users table.
            ConfigError: It is critical, and the store has no model of jobs, or is not registered.
        """
        escalation = self._escalation() if critical else None
        now = utc_now()
        values = {"type": kind, "title": title, "message": message, "link": link, "data": data}
        with committing(self._db):
            number = self._insert(user_id=user_id, created_at=now, **values)
            record = NotificationRecord(str(number), user_id, kind, title, message, link, data, now)
            if escalation is not None:
                escalation.begin(user_id, record.id)
            if self._append is not None:
                self._append(NOTIFICATION_NEW.to_user(user_id, self._notification_json(record)))
        if escalation is not None:
            escalation.state.added(escalation.state.critical_timeout)
        return record

    def add_mentions(self, user_ids: Sequence[str], content: str, data: Any, about: str) -> None:
        """Store a notification of the type `mention` for each of some users, in the current transaction.

        Args:
            user_ids: The users who were mentioned.
            content: The text in which they were.
            data: What says where that is.
            about: What has that text; see `change_mentions`.
        """
        now, text = utc_now(), content[:MAX_MENTION_LENGTH]
        values = {"type": MENTION, "title": MENTION_TITLE, "message": text, "link": None, "data": data, "about": about}
        rows = [{**values, "user_id": user_id, "created_at": now} for user_id in user_ids]
        added = self._db.session.execute(insert(self._model).returning(self._model.user_id, self._model.id), rows)
        for user_id, number in added.all():
            record = NotificationRecord(str(number), user_id, MENTION, MENTION_TITLE, text, None, data, now)
            if self._tell is not None:
                self._tell(NOTIFICATION_NEW.to_user(user_id, self._notification_json(record)), about=_subject(record.id))

    def change_mentions(self, about: str, content: str | None) -> dict[str, Revise]:
        """Give the notifications of mentions another text, in the current transaction.

        Args:
            about: What has the text that they repeat.
            content: The new text; None if it was deleted.

        Returns:
            What the log is rewritten with: subjects of notifications, and what returns each as clients get it.
        """
        model, text = self._model, DELETED_MESSAGE if content is None else content[:MAX_MENTION_LENGTH]
        changed = update(model).where(model.about == about).values(message=text)
        columns = (model.id, model.user_id, model.type, model.title, model.message, model.link, model.data, model.created_at)
        rows = self._db.session.execute(changed.returning(*columns).execution_options(synchronize_session=False)).all()
        records = [NotificationRecord(str(row.id), *row[1:]) for row in rows]
        return {_subject(record.id): partial(self._revised, record) for record in records}

    def _revised(self, record: NotificationRecord, _event: str, _arguments: list[Any]) -> list[Any]:
        return [self._notification_json(record)]

    def postpone_mentions(self, message_id: str, sender_id: str, progress: Mapping[str, Any]) -> None:
        """Let the other members of a conversation be notified of a message, by a job, in the current transaction.

        Args:
            message_id: The message, which mentions everyone.
            sender_id: Its sender.
            progress: Who was notified so far, and who is to be.
        """
        jobs, state = self._escalation()
        retried_for, data = timedelta(seconds=state.retry_time), state.traced(progress)
        jobs.add(EVERYONE_MENTIONED, sender_id, message_id, due_in=timedelta(), retried_for=retried_for, data=data)

    def _insert(self, **values: Any) -> int:
        return self._db.session.execute(insert(self._model).values(values).returning(self._model.id)).scalar_one()

    def _escalation(self) -> _Escalation:
        if self._jobs is None or self._get_state is None:
            msg = (
                "A critical notification is a job: give the store a model of jobs, as define_models does, and call "
                "store.register(realtime)."
            )
            raise ConfigError(msg)
        return _Escalation(self._jobs, self._get_state())

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
        return [_record(row) for row in rows]

    def as_json(self, notification: NotificationRecord) -> Any:
        """Return a notification as clients get it."""
        return self._notification_json(notification)

    def unread_count(self, user_id: str) -> int:
        """Count a user's unread notifications."""
        unread = (self._model.user_id == user_id, self._model.read_at.is_(None))
        return self._db.session.execute(select(func.count()).select_from(self._model).where(*unread)).scalar_one()

    def mark_read(self, user_id: str, notification_id: str) -> bool:
        """Mark a notification as read, and commit; the user's devices are told of it once.

        Returns:
            Whether this user has that notification.
        """
        mine = (self._model.id == parse_row_id(notification_id), self._model.user_id == user_id)
        marked = update(self._model).where(*mine, self._model.read_at.is_(None)).values(read_at=utc_now()).returning(self._model.id)
        with committing(self._db):
            number = self._db.session.scalar(marked)
            if number is None:  # It was read before, or does not exist.
                return self._db.session.scalar(select(self._model.id).where(*mine)) is not None
            self._confirm(user_id, str(number))
            self._log_read(user_id, notification_id)
        return True

    def _log_read(self, user_id: str, notification_id: str) -> None:
        if self._append is not None:
            self._append(NOTIFICATION_READ.to_user(user_id, notification_id))

    def mark_delivered(self, user_id: str, notification_id: str) -> None:
        """Record that a device of a user has got a notification, and commit: a critical one goes to no channel any more.

        A notification that does not exist, or is another user's, is no error.
        """
        if self._jobs is None or parse_row_id(notification_id) is None:
            return
        with committing(self._db):
            self._confirm(user_id, notification_id)

    def mark_all_read(self, user_id: str) -> None:
        """Mark all of a user's notifications as read, and commit."""
        marked = update(self._model).where(self._model.user_id == user_id, self._model.read_at.is_(None)).values(read_at=utc_now())
        with committing(self._db):
            self._db.session.execute(marked.execution_options(synchronize_session=False))
            self._confirm(user_id)
            if self._append is not None:
                self._append(NOTIFICATIONS_READ_ALL.to_user(user_id))

    def _confirm(self, user_id: str, notification_id: str | None = None) -> None:
        if self._jobs is not None:
            self._jobs.cancel(CRITICAL, user_id, notification_id)

    def unread(self, user_id: str, notification_id: str) -> NotificationRecord | None:
        """Return a notification of a user's; None if it is read, or gone."""
        mine = (self._model.id == parse_row_id(notification_id), self._model.user_id == user_id)
        row = self._db.session.scalars(select(self._model).where(*mine, self._model.read_at.is_(None))).one_or_none()
        return None if row is None else _record(row)


def _subject(notification_id: str) -> str:
    return f"notification:{notification_id}"


def _record(row: NotificationMixin) -> NotificationRecord:
    return NotificationRecord(
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


class _Escalation(NamedTuple):
    jobs: JobStore
    state: Notifications

    def begin(self, user_id: str, notification_id: str) -> None:
        wait, retried_for = self.state.critical_timeout, timedelta(seconds=self.state.retry_time)
        data = self.state.traced({})
        self.jobs.add(CRITICAL, user_id, notification_id, due_in=wait, retried_for=retried_for, data=data)


class PushStore:
    """The subscriptions to web push of one application's users.

    Args:
        db: The application's Flask-SQLAlchemy object.
        model: The model of subscriptions; None if there are none.
    """

    def __init__(self, db: SQLAlchemy, model: type[PushSubscriptionMixin] | None) -> None:
        self._db = db
        self._model = model
        self._get_state: GetState | None = None

    def register(self, hooks: NotificationHooks, get_state: GetState) -> None:
        """Register the subscriptions, and take the settings of web push from an application's state.

        Args:
            hooks: The extension object.
            get_state: Returns the feature's state in the current application.
        """
        self._get_state = get_state
        hooks.hook(PUSH_SUBSCRIPTIONS)(lambda: self)

    def public_key(self) -> str | None:
        """Return the key with which browsers subscribe; None if web push is not set up."""
        push = self._push()
        return None if push is None else push.public_key

    def subscribe(self, user_id: str, subscription: PushSubscription) -> None:
        """Store a browser's subscription, and commit.

        One that is there already is this user's from now on. Of more than 10 subscriptions of a user the oldest go.

        Raises:
            BadRequest: Its push service is none that may be used.
            NotFound: Web push is not set up, or the user does not exist.
        """
        push, model = self._push(), self._model
        if push is None or model is None:
            msg = "Web push is not set up"
            raise NotFound(msg)
        push.check(subscription)
        values = {"user_id": user_id, "p256dh": subscription.p256dh, "auth": subscription.auth, "created_at": utc_now()}
        added = insert_into(self._db, model).values(endpoint=subscription.endpoint, **values)
        kept = select(model.id).where(model.user_id == user_id).order_by(model.created_at.desc(), model.id.desc())
        with committing(self._db):
            self._execute(added.on_conflict_do_update(index_elements=[model.endpoint], set_=values))
            too_many = self._db.session.scalars(kept.offset(MAX_SUBSCRIPTIONS)).all()
            if too_many:
                self._execute(delete(model).where(model.id.in_(too_many)))

    def unsubscribe(self, user_id: str, endpoint: str) -> bool:
        """Delete a subscription of a user's, commit, and return whether there was one."""
        model = self._model
        return model is not None and self._delete(model, model.endpoint == endpoint, model.user_id == user_id)

    def of_user(self, user_id: str) -> list[StoredSubscription]:
        """Return a user's subscriptions."""
        model = self._model
        if model is None:
            return []
        rows = self._db.session.scalars(select(model).where(model.user_id == user_id).order_by(model.id))
        return [StoredSubscription(str(row.id), PushSubscription(row.endpoint, row.p256dh, row.auth)) for row in rows]

    def forget(self, subscription_id: str) -> None:
        """Delete a subscription, whoever it belongs to, and commit."""
        if self._model is not None:
            self._delete(self._model, self._model.id == parse_row_id(subscription_id))

    def _delete(self, model: type[PushSubscriptionMixin], *conditions: Any) -> bool:
        with committing(self._db):
            return bool(self._execute(delete(model).where(*conditions).returning(model.id)).all())

    def _execute(self, statement: Any) -> Any:
        return self._db.session.execute(statement.execution_options(synchronize_session=False))

    def _push(self) -> WebPush | None:
        if self._get_state is None:
            msg = "Web push needs store.register(realtime)."
            raise ConfigError(msg)
        return self._get_state().push


class CriticalDatabase:
    """The database half of critical notifications and of those to everyone, for the feature's jobs.

    Args:
        jobs: The jobs.
        notifications: The notifications.
        push: The subscriptions to web push.
        notify_more: Notifies some more of everyone, whom a message mentions.
    """

    def __init__(
        self,
        jobs: JobStore,
        notifications: NotificationStore,
        push: PushStore,
        notify_more: Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None],
    ) -> None:
        self.jobs = jobs
        self.notify_more = notify_more
        self._notifications = notifications
        self._push = push
        self.subscriptions = push.of_user
        self.forget_subscription = push.forget

    def register(self, hooks: NotificationHooks) -> None:
        """Register it with an extension object."""
        hooks.hook(CRITICAL_STORE)(lambda: self)

    def unread(self, user_id: str, notification_id: str, job_id: str, attempt: int) -> CriticalNotification | None:
        """Return a notification; None if it is read, or gone."""
        found = self._notifications.unread(user_id, notification_id)
        if found is None:
            return None
        return CriticalNotification(
            job_id=job_id,
            attempt=attempt,
            id=found.id,
            user_id=found.user_id,
            type=found.type,
            title=found.title,
            message=found.message,
            link=found.link,
            data=found.data,
            created_at=found.created_at,
        )
