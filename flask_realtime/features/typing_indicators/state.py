"""State of typing indicators, with their expiry."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.events import OutgoingEvent
from flask_realtime.contract.ids import WireId
from flask_realtime.features.typing_indicators.events import TYPING_START, TYPING_STOP, TypingPayload, relayed

_ENDED: Final = 64
"""Ended states that may stay in the queue until due, in excess of the number of active ones."""


@dataclass(slots=True, eq=False)
class TypingState:
    """A user is typing on a connection, in a conversation.

    Args:
        key: The connection and the conversation.
        user_id: The user.
        raw_id: The conversation's id as it is sent.
        deadline: The clock's time at which it ends, unless the client renews it.
        started: The event for the other users; None once it has ended.
    """

    key: tuple[str, str]
    user_id: str
    raw_id: WireId
    deadline: float
    started: Emit | None


class TypingIndicators:
    """The typing states of all connections.

    Args:
        timeout: Seconds without a `start` after which a typing state ends.
        clock: Returns the time in seconds; it never goes back.
        lock: Keeps threads out of each other's way.
        started: What the others are told when somebody types.
    """

    def __init__(
        self,
        timeout: float,
        clock: Callable[[], float],
        lock: AbstractContextManager[Any] | None = None,
        started: OutgoingEvent[TypingPayload] = TYPING_START,
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._lock = lock or threading.Lock()
        self._started = started
        self._typing: dict[tuple[str, str], TypingState] = {}
        # When to check each state next. One that was renewed meanwhile is put back then: reordering at each start would cost more.
        self._due: list[tuple[float, int, TypingState]] = []
        self._numbers = count()
        self._conversations: dict[str, dict[str, None]] = {}
        self._devices: Counter[tuple[str, str]] = Counter()

    def start(self, connection_id: str, user_id: str, conversation_id: str, raw_id: WireId) -> Emit:
        """Record that a user types on a connection, and return the event for the others."""
        key, deadline = (connection_id, conversation_id), self._clock() + self._timeout
        with self._lock:
            state = self._typing.get(key)
            if state is None or state.started is None or state.raw_id != raw_id:
                return self._begin(key, user_id, raw_id, deadline)
            state.deadline = deadline
            return state.started

    def state(self, connection_id: str, conversation_id: str) -> TypingState | None:
        """Return the typing state of a connection in a conversation, for `touch`."""
        return self._typing.get((connection_id, conversation_id))

    def touch(self, state: TypingState, now: float) -> Emit | None:
        """Record that a user still types, as the same `start` again would.

        Args:
            state: The typing state.
            now: The clock's time.

        Returns:
            The event for the others; None if the state has ended.
        """
        with self._lock:
            state.deadline = now + self._timeout
            return state.started

    def _begin(self, key: tuple[str, str], user_id: str, raw_id: WireId, deadline: float) -> Emit:
        connection_id, conversation_id = key
        self._forget(*key)
        started = relayed(self._started, user_id, conversation_id, raw_id)
        state = self._typing[key] = TypingState(key, user_id, raw_id, deadline, started)
        if len(self._due) > 2 * len(self._typing) + _ENDED:
            self._due = [entry for entry in self._due if entry[2].started is not None]
            heapify(self._due)
        heappush(self._due, (deadline, next(self._numbers), state))
        self._conversations.setdefault(connection_id, {})[conversation_id] = None
        self._devices[user_id, conversation_id] += 1
        return started

    def stop(self, connection_id: str, user_id: str, conversation_id: str, raw_id: WireId) -> Emit | None:
        """Record that a user stopped typing on a connection, and return the event for the others.

        Returns:
            The event; None if the user still types on another device of this server. Those of other servers do not count: this one
            would have to ask them, or to watch them for each event.
        """
        with self._lock:
            self._forget(connection_id, conversation_id)
            is_typing = (user_id, conversation_id) in self._devices
        return None if is_typing else relayed(TYPING_STOP, user_id, conversation_id, raw_id)

    def is_typing(self, user_id: str, conversation_id: str) -> bool:
        """Return whether a user types in a conversation, on any connection of this server."""
        return (user_id, conversation_id) in self._devices

    def left(self, connection_id: str, conversation_id: str) -> list[Emit]:
        """End a connection's typing states in a conversation that it leaves."""
        with self._lock:
            return self._end(connection_id, conversation_id)

    def silence(self, user_id: str) -> list[Emit]:
        """End all typing states of a user, of whose typing nobody is to hear any more."""
        with self._lock:
            typing = [state.key for state in self._typing.values() if state.user_id == user_id]
            return [send for key in typing for send in self._end(*key)]

    def disconnected(self, connection_id: str) -> list[Emit]:
        """End all typing states of a connection."""
        if connection_id not in self._conversations:  # As most that end.
            return []
        with self._lock:
            conversations = list(self._conversations.get(connection_id, ()))
            return [send for conversation_id in conversations for send in self._end(connection_id, conversation_id)]

    def expire(self) -> list[Emit]:
        """End the expired typing states."""
        now = self._clock()
        ended: list[Emit] = []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                deadline, _, state = heappop(self._due)
                if state.started is None:
                    continue
                if state.deadline > deadline:
                    heappush(self._due, (state.deadline, next(self._numbers), state))
                else:
                    ended += self._end(*state.key)
        return ended

    def next_deadline(self) -> float | None:
        """Return the clock's time at which the next typing state may end, or None if nobody types."""
        with self._lock:
            while self._due and self._due[0][2].started is None:
                heappop(self._due)
            return self._due[0][0] if self._due else None

    def _end(self, connection_id: str, conversation_id: str) -> list[Emit]:
        state = self._forget(connection_id, conversation_id)
        if state is None or self._devices[state.user_id, conversation_id]:
            return []  # The user still types on another device.
        return [relayed(TYPING_STOP, state.user_id, conversation_id, state.raw_id)]

    def _forget(self, connection_id: str, conversation_id: str) -> TypingState | None:
        state = self._typing.pop((connection_id, conversation_id), None)
        if state is None:
            return None
        state.started = None
        conversations = self._conversations[connection_id]
        del conversations[conversation_id]
        if not conversations:
            del self._conversations[connection_id]
        device = (state.user_id, conversation_id)
        self._devices[device] -= 1
        if not self._devices[device]:
            del self._devices[device]
        return state
