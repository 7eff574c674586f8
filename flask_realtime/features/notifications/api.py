"""Calls of notifications, for applications."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.calls import Calls
from flask_realtime.features.notifications.events import NOTIFICATION_NEW


class NotificationCalls(Calls):
    """The calls about notifications."""

    def emit_notification_to_user(
        self, user_id: WireId, notification: Any, *, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send `notification:new` to all of a user's connections.

        Args:
            user_id: The user.
            notification: The notification, as sent to clients.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        return self._emit(NOTIFICATION_NEW.to_user(user_id, notification), skip_sender=skip_sender, after_commit=after_commit)
