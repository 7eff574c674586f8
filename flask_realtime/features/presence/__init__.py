"""Presence: who is online, on every server."""

import flask_realtime.features.presence.views  # noqa: F401 - declares the feature's requests
from flask_realtime.features.presence.api import PresenceCalls
from flask_realtime.features.presence.feature import presence
from flask_realtime.features.presence.hooks import PresenceHooks
from flask_realtime.features.presence.state import Presence

__all__ = ["Presence", "PresenceCalls", "PresenceHooks", "presence"]
