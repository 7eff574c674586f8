"""What servers share, behind small interfaces: who is online, and who has joined which topics of a feature."""

from flask_realtime.backends.base import BackendUnavailable, Change, PresenceBackend, PresenceEntry, Tracker

__all__ = ["BackendUnavailable", "Change", "PresenceBackend", "PresenceEntry", "Tracker"]
