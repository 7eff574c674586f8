"""Declarations of events: the names, payloads and descriptions that dispatcher, reference and type descriptions are built from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.parsing import Parse
from flask_realtime.contract.rooms import conversation_room, user_room

RESERVED_NAMES: Final = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})
"""Names reserved for Socket.IO's own life cycle, in either direction."""

OWN_PREFIX: Final = "realtime:"
"""Prefix of the names that the extension reserves."""

MAX_EVENT_NAME_LENGTH: Final = 128
"""Maximum number of characters; a longer name is not repeated in the answer."""

PayloadT = TypeVar("PayloadT")
Document = dict[str, Any]
"""An object whose fields the application defines."""


@dataclass(frozen=True)
class IncomingEvent:
    """An event that clients send; `Feature.event` explains each field."""

    name: str
    handler: Callable[..., Any]
    parse: Parse
    has_payload: bool
    payload: Any
    argument: str
    answer: Any
    limit: str | None
    binary: bool
    inline: bool | Callable[[Any], bool]
    app_context: bool
    summary: str
    hint: str
    in_every_namespace: bool = False
    repeat: Callable[..., Callable[[], bool] | None] | None = None


@dataclass(frozen=True)
class OutgoingEvent(Generic[PayloadT]):
    """An event that the server sends; its methods build the effects for an `Outcome` or `Realtime.emit`.

    Args:
        name: The event's name on the wire.
        payload: The type of its only argument; None for an event without arguments.
        audience: The receivers, for the reference.
        summary: When it is sent, for the reference.
        argument: What the argument is called in the reference and in TypeScript.
        volatile: Whether a client that is far behind may do without it: the next such event makes up for it.
        kind: What its methods make; see `FeatureContext.repeated_emit`.
    """

    name: str
    payload: Any
    audience: str
    summary: str
    argument: str = "payload"
    volatile: bool = field(default=False, kw_only=True)
    kind: type[Emit] = field(default=Emit, kw_only=True)

    def to_conversation(self, conversation_id: WireId, *payload: PayloadT, except_user: WireId | None = None) -> Emit:
        """Address it to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            payload: The payload; nothing where the event is declared without one.
            except_user: A user whose connections do not get it.

        Raises:
            InvalidId: An id is invalid.
            TypeError: There is a payload though none is declared, or none though one is.
        """
        rooms = (conversation_room(parse_id(conversation_id, "conversation_id")),)
        excepted = () if except_user is None else (user_room(parse_id(except_user, "except_user")),)
        return self._emit(payload, rooms, excepted)

    def to_user(self, user_id: WireId, *payload: PayloadT) -> Emit:
        """Address it to all of a user's connections; see `to_conversation`."""
        return self._emit(payload, (user_room(parse_id(user_id, "user_id")),))

    def to_users(self, user_ids: Iterable[WireId], *payload: PayloadT) -> Emit:
        """Address it to all connections of several users; see `to_conversation`."""
        return self._emit(payload, tuple(user_room(parse_id(user_id, "user_ids")) for user_id in user_ids))

    def to_connection(self, connection_id: str, *payload: PayloadT) -> Emit:
        """Address it to one connection; see `to_conversation`."""
        return self._emit(payload, (connection_id,))

    def to_everyone(self, *payload: PayloadT) -> Emit:
        """Address it to every connection; see `to_conversation`."""
        return self._emit(payload, None)

    def _emit(self, payload: tuple[PayloadT, ...], rooms: tuple[str, ...] | None, excepted: tuple[str, ...] = ()) -> Emit:
        expected = 0 if self.payload is None else 1
        if len(payload) != expected:
            msg = f"{self.name} is declared with {'one' if expected else 'no'} payload, not {len(payload)}"
            raise TypeError(msg)
        return self.kind(self.name, payload, rooms, excepted, volatile=self.volatile)
