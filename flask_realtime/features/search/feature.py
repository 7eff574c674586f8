"""Search: finds messages that a user may read by their words."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.connections import Caller
from flask_realtime.feature.feature import Feature
from flask_realtime.features.search import views
from flask_realtime.features.search.state import FIND, Search

search: Final = Feature("search", state=Search)

search.add_hook(FIND)


@search.request(
    "GET",
    views.SEARCH,
    payload=views.SearchPayload,
    parse=views.parse_search,
    answer=views.SearchAnswer,
    limit="searches",
    summary="Search in the messages of the user's conversations, newest first. `q` has the words, at most 200 characters, "
    "which a message has to have all. A phrase is in quotation marks, and the last word may be unfinished. `before` is the "
    "`nextBefore` of the page before, and `limit` the maximum number of messages, 1 to 100, 50 by default.",
)
def find(state: Search, caller: Caller, request: views.SearchRequest) -> views.SearchAnswer:
    """Search in the messages of the user's conversations."""
    return state.find(caller.user_id, request)
