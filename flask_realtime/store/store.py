"""The `Store` class."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from flask_realtime.extension import Realtime
from flask_realtime.features.conversations.store import ConversationStore
from flask_realtime.features.messages.store import MessageStore
from flask_realtime.features.notifications.store import NotificationStore
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
        self.messages = MessageStore(db, models.message, models.read_receipt, models.participant)
        self.conversations = ConversationStore(db, models.conversation, models.participant, self.messages.unread_in)
        self.notifications = NotificationStore(db, models.notification)

    def register(self, realtime: Realtime) -> None:
        """Register the hooks that the store implements.

        Participants may join their conversations; `notification:read` and `notifications:read-all` are stored. The application
        registers the other hooks.

        Raises:
            RegistrationError: `authorize_join` is registered already, or `realtime` serves connections already.
        """
        self.conversations.register(realtime)
        self.notifications.register(realtime)
