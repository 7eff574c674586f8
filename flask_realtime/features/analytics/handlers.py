"""Handlers of analytics: an administrator's request, and what is counted where it happens."""

from __future__ import annotations

from flask_realtime.feature.connections import Caller
from flask_realtime.features.analytics.report import AnalyticsRequest
from flask_realtime.features.analytics.state import Analytics
from flask_realtime.features.analytics.views import ANALYTICS, AnalyticsAnswer, report_payload


def figures(analytics: Analytics, caller: Caller, request: AnalyticsRequest) -> AnalyticsAnswer:
    """Handle a request for the figures of a time."""
    return report_payload(analytics.report_for(caller, request, ANALYTICS))


def admitted(analytics: Analytics, caller: Caller) -> None:
    """Count a connection and its user."""
    analytics.connected(caller.user_id)


def disconnected(analytics: Analytics, _caller: Caller) -> None:
    """Count a connection no more."""
    analytics.disconnected()


def serving(analytics: Analytics) -> None:
    """Begin to count."""
    analytics.serve()
