"""Presence: who is online."""

from __future__ import annotations

from functools import partial
from typing import Final

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import conversations
from flask_realtime.features.presence import handlers, hooks
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.events import (
    CHANGE_ANNOUNCED,
    CHANGE_DELAYED,
    DEPARTED,
    HEARD,
    PRESENCE_ACTIVE,
    PRESENCE_CHANGED,
    PRESENCE_GET,
    PRESENCE_IDLE,
    PRESENCE_SET,
    RETURNED,
    SETTINGS_CHANGED,
    SETTINGS_MISSED,
    SETTINGS_RESTORED,
    USER_GET_STATUS,
    USER_ID,
    USER_IDS,
    USER_STATUS_CHANGED,
    USERS_GET_STATUS,
    PresenceOfUser,
    PresenceSetPayload,
    UserStatus,
    parse_set_presence,
    parse_user_id,
    parse_user_ids,
)
from flask_realtime.features.presence.settings import MAX_TEXT_LENGTH
from flask_realtime.features.typing_indicators import typing_indicators

presence: Final = Feature("presence", state=AnnouncedPresence, requires=[conversations, typing_indicators])

presence.add_outgoing(USER_STATUS_CHANGED, PRESENCE_CHANGED)
presence.add_hook(hooks.PRESENCE_AUDIENCE)
presence.add_hook(hooks.MAY_SEE_PRESENCE)
presence.add_hook(hooks.SETTINGS_PLACE)
presence.add_hook(hooks.ON_USER_ONLINE)
presence.add_hook(hooks.ON_USER_OFFLINE)

_MAY_ASK: Final = "may_see_presence is the hook that decides who may ask."
_MAY_HEAR: Final = "presence_audience is the hook that decides who hears of it."

_event: Final = partial(presence.event, limit="presence", inline=handlers.never_waits, app_context=False, hint=_MAY_ASK)

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

presence.event(
    PRESENCE_SET,
    hint=f"{_MAY_HEAR} Realtime.set_presence does the same.",
    payload=PresenceSetPayload,
    parse=parse_set_presence,
    limit="presence",
    summary=f"Set the user's state on all devices, with a `text` of at most {MAX_TEXT_LENGTH} characters. At `until`, in ISO 8601, "
    "the user is plain online again. To others a user who is `invisible` is offline.",
)(handlers.set_presence)

presence.event(
    PRESENCE_GET,
    hint=_MAY_ASK,
    payload=list[WireId],
    parse=parse_user_ids,
    argument=USER_IDS,
    answer=list[PresenceOfUser],
    limit="presence",
    summary="Ask for the presence of users: whether they are online, the state and text that they have set, and when those who are "
    "offline were last seen. At most `REALTIME_MAX_STATUS_IDS` ids, answered in the order requested. The user's own entry also has "
    "the `devices`.",
)(handlers.get_presence)

presence.event(
    PRESENCE_IDLE,
    hint=_MAY_HEAR,
    limit="presence",
    app_context=False,
    summary="Say that the device is idle. A user all of whose devices are idle is `away`, unless another state is set.",
)(handlers.idle)

presence.event(
    PRESENCE_ACTIVE,
    hint=_MAY_HEAR,
    limit="presence",
    app_context=False,
    summary="Say that the device is not idle any more.",
)(handlers.active)

presence.on_serving(handlers.serving)

presence.command(HEARD)(handlers.heard)
presence.command(DEPARTED)(handlers.departed)
presence.command(RETURNED)(handlers.returned)
presence.command(SETTINGS_CHANGED)(handlers.settings_changed)
presence.command(SETTINGS_MISSED)(handlers.settings_missed)
presence.command(SETTINGS_RESTORED)(handlers.settings_restored)
presence.command(CHANGE_ANNOUNCED)(handlers.change_announced)
presence.command(CHANGE_DELAYED)(handlers.change_delayed)
