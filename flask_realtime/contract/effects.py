"""Effects: instructions that features return and the gateway carries out."""

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
        volatile: Whether it may be dropped for a receiver that is far behind, because the next such event replaces it.
        order: Its subject and its sequence number among the events about that; an event that arrives after a later one is dropped.
            None where that cannot happen.
        note: The feature whose command the other servers run when they deliver it, the command, and its arguments; None for none.
        logged: Its name in the log; an event of that name is delivered once, however many servers send it. None if it is in no log.
    """

    event: str
    args: tuple[Any, ...]
    rooms: tuple[str, ...] | None
    except_rooms: tuple[str, ...] = ()
    except_connection: str | None = None
    volatile: bool = False
    order: tuple[str, int] | None = None
    note: tuple[str, str, tuple[Any, ...]] | None = None
    logged: str | None = None


class Outcome:
    """The result of handling an event: the answer, and the events to send.

    Args:
        answer: The answer for the client's callback; None stands for `{"ok": true}`.
        emits: The events to send, in this order, before the answer.
    """

    __slots__ = ("answer", "emits")

    def __init__(self, answer: Any = None, emits: Iterable[Emit] = ()) -> None:
        self.answer = answer
        self.emits: Sequence[Emit] = tuple(emits)


@dataclass(slots=True)
class Share:
    """A change to state that servers share; it may have to wait for them, so it is made while no lock is held.

    Args:
        change: Makes the change.
    """

    change: Callable[[], object]


@dataclass(slots=True)
class Announce:
    """A notification of the application's hooks, after all other effects.

    Args:
        hook: The hook that they are registered for.
        args: Their arguments.
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
