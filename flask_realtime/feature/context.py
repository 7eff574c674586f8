"""What a feature is given: who called, and the surroundings of its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from flask_realtime.contract.effects import Change, Emit
from flask_realtime.feature.hook import Hook
from flask_realtime.identity import Identity

StateT = TypeVar("StateT")
StateT_co = TypeVar("StateT_co", covariant=True)


class Caller(Protocol):
    """The connection that an event came from."""

    @property
    def id(self) -> str:
        """The connection's id: `socket.id` in the client."""

    @property
    def user_id(self) -> str:
        """The id of its user."""

    @property
    def identity(self) -> Identity:
        """Whom it speaks for."""

    @property
    def device(self) -> str:
        """What the client calls the device that it is on, or nothing."""

    @property
    def address(self) -> str:
        """The peer's address."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held while it is admitted, joins, or goes: none of these may fall into another."""

    @property
    def closed(self) -> bool:
        """Whether it is gone."""


class Connection(Caller, Protocol):
    """A connection, with what authentication keeps of it."""

    identity: Identity
    token_header: Mapping[str, Any]
    due: float

    @property
    def environ(self) -> Mapping[str, Any]:
        """What is left of the WSGI environment of its handshake."""

    def of_session(self) -> Iterable[Connection]:
        """Return the connections of the same client to all namespaces."""


Task = Callable[[], None]


class Mailbox(Protocol):
    """Runs tasks one at a time, in order."""

    def post(self, task: Task) -> None:
        """Run a task behind those that wait."""


