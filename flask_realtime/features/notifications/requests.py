"""Handlers of requests about notifications and web push."""

from __future__ import annotations

from typing import Any

from flask_realtime.errors import NotFound, UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.features.notifications.hooks import NOTIFICATION_ARCHIVE, PUSH_SUBSCRIPTIONS
from flask_realtime.features.notifications.records import NotificationArchive, PushSubscriptions
from flask_realtime.features.notifications.state import Notifications
from flask_realtime.features.notifications.subscriptions import PushSubscription
from flask_realtime.features.notifications.views import ListRequest, notifications_answer, push_key, subscription


def page(state: Notifications, caller: Caller, request: ListRequest) -> Any:
    """Return the user's notifications, newest first."""
    for function in state.context.functions(NOTIFICATION_ARCHIVE):
        archive: NotificationArchive = function()
        found = archive.of_user(caller.user_id, before=request.before, limit=request.limit)
        return notifications_answer([archive.as_json(each) for each in found], archive.unread_count(caller.user_id))
    msg = "The server keeps no notifications: the application registered no store"
    raise UnknownEvent(msg)


def public_key(state: Notifications, _caller: Caller, _request: object) -> Any:
    """Return the public key with which a browser subscribes to web push."""
    key = _subscriptions(state).public_key()
    if key is None:
        msg = "Web push is not set up"
        raise NotFound(msg)
    return push_key(key)


def subscribe(state: Notifications, caller: Caller, new: PushSubscription) -> Any:
    """Store a browser's subscription to web push; it is this user's from now on."""
    _subscriptions(state).subscribe(caller.user_id, new)
    return subscription(new.endpoint)


def unsubscribe(state: Notifications, caller: Caller, endpoint: str) -> None:
    """Delete a subscription of the user's, if there is one."""
    _subscriptions(state).unsubscribe(caller.user_id, endpoint)


def _subscriptions(state: Notifications) -> PushSubscriptions:
    for function in state.context.functions(PUSH_SUBSCRIPTIONS):
        subscriptions: PushSubscriptions = function()
        return subscriptions
    msg = "The server keeps no subscriptions to web push: the application registered no store"
    raise UnknownEvent(msg)
