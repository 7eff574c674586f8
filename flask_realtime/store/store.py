"""The `Store` class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_sqlalchemy import SQLAlchemy

from flask_realtime.errors import ConfigError
from flask_realtime.extension import Realtime
from flask_realtime.features.conversations.store import ConversationStore
from flask_realtime.features.log.store import LogStore
from flask_realtime.features.messages.store import MessageRecord, MessageStore
from flask_realtime.features.notifications.store import NotificationRecord, NotificationStore
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
        messages: Messages and who has read them.
        notifications: Notifications to single users.
    """

    def __init__(self, db: SQLAlchemy, models: Models) -> None:
        self.models = models
        self._log = None if models.log_entry is None else LogStore(db, models.log_entry, models.participant)
        append = None if self._log is None else self._log.append
        self.messages = MessageStore(
            db, models.message, models.read_receipt, models.participant, models.message_send, append=append
        )
        self.conversations = ConversationStore(db, models.conversation, models.participant, self.messages.unread_in)
        self.notifications = NotificationStore(db, models.notification, append)

    def register(
        self,
        realtime: Realtime,
        *,
        message_json: Callable[[MessageRecord], Any] | None = None,
        notification_json: Callable[[NotificationRecord], Any] | None = None,
    ) -> None:
        """Register the hooks that the store implements.

        Participants may join their conversations and send messages there; `notification:read` and `notifications:read-all` are
        stored. The application registers the other hooks. With a log, `sync` is answered from it, and what the store changes is
        sent.

        Args:
            realtime: The extension object.
            message_json: Returns a message as clients get it after `message:send`, and from the log; by default an object of the
                record's fields.
            notification_json: Returns a notification as clients get it from the log; by default an object of the record's fields.

        Raises:
            RegistrationError: `authorize_join` or `on_message_send` is registered already, or `realtime` serves connections.
        """
        self.conversations.register(realtime)
        self.messages.register(realtime, message_json)
        self.notifications.register(realtime, notification_json)
        if self._log is not None:
            self._log.register(realtime, self.messages.logged_by_hooks + self.notifications.logged_by_hooks)

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
