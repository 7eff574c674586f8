"""Handlers of presence queries."""

from __future__ import annotations

from flask_realtime.feature.context import Caller, FeatureContext
from flask_realtime.features.presence.events import OneUser, SomeUsers, UserStatus
from flask_realtime.features.presence.notifier import PresenceNotifier
from flask_realtime.features.presence.state import Presence


class AnnouncedPresence(Presence):
    """The state of presence in one application: the online users, and the announcements about them.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        super().__init__(context.backend.connected_users)
        self.notifier = PresenceNotifier(context, self)


def never_waits(context: FeatureContext) -> bool:
    """Return whether queries are answered from memory."""
    is_local: bool = context.backend.is_local
    return is_local


def get_status(state: Presence, _caller: Caller, request: OneUser) -> UserStatus:
    """Handle `user:get-status`."""
    return state.status(request.user_id)


def get_statuses(state: Presence, _caller: Caller, request: SomeUsers) -> list[UserStatus]:
    """Handle `users:get-status`."""
    return state.statuses(request.user_ids)


def departed(state: AnnouncedPresence, user_id: str, version: int) -> None:
    """Record a departure that waits on another server."""
    state.notifier.departed(user_id, version)


def returned(state: AnnouncedPresence, user_id: str, version: int) -> None:
    """Record that a user whose departure waits is back on another server."""
    state.notifier.returned(user_id, version)


def heard(state: AnnouncedPresence, user_id: str, online: bool, version: int, announced: bool) -> None:  # noqa: FBT001 - from JSON
    """Record a change reported by another server."""
    state.notifier.heard(user_id, online=online, version=version, announced=announced)
