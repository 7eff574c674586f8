"""Requests over HTTP that are handled as events are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import UnknownEvent
from flask_realtime.gateway.features import Features
from flask_realtime.gateway.limits.event_limiter import EventLimiter
from flask_realtime.gateway.locks import native_rlock
from flask_realtime.identity import Identity


@dataclass(eq=False, slots=True)
class RequestCaller:
    """The user who sent a request; see `Caller`.

    Args:
        identity: The identity of the user.
        address: The peer's address.
    """

    identity: Identity
    address: str
    id: str = ""
    device: str = ""
    closed: bool = False
    lock: AbstractContextManager[Any] = field(default_factory=native_rlock, repr=False)

    @property
    def user_id(self) -> str:
        """Return the id of the user."""
        return self.identity.user_id


class Requests:
    """Handles requests of one application.

    Args:
        config: Its settings.
        features: Its features.
        limiter: Counts events.
    """

    def __init__(self, config: RealtimeConfig, features: Features, limiter: EventLimiter) -> None:
        self._config = config
        self._features = features
        self._limiter = limiter

    def perform(self, caller: RequestCaller, name: str, payload: Mapping[str, Any]) -> Any:
        """Handle a request, and return the answer that a client's callback would get.

        Args:
            caller: The user who sent it.
            name: The event, or the name of the request.
            payload: Its payload.

        Raises:
            EventError: It is refused, or failed.
        """
        bound = self._features.events.get(name) or self._features.requests.get(name)
        if bound is None:
            msg = f"The server does not know {name}"
            raise UnknownEvent(msg)
        refusal = self._limiter.charge_user(caller.user_id, self._limiter.group(name))
        if refusal is not None:
            raise refusal
        return bound.work(caller, bound.parse([payload], self._config))
