"""What servers share, behind small interfaces: who is online, and who is in which conversation."""

from flask_realtime.backends.base import BackendUnavailable, Change, ConversationBackend, PresenceBackend, PresenceEntry

__all__ = ["BackendUnavailable", "Change", "ConversationBackend", "PresenceBackend", "PresenceEntry"]
