"""What servers share, behind small interfaces: who is online, and who has joined which topics of a feature."""

from flask_realtime.backends.base import BackendUnavailable, Change, ConnectedUsers, PresenceEntry, Tracker

__all__ = ["BackendUnavailable", "Change", "ConnectedUsers", "PresenceEntry", "Tracker"]
