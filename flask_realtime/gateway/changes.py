"""Changes to a connection that a feature makes: what it wants to happen, in the order that keeps everybody in step.

::

    under the connection's lock   what the feature keeps, and as they come: EnterRoom, LeaveRoom, Left, Emit
    then, with no lock held       Share     what servers share, which may have to be waited for
                                  Joined    the other features
                                  Ask       hooks that may refuse
                                  Announce  hooks that are told

Under the lock nothing can fall into the connection's end: whoever is closed joins nothing, and whoever has joined is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from flask_realtime.contract.effects import Announce, Ask, Change, Emit, EnterRoom, Joined, LeaveRoom, Left, Share
from flask_realtime.feature.connections import Caller

_LATER: Final[dict[type[Change], int]] = {Share: 0, Joined: 1, Ask: 2, Announce: 3}
"""The effects that wait until the lock is free, and their order."""


class Means(Protocol):
    """Carries effects out."""

    def emit(self, emit: Emit) -> bool:
        """Send an event."""

    def enter_room(self, caller: Any, room: str) -> None:
        """Let a connection into a room."""

    def leave_room(self, caller: Any, room: str) -> None:
        """Take a connection out of a room."""

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear that a connection joined a conversation."""

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear that a connection left a conversation."""

    def call(self, hook: Any, *args: Any, caller: Any, event: str) -> Any:
        """Call a hook's functions, which may refuse."""

    def announce(self, hook: Any, *args: Any, caller: Any) -> None:
        """Tell a hook's functions."""


def carry_out(means: Means, caller: Caller, change: Callable[[], Iterable[Change]]) -> None:
    """Make a change.

    Args:
        means: What carries effects out.
        caller: The connection.
        change: Changes what the feature keeps, and returns what is to happen; called under the connection's lock.

    Raises:
        EventError: A hook that was asked refused, or failed; those behind it are not called.
    """
    later: list[Change] = []
    with caller.lock:
        for effect in change():
            if type(effect) in _LATER:
                later.append(effect)
            else:
                _do_at_once(means, caller, effect)
    later.sort(key=lambda effect: _LATER[type(effect)])
    for effect in later:
        _do_later(means, caller, effect)


def _do_at_once(means: Means, caller: Caller, effect: Change) -> None:
    if isinstance(effect, EnterRoom):
        means.enter_room(caller, effect.room)
    elif isinstance(effect, LeaveRoom):
        means.leave_room(caller, effect.room)
    elif isinstance(effect, Left):
        means.left(caller, effect.conversation_id)
    elif isinstance(effect, Emit):
        means.emit(effect)


def _do_later(means: Means, caller: Caller, effect: Change) -> None:
    if isinstance(effect, Share):
        effect.change()
    elif isinstance(effect, Joined):
        means.joined(caller, effect.conversation_id)
    elif isinstance(effect, Ask):
        means.call(effect.hook, *effect.args, caller=caller, event=effect.event)
    elif isinstance(effect, Announce):
        means.announce(effect.hook, *effect.args, caller=caller)
