"""Figures of what an application's servers do: connections, users, messages, events, and how long deliveries take."""

from flask_realtime.features.analytics.feature import analytics
from flask_realtime.features.analytics.figures import Interval, interval_of
from flask_realtime.features.analytics.hooks import AnalyticsHooks
from flask_realtime.features.analytics.report import AnalyticsRequest, Point, Report, Times, Users
from flask_realtime.features.analytics.state import Analytics
from flask_realtime.features.analytics.views import AnalyticsAnswer, report_payload

__all__ = [
    "Analytics",
    "AnalyticsAnswer",
    "AnalyticsHooks",
    "AnalyticsRequest",
    "Interval",
    "Point",
    "Report",
    "Times",
    "Users",
    "analytics",
    "interval_of",
    "report_payload",
]
