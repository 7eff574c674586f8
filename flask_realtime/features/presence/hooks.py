"""Hooks of presence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator

PRESENCE_AUDIENCE: Final = Hook("presence_audience", ("user_id",), is_single=True)
ON_USER_ONLINE: Final = Hook("on_user_online", ("user_id",))
ON_USER_OFFLINE: Final = Hook("on_user_offline", ("user_id",))

PresenceAudience = Callable[[str], "Iterable[WireId] | None"]
OnUser = Callable[[str], None]
PresenceAudienceT = TypeVar("PresenceAudienceT", bound=PresenceAudience)
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
    def on_user_online(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is called with the id of each user who came online: whose first connection was admitted."""
        return self.hook(ON_USER_ONLINE)(hook)

    @hook_decorator
    def on_user_offline(self, hook: OnUserT) -> OnUserT:
        """Register a hook that is called with the id of each user who went offline: whose last connection has closed."""
        return self.hook(ON_USER_OFFLINE)(hook)
