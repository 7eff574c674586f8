"""Testing tools for applications: clients that connect as a user, a record of the sent events, and jobs run at once.

Installing the package brings the pytest fixtures of `flask_realtime.testing.plugin`; everything here works without them too.
"""

from flask_realtime.testing.capture import CapturedEvent, capture_events
from flask_realtime.testing.client import RealtimeTestClient, ReceivedEvent
from flask_realtime.testing.jobs import run_due_jobs

__all__ = ["CapturedEvent", "RealtimeTestClient", "ReceivedEvent", "capture_events", "run_due_jobs"]