class HasState(Protocol[StateT_co]):
    """A feature, as those see it that require it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def make_state(self) -> Callable[[Any], StateT_co]:
        """Makes the state of one application."""


class Timer(Protocol):
    """Calls a feature when something is due; it has a greenlet or thread only while something is."""

    def wake(self) -> None:
        """Note that something is due; where something was before that is due earlier, this may be left out."""

    def wake_by(self, deadline: float) -> None:
        """Note that something is due that may be earlier than what was known."""


class Tracker(Protocol):
    """Members of topics on every server: which connections have joined which topics, and whose they are.

    The connections of a server that dies leave all topics. Call `leave_all` for one that goes. Every method may wait for the
    message queue; call none under a lock.
    """

    def join(self, topic: str, user_id: str, connection_id: str) -> bool:
        """Note that a connection of this server joined, and say whether it was not joined before."""

    def leave(self, topic: str, connection_id: str) -> bool:
        """Forget that a connection of this server joined, and say whether it was joined."""

    def leave_all(self, connection_id: str) -> list[str]:
        """Forget a connection of this server, and return the topics that it was joined to."""

    def topics(self) -> list[str]:
        """Return the topics that somebody has joined, on every server; it may take long, and is for operators."""

    def users(self, topic: str) -> list[str]:
        """Return the distinct users with a connection joined to the topic, on every server."""


class FeatureContext(Protocol):
    """What the state of a feature is made with; there is one for each application and feature."""

    @property
    def config(self) -> Any:
        """The application's settings: `config.typing_timeout` is `REALTIME_TYPING_TIMEOUT`."""

    @property
    def clock(self) -> Callable[[], float]:
        """Returns the time in seconds; it never goes back."""

    @property
    def backend(self) -> Any:
        """What servers share; `backend.is_local` says whether there is one server alone, so that nothing there waits."""

    @property
    def app(self) -> Any:
        """The Flask application."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature that this one requires.

        Raises:
            RegistrationError: It is not among those that this one requires.
        """

    def tracker(self, kind: str) -> Tracker:
        """Return what keeps the members of the feature's topics, on every server.

        Args:
            kind: What it keeps, for a feature that has several.

        Raises:
            RegistrationError: The names are taken by something else.
        """

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock for sections that never wait."""

    def emit(self, emit: Emit) -> bool:
        """Send an event from outside of a handler, and say whether it is on its way to all servers."""

    def emit_here(self, emit: Emit) -> None:
        """Send an event that concerns this server's connections alone."""

    def send_to(self, connection: Connection, event: str, payload: Any) -> None:
        """Send an event to one connection, in whatever namespace it is."""

    def emit_again(self, emit: Emit) -> bool:
        """Send an event that was sent before, as it is, to those who are to get it now.

        Args:
            emit: The event; a `repeated_emit` costs less than with `emit`.
        """

    @property
    def repeated_emit(self) -> type[Emit]:
        """The `kind` of an `OutgoingEvent` that is sent again and again: it is encoded once, and its receivers are remembered."""

    def timer(
        self,
        next_deadline: Callable[[], float | None],
        expire: Callable[[], Iterable[Emit]],
        clock: Callable[[], float] | None = None,
    ) -> Timer:
        """Make a timer.

        Args:
            next_deadline: Returns the clock's time at which something is due, or None.
            expire: Does what is due, and returns what is to be sent.
            clock: The clock, where it is not the context's.
        """

    def change(self, caller: Caller, change: Callable[[], Iterable[Change]]) -> None:
        """Make a change to a connection that other features, other servers or hooks are to learn of.

        Rooms are entered and left and events sent under the connection's lock, so that its end cannot come between; then follows
        what servers share, and then what the other features and the hooks are told.

        Args:
            caller: The connection.
            change: Changes what the feature keeps, and returns what is to happen. It is called under the lock, and must not wait.

        Raises:
            EventError: A hook that was asked refused, or failed.
        """

    def enter_room(self, caller: Caller, room: str) -> None:
        """Let a connection into a room."""

    def leave_room(self, caller: Caller, room: str) -> None:
        """Take a connection out of a room."""

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear that a connection joined a conversation; see `Feature.on_joined`."""

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear that a connection left a conversation; see `Feature.on_left`."""

    def find(self, connection_id: str) -> Connection | None:
        """Return the connection of this server with an id, or None."""

    def has_connections(self) -> bool:
        """Return whether there is a connection on this server."""

    def connections(self) -> list[Connection]:
        """Return all connections of this server."""

    def connections_of(self, user_id: str) -> list[Connection]:
        """Return a user's connections on this server."""

    def disconnect(self, connection: Connection, reason: str) -> None:
        """End a connection; its client does not come back by itself.

        Args:
            connection: The connection.
            reason: What the `on_disconnect` hooks and the log are told.
        """

    def attempt(self, address: str) -> AbstractContextManager[None]:
        """Let a token from an address be looked at, and count it if it is refused for its own sake.

        Raises:
            ConnectionRefused: Too many from that address have failed.
        """

    def let_others_run(self) -> None:
        """Give other greenlets or threads their turn."""

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the application's in an application context; whoever calls this handles what it raises."""

    def report(self, error: BaseException) -> None:
        """Log an unexpected exception, and give it to the `on_error` hooks."""

    def functions(self, hook: Hook) -> list[Callable[..., Any]]:
        """Return the functions that the application has registered for a hook."""

    def is_registered(self, hook: Hook) -> bool:
        """Return whether the application has registered a function for a hook."""

    def call(self, hook: Hook, *args: Any, caller: Caller | None = None, event: str | None = None) -> Any:
        """Call a hook's functions, each in an application context, one after the other.

        Returns:
            What the function of a single hook returned, its default for None and where there is none; None for other hooks.

        Raises:
            EventError: A function refused, or failed; those behind it are not called.
        """

    def call_in_request(
        self,
        function: Callable[..., Any],
        environ: Mapping[str, Any],
        *args: Any,
        caller: Caller | None = None,
        event: str | None = None,
    ) -> Any:
        """Call a function of the application's in the context of a request.

        Args:
            function: The function.
            environ: What there is of the request's WSGI environment.
            args: Its arguments.
            caller: The connection on whose behalf it is called, or None.
            event: What it is called for, for the log.

        Raises:
            EventError: As for `call`.
            ConnectionRefused: The function raised it.
        """

    def decide(self, hook: Hook, *args: Any, caller: Caller, event: str) -> bool:
        """Ask a single hook that says yes or no; anything but True, False and None is an error, and means no.

        Raises:
            EventError: As for `call`.
        """

    def announce(self, hook: Hook, *args: Any, caller: Caller | None = None) -> None:
        """Call a hook's functions that are only told, each whatever the others do; what they raise is logged."""

    def announce_with(self, function: Callable[[], None]) -> None:
        """Call a function that asks a hook and acts on the answer, in an application context; what it raises is logged."""

    def new_mailbox(self) -> Mailbox:
        """Make a mailbox, which runs tasks one at a time and in order, each of which may wait."""

    def everywhere(self, command: str, *args: Any) -> int:
        """Run one of the feature's commands here and on all other servers; return what it returned here.

        Args:
            command: Its name, as in `Feature.command`.
            args: Its arguments, as JSON has them.
        """

    def elsewhere(self, command: str, *args: Any) -> None:
        """Run one of the feature's commands on all other servers, where there are any.

        Args:
            command: Its name, as in `Feature.command`.
            args: Its arguments, as JSON has them.
        """
