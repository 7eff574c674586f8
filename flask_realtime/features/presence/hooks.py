"""Hooks of presence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.identity import Identity

PRESENCE_AUDIENCE: Final = Hook("presence_audience", ("user_id",), is_single=True)
MAY_SEE_PRESENCE: Final = Hook("may_see_presence", ("identity", "user_ids"), is_single=True)
ON_USER_ONLINE: Final = Hook("on_user_online", ("user_id",))
ON_USER_OFFLINE: Final = Hook("on_user_offline", ("user_id",))

SETTINGS_PLACE: Final = Hook("presence.settings_place", (), is_single=True)
"""Its function returns the `SettingsPlace`. `Store.register` registers it; without it settings are in records."""

PresenceAudience = Callable[[str], "Iterable[WireId] | None"]
MaySeePresence = Callable[[Identity, "list[str]"], "Iterable[WireId]"]
OnUser = Callable[[str], None]
PresenceAudienceT = TypeVar("PresenceAudienceT", bound=PresenceAudience)
MaySeePresenceT = TypeVar("MaySeePresenceT", bound=MaySeePresence)
OnUserT = TypeVar("OnUserT", bound=OnUser)


class PresenceHooks(HookDecorators):
    """The decorators of the hooks of presence."""

    @hook_decorator
    def presence_audience(self, hook: PresenceAudienceT) -> PresenceAudienceT:
        """Register the hook that decides who is notified when a user comes online or goes offline. There can be one.

        It gets the user's id, and returns the ids of the users to notify, or None for everyone. If it fails, nobody is notified.
        """
        return self.hook(PRESENCE_AUDIENCE)(hook)

    @hook_decorator
    def may_see_presence(self, hook: MaySeePresenceT) -> MaySeePresenceT:
        """Register the hook that decides whose presence a user may ask for. There can be one; without it everybody may.

        It gets the identity and a list of user ids, and returns those whose presence may be told; the others are offline, as users
        are who do not exist. It is asked for every question about others' presence. If it fails, the question is refused.
        """
        return self.hook(MAY_SEE_PRESENCE)(hook)

    @hook_decorator
    def on_user_online(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is called with the id of each user who came online: whose first connection was admitted."""
        return self.hook(ON_USER_ONLINE)(hook)

    @hook_decorator
    def on_user_offline(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is called with the id of each user who went offline: whose last connection has closed."""
        return self.hook(ON_USER_OFFLINE)(hook)
