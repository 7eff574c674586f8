"""Typing indicators: relayed to the other users of a conversation, and ended when the typist cannot."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from flask_realtime.contract import events
from flask_realtime.contract.ids import WireId
from flask_realtime.contract.payloads import typing_payload
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.features.effects import Send


@dataclass(slots=True)
class _Typing:
    user_id: str
    wire_id: WireId
    deadline: float
    started: Send


class TypingIndicators:
    """Who is typing where.

    Args:
        timeout: Seconds without a `start` after which a typing state ends.
        clock: Returns the time in seconds; it never goes back.
        lock: Keeps threads out of each other's way.
    """

    def __init__(self, timeout: float, clock: Callable[[], float], lock: AbstractContextManager[Any] | None = None) -> None:
        self._timeout = timeout
        self._clock = clock
        self._lock = lock or threading.Lock()
        # The time-out is the same for all, so the order of the last starts is the order of the deadlines.
        self._typing: OrderedDict[tuple[str, str], _Typing] = OrderedDict()
        self._conversations: dict[str, dict[str, None]] = {}
        self._devices: Counter[tuple[str, str]] = Counter()

    def start(self, connection_id: str, user_id: str, conversation_id: str, wire_id: WireId) -> Send:
        """Note that a user types on a connection, and tell the others."""
        key, deadline = (connection_id, conversation_id), self._clock() + self._timeout
        with self._lock:
            state = self._typing.get(key)
            if state is None or state.wire_id != wire_id:
                return self._begin(key, user_id, wire_id, deadline)
            state.deadline = deadline
            self._typing.move_to_end(key)
            return state.started

    def _begin(self, key: tuple[str, str], user_id: str, wire_id: WireId, deadline: float) -> Send:
        connection_id, conversation_id = key
        self._forget(*key)
        started = _relay(events.TYPING_START, user_id, conversation_id, wire_id)
        self._typing[key] = _Typing(user_id, wire_id, deadline, started)
        self._conversations.setdefault(connection_id, {})[conversation_id] = None
        self._devices[user_id, conversation_id] += 1
        return started

    def stop(self, connection_id: str, user_id: str, conversation_id: str, wire_id: WireId) -> Send:
        """Note that a user stopped typing on a connection, and tell the others."""
        with self._lock:
            self._forget(connection_id, conversation_id)
        return _relay(events.TYPING_STOP, user_id, conversation_id, wire_id)

    def left(self, connection_id: str, conversation_id: str) -> list[Send]:
        """End what a connection types in a conversation that it leaves."""
        with self._lock:
            return self._end(connection_id, conversation_id)

    def disconnected(self, connection_id: str) -> list[Send]:
        """End everything that a connection types."""
        with self._lock:
            conversations = list(self._conversations.get(connection_id, ()))
            return [send for conversation_id in conversations for send in self._end(connection_id, conversation_id)]

    def expire(self) -> list[Send]:
        """End the typing states whose time is up."""
        now = self._clock()
        ended: list[Send] = []
        with self._lock:
            while self._typing:
                key, state = next(iter(self._typing.items()))
                if state.deadline > now:
                    break
                ended += self._end(*key)
        return ended

    def next_deadline(self) -> float | None:
        """Return the clock's time at which the next typing state ends, or None where nobody types."""
        with self._lock:
            return next(iter(self._typing.values())).deadline if self._typing else None

    def _end(self, connection_id: str, conversation_id: str) -> list[Send]:
        state = self._forget(connection_id, conversation_id)
        if state is None or self._devices[state.user_id, conversation_id]:
            return []  # On another device the user goes on typing.
        return [_relay(events.TYPING_STOP, state.user_id, conversation_id, state.wire_id)]

    def _forget(self, connection_id: str, conversation_id: str) -> _Typing | None:
        state = self._typing.pop((connection_id, conversation_id), None)
        if state is None:
            return None
        conversations = self._conversations[connection_id]
        del conversations[conversation_id]
        if not conversations:
            del self._conversations[connection_id]
        device = (state.user_id, conversation_id)
        self._devices[device] -= 1
        if not self._devices[device]:
            del self._devices[device]
        return state


def _relay(event: str, user_id: str, conversation_id: str, wire_id: WireId) -> Send:
    payload = typing_payload(wire_id, user_id)
    return Send(event, (payload,), (conversation_room(conversation_id),), (user_room(user_id),), volatile=True)
