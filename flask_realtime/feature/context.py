"""Context of a feature: the surroundings of its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from flask_realtime.contract.effects import Change, Emit
from flask_realtime.feature.connections import Caller, Connection, LostConnection
from flask_realtime.feature.hook import Hook
from flask_realtime.feature.serving import ServedNamespace, ServerView
from flask_realtime.feature.tracing import Tracing
from flask_realtime.feature.values import Record, Tracker

StateT = TypeVar("StateT")
StateT_co = TypeVar("StateT_co", covariant=True)

Task = Callable[[], None]


class Mailbox(Protocol):
    """Runs tasks one at a time, in order."""

    def post(self, task: Task) -> None:
        """Run a task after those that wait."""


class BeforeCommit(NamedTuple):
    """Something to do in a transaction right before its commit, at once for all events that wait for it.

    Args:
        function: The function, which may execute statements; its exceptions are those of the commit.
        subject: What it is called with, in a list with those of the other events that have the same function.
    """

    function: Callable[[list[Any]], object]
    subject: Any


class HasState(Protocol[StateT_co]):
    """A feature, as seen by features that require it."""

    @property
    def name(self) -> str:
        """The feature's name."""

    @property
    def make_state(self) -> Callable[[Any], StateT_co]:
        """Makes the state of one application."""


class Timer(Protocol):
    """Calls a feature when something is due; it has a greenlet or thread only while something is pending."""

    def wake(self) -> None:
        """Announce that something is due; optional if something that was announced before is due earlier."""

    def wake_by(self, deadline: float) -> None:
        """Announce that something is due, possibly earlier than everything announced before."""


