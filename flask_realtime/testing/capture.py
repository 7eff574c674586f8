"""Recorder of the events that an application sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.signals import event_sent


@dataclass(frozen=True)
class CapturedEvent:
    """One event that was sent, whether or not it had a receiver.

    Args:
        event: Its name.
        args: Its arguments, as the application passed them, or as clients get them if it waited for a commit.
        rooms: The rooms that it was sent to; None stands for everyone.
        skipped: The connection that was left out, or None.
    """

    event: str
    args: tuple[Any, ...]
    rooms: tuple[str, ...] | None
    skipped: str | None

    @property
    def data(self) -> Any:
        """The only argument, or all of them unless there is exactly one."""
        return self.args[0] if len(self.args) == 1 else self.args

    def is_to_user(self, user_id: WireId) -> bool:
        """Return whether it was sent to a user's connections."""
        return user_room(parse_id(user_id, "user_id")) in (self.rooms or ())

    def is_to_conversation(self, conversation_id: WireId) -> bool:
        """Return whether it was sent to the connections joined to a conversation."""
        return conversation_room(parse_id(conversation_id, "conversation_id")) in (self.rooms or ())

    @property
    def is_to_everyone(self) -> bool:
        """Return whether it was sent to every connection."""
        return self.rooms is None


@contextmanager
def capture_events(app: Flask) -> Iterator[list[CapturedEvent]]:
    """Record the events that an application sends while the context lasts.

    Args:
        app: The application.

    Yields:
        The events, in the order sent; the list grows.
    """
    captured: list[CapturedEvent] = []

    def record(_app: Flask, event: Emit) -> None:
        captured.append(CapturedEvent(event.event, event.args, event.rooms, event.except_connection))

    with event_sent.connected_to(record, sender=app):
        yield captured
