"""The events that a user has missed, for clients that ask over HTTP; the event `sync` is the same."""

from __future__ import annotations

from typing import cast

from flask import Blueprint

from example_app.models import store
from example_app.schemas import SyncQuery, read_query
from example_app.serializers import Json
from example_app.tokens import require_access_token, signed_in_user_id

sync = Blueprint("sync", __name__, url_prefix="/api/sync")
sync.before_request(require_access_token)


@sync.get("")
def missed_events() -> Json:
    """Return a page of the events since a cursor."""
    query = read_query(SyncQuery)
    return cast("Json", store.log.sync(signed_in_user_id(), query.cursor, query.limit))
