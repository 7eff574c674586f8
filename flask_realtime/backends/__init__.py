"""State that servers share, behind small interfaces: connected users, and the members of features' topics."""

from flask_realtime.backends.base import BackendUnavailable, Change, ConnectedUsers, PresenceEntry, Tracker

__all__ = ["BackendUnavailable", "Change", "ConnectedUsers", "PresenceEntry", "Tracker"]
