"""Full-text search in the messages that a user may read."""

from flask_realtime.features.search.feature import search

__all__ = ["search"]
