"""What servers share, behind small interfaces: who is online, and who is in which conversation."""

from flask_realtime.backends.base import ConversationBackend, PresenceBackend

__all__ = ["ConversationBackend", "PresenceBackend"]
