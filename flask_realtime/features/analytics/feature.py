"""Analytics: figures of connections, users, messages, events and times, for administrators."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.analytics import handlers, hooks, views
from flask_realtime.features.analytics.report import MAX_POINTS
from flask_realtime.features.analytics.state import Analytics

analytics: Final = Feature("analytics", state=Analytics)

analytics.add_hook(hooks.MAY_SEE_ANALYTICS)
analytics.add_hook(hooks.FIGURE_TABLE)

analytics.request(
    "GET",
    views.ANALYTICS,
    payload=views.AnalyticsPayload,
    parse=views.parse_analytics,
    answer=views.AnalyticsAnswer,
    limit="pages",
    summary="Ask for the figures of a time, as a user whom the application's `may_see_analytics` hook lets. `from` and `to` are "
    "times in ISO 8601; without them, the last figures. `interval` is `minute`, `hour` or `day`, in UTC, and `hour` by default; "
    f"there are at most {MAX_POINTS} intervals.",
)(handlers.figures)

analytics.on_serving(handlers.serving)
analytics.on_admitted(handlers.admitted)
analytics.on_disconnected(handlers.disconnected)
