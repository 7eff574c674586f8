"""Publisher of `presence:changed`: to the audience of the user's status, and with the devices to the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.rooms import user_room
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.change_queue import ChangeQueue
from flask_realtime.features.presence.events import CHANGE_ANNOUNCED, CHANGE_DELAYED, PRESENCE_CHANGED
from flask_realtime.features.presence.notifier import PresenceNotifier
from flask_realtime.features.presence.state import Presence
from flask_realtime.features.presence.view import PresenceView


class PresencePublisher:
    """Publishes users' presence when it changes.

    Args:
        context: The surroundings of the feature.
        presence: The users who are online.
        view: What is shown of users.
        notifier: Knows the audience, and gives one user's changes their order.
    """

    def __init__(self, context: FeatureContext, presence: Presence, view: PresenceView, notifier: PresenceNotifier) -> None:
        self._context = context
        self._presence = presence
        self._view = view
        self._notifier = notifier
        self._queue = ChangeQueue(context.clock, context.lock())
        self._timer = context.timer(self._queue.next_deadline, self._publish_due)

    def changed(self, user_id: str, *, for_others: bool) -> None:
        """Publish a user's presence soon, in turn with the user's other changes.

        Args:
            user_id: The user.
            for_others: Whether others are told too, and not the user's own devices alone.
        """
        self._notifier.in_turn(user_id, partial(self._publish_or_delay, user_id, for_others=for_others))

    def heard(self, user_id: str, *, announced: bool) -> None:
        """Record a change that another server has announced, or delayed."""
        self._queue.heard(user_id, announced=announced)
        self._wake()

    def _publish_or_delay(self, user_id: str, *, for_others: bool) -> None:
        if self._queue.changed(user_id, for_others=for_others):
            self._publish(user_id)
            return
        if for_others:
            self._context.elsewhere(CHANGE_DELAYED, user_id)
        self._wake()

    def _publish_due(self) -> Iterable[Emit]:
        for user_id in self._queue.take_due():
            self._notifier.in_turn(user_id, partial(self._publish, user_id))
        return ()

    def _wake(self) -> None:
        deadline = self._queue.next_deadline()
        if deadline is not None:
            self._timer.wake_by(deadline)

    def _publish(self, user_id: str) -> None:
        for_others = self._queue.take(user_id)
        self._context.announce_with(partial(self._emit, user_id, for_others=for_others))

    def _emit(self, user_id: str, *, for_others: bool) -> None:
        # The version comes first: whoever has a later one has looked later, and knows of all changes before.
        version = self._presence.next_version()
        own = PRESENCE_CHANGED.to_user(user_id, self._view.own(user_id))
        own.order = (f"devices:{user_id}", version)
        self._context.emit(own)
        if for_others:
            self._emit_to_others(user_id, version)

    def _emit_to_others(self, user_id: str, version: int) -> None:
        audience = self._notifier.audience(user_id)
        payload = self._view.of([user_id])[0]
        # Going offline is told with the status alone, and the user may have gone while the state was looked up.
        if payload["status"] == "online" and self._view.is_shown_online(user_id):
            emit = PRESENCE_CHANGED.to_everyone(payload) if audience is None else PRESENCE_CHANGED.to_users(audience, payload)
            emit.except_rooms = (user_room(user_id),)
            emit.order = (f"presence:{user_id}", version)
            emit.note = ("presence", CHANGE_ANNOUNCED, (user_id,))
            self._context.emit(emit)
