"""The list of users, with their presence."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy import select

from example_app.extensions import db, realtime
from example_app.models import User
from example_app.schemas import UserPage, read_query
from example_app.serializers import Json, user_json
from example_app.tokens import require_access_token

users = Blueprint("users", __name__, url_prefix="/api/users")
users.before_request(require_access_token)


@users.get("")
def list_users() -> list[Json]:
    """Return a page of the users, in the order of registration, and whether each is online."""
    query = read_query(UserPage)
    page = select(User).where(User.id > query.after).order_by(User.id).limit(query.limit)
    found = db.session.scalars(page).all()
    # Presence may need the network, so the database connection is returned first.
    db.session.commit()
    online = set(realtime.get_online_users())
    return [{**user_json(user), "status": "online" if str(user.id) in online else "offline"} for user in found]
