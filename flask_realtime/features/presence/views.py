"""Requests of presence: a user's privacy."""

from __future__ import annotations

from flask_realtime.features.presence import handlers
from flask_realtime.features.presence.events import Privacy, PrivacyPayload, parse_privacy
from flask_realtime.features.presence.feature import presence

presence.request(
    "PATCH",
    "/me",
    payload=PrivacyPayload,
    parse=parse_privacy,
    answer=Privacy,
    limit="presence",
    summary="Set whether others hear that the user types, and whether they hear and see what the user has got and read.",
)(handlers.set_privacy)
