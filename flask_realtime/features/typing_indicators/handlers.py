"""Handlers of typing indicators, for events, those of other servers, expiry, and connections that leave or close."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property, partial
from typing import Final, Protocol

from flask_realtime.contract.effects import Emit, Outcome
from flask_realtime.errors import NotJoined
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.conversations import OneConversation, conversations
from flask_realtime.features.typing_indicators.elsewhere import GRACE, TypingElsewhere
from flask_realtime.features.typing_indicators.events import TYPING_START, TYPING_STOP, parse_typist, relayed
from flask_realtime.features.typing_indicators.state import TypingIndicators, TypingState

_UNHEARD: Final = Outcome()


class RateLimit(Protocol):
    """The remaining allowance of a connection for typing events."""

    def take(self, now: float) -> bool:
        """Take one token, and return whether there was one."""


class Typing(TypingIndicators):
    """The state of typing indicators in one application.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        started = replace(TYPING_START, kind=context.repeated_emit)
        super().__init__(context.config.typing_timeout, context.clock, context.lock(), started)
        self.clock = context.clock
        self.emit_again = context.emit_again
        self._rooms = context.state_of(conversations)
        self.is_joined = self._rooms.is_joined
        self.is_silent: Callable[[str], bool] = _is_heard
        """Returns whether nobody is to hear that a user types; the feature presence sets it."""
        self.timer = context.timer(self.next_deadline, self.expire)
        self.elsewhere = TypingElsewhere(context.config.typing_timeout + GRACE, context.clock)
        self.timer_elsewhere = context.timer(self.elsewhere.next_deadline, self._expire_elsewhere)
        self._emit_here = context.emit_here

    @cached_property
    def sends_text(self) -> bool:
        """Return whether the id of a conversation is sent as text, as the store sends it; otherwise, as the client wrote it."""
        return self._rooms.is_stored  # For good: hooks are registered before anybody is connected.

    def require_joined(self, caller: Caller, conversation_id: str) -> None:
        """Check that a connection may type.

        Raises:
            NotJoined: It has not joined the conversation.
        """
        if not self.is_joined(caller.id, conversation_id):
            raise NotJoined

    def _expire_elsewhere(self) -> Iterable[Emit]:
        """Tell this server's clients of the typing states that no server has ended in time; each server does so by itself."""
        for payload in self.elsewhere.expire():
            typist = parse_typist(payload)
            if typist is None or self.is_typing(typist.user_id, typist.conversation_id):
                continue  # On another device, or back from the server that died.
            self._emit_here(relayed(TYPING_STOP, typist.user_id, typist.conversation_id, typist.raw_id))
        return ()


def start(state: Typing, caller: Caller, request: OneConversation) -> Outcome:
    """Handle `typing:start`."""
    conversation_id, raw_id = request
    state.require_joined(caller, conversation_id)
    if state.is_silent(caller.user_id):
        return _UNHEARD
    started = state.start(caller.id, caller.user_id, conversation_id, conversation_id if state.sends_text else raw_id)
    state.timer.wake()
    return Outcome(emits=(started,))


def stop(state: Typing, caller: Caller, request: OneConversation) -> Outcome:
    """Handle `typing:stop`."""
    conversation_id, raw_id = request
    state.require_joined(caller, conversation_id)
    if state.is_silent(caller.user_id):
        return _UNHEARD
    stopped = state.stop(caller.id, caller.user_id, conversation_id, conversation_id if state.sends_text else raw_id)
    return _UNHEARD if stopped is None else Outcome(emits=(stopped,))


def repeat_start(state: Typing, caller: Caller, request: OneConversation, allowance: RateLimit) -> Callable[[], bool] | None:
    """Return a function that handles the same `typing:start` again, as long as the typing state lasts."""
    typing_state = state.state(caller.id, request.conversation_id)
    return None if typing_state is None else partial(_go_on, state, typing_state, allowance)


def _go_on(state: Typing, typing_state: TypingState, allowance: RateLimit) -> bool:
    now = state.clock()
    # An ended state, or one over the limit, goes through the regular path, which counts and refuses it.
    if typing_state.started is None or not allowance.take(now):
        return False
    # A typing state ends when its connection leaves the conversation or closes, so its owner is still joined.
    started = state.touch(typing_state, now)
    if started is None:
        return False
    try:
        state.emit_again(started)
    except Exception:  # noqa: BLE001 - the usual way reports it
        return False
    return True


def relayed_start(state: Typing, payload: str) -> None:
    """Watch a user who types on another server."""
    if state.elsewhere.start(payload):
        state.timer_elsewhere.wake()


def relayed_stop(state: Typing, payload: str) -> None:
    """Stop watching a user who typed on another server."""
    state.elsewhere.stop(payload)


def left(state: Typing, caller: Caller, conversation_id: str) -> Iterable[Emit]:
    """End a connection's typing states in a conversation that it leaves."""
    return state.left(caller.id, conversation_id)


def disconnected(state: Typing, caller: Caller) -> Iterable[Emit]:
    """End all typing states of a closed connection."""
    return state.disconnected(caller.id)


def _is_heard(_user_id: str) -> bool:
    return False
