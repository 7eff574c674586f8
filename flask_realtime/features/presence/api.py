"""Calls of presence, for applications."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from flask_realtime.backends.base import PresenceEntry
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.errors import BadRequest, RegistrationError
from flask_realtime.feature.calls import Calls
from flask_realtime.features.conversations import conversations
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.events import PresenceOfUser, UserStatus, set_presence
from flask_realtime.features.presence.feature import presence
from flask_realtime.features.presence.settings import SetState
from flask_realtime.features.presence.state import Presence


class PresenceCalls(Calls):
    """The calls about presence.

    All but `get_presence` are about connections, and tell the truth about users who are invisible too: show others only what
    `get_presence` returns.
    """

    def is_user_online(self, user_id: WireId) -> bool:
        """Return whether a user has a connection."""
        return self._presence().is_online(parse_id(user_id, "user_id"))

    def get_user_status(self, user_id: WireId) -> UserStatus:
        """Return a user's status, in the form in which `user:get-status` answers it."""
        return self._presence().status(parse_id(user_id, "user_id"))

    def get_online_users_count(self) -> int:
        """Return how many users have a connection."""
        return self._presence().count()

    def get_online_users(self, conversation_id: WireId | None = None) -> list[str]:
        """Return the ids of the users who have a connection.

        Args:
            conversation_id: Return only users with a connection joined to this conversation; None for all.
        """
        if conversation_id is None:
            return self._presence().users()
        return self._target().state_of(conversations).online_users(parse_id(conversation_id, "conversation_id"))

    def get_user_connections(self, user_id: WireId) -> list[PresenceEntry]:
        """Return a user's connections on all servers: the id of each, its server, its start, and its device."""
        return self._presence().connections(parse_id(user_id, "user_id"))

    def get_presence(self, user_ids: Iterable[WireId], viewer_id: WireId | None = None) -> list[PresenceOfUser]:
        """Return users' presence as others see it, in the order given and as `presence:get` answers it; it needs the application.

        Whoever is invisible is offline. The hook `may_see_presence` is not asked: the caller decides who sees the result.

        Args:
            user_ids: The users.
            viewer_id: The user who is to see the result, and sees themselves as they are; None for nobody in particular.
        """
        viewer = None if viewer_id is None else parse_id(viewer_id, "viewer_id")
        return self._announced().presence_of([parse_id(user_id, "user_ids") for user_id in user_ids], viewer)

    def set_presence(self, user_id: WireId, state: SetState, text: str | None = None, until: datetime | None = None) -> None:
        """Set a user's state on all devices, as `presence:set` does; it needs the application.

        Args:
            user_id: The user.
            state: The state: online, away, busy or invisible.
            text: A line of at most 100 characters that goes with it.
            until: When the user is plain online again, with its time zone; None for never.

        Raises:
            ValueError: The state, the text or the time is invalid.
        """
        try:
            wanted = set_presence(state, text, until)
        except BadRequest as error:
            raise ValueError(str(error)) from None
        self._announced().set_state(parse_id(user_id, "user_id"), wanted)

    def set_privacy(self, user_id: WireId, *, send_typing: bool | None = None, send_receipts: bool | None = None) -> None:
        """Set what others hear of a user; it needs the application.

        Args:
            user_id: The user.
            send_typing: Whether others hear that the user types; None leaves it as it is.
            send_receipts: Whether others hear, and see, what the user has got and read; None leaves it as it is.

        Raises:
            ConfigError: It is about receipts, and there is no store.
        """
        self._announced().set_privacy(parse_id(user_id, "user_id"), send_typing=send_typing, send_receipts=send_receipts)

    def _announced(self) -> AnnouncedPresence:
        state = self._presence()
        if not isinstance(state, AnnouncedPresence):
            msg = "What users set of their presence is kept by the application; RealtimeEmitter has none."
            raise RegistrationError(msg)
        return state

    def _presence(self) -> Presence:
        return self._target().state_of(presence)
