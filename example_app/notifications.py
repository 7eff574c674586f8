"""Notifications. `Store.register` sends them, and handles their being marked as read over Socket.IO."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.models import find_user, store
from example_app.schemas import NewNotification, Page, read_body, read_query
from example_app.serializers import Json, notification_json
from example_app.tokens import require_access_token, require_administrator, signed_in_user_id

notifications = Blueprint("notifications", __name__, url_prefix="/api/notifications")
notifications.before_request(require_access_token)


@notifications.get("")
def list_notifications() -> Json:
    """List the user's notifications, newest first."""
    query = read_query(Page)
    user_id = signed_in_user_id()
    before = None if query.before is None else str(query.before)
    found = store.notifications.of_user(user_id, before=before, limit=query.limit)
    return {
        "notifications": [notification_json(notification) for notification in found],
        "unreadCount": store.notifications.unread_count(user_id),
    }


@notifications.post("")
def notify() -> tuple[Json, HTTPStatus]:
    """Notify the current user or, as an administrator, any user, who may have to learn of it."""
    body = read_body(NewNotification)
    if body.critical or body.user_id != signed_in_user_id():
        require_administrator()
    if find_user(body.user_id) is None:
        abort(HTTPStatus.BAD_REQUEST, "userId: no such user")
    content = (body.type, body.title, body.message)
    stored = store.notifications.add(body.user_id, *content, link=body.link, data=body.data, critical=body.critical)
    return notification_json(stored), HTTPStatus.CREATED
