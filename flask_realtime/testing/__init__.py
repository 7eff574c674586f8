"""Testing tools for applications: clients that connect as a user, and a record of the sent events.

Installing the package brings the pytest fixtures of `flask_realtime.testing.plugin`; everything here works without them too.
"""

from flask_realtime.testing.capture import CapturedEvent, capture_events
from flask_realtime.testing.client import RealtimeTestClient, ReceivedEvent

__all__ = ["CapturedEvent", "RealtimeTestClient", "ReceivedEvent", "capture_events"]
