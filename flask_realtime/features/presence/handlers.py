"""Handlers of presence: questions, what users and devices say of themselves, and what other servers report."""

from __future__ import annotations

from collections.abc import Sequence

from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.events import (
    PRESENCE_GET,
    USER_GET_STATUS,
    USERS_GET_STATUS,
    OneUser,
    PresenceOfUser,
    Privacy,
    SetPresence,
    SetPrivacy,
    SomeUsers,
    UserStatus,
    privacy,
    user_status,
)
from flask_realtime.features.presence.hooks import MAY_SEE_PRESENCE


def never_waits(context: FeatureContext) -> bool:
    """Return whether queries are answered from memory."""
    is_local: bool = context.backend.is_local
    return is_local and not context.is_registered(MAY_SEE_PRESENCE)


def get_status(state: AnnouncedPresence, caller: Caller, request: OneUser) -> UserStatus:
    """Handle `user:get-status`."""
    return user_status(request.user_id, online=state.is_shown_online(caller, request.user_id, USER_GET_STATUS))


def get_statuses(state: AnnouncedPresence, caller: Caller, request: SomeUsers) -> list[UserStatus]:
    """Handle `users:get-status`."""
    online = state.shown_online(caller, request.user_ids, USERS_GET_STATUS)
    return [user_status(user_id, online=user_id in online) for user_id in request.user_ids]


def get_presence(state: AnnouncedPresence, caller: Caller, request: SomeUsers) -> list[PresenceOfUser]:
    """Handle `presence:get`."""
    allowed = state.allowed(caller, request.user_ids, PRESENCE_GET)
    return state.view.of(request.user_ids, viewer_id=caller.user_id, allowed=allowed)


def set_presence(state: AnnouncedPresence, caller: Caller, request: SetPresence) -> None:
    """Handle `presence:set`."""
    state.set_state(caller.user_id, request)


def set_privacy(state: AnnouncedPresence, caller: Caller, request: SetPrivacy) -> Privacy:
    """Handle a change of the caller's privacy."""
    settings = state.set_privacy(caller.user_id, send_typing=request.send_typing, send_receipts=request.send_receipts)
    return privacy(sends_typing=settings.sends_typing, sends_receipts=settings.sends_receipts)


def idle(state: AnnouncedPresence, caller: Caller) -> None:
    """Handle `presence:idle`."""
    state.set_idle(caller, idle=True)


def active(state: AnnouncedPresence, caller: Caller) -> None:
    """Handle `presence:active`."""
    state.set_idle(caller, idle=False)


def serving(state: AnnouncedPresence) -> None:
    """Handle the start of a server."""
    state.notifier.begin()


def departed(state: AnnouncedPresence, user_id: str, version: int) -> None:
    """Record a departure that waits on another server."""
    state.notifier.departed(user_id, version)


def returned(state: AnnouncedPresence, user_id: str, version: int) -> None:
    """Record that a user whose departure waits is back on another server."""
    state.notifier.returned(user_id, version)


def heard(state: AnnouncedPresence, user_id: str, online: bool, version: int, announced: bool) -> None:  # noqa: FBT001 - from JSON
    """Record a change reported by another server."""
    state.heard(user_id, online=online, version=version, announced=announced)


def settings_changed(state: AnnouncedPresence, user_id: str, fields: Sequence[object]) -> None:
    """Take over what another server has changed of a user's settings."""
    state.heard_settings(user_id, fields)


def settings_missed(state: AnnouncedPresence, part: str) -> None:
    """Write users' settings again if they were lost."""
    state.settings.missed(part)


def settings_restored(state: AnnouncedPresence) -> None:
    """Read users' settings that were lost for a while."""
    state.settings.look_again()


def change_announced(state: AnnouncedPresence, user_id: str) -> None:
    """Record a `presence:changed` that another server has sent."""
    state.publisher.heard(user_id, announced=True)


def change_delayed(state: AnnouncedPresence, user_id: str) -> None:
    """Record a `presence:changed` that waits on another server."""
    state.publisher.heard(user_id, announced=False)
