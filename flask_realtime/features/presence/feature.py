"""Presence: who is online."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.feature import Feature
from flask_realtime.features.presence import handlers, hooks
from flask_realtime.features.presence.events import (
    DEPARTED,
    HEARD,
    RETURNED,
    USER_GET_STATUS,
    USER_ID,
    USER_IDS,
    USER_STATUS_CHANGED,
    USERS_GET_STATUS,
    UserStatus,
    parse_user_id,
    parse_user_ids,
)

presence: Final = Feature("presence", state=handlers.AnnouncedPresence)

presence.add_outgoing(USER_STATUS_CHANGED)
presence.add_hook(hooks.PRESENCE_AUDIENCE)
presence.add_hook(hooks.ON_USER_ONLINE)
presence.add_hook(hooks.ON_USER_OFFLINE)

_event: Final = partial(presence.event, limit="presence", inline=handlers.never_waits, app_context=False)

_event(
    USER_GET_STATUS,
    payload=WireId,
    parse=parse_user_id,
    argument=USER_ID,
    answer=UserStatus,
    summary="Ask whether a user is online.",
)(handlers.get_status)

_event(
    USERS_GET_STATUS,
    payload=list[WireId],
    parse=parse_user_ids,
    argument=USER_IDS,
    answer=list[UserStatus],
    summary="Ask which users are online; at most `REALTIME_MAX_STATUS_IDS` ids, answered in the order requested.",
)(handlers.get_statuses)

presence.command(HEARD)(handlers.heard)
presence.command(DEPARTED)(handlers.departed)
presence.command(RETURNED)(handlers.returned)
