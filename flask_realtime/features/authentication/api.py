"""Calls that end connections, for applications."""

from __future__ import annotations

from typing import Final

from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.feature.calls import Calls
from flask_realtime.features.authentication.feature import DISCONNECT_TOKEN, DISCONNECT_USER, authentication
from flask_realtime.features.presence import presence

SERVER_DISCONNECT: Final = "server disconnect"
"""The default reason for the `on_disconnect` hooks and the log."""


class AuthenticationCalls(Calls):
    """The calls that end connections."""

    def disconnect_user(self, user_id: WireId, reason: str | None = None) -> int:
        """End all of a user's connections. Their clients do not reconnect by themselves.

        Args:
            user_id: The user.
            reason: The reason for the `on_disconnect` hooks and the log.

        Returns:
            The number of connections.
        """
        target, user = self._target(), parse_id(user_id, "user_id")
        elsewhere = sum(not target.is_here(entry.connection_id) for entry in target.state_of(presence).connections(user))
        return elsewhere + target.everywhere(authentication, DISCONNECT_USER, user, reason or SERVER_DISCONNECT)

    def disconnect_token(self, jti: str, reason: str | None = None) -> int:
        """End the connections that were opened with an access token, for instance at log-out.

        Args:
            jti: The token's `jti` claim.
            reason: The reason for the `on_disconnect` hooks and the log.

        Returns:
            The number of connections on this server; those on others end too.
        """
        return self._target().everywhere(authentication, DISCONNECT_TOKEN, jti, reason or SERVER_DISCONNECT)
