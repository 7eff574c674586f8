"""Presence: who is online, on every server."""

from flask_realtime.features.presence.api import PresenceCalls
from flask_realtime.features.presence.feature import presence
from flask_realtime.features.presence.hooks import PresenceHooks
from flask_realtime.features.presence.state import Presence

__all__ = ["Presence", "PresenceCalls", "PresenceHooks", "presence"]
