"""Search of one application, which its store answers."""

from __future__ import annotations

from typing import Final

from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.search.views import SearchAnswer, SearchRequest

FIND: Final = Hook("search.messages", ("user_id", "request"), is_single=True)
"""Its function searches. `Store.register` registers it, if the store has an index of the messages."""


class Search:
    """The search of one application.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self._context = context

    def find(self, user_id: str, request: SearchRequest) -> SearchAnswer:
        """Return the messages that a user searches for.

        Raises:
            UnknownEvent: The application has no index of its messages.
        """
        for function in self._context.functions(FIND):
            answer: SearchAnswer = function(user_id, request)
            return answer
        msg = "The application has no search: it needs a store with define_models(db, search=True)"
        raise UnknownEvent(msg)
