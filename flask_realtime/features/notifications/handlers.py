"""Handlers of notifications: the application's hooks store the change, then all of the user's devices are notified."""

from __future__ import annotations

from flask_realtime.contract.effects import Outcome
from flask_realtime.feature.context import Caller, FeatureContext
from flask_realtime.features.notifications.events import NOTIFICATION_READ, NOTIFICATIONS_READ_ALL, OneNotification
from flask_realtime.features.notifications.hooks import ON_NOTIFICATION_READ, ON_NOTIFICATIONS_READ_ALL


def read(context: FeatureContext, caller: Caller, request: OneNotification) -> Outcome:
    """Handle `notification:read`."""
    told = (caller.identity, request.notification_id)
    context.call(ON_NOTIFICATION_READ, *told, caller=caller, event=NOTIFICATION_READ.name)
    return Outcome(emits=[NOTIFICATION_READ.to_user(caller.user_id, request.raw_id)])


def read_all(context: FeatureContext, caller: Caller, _request: object) -> Outcome:
    """Handle `notifications:read-all`."""
    context.call(ON_NOTIFICATIONS_READ_ALL, caller.identity, caller=caller, event=NOTIFICATIONS_READ_ALL.name)
    return Outcome(emits=[NOTIFICATIONS_READ_ALL.to_user(caller.user_id)])
