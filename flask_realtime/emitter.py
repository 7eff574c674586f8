"""Calls from a process without connections or a Flask application: a worker of a task queue, a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.queue import connect
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.effects import Emit
from flask_realtime.errors import ConfigError, RegistrationError
from flask_realtime.extension import Calls
from flask_realtime.feature.calls import Target
from flask_realtime.feature.context import HasState
from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import MEMBERS, Conversations, conversations
from flask_realtime.features.presence import Presence, presence
from flask_realtime.gateway.delivery.encoding import EventEncoder
from flask_realtime.gateway.delivery.envelopes import command_envelope, envelope_of

StateT = TypeVar("StateT")
Publish = Callable[[Envelope], bool]
SendEmit = Callable[[Emit, Publish], bool]
"""Encodes an event, and passes it to what publishes it."""


class RealtimeEmitter(Calls):
    """Sends events and asks about users, as `Realtime` does, through the servers' message queue.

    A call that sends returns once the event is in the queue: True, or False if that took more than a second. `skip_sender` has
    no effect, since no request names a sender here.

    Args:
        url: The servers' `REALTIME_MESSAGE_QUEUE`.
        channel: Their `REALTIME_MESSAGE_QUEUE_CHANNEL`.
        retention: Their `REALTIME_MESSAGE_QUEUE_RETENTION`, in seconds.

    Raises:
        ConfigError: The URL is not that of a message queue, another argument is invalid, or its package is not installed.
    """

    def __init__(self, url: str, *, channel: str = "flask_realtime", retention: float = 60.0) -> None:
        if not isinstance(url, str):
            msg = (
                "RealtimeEmitter takes the URL of the servers' message queue, their REALTIME_MESSAGE_QUEUE, such as "
                f"'redis://localhost:6379/0', not {url!r}. Set it for this process too."
            )
            raise ConfigError(msg)
        RealtimeConfig(message_queue=url, message_queue_channel=channel, message_queue_retention=retention)
        self._bus: Final = _BusTarget(connect(url, channel=channel, retention=retention, direct_links=True))

    def send_through(self, wrap: Callable[[SendEmit], SendEmit]) -> None:
        """Send events through another function than the usual one.

        It is how `flask_realtime.tracing` gets at what it records; there is no need for it in an application.

        Args:
            wrap: Gets what encodes an event and passes it to what writes it to the queue, and returns what is called instead.
        """
        self._bus.send = wrap(self._bus.send)

    def close(self) -> None:
        """Close the connections to the message queue."""
        self._bus.backend.stop(1.0)

    def _target(self) -> Target:
        return self._bus


class _BusTarget:
    """A target of calls that is reached through the message queue alone."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._states: dict[str, Any] = {
            presence.name: Presence(backend.connected_users),
            conversations.name: Conversations(backend.tracker(conversations.name, MEMBERS)),
        }
        self._encoder = EventEncoder(DefaultJSONProvider(Flask(__name__)))
        self.send: SendEmit = self._send
        """Encodes an event, and passes it to what writes it to the queue."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        try:
            state: StateT = self._states[feature.name]
        except KeyError:
            msg = f"The feature {feature.name!r} keeps its state in the servers; other processes cannot see it."
            raise RegistrationError(msg) from None
        return state

    def emit(self, emit: Emit, *, skip_sender: bool, after_commit: bool | None) -> bool:  # noqa: ARG002 - there is no sender
        if after_commit:
            msg = (
                "RealtimeEmitter has no application, and thus no db.session whose commit after_commit could wait for: call it "
                "after the commit, or call the application's Realtime object in an application context."
            )
            raise ConfigError(msg)
        return self.send(emit, self.backend.publish)

    def _send(self, emit: Emit, publish: Publish) -> bool:
        parts = self._encoder.encode([emit.event, *emit.args])
        return emit.rooms == () or publish(envelope_of(emit, parts))

    def is_here(self, connection_id: str) -> bool:  # noqa: ARG002 - this process is no server
        return False

    def everywhere(self, feature: Feature[Any], command: str, *args: Any) -> int:
        self.backend.publish(command_envelope(feature.name, command, *args))
        return 0

    def wait_passed(self, timeout: float) -> bool:
        return self.backend.wait_passed(timeout)
