"""Orders and announcements: messages that the server sends unprompted."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.announcements import Announcement, announcement
from example_app.extensions import db, realtime
from example_app.models import Order, find_user
from example_app.schemas import NewAnnouncement, NewOrder, read_body
from example_app.serializers import Json, order_json, timestamp
from example_app.tokens import require_access_token, require_administrator
from flask_realtime.store import utc_now

orders = Blueprint("orders", __name__, url_prefix="/api")
orders.before_request(require_access_token)
orders.before_request(require_administrator)


@orders.post("/orders")
def create_order() -> tuple[Json, HTTPStatus]:
    """Store an order and, in the same transaction, the event that notifies its user."""
    body = read_body(NewOrder)
    if find_user(body.user_id) is None:
        abort(HTTPStatus.BAD_REQUEST, "userId: no such user")
    order = Order(user_id=body.user_id, status=body.status)
    db.session.add(order)
    db.session.flush()  # The event holds the order's id.
    answer = order_json(order)
    realtime.log("order:update", answer, user_id=body.user_id)
    db.session.commit()
    return answer, HTTPStatus.CREATED


@orders.post("/announcements")
def announce() -> tuple[Json, HTTPStatus]:
    """Send an announcement to every connected client. Announcements are not stored."""
    body = read_body(NewAnnouncement)
    announced = Announcement(message=body.message, createdAt=timestamp(utc_now()))
    realtime.emit(announcement.to_everyone(announced))
    return dict(announced), HTTPStatus.ACCEPTED
