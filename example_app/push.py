"""Web push: the key with which browsers subscribe, and their subscriptions."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort

from example_app.models import store
from example_app.schemas import EndedPushSubscription, NewPushSubscription, read_body
from example_app.serializers import Json
from example_app.tokens import require_access_token, signed_in_user_id
from flask_realtime.store import PushSubscription

push = Blueprint("push", __name__, url_prefix="/api/push")
push.before_request(require_access_token)


@push.get("/key")
def public_key() -> Json:
    """Return the public key."""
    key = store.push.public_key()
    if key is None:
        abort(HTTPStatus.NOT_FOUND, "Web push is not set up")
    return {"publicKey": key}


@push.post("/subscriptions")
def subscribe() -> tuple[Json, HTTPStatus]:
    """Store a browser's subscription; it is this user's from now on."""
    body = read_body(NewPushSubscription)
    store.push.subscribe(signed_in_user_id(), PushSubscription(body.endpoint, body.keys.p256dh, body.keys.auth))
    return {"endpoint": body.endpoint}, HTTPStatus.CREATED


@push.delete("/subscriptions")
def unsubscribe() -> tuple[str, HTTPStatus]:
    """Delete a subscription of the user's, if there is one."""
    store.push.unsubscribe(signed_in_user_id(), read_body(EndedPushSubscription).endpoint)
    return "", HTTPStatus.NO_CONTENT
