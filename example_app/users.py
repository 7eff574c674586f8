"""The list of users, with their presence, and the user who asks."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select

from example_app.chat import visible_users
from example_app.extensions import db, realtime
from example_app.models import User, store
from example_app.schemas import UserPage, read_query
from example_app.serializers import Json, user_json
from example_app.tokens import require_access_token, signed_in_user
from flask_realtime import Identity

users = Blueprint("users", __name__, url_prefix="/api")
users.before_request(require_access_token)


@users.get("/users")
def list_users() -> list[Json]:
    """Return a page of the users, in the order of registration, and whether each is online, as far as the user may know."""
    query = read_query(UserPage)
    page = select(User).where(User.id > query.after).order_by(User.id).limit(query.limit)
    found = db.session.scalars(page).all()
    viewer_id = str(signed_in_user().id)
    visible = visible_users(Identity(viewer_id), [str(user.id) for user in found])
    # Presence may need the network, so the database connection is returned first.
    db.session.commit()
    statuses = {entry["userId"]: entry["status"] for entry in realtime.get_presence(visible, viewer_id)}
    return [{**user_json(user), "status": statuses.get(str(user.id), "offline")} for user in found]


@users.get("/me")
def me() -> Json:
    """Return the user who asks, and what the user lets others hear."""
    user = signed_in_user()
    privacy = store.privacy.get(str(user.id)) if store.privacy is not None else None
    return {
        **user_json(user),
        "isAdministrator": user.is_administrator,
        "sendTyping": privacy is None or privacy.send_typing,
        "sendReceipts": privacy is None or privacy.send_receipts,
    }
