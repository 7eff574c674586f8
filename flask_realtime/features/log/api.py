"""Calls of the log, for applications."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.events import MAX_EVENT_NAME_LENGTH
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.feature.calls import Calls, sendable
from flask_realtime.features.log.feature import log


class LogCalls(Calls):
    """The calls about the log."""

    def log(
        self,
        event: str,
        *args: Any,
        user_id: WireId | None = None,
        conversation_id: WireId | None = None,
        everyone: bool = False,
    ) -> None:
        """Write an event to the log, in the current transaction of `db.session`.

        The event is sent when the transaction commits, and not at all if it is rolled back. If the process dies in between, another
        one sends it. Clients that were away get it with `sync`. Give exactly one of the receivers.

        Args:
            event: The event's name.
            args: Its arguments; they are encoded at once, and cannot be bytes.
            user_id: A user, all of whose connections get it.
            conversation_id: A conversation; every connection joined to it gets the event.
            everyone: Whether every connection gets it.

        Raises:
            ConfigError: The application has no log.
            ValueError: The name cannot be sent, or there is not exactly one receiver.
        """
        self._target().state_of(log).append(Emit(_loggable(event), args, _rooms(user_id, conversation_id, everyone)))


def _loggable(event: str) -> str:
    if len(sendable(event)) > MAX_EVENT_NAME_LENGTH:
        msg = (
            f"The event name {event[:MAX_EVENT_NAME_LENGTH]!r}... cannot be logged: it has over {MAX_EVENT_NAME_LENGTH} characters"
        )
        raise ValueError(msg)
    return event


def _rooms(user_id: WireId | None, conversation_id: WireId | None, everyone: bool) -> tuple[str, ...] | None:  # noqa: FBT001
    if (user_id is not None) + (conversation_id is not None) + everyone != 1:
        msg = "Log an event for exactly one of user_id, conversation_id and everyone=True."
        raise ValueError(msg)
    if user_id is not None:
        return (user_room(parse_id(user_id, "user_id")),)
    return None if conversation_id is None else (conversation_room(parse_id(conversation_id, "conversation_id")),)
