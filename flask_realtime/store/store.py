"""The `Store` class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask_sqlalchemy import SQLAlchemy

from flask_realtime.errors import ConfigError
from flask_realtime.extension import Realtime
from flask_realtime.features.conversations.store import ConversationRecord, ConversationStore
from flask_realtime.features.log.store import LogStore
from flask_realtime.features.messages.store import MessageRecord, MessageStore
from flask_realtime.features.notifications import notifications
from flask_realtime.features.notifications.store import CriticalDatabase, NotificationRecord, NotificationStore, PushStore
from flask_realtime.features.receipts import receipts
from flask_realtime.features.receipts.store import ReceiptStore
from flask_realtime.jobs.store import JobStore
from flask_realtime.store.models import Models


class Store:
    """Conversations, messages and notifications in the application's database.

    Every operation works on `db.session` and needs an application context. One that writes commits, and rolls back if
    it fails, together with whatever else the session holds. One that reads leaves its transaction open, as any query
    does: it ends with the application context. Results are plain values that outlive the session. An id that
    the database cannot hold is unknown, not an error.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: The result of `define_models(db)`, or models of the application's own.

    Attributes:
        conversations: Conversations and who takes part in them.
        messages: Messages.
        receipts: Messages' receipts: to whom they are delivered, and who has read them.
        notifications: Notifications to single users.
        push: Their subscriptions to web push.
        jobs: Jobs, such as critical notifications; None without a model of them.
    """

    def __init__(self, db: SQLAlchemy, models: Models) -> None:
        self.models = models
        self._log = None if models.log_entry is None else LogStore(db, models.log_entry, models.participant)
        append = None if self._log is None else self._log.append
        self.receipts = ReceiptStore(
            db,
            conversation=models.conversation,
            participant=models.participant,
            message=models.message,
            read_receipt=models.read_receipt,
            has_log=self._log is not None,
        )
        self.messages = MessageStore(
            db,
            conversation=models.conversation,
            message=models.message,
            participant=models.participant,
            reads=self.receipts.reads,
            message_send=models.message_send,
            append=append,
        )
        self.conversations = ConversationStore(db, models.conversation, models.participant, self.receipts.reads.unread_in, append)
        self.jobs = None if models.job is None else JobStore(db, models.job)
        self.notifications = NotificationStore(db, models.notification, self.jobs, append=append)
        self.push = PushStore(db, models.push_subscription)

    def register(
        self,
        realtime: Realtime,
        *,
        message_json: Callable[[MessageRecord], Any] | None = None,
        notification_json: Callable[[NotificationRecord], Any] | None = None,
        conversation_json: Callable[[ConversationRecord], Any] | None = None,
    ) -> None:
        """Register the hooks that the store implements.

        Participants may join their conversations, send messages there, and say what they have got and read; `notification:read`
        and `notifications:read-all` are stored, and critical notifications are confirmed and escalated. The application
        registers the other hooks. With a log, `sync` is answered from it, and what the store changes is sent.

        Args:
            realtime: The extension object.
            message_json: Returns a message as clients get it after `message:send`, and from the log; by default an object of the
                record's fields.
            notification_json: Returns a notification as clients get it from the log; by default an object of the record's fields.
            conversation_json: Returns a new conversation as its participants get it with `conversation:new`, from the log; without
                it nobody is told of new conversations.

        Raises:
            RegistrationError: `realtime` serves connections, or one of `authorize_join`, `on_message_send`, `on_messages_read` and
                `on_messages_delivered` is registered already.
        """
        self.conversations.register(realtime, conversation_json)
        self.messages.register(realtime, message_json)
        self.receipts.register(realtime, partial(realtime.state_of, receipts))
        state_of_notifications = partial(realtime.state_of, notifications)
        self.notifications.register(realtime, state_of_notifications, notification_json)
        self.push.register(state_of_notifications)
        if self.jobs is not None:
            CriticalDatabase(self.jobs, self.notifications, self.push).register(realtime)
        if self._log is not None:
            stores = (self.messages, self.receipts, self.notifications)
            self._log.register(realtime, [event for store in stores for event in store.logged_by_hooks])

    @property
    def log(self) -> LogStore:
        """Return the log.

        Raises:
            ConfigError: The store has no model of it.
        """
        if self._log is None:
            msg = "The store has no log: pass log_entry to Models, as define_models(db, log=True) does."
            raise ConfigError(msg)
        return self._log
