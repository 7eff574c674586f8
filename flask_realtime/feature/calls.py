"""Base of the calls of features: methods of `Realtime`, and functions on the current application."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, TypeVar

from flask_realtime.contract.effects import Emit
from flask_realtime.contract.events import RESERVED_NAMES
from flask_realtime.contract.ids import WireId, parse_id
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.feature.context import HasState
from flask_realtime.feature.feature import Feature

StateT = TypeVar("StateT")


class Target(Protocol):
    """The target of calls: a server, or the bus alone."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature."""

    def emit(self, emit: Emit, *, skip_sender: bool, after_commit: bool | None) -> bool:
        """Send an event, and return whether it is on its way to all servers, or waits for a commit."""

    def is_here(self, connection_id: str) -> bool:
        """Return whether a connection is on this server."""

    def everywhere(self, feature: Feature[Any], command: str, *args: Any) -> int:
        """Run a feature's command on every server, and return its result on this one."""

    def wait_passed(self, timeout: float) -> bool:
        """Wait until no server gets what is sent later before what was sent so far; see `Backend.wait_passed`."""


class Calls(ABC):
    """The calls of one feature; `Realtime` inherits those of all built-in ones.

    Those that send return whether the event is on its way to all servers. False means that the message queue cannot be reached now:
    the connections of this server have the event, and the other servers get it when the queue is back, if that is soon enough; this
    is logged too. Without a message queue the result is always True.

    Wherever one takes `after_commit`, True sends the event when the current transaction of `db.session` is committed, the outermost
    one, and not at all if it is rolled back, or the savepoint in which it was called; None, the default, does what
    `REALTIME_AFTER_COMMIT` says. The payload is encoded at once, and the result is True for an event that waits. Without a
    transaction, or without an application context, the event is sent at once. `ConfigError` is raised if the application has no
    Flask-SQLAlchemy.

    Wherever one takes `skip_sender`, True leaves out the connection that the current request names in its `X-Socket-ID` header, or,
    in a hook or an event handler, the connection that it was called for. Payloads may hold whatever the application's JSON provider
    can serialise; `PayloadNotSerializable` is raised for anything else. Ids are strings or integers; `InvalidId` is raised for
    anything else.
    """

    @abstractmethod
    def _target(self) -> Target:
        """Return the target of the calls."""

    def _emit(self, emit: Emit, *, skip_sender: bool, after_commit: bool | None) -> bool:
        return self._target().emit(emit, skip_sender=skip_sender, after_commit=after_commit)


class Sending(Calls):
    """The calls that send events of the application's own."""

    def emit(self, emit: Emit, *, skip_sender: bool = False, after_commit: bool | None = None) -> bool:
        """Send an event that a feature declares, as its `OutgoingEvent` addressed it.

        Args:
            emit: The event and its receivers.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        return self._emit(emit, skip_sender=skip_sender, after_commit=after_commit)

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return a feature's state in the current application.

        Raises:
            RegistrationError: The feature is not registered.
        """
        return self._target().state_of(feature)

    def send_to_user(
        self, user_id: WireId, event: str, *args: Any, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send an event of the application's own to all of a user's connections.

        Args:
            user_id: The user.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        room = user_room(parse_id(user_id, "user_id"))
        return self._emit(Emit(sendable(event), args, (room,)), skip_sender=skip_sender, after_commit=after_commit)

    def send_to_conversation(
        self, conversation_id: WireId, event: str, *args: Any, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send an event of the application's own to every connection joined to a conversation.

        Args:
            conversation_id: The conversation.
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        room = conversation_room(parse_id(conversation_id, "conversation_id"))
        return self._emit(Emit(sendable(event), args, (room,)), skip_sender=skip_sender, after_commit=after_commit)

    def broadcast_to_all(self, event: str, *args: Any, skip_sender: bool = False, after_commit: bool | None = None) -> bool:
        """Send an event of the application's own to every connection.

        Args:
            event: The event's name.
            args: Its arguments.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        return self._emit(Emit(sendable(event), args, rooms=None), skip_sender=skip_sender, after_commit=after_commit)


def sendable(event: object) -> str:
    """Return an event's name if an application may send it.

    Raises:
        ValueError: It may not.
    """
    if not isinstance(event, str) or not event or event in RESERVED_NAMES:
        msg = f"{event!r} cannot be sent as an event: its name must be a non-empty string, and not one of Socket.IO's own"
        raise ValueError(msg)
    return event
