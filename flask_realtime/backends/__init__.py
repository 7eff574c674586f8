"""State that servers share, behind small interfaces: connected users, members of features' topics, and features' records."""

from flask_realtime.backends.base import BackendUnavailable, Change, ConnectedUsers, PresenceEntry, Tracker
from flask_realtime.backends.record import Record

__all__ = ["BackendUnavailable", "Change", "ConnectedUsers", "PresenceEntry", "Record", "Tracker"]
