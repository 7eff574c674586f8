"""The store: an application's conversations, messages and notifications, and the hooks that need them."""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from flask_realtime.errors import NotFound
from flask_realtime.extension import Realtime
from flask_realtime.identity import Identity
from flask_realtime.store.conversations import ConversationStore
from flask_realtime.store.messages import MessageStore
from flask_realtime.store.models import Models
from flask_realtime.store.notifications import NotificationStore


class Store:
    """Conversations, messages and notifications in the application's database.

    Every operation works on `db.session` and needs an application context. One that writes commits, and rolls back if
    it fails, together with whatever else the session holds. One that reads leaves its transaction open, as any query
    does: it ends with the application context. What comes back are plain values that outlive the session. An id that
    the database cannot hold is unknown, not an error.

    Args:
        db: The application's Flask-SQLAlchemy object.
        models: What `define_models(db)` returned, or models of the application's own.

    Attributes:
        conversations: Conversations and who takes part in them.
        messages: Messages and who has read them.
        notifications: Notifications to single users.
    """

    def __init__(self, db: SQLAlchemy, models: Models) -> None:
        self.models = models
        self.conversations = ConversationStore(db, models)
        self.messages = MessageStore(db, models)
        self.notifications = NotificationStore(db, models)

    def register(self, realtime: Realtime) -> None:
        """Register the hooks that the store can answer.

        Participants may join their conversations; `notification:read` and `notifications:read-all` are stored. Other
        hooks are still the application's to register.

        Raises:
            RegistrationError: `authorize_join` is registered already, or `realtime` serves connections already.
        """
        realtime.authorize_join(self._may_join)
        realtime.on_notification_read(self._read_notification)
        realtime.on_notifications_read_all(self._read_all_notifications)

    def _may_join(self, identity: Identity, conversation_id: str) -> bool:
        return self.conversations.has_participant(conversation_id, identity.user_id)

    def _read_notification(self, identity: Identity, notification_id: str) -> None:
        if not self.notifications.mark_read(identity.user_id, notification_id):
            msg = "There is no such notification"
            raise NotFound(msg)

    def _read_all_notifications(self, identity: Identity) -> None:
        self.notifications.mark_all_read(identity.user_id)
