"""Handlers of notifications: the application's hooks store the change, then all of the user's devices are notified.

A store with a log writes the event with the change, and the log sends it.
"""

from __future__ import annotations

from flask_realtime.contract.effects import Emit, Outcome
from flask_realtime.feature.connections import Caller
from flask_realtime.features.log import log
from flask_realtime.features.notifications.events import (
    NOTIFICATION_DELIVERED,
    NOTIFICATION_READ,
    NOTIFICATIONS_READ_ALL,
    OneNotification,
)
from flask_realtime.features.notifications.hooks import ON_NOTIFICATION_DELIVERED, ON_NOTIFICATION_READ, ON_NOTIFICATIONS_READ_ALL
from flask_realtime.features.notifications.state import Notifications


def read(state: Notifications, caller: Caller, request: OneNotification) -> Outcome:
    """Handle `notification:read`."""
    told = (caller.identity, request.notification_id)
    state.context.call(ON_NOTIFICATION_READ, *told, caller=caller, event=NOTIFICATION_READ.name)
    return _outcome(state, NOTIFICATION_READ.to_user(caller.user_id, request.raw_id))


def read_all(state: Notifications, caller: Caller, _request: object) -> Outcome:
    """Handle `notifications:read-all`."""
    state.context.call(ON_NOTIFICATIONS_READ_ALL, caller.identity, caller=caller, event=NOTIFICATIONS_READ_ALL.name)
    return _outcome(state, NOTIFICATIONS_READ_ALL.to_user(caller.user_id))


def delivered(state: Notifications, caller: Caller, request: OneNotification) -> None:
    """Handle `notification:delivered`."""
    told = (caller.identity, request.notification_id)
    state.context.call(ON_NOTIFICATION_DELIVERED, *told, caller=caller, event=NOTIFICATION_DELIVERED)


def serve(state: Notifications) -> None:
    """Begin to escalate critical notifications."""
    state.serve()


def _outcome(state: Notifications, emit: Emit) -> Outcome:
    return Outcome(emits=[] if state.context.state_of(log).is_logged(emit.event) else [emit])
