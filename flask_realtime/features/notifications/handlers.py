"""Handlers of notifications: the application's hooks store the change, then all of the user's devices are notified.

A store with a log writes the event with the change, and the log sends it.
"""

from __future__ import annotations

from flask_realtime.contract.effects import Emit, Outcome
from flask_realtime.feature.context import Caller, FeatureContext
from flask_realtime.features.log import log
from flask_realtime.features.notifications.events import NOTIFICATION_READ, NOTIFICATIONS_READ_ALL, OneNotification
from flask_realtime.features.notifications.hooks import ON_NOTIFICATION_READ, ON_NOTIFICATIONS_READ_ALL


def read(context: FeatureContext, caller: Caller, request: OneNotification) -> Outcome:
    """Handle `notification:read`."""
    told = (caller.identity, request.notification_id)
    context.call(ON_NOTIFICATION_READ, *told, caller=caller, event=NOTIFICATION_READ.name)
    return _outcome(context, NOTIFICATION_READ.to_user(caller.user_id, request.raw_id))


def read_all(context: FeatureContext, caller: Caller, _request: object) -> Outcome:
    """Handle `notifications:read-all`."""
    context.call(ON_NOTIFICATIONS_READ_ALL, caller.identity, caller=caller, event=NOTIFICATIONS_READ_ALL.name)
    return _outcome(context, NOTIFICATIONS_READ_ALL.to_user(caller.user_id))


def _outcome(context: FeatureContext, emit: Emit) -> Outcome:
    return Outcome(emits=[] if context.state_of(log).is_logged(emit.event) else [emit])
