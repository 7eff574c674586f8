"""Control of all servers at once: sending, ending connections, ending memberships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from flask import has_request_context, request
from flask_jwt_extended import get_jwt_identity

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit
from flask_realtime.feature.connections import LostConnection
from flask_realtime.feature.context import HasState
from flask_realtime.feature.feature import Feature
from flask_realtime.gateway.connection import Registry, current
from flask_realtime.gateway.delivery.after_commit import AfterCommit
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.delivery.envelopes import command_envelope
from flask_realtime.gateway.features import Features

StateT = TypeVar("StateT")

SENDER_HEADER: Final = "X-Socket-ID"


class Control:
    """Runs the application's calls, here and on the other servers.

    Args:
        registry: The connections of this server.
        delivery: Sends events.
        backend: What servers share.
        features: The features.
        after_commit: Lets events wait for a commit.
        lost_connections: Returns a user's lost connections, which may come back.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a call of the application can reach
        self,
        registry: Registry,
        delivery: Delivery,
        backend: Backend,
        features: Features,
        after_commit: AfterCommit,
        lost_connections: Callable[[str | None], Sequence[LostConnection]],
    ) -> None:
        self._registry = registry
        self._delivery = delivery
        self._backend = backend
        self._features = features
        self._after_commit = after_commit
        self._lost_connections = lost_connections

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature."""
        return self._features.state_of(feature)

    def emit(self, emit: Emit, *, skip_sender: bool, after_commit: bool | None = None) -> bool:
        """Send an event; see `Delivery.send`.

        Args:
            emit: The event.
            skip_sender: Whether to leave out the connection that the caller acts for.
            after_commit: Whether to wait for the commit of `db.session`; None for the application's default.

        Returns:
            Whether it is on its way to the other servers, or waits for a commit.
        """
        if skip_sender:
            emit = replace(emit, except_connection=self._sender())
        if after_commit is None:
            after_commit = self._after_commit.by_default
        if after_commit and self._after_commit.wait(emit.event, partial(self._delivery.prepare, emit)):
            return True
        return self._delivery.send(emit)

    def is_here(self, connection_id: str) -> bool:
        """Return whether a connection is on this server."""
        return self._registry.get(connection_id) is not None

    def everywhere(self, feature: Feature[Any], command: str, *args: Any) -> int:
        """Run a feature's command on every server, and return its result on this one."""
        self._backend.publish(command_envelope(feature.name, command, *args))
        return self._features.run_command(feature.name, command, *args)

    def wait_passed(self, timeout: float) -> bool:
        """Wait until no server gets what is sent later before what was sent so far; see `Backend.wait_passed`."""
        return self._backend.wait_passed(timeout)

    def perform(self, envelope: Envelope) -> None:
        """Run a command from another server."""
        header = envelope.header
        self._features.run_command(header["feature"], header["command"], *header["args"])

    def _sender(self) -> str | None:
        connection = current.get(None)
        if connection is not None:
            return connection.id
        named = request.headers.get(SENDER_HEADER) if has_request_context() else None
        return named if named is not None and self._may_name(named) else None

    def _may_name(self, connection_id: str) -> bool:
        """Return whether a request may name a connection, so that nobody can hide an event from another user by naming theirs."""
        try:
            user_id = str(get_jwt_identity())
        except RuntimeError:
            return True  # Without a token there is no user to compare with.
        connection = self._registry.get(connection_id)
        if connection is not None:
            return connection.user_id == user_id
        if any(lost.sid == connection_id for lost in self._lost_connections(user_id)):
            return True  # It does not get the event when it comes back.
        return any(entry.connection_id == connection_id for entry in self._backend.connected_users.connections(user_id))
