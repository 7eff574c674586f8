"""Notifications to all of one user's devices, and their read state."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Final

from flask_realtime.contract.ids import WireId
from flask_realtime.contract.parsing import parse_nothing
from flask_realtime.feature.feature import Feature
from flask_realtime.features.log import log
from flask_realtime.features.notifications import handlers, hooks, requests, views
from flask_realtime.features.notifications.events import (
    NOTIFICATION_DELIVERED,
    NOTIFICATION_ID,
    NOTIFICATION_NEW,
    NOTIFICATION_READ,
    NOTIFICATIONS_READ_ALL,
    parse_notification_id,
)
from flask_realtime.features.notifications.state import Notifications

notifications: Final = Feature("notifications", state=Notifications, requires=[log])

notifications.add_outgoing(NOTIFICATION_NEW, NOTIFICATION_READ, NOTIFICATIONS_READ_ALL)
notifications.add_hook(hooks.ON_NOTIFICATION_READ)
notifications.add_hook(hooks.ON_NOTIFICATIONS_READ_ALL)
notifications.add_hook(hooks.ON_NOTIFICATION_DELIVERED)
notifications.add_hook(hooks.NOTIFICATION_CHANNEL)
notifications.add_hook(hooks.CRITICAL_STORE)
notifications.add_hook(hooks.NOTIFICATION_ARCHIVE)
notifications.add_hook(hooks.PUSH_SUBSCRIPTIONS)

_event: Final = partial(notifications.event, limit="notifications", app_context=False)

_event(
    NOTIFICATION_READ.name,
    hint="on_notification_read is its hook.",
    payload=WireId,
    parse=parse_notification_id,
    argument=NOTIFICATION_ID,
    summary="Mark a notification as read. The application's `on_notification_read` hook stores it; if it fails, no device is "
    "notified.",
)(handlers.read)

_event(
    NOTIFICATIONS_READ_ALL.name,
    hint="on_notifications_read_all is its hook.",
    parse=parse_nothing,
    summary="Mark all notifications as read. The application's `on_notifications_read_all` hook stores it; if it fails, no device "
    "is notified.",
)(handlers.read_all)

_event(
    NOTIFICATION_DELIVERED,
    hint="on_notification_delivered is its hook.",
    payload=WireId,
    parse=parse_notification_id,
    argument=NOTIFICATION_ID,
    summary="Confirm that a notification has reached this device. A critical one that no device confirms, or marks as read, within "
    "`REALTIME_CRITICAL_TIMEOUT` goes to the application's other channels, such as e-mail.",
)(handlers.delivered)

_request: Final = partial(notifications.request, limit="notifications")

_request(
    "GET",
    views.NOTIFICATIONS,
    payload=views.NotificationsQuery,
    parse=views.parse_notifications_query,
    answer=views.NotificationsAnswer,
)(requests.page)
_request("GET", views.PUSH_KEY, payload=None, parse=parse_nothing, answer=views.PushKeyAnswer)(requests.public_key)
_request(
    "POST",
    views.PUSH_SUBSCRIPTIONS,
    payload=views.NewSubscription,
    parse=views.parse_subscription,
    answer=views.EndedSubscription,
    status=HTTPStatus.CREATED,
)(requests.subscribe)
_request(
    "DELETE",
    views.PUSH_SUBSCRIPTIONS,
    payload=views.EndedSubscription,
    parse=views.parse_endpoint,
    answer=None,
    status=HTTPStatus.NO_CONTENT,
)(requests.unsubscribe)

notifications.on_serving(handlers.serve)
