"""The `Store` class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import partial
from typing import Any

from flask_sqlalchemy import SQLAlchemy

from flask_realtime.contract.effects import Emit
from flask_realtime.database.base import RealtimeModelMixin
from flask_realtime.database.tables import StoredTables
from flask_realtime.database.users import FindUsers, Users
from flask_realtime.errors import ConfigError, RegistrationError
from flask_realtime.extension import Realtime
from flask_realtime.features.analytics import analytics
from flask_realtime.features.analytics.figures import DELIVERY, READING
from flask_realtime.features.analytics.store import AnalyticsStore
from flask_realtime.features.conversations import conversations
from flask_realtime.features.conversations.events import last_message_subject, with_last_message
from flask_realtime.features.conversations.records import ConversationRecord
from flask_realtime.features.conversations.store import ConversationStore
from flask_realtime.features.log.store import LogStore
from flask_realtime.features.messages import MessageRecord
from flask_realtime.features.messages.change_store import ChangedMessage
from flask_realtime.features.messages.events import mention_data, message_subject
from flask_realtime.features.messages.models import MessageModels
from flask_realtime.features.messages.sending import EVERYONE
from flask_realtime.features.messages.store import MessageStore
from flask_realtime.features.notifications import notifications
from flask_realtime.features.notifications.records import NotificationRecord
from flask_realtime.features.notifications.store import CriticalDatabase, NotificationStore, PushStore
from flask_realtime.features.presence import presence
from flask_realtime.features.presence.store import PresenceStore, PrivacyStore
from flask_realtime.features.reactions.store import ReactionStore
from flask_realtime.features.receipts import receipts
from flask_realtime.features.receipts.store import ReceiptStore
from flask_realtime.features.search.store import SearchStore
from flask_realtime.hooks import TABLES
from flask_realtime.jobs.store import JobStore
from flask_realtime.signatures import check_options
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
        reactions: Reactions to messages; None without models of them.
        notifications: Notifications to single users.
        push: Their subscriptions to web push.
        presence: What users have set of their presence; None without a model of it.
        privacy: What users let others hear of them; None without that model.
        analytics: The figures of analytics; None without models of them.
        jobs: Jobs, such as critical notifications; None without a model of them.
    """

    def __init__(self, db: SQLAlchemy, models: Models) -> None:
        self.models = models
        self._db = db
        self._realtime: Realtime | None = None
        self._users = Users()
        self._log = None if models.log_entry is None else LogStore(db, models.log_entry, models.participant)
        append = None if self._log is None else self._log.append
        self.analytics = self._analytics_of(db, models)
        self.receipts = ReceiptStore(
            db,
            conversation=models.conversation,
            participant=models.participant,
            message=models.message,
            read_receipt=models.read_receipt,
            user_presence=models.user_presence,
            has_log=self._log is not None,
            mention_count=self._mention_count,
            time=None if self.analytics is None else self._time_receipts,
        )
        reactions = self.reactions = self._reactions_of(db, models)
        self.messages = MessageStore(
            db,
            MessageModels(models.conversation, models.participant, models.message, models.message_send, models.mention),
            reads=self.receipts.reads,
            users=self._users,
            tell=self._tell,
            append=append,
            reactions=None if reactions is None else reactions.of_messages,
            discard=self._discard_with_message,
            changed=self._message_changed,
            notify=self._notify_of_mention,
            postpone=None if models.job is None else self._postpone_mentions,
            stored=self._message_stored,
        )
        self.conversations = ConversationStore(
            db,
            conversation=models.conversation,
            participant=models.participant,
            message=models.message,
            pin=models.pin,
            unread_count=self.receipts.reads.unread_in,
            users=self._users,
            messages=self.messages,
            tell=self._tell,
            has_log=self._log is not None,
        )
        self.jobs = None if models.job is None else JobStore(db, models.job)
        self.notifications = NotificationStore(db, models.notification, self.jobs, append=append, tell=self._tell)
        self.push = PushStore(db, models.push_subscription)
        self._search = (
            None
            if models.message_search is None
            else SearchStore(
                db,
                models.message_search,
                message=models.message,
                participant=models.participant,
                by_ids=self.messages.by_ids,
            )
        )
        self.presence = None if models.user_presence is None else PresenceStore(db, models.user_presence)
        self.privacy = None if models.user_presence is None else PrivacyStore(db, models.user_presence)

    def register(
        self,
        realtime: Realtime,
        *,
        users: FindUsers | None = None,
        message_json: Callable[[MessageRecord], Any] | None = None,
        notification_json: Callable[[NotificationRecord], Any] | None = None,
        conversation_json: Callable[[ConversationRecord], Any] | None = None,
    ) -> None:
        """Register the hooks that the store implements.

        Participants may join their conversations, send messages there, and say what they have got and read; `notification:read`
        and `notifications:read-all` are stored, and critical notifications are confirmed and escalated. What users set of their
        presence is stored, and when they were last seen. The application registers the other hooks. With a log, `sync` is answered
        from it, and what the store changes is sent.

        Args:
            realtime: The extension object.
            users: Maps ids of users to what clients see of them, in messages and conversations; by default their ids alone.
            message_json: Returns a message as clients get it after `message:send`, and from the log; by default an object of the
                record's fields.
            notification_json: Returns a notification as clients get it from the log; by default an object of the record's fields.
            conversation_json: Returns a new conversation as its participants get it with `conversation:new`; by default the form of
                the REST calls. With it and a log, `store.conversations.create` tells them by itself.

        Raises:
            RegistrationError: `realtime` serves connections, one of `authorize_join`, `on_message_send`, `on_messages_read` and
                `on_messages_delivered` is registered already, or a function cannot be called with its argument.
        """
        if not isinstance(realtime, Realtime):
            msg = f"store.register takes the Realtime object, not {realtime!r}."
            raise RegistrationError(msg)
        check_options(
            "store.register",
            {
                "users": (users, ("user_ids",)),
                "message_json": (message_json, ("message",)),
                "notification_json": (notification_json, ("notification",)),
                "conversation_json": (conversation_json, ("conversation",)),
            },
        )
        self._realtime = realtime
        tables = StoredTables(self._db, self._all_models())
        if users is not None:
            self._users.find = users
        self.conversations.register(realtime, lambda: realtime.state_of(conversations).evictions, conversation_json)
        self.messages.register(realtime, message_json)
        self.receipts.register(realtime, partial(realtime.state_of, receipts))
        if self.reactions is not None:
            self.reactions.register(realtime)
        state_of_notifications = partial(realtime.state_of, notifications)
        self.notifications.register(realtime, state_of_notifications, notification_json)
        self.push.register(realtime, state_of_notifications)
        state_of_presence = partial(realtime.state_of, presence)
        if self.presence is not None and self.privacy is not None:
            self.presence.register(realtime, state_of_presence)
            self.privacy.register(state_of_presence)
        if self.jobs is not None:
            CriticalDatabase(self.jobs, self.notifications, self.push, self.messages.notify_more).register(realtime)
        if self._search is not None:
            self._search.register(realtime, self.messages.as_json)
        if self.analytics is not None:
            self.analytics.register(realtime)
        if self._log is not None:
            stores = (self.messages, self.receipts, self.notifications)
            self._log.register(realtime, [event for store in stores for event in store.logged_by_hooks])
        realtime.hook(TABLES)(lambda: tables)

    def _all_models(self) -> Iterator[type[RealtimeModelMixin]]:
        for item in fields(self.models):
            model = getattr(self.models, item.name)
            if isinstance(model, type):  # Neither None nor the index for the search, which is no table everywhere.
                yield model

    def _mention_count(self, user_id: str, conversation_id: str) -> int:
        return self.messages.mention_counts(user_id, [conversation_id]).get(conversation_id, 0)

    def _notify_of_mention(self, message: MessageRecord, user_ids: Sequence[str]) -> None:
        self.notifications.add_mentions(user_ids, message.content, mention_data(message), message_subject(message.id))

    def _discard_with_message(self, message: int) -> None:
        if self.reactions is not None:
            self.reactions.discard(message)
        self.conversations.pins.discard(message)

    def _message_changed(self, message: ChangedMessage) -> None:
        """Change what repeats a message: the notifications about it, and in the log these, the conversation and the message."""
        subject = message_subject(message.id)
        revised = self.notifications.change_mentions(subject, message.content)
        if self._log is not None:
            revised[subject] = message.revise
            revised[last_message_subject(message.id)] = lambda _event, arguments: with_last_message(message.shown, arguments)
            self._log.rewrite(revised)

    def _postpone_mentions(self, message: MessageRecord, progress: Mapping[str, Any]) -> None:
        self.notifications.postpone_mentions(message.id, message.sender_id, progress)

    def _message_stored(self, message: MessageRecord) -> None:
        if self._realtime is None:
            return
        if self.analytics is not None:
            self._realtime.state_of(analytics).message_stored()
        if self.jobs is not None and EVERYONE in message.mentions:
            self._realtime.state_of(notifications).added(timedelta())

    def _time_receipts(self, are_read: bool, seconds: Sequence[float]) -> None:  # noqa: FBT001 - see `TimeReceipts`
        if self._realtime is not None:
            self._realtime.state_of(analytics).receipts_stored(READING if are_read else DELIVERY, seconds)

    def _analytics_of(self, db: SQLAlchemy, models: Models) -> AnalyticsStore | None:
        if models.figure is None or models.active_user is None:
            return None
        return AnalyticsStore(db, models.figure, models.active_user)

    def _reactions_of(self, db: SQLAlchemy, models: Models) -> ReactionStore | None:
        if models.reaction is None or models.reaction_count is None:
            return None
        return ReactionStore(
            db,
            message=models.message,
            participant=models.participant,
            reaction=models.reaction,
            reaction_count=models.reaction_count,
            tell=self._tell,
        )

    def _tell(self, emit: Emit, /, *, about: str | None = None) -> None:
        """Write an event to the log with the change that it tells of; without a log, send it after the commit."""
        if self._log is not None:
            self._log.append(emit, about=about)
        elif self._realtime is not None:
            self._realtime.emit(emit, after_commit=True)
        else:
            msg = "The store sends an event with each change: call store.register(realtime) before anything is changed."
            raise ConfigError(msg)

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

    @property
    def search(self) -> SearchStore:
        """Return the search in messages.

        Raises:
            ConfigError: The store has no index of them.
        """
        if self._search is None:
            msg = "The messages have no full-text index: pass message_search to Models, as define_models(db, search=True) does."
            raise ConfigError(msg)
        return self._search
