"""Notifications that users send to themselves, and administrators to anybody. The chat lists them, and marks them as read."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.limits import NOTIFICATIONS_OF_USER, take
from example_app.models import find_user, store
from example_app.schemas import NewNotification, read_body
from example_app.serializers import Json
from example_app.tokens import require_access_token, require_administrator, signed_in_user_id

notifications = Blueprint("notifications", __name__, url_prefix="/api/notifications")
notifications.before_request(require_access_token)


@notifications.post("")
def notify() -> tuple[Json, HTTPStatus]:
    """Notify the current user or, as an administrator, any user, who may have to learn of it."""
    body = read_body(NewNotification)
    if body.critical or body.user_id != signed_in_user_id():
        require_administrator()
    else:
        take(NOTIFICATIONS_OF_USER, signed_in_user_id())
    if find_user(body.user_id) is None:
        abort(HTTPStatus.BAD_REQUEST, "userId: no such user")
    content = (body.type, body.title, body.message)
    stored = store.notifications.add(body.user_id, *content, link=body.link, data=body.data, critical=body.critical)
    return store.notifications.as_json(stored), HTTPStatus.CREATED
