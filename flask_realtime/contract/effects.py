"""Effects: what a feature wants to happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(slots=True)
class Emit:
    """An event to be sent.

    Args:
        event: The event's name.
        args: Its arguments.
        rooms: The rooms whose connections get it, each connection once; None for everyone. No rooms reach nobody.
        except_rooms: Rooms whose connections do not get it.
        except_connection: A connection that does not get it, or None.
        volatile: Whether a receiver that is far behind may do without it: the next such event makes up for it.
        order: What it is about, and its place among the events about that; one that comes after a later one is dropped. None where
            that cannot happen.
        note: The feature whose command the other servers run when they deliver it, the command, and its arguments; None for none.
    """

    event: str
    args: tuple[Any, ...]
    rooms: tuple[str, ...] | None
    except_rooms: tuple[str, ...] = ()
    except_connection: str | None = None
    volatile: bool = False
    order: tuple[str, int] | None = None
    note: tuple[str, str, tuple[Any, ...]] | None = None


class Outcome:
    """What handling an event came to: the answer, and what is to be sent.

    Args:
        answer: What the client's callback gets; None stands for `{"ok": true}`.
        emits: What is sent, in this order, before the answer.
    """

    __slots__ = ("answer", "emits")

    def __init__(self, answer: Any = None, emits: Iterable[Emit] = ()) -> None:
        self.answer = answer
        self.emits: Sequence[Emit] = tuple(emits)


@dataclass(slots=True)
class Share:
    """A change that servers share; it may have to wait for them, so it comes when no lock is held.

    Args:
        change: Makes the change.
    """

    change: Callable[[], object]


@dataclass(slots=True)
class Announce:
    """Functions of the application that are told of something, after everything else.

    Args:
        hook: The hook that they are registered for.
        args: What they are told.
    """

    hook: Any
    args: tuple[Any, ...]


@dataclass(slots=True)
class EnterRoom:
    """A room that the connection enters.

    Args:
        room: The room.
    """

    room: str


@dataclass(slots=True)
class LeaveRoom:
    """A room that the connection leaves.

    Args:
        room: The room.
    """

    room: str


@dataclass(slots=True)
class Joined:
    """The other features hear that the connection joined a conversation, once all servers know.

    Args:
        conversation_id: The conversation.
    """

    conversation_id: str


@dataclass(slots=True)
class Left:
    """The other features hear that the connection left a conversation, before anything else can happen to it.

    Args:
        conversation_id: The conversation.
    """

    conversation_id: str


@dataclass(slots=True)
class Ask:
    """Functions of the application that are told of something and may refuse it.

    Args:
        hook: The hook that they are registered for.
        args: What they are told.
        event: The event for which they are asked.
    """

    hook: Any
    args: tuple[Any, ...]
    event: str


Effect: TypeAlias = "Emit | Share | Announce"
"""What the end of a connection can come to."""

Change: TypeAlias = "EnterRoom | LeaveRoom | Joined | Left | Ask | Effect"
"""What a change to a connection can come to."""