class FeatureContext(Protocol):
    """The surroundings of a feature's state; there is one for each application and feature."""

    @property
    def config(self) -> Any:
        """The application's settings: `config.typing_timeout` is `REALTIME_TYPING_TIMEOUT`."""

    @property
    def clock(self) -> Callable[[], float]:
        """A clock that returns the time in seconds, and never goes back."""

    @property
    def backend(self) -> Any:
        """The state that servers share; `backend.is_local` is whether there is only one server, so that no call waits."""

    @property
    def app(self) -> Any:
        """The Flask application."""

    @property
    def server(self) -> ServerView:
        """This server's sessions, connections and rooms."""

    @property
    def tracing(self) -> Tracing:
        """Records spans of what the feature does later, if the application is traced."""

    def serve_namespace(self, namespace: str, served: ServedNamespace, *, is_counted: bool = True) -> None:
        """Serve a namespace, before anybody is connected; its events go to no handler of the application.

        Args:
            namespace: Its name, such as `/status`.
            served: Decides who may connect to it, and handles their events. They have no user, and no hook is called for them.
            is_counted: Whether metrics and analytics count its connections and events.
        """

    def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that takes long and waits for nothing, without blocking other connections, and return its result."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature that this one requires.

        Raises:
            RegistrationError: This feature does not require it.
        """

    def tracker(self, kind: str) -> Tracker:
        """Return what keeps the members of the feature's topics, on every server.

        Args:
            kind: What it keeps, for a feature that has several.

        Raises:
            RegistrationError: The names are taken by something else.
        """

    def record(self, kind: str, *, ttl: float) -> Record:
        """Return what keeps the feature's values by id, on every server.

        Args:
            kind: What it keeps, for a feature that has several.
            ttl: Seconds for which a value is kept after it was last written.

        Raises:
            RegistrationError: The names are taken by something else, or the time is not one.
        """

    def lock(self) -> AbstractContextManager[Any]:
        """Make a lock for critical sections that never wait."""

    def emit(self, emit: Emit) -> bool:
        """Send an event from outside a handler, and return whether it is on its way to all servers."""

    def after_commit(self, name: str, function: Callable[[], object], before: BeforeCommit | None = None) -> bool:
        """Call a function when the current transaction of `db.session` commits, and not at all if it is rolled back.

        Args:
            name: What it is about, for the log.
            function: The function; its exceptions are logged.
            before: What there is to do right before the commit, or None.

        Returns:
            Whether there is a transaction; if not, the function is not called.

        Raises:
            ConfigError: The application has no Flask-SQLAlchemy.
        """

    def was_sent(self, logged: str) -> bool:
        """Return whether an event of the log was sent already, by any server; it may wait for the message queue.

        Args:
            logged: The event's name in the log; see `Emit`.
        """

    def emit_here(self, emit: Emit) -> None:
        """Send an event to this server's connections only."""

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
            expire: Handles everything due, and returns the events to send.
            clock: The clock, if it is not the context's.
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
        """Add a connection to a room."""

    def leave_room(self, caller: Caller, room: str) -> None:
        """Remove a connection from a room."""

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features that a connection joined a conversation; see `Feature.on_joined`."""

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features that a connection left a conversation; see `Feature.on_left`."""

    def find(self, connection_id: str) -> Connection | None:
        """Return the connection of this server with an id, or None."""

    def lost_connections(self, user_id: str | None = None, *, token_id: str | None = None) -> Sequence[LostConnection]:
        """Return the connections that were lost and may come back, of one user or of everybody.

        Those of this server are each in it. Those that other servers have lost, or died with, are in it as one, without an id.

        Args:
            user_id: The user, or None.
            token_id: The `jti` of their token, or None.
        """

    def rooms_of(self, caller: Caller) -> list[str]:
        """Return the rooms that a connection is in, its own too."""

    def has_connections(self) -> bool:
        """Return whether this server has any connection."""

    def count_events(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many events of each name this server has received and sent since it began.

        They are under `received` and `sent`. One that is sent counts once for each client that it goes to.
        """

    def count_connections(self) -> int:
        """Return the number of this server's connections, in all namespaces that are counted."""

    def connections(self) -> list[Connection]:
        """Return all connections of this server."""

    def connections_of(self, user_id: str) -> list[Connection]:
        """Return a user's connections on this server."""

    def disconnect(self, connection: Connection, reason: str) -> None:
        """End a connection; its client does not reconnect by itself.

        Args:
            connection: The connection.
            reason: The reason for the `on_disconnect` hooks and the log.
        """

    def attempt(self, address: str) -> AbstractContextManager[None]:
        """Enclose the verification of a token from an address, and count a failure if the token itself is refused.

        Raises:
            ConnectionRefused: Too many attempts from that address have failed.
        """

    def let_others_run(self) -> None:
        """Yield to other greenlets or threads."""

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the application's in an application context; its exceptions are the caller's to handle."""

    def report(self, error: BaseException) -> None:
        """Log an unexpected exception, and pass it to the `on_error` hooks."""

    def functions(self, hook: Hook) -> list[Callable[..., Any]]:
        """Return the functions that the application has registered for a hook."""

    def is_registered(self, hook: Hook) -> bool:
        """Return whether the application has registered a function for a hook."""

    def call(self, hook: Hook, *args: Any, caller: Caller | None = None, event: str | None = None) -> Any:
        """Call a hook's functions, each in an application context, one after the other.

        Returns:
            The result of a single hook's function, or its default if that is None or there is none; None for other hooks.

        Raises:
            EventError: A function refused, or failed; those after it are not called.
        """

    def call_in_request(
        self,
        function: Callable[..., Any],
        environ: Mapping[str, Any],
        *args: Any,
        caller: Caller | None = None,
        event: str | None = None,
        timed: Callable[..., Any] | None = None,
    ) -> Any:
        """Call a function of the application's in the context of a request.

        Args:
            function: The function.
            environ: The kept part of the request's WSGI environment.
            args: Its arguments.
            caller: The connection on whose behalf it is called, or None.
            event: The reason for the call, for the log.
            timed: The hook's function that it calls, if it is not one itself; the metrics have its durations.

        Raises:
            EventError: As for `call`.
            ConnectionRefused: The function raised it.
        """

    def decide(self, hook: Hook, *args: Any, caller: Caller, event: str) -> bool:
        """Ask a single hook for a yes or no; any result but True, False and None is an error, and means no.

        Raises:
            EventError: As for `call`.
        """

    def announce(self, hook: Hook, *args: Any, caller: Caller | None = None) -> None:
        """Call a hook's notification functions, each regardless of the others; their exceptions are logged."""

    def announce_with(self, function: Callable[[], None]) -> None:
        """Call a function that asks a hook and acts on the answer, in an application context; its exceptions are logged."""

    def start(self, function: Callable[..., object], *args: Any) -> object:
        """Run a function in a greenlet or thread of its own; it handles its exceptions itself."""

    def new_mailbox(self) -> Mailbox:
        """Make a mailbox, which runs tasks one at a time and in order, each of which may wait."""

    def before_stop(self, finish: Callable[[], bool]) -> None:
        """Let the server wait, when it is told to stop, until a function that it calls again and again returns True.

        It waits 25 seconds at most.
        """

    def handles_request(self) -> bool:
        """Return whether the caller is handling an HTTP request."""

    def wait_readable(self, fileno: int, seconds: float) -> bool:
        """Wait until a file can be read, for some seconds at most, and return whether it can; others run meanwhile."""

    def everywhere(self, command: str, *args: Any) -> int:
        """Run one of the feature's commands here and on all other servers; return its result here.

        Args:
            command: Its name, as in `Feature.command`.
            args: Its arguments, as JSON has them.
        """

    def elsewhere(self, command: str, *args: Any) -> None:
        """Run one of the feature's commands on all other servers, if there are any.

        Args:
            command: Its name, as in `Feature.command`.
            args: Its arguments, as JSON has them.
        """
