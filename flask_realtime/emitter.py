"""Calls from a process that serves nobody and has no Flask application: a worker of a task queue, a script."""

from __future__ import annotations

from typing import Final

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from flask_realtime.backends.queue import connect
from flask_realtime.backends.shared import Shared
from flask_realtime.config import RealtimeConfig
from flask_realtime.emits import Emits, Target
from flask_realtime.errors import ConfigError
from flask_realtime.features.conversations import Conversations
from flask_realtime.features.effects import Send
from flask_realtime.features.presence import Presence
from flask_realtime.gateway.control import command_envelope
from flask_realtime.gateway.delivery import envelope_of
from flask_realtime.gateway.encoding import EventEncoder


class RealtimeEmitter(Emits):
    """Has the calls of `Realtime`, for the servers that share a message queue.

    A call that sends returns once the event is in the queue: True, or False where that took more than a second. `skip_sender` has
    no effect: there is no request here that could name its sender.

    Args:
        url: The servers' `REALTIME_MESSAGE_QUEUE`.
        channel: Their `REALTIME_MESSAGE_QUEUE_CHANNEL`.
        retention: Their `REALTIME_MESSAGE_QUEUE_RETENTION`, in seconds.

    Raises:
        ConfigError: The URL is none of a message queue, another argument cannot work, or the package for it is not installed.
    """

    def __init__(self, url: str, *, channel: str = "flask_realtime", retention: float = 60.0) -> None:
        if not isinstance(url, str):
            msg = (
                "RealtimeEmitter takes the URL of the servers' message queue, their REALTIME_MESSAGE_QUEUE, such as "
                f"'redis://localhost:6379/0', not {url!r}. Set it for this process too."
            )
            raise ConfigError(msg)
        RealtimeConfig(message_queue=url, message_queue_channel=channel, message_queue_retention=retention)
        self._bus: Final = _BusTarget(connect(url, channel=channel, retention=retention))

    def close(self) -> None:
        """Give the connections to the message queue back."""
        self._bus.shared.stop(1.0)

    def _target(self) -> Target:
        return self._bus


class _BusTarget:
    """What is reached through the message queue alone."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.presence: Presence = Presence(shared.presence)
        self.conversations: Conversations = Conversations(shared.conversations)
        self._encoder = EventEncoder(DefaultJSONProvider(Flask(__name__)))

    def send(self, send: Send, *, skip_sender: bool) -> bool:  # noqa: ARG002 - there is no sender
        parts = self._encoder.encode([send.event, *send.args])
        return send.rooms == () or self.shared.publish(envelope_of(send, parts))

    def disconnect_user(self, user_id: str, reason: str | None) -> int:
        count = len(self.presence.connections(user_id))
        self.shared.publish(command_envelope("disconnect_user", user_id, reason))
        return count

    def disconnect_token(self, jti: str, reason: str | None) -> int:
        self.shared.publish(command_envelope("disconnect_token", jti, reason))
        return 0

    def remove_from_conversation(self, conversation_id: str, user_id: str) -> None:
        self.shared.publish(command_envelope("remove_from_conversation", conversation_id, user_id))
