"""Features of one application: their states, events and contexts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, Protocol, TypeVar

from flask import Flask

from flask_realtime.contract.answers import ACKNOWLEDGED
from flask_realtime.contract.effects import Announce, Effect, Emit, Outcome, Share
from flask_realtime.contract.events import IncomingEvent
from flask_realtime.contract.parsing import Parse
from flask_realtime.errors import RegistrationError
from flask_realtime.feature.context import Caller, FeatureContext, HasState, Tracker
from flask_realtime.feature.feature import Feature, Listener
from flask_realtime.feature.hook import Hook
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.timer import DeadlineTimer

StateT = TypeVar("StateT")
Work = Callable[[Connection, Any], Any]


class BoundEvent(NamedTuple):
    """An event that clients may send, bound to the state of its feature.

    Args:
        parse: Checks the arguments, which it gets with the settings.
        work: Handles it, and returns the answer.
        may_wait: Whether handling may wait: for the application's code, or for state that servers share.
        binary: Whether it may carry attachments.
        in_every_namespace: Whether it exists in the application's own namespaces too.
        repeat: Returns its fast path for repetitions, or None; see `Feature.repeats`.
    """

    parse: Parse
    work: Work
    may_wait: bool
    binary: bool
    in_every_namespace: bool
    repeat: Callable[..., Callable[[], bool] | None] | None


class Features:
    """The features of one application.

    Args:
        app: The application.
        declared: The features, each after those that it requires.
    """

    def __init__(self, app: Flask, declared: Sequence[Feature[Any]]) -> None:
        self._app = app
        self._declared = tuple(declared)
        self._states: dict[str, Any] = {}
        self.events: dict[str, BoundEvent] = {}
        self._admitted: list[Listener] = []
        self._connected: list[Listener] = []
        self._joined: list[Listener] = []
        self._left: list[Listener] = []
        self._disconnected: list[Listener] = []
        self._parts: Parts

    @property
    def declared(self) -> tuple[Feature[Any], ...]:
        """Return the features, each after those that it requires."""
        return self._declared

    def bind(self, parts: Parts, surroundings: Surroundings) -> None:
        """Make the features' states.

        Args:
            parts: The gateway's parts.
            surroundings: The gateway's further functions for features.
        """
        self._parts = parts
        for feature in self._declared:
            context: FeatureContext = _Context(self._app, feature, self, parts, surroundings)
            self._states[feature.name] = feature.make_state(context)
            self._bind(feature, context)

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature.

        Raises:
            RegistrationError: It is not registered.
        """
        try:
            state: StateT = self._states[feature.name]
        except KeyError:
            msg = f"The feature {feature.name!r} is not registered; call realtime.register(...) before init_app."
            raise RegistrationError(msg) from None
        return state

    def _bind(self, feature: Feature[Any], context: FeatureContext) -> None:
        state, listeners = self._states[feature.name], feature.listeners
        for event in feature.incoming.values():
            self.events[event.name] = self._bound(event, state, context)
        for bound, declared in (
            (self._admitted, listeners.admitted),
            (self._connected, listeners.connected),
            (self._joined, listeners.joined),
            (self._left, listeners.left),
            (self._disconnected, listeners.disconnected),
        ):
            bound += [partial(listener, state) for listener in declared]

    def _bound(self, event: IncomingEvent, state: Any, context: FeatureContext) -> BoundEvent:
        handle = partial(event.handler, state) if event.has_payload else _without_payload(event.handler, state)
        is_inline = event.inline(context) if callable(event.inline) else event.inline
        needs_context = event.app_context and not is_inline
        work = partial(self._work, partial(self._in_context, handle, event.name) if needs_context else handle)
        repeat = None if event.repeat is None else partial(event.repeat, state)
        return BoundEvent(event.parse, work, not is_inline, event.binary, event.in_every_namespace, repeat)

    def _in_context(self, handle: Callable[..., Any], event: str, connection: Connection, request: Any) -> Any:
        return self._parts.application.call(handle, connection, request, connection=connection, event=event)

    def _work(self, handle: Callable[..., Any], connection: Connection, request: Any) -> Any:
        answer = handle(connection, request)
        if type(answer) is Outcome:
            for emit in answer.emits:
                self._parts.delivery.send(emit)
            answer = answer.answer
        return ACKNOWLEDGED if answer is None else answer

    # What connections do ------------------------------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        """Notify the features of an admitted connection of a user."""
        self._notify(self._admitted, connection)
        if connection.namespace == DEFAULT_NAMESPACE:
            self._notify(self._connected, connection)

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that joined a conversation."""
        self._notify(self._joined, caller, conversation_id)

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that left a conversation."""
        self._notify(self._left, caller, conversation_id)

    def disconnected(self, connection: Connection) -> Departure:
        """Notify the features of a closed connection, and return the remaining work for it."""
        changes: list[Callable[[], object]] = []
        announcements: list[Announce] = []
        for effect in self._effects(self._disconnected, connection):
            if isinstance(effect, Share):
                changes.append(effect.change)
            elif isinstance(effect, Announce):
                announcements.append(effect)
            else:
                self._parts.delivery.send(effect)
        return Departure(tuple(changes), tuple(announcements))

    def _notify(self, listeners: Iterable[Listener], *args: Any) -> None:
        for effect in self._effects(listeners, *args):
            self._parts.delivery.send(effect)  # type: ignore[arg-type]  # only a connection's end has effects of other kinds

    def _effects(self, listeners: Iterable[Listener], *args: Any) -> Iterable[Effect]:
        for listener in listeners:
            try:
                yield from listener(*args) or ()
            except Exception as error:  # noqa: BLE001 - one feature's failure is not the others'
                self._parts.application.report(error, args[0], None)

    # What is asked of all servers ---------------------------------------------------------------------------------------------

    def run_command(self, feature_name: str, command: str, *args: Any) -> int:
        """Run a feature's command on this server, and return the number that it returned, or 0."""
        for feature in self._declared:
            if feature.name == feature_name and command in feature.commands:
                done = feature.commands[command](self._states[feature_name], *args)
                return done if isinstance(done, int) else 0
        return 0  # A server of another version has it.


class Departure(NamedTuple):
    """The remaining work for a closed connection.

    Args:
        changes: Functions that change state that servers share; they may wait.
        announcements: The notifications of the application's hooks, after that.
    """

    changes: tuple[Callable[[], object], ...]
    announcements: tuple[Announce, ...]


class CommandRunner(Protocol):
    """Runs commands of features on all servers."""

    def run_everywhere(self, feature_name: str, command: str, *args: Any) -> int:
        """Run a command on every server, and return its result on this one."""

    def run_elsewhere(self, feature_name: str, command: str, *args: Any) -> None:
        """Run a command on all other servers."""


class Surroundings(NamedTuple):
    """The gateway's functions for features.

    Args:
        disconnect: Ends a connection, for a reason.
        control: Runs commands of features on all servers.
        new_mailbox: Makes a mailbox.
    """

    disconnect: Callable[[Connection, str], None]
    control: CommandRunner
    new_mailbox: Callable[[], Mailbox]


class _Context:
    """The context of one feature."""

    def __init__(self, app: Flask, feature: Feature[Any], features: Features, parts: Parts, surroundings: Surroundings) -> None:
        self.app = app
        self.config = parts.config
        self.clock: Callable[[], float] = monotonic
        self.backend = parts.backend
        self._feature = feature
        self._features = features
        self._parts = parts
        self._surroundings = surroundings
        self.emit = parts.delivery.send
        self.emit_again = parts.delivery.send_again
        self.emit_here = parts.delivery.send_here
        self.joined = features.joined
        self.left = features.left
        self.find: Any = parts.registry.get
        self.connections: Any = parts.registry.everyone
        self.connections_of: Any = parts.registry.of_user
        self.attempt = parts.limiter.attempt
        self.disconnect: Any = surroundings.disconnect
        self.functions = parts.application.hooks.functions

    def state_of(self, feature: HasState[StateT]) -> StateT:
        if feature not in self._feature.requires:
            msg = f"The feature {self._feature.name!r} does not require {feature.name!r}; name it in requires=[...]."
            raise RegistrationError(msg)
        state: StateT = self._features.state_of(feature)
        return state

    def lock(self) -> AbstractContextManager[Any]:
        return native_lock()

    def tracker(self, kind: str) -> Tracker:
        return self.backend.tracker(self._feature.name, kind)

    def timer(
        self,
        next_deadline: Callable[[], float | None],
        expire: Callable[[], Iterable[Emit]],
        clock: Callable[[], float] | None = None,
    ) -> DeadlineTimer:
        def expired() -> None:
            for emit in expire():
                self.emit(emit)

        server = self._parts.server
        return DeadlineTimer(server, server.new_event, clock or self.clock, next_deadline, expired)

    def send_to(self, connection: Any, event: str, payload: Any) -> None:
        if connection.namespace == DEFAULT_NAMESPACE:
            self.emit_here(Emit(event, (payload,), (connection.id,)))
        else:
            self._parts.server.send_to(connection.id, connection.namespace, event, payload)

    def enter_room(self, caller: Any, room: str) -> None:
        self._parts.server.enter(caller.id, room)

    def leave_room(self, caller: Any, room: str) -> None:
        self._parts.server.leave(caller.id, room)

    def has_connections(self) -> bool:
        return len(self._parts.registry) > 0

    def let_others_run(self) -> None:
        self._parts.server.sleep(0)

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._parts.application.in_context(function, *args)

    def report(self, error: BaseException) -> None:
        self._parts.application.report(error, None, None)

    def is_registered(self, hook: Hook) -> bool:
        return bool(self.functions(hook))

    def call(self, hook: Hook, *args: Any, caller: Any = None, event: str | None = None) -> Any:
        answer = None
        for function in self.functions(hook):
            answer = self._parts.application.call(function, *args, connection=caller, event=event)
        return hook.default if answer is None or not hook.is_single else answer

    def call_in_request(
        self,
        function: Callable[..., Any],
        environ: Mapping[str, Any],
        *args: Any,
        caller: Any = None,
        event: str | None = None,
    ) -> Any:
        return self._parts.application.call_in_request(function, environ, *args, connection=caller, event=event)

    def decide(self, hook: Hook, *args: Any, caller: Any, event: str) -> bool:
        decision: bool = hook.default
        for function in self.functions(hook):
            decision = self._parts.application.decide(function, *args, connection=caller, event=event, default=hook.default)
        return decision

    def announce(self, hook: Hook, *args: Any, caller: Any = None) -> None:
        self._parts.application.announce(self.functions(hook), *args, connection=caller)

    def announce_with(self, function: Callable[[], None]) -> None:
        self._parts.application.announce([function])

    def new_mailbox(self) -> Mailbox:
        return self._surroundings.new_mailbox()

    def everywhere(self, command: str, *args: Any) -> int:
        return self._surroundings.control.run_everywhere(self._feature.name, command, *args)

    def elsewhere(self, command: str, *args: Any) -> None:
        self._surroundings.control.run_elsewhere(self._feature.name, command, *args)


def _without_payload(handler: Callable[..., Any], state: Any) -> Callable[..., Any]:
    def handle(connection: Connection, _request: object) -> Any:
        return handler(state, connection)

    return handle
