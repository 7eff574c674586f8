"""The features of one application: their states, and their events as one table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from flask_realtime.contract.answers import ACKNOWLEDGED
from flask_realtime.contract.effects import Announce, Effect, Emit, Outcome, Share
from flask_realtime.contract.events import IncomingEvent
from flask_realtime.contract.parsing import Parse
from flask_realtime.errors import RegistrationError
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext, HasState
from flask_realtime.feature.feature import Feature, Listener
from flask_realtime.feature.serving import Observer, ServedNamespace
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

StateT = TypeVar("StateT")
Work = Callable[[Any, Any], Any]
"""Handles an event of a caller, and returns the answer."""


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


class Watched(Protocol):
    """A server that may be observed."""

    @property
    def observer(self) -> Observer | None:
        """Told of everything; None while nobody wants to know."""


class Features:
    """The features of one application.

    Args:
        declared: The features, each after those that it requires.
        application: Calls the application's code.
        send: Sends an event to its receivers, on every server.
        make_context: Makes the context of one feature among all of them.
        peer_log: Logs lines that a client can provoke.
        view: Says who observes this server.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - independent collaborators
        self,
        declared: Sequence[Feature[Any]],
        application: Application,
        send: Callable[[Emit], object],
        make_context: Callable[[Feature[Any], Features], FeatureContext],
        peer_log: PeerLog,
        view: Watched,
    ) -> None:
        self._view = view
        self.namespaces: dict[str, ServedNamespace] = {}
        """The namespaces that features serve."""
        self._declared = tuple(declared)
        self._application = application
        self._send = send
        self._peer_log = peer_log
        self._states: dict[str, Any] = {}
        self.events: dict[str, BoundEvent] = {}
        self._undecided: list[Callable[[], None]] = []
        self.requests: dict[str, BoundEvent] = {}
        self._admitted: list[Listener] = []
        self._connected: list[Listener] = []
        self._recovered: list[Listener] = []
        self._joined: list[Listener] = []
        self._left: list[Listener] = []
        self._disconnected: list[Listener] = []
        self._serving: list[Listener] = []
        self.relayed: dict[str, Callable[[str], object]] = {}
        """The listeners for events that other servers sent, by the names of these; see `Feature.on_relayed`."""
        for feature in self._declared:
            context = make_context(feature, self)
            self._states[feature.name] = feature.make_state(context)
            self._bind(feature, context)

    @property
    def declared(self) -> tuple[Feature[Any], ...]:
        """Return the features, each after those that it requires."""
        return self._declared

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
            if callable(event.inline):
                self._undecided.append(partial(self._bind_again, event, state, context))
        for request in feature.requests.values():
            self.requests[request.name] = self._bound(request, state, context)
        for bound, declared in (
            (self._admitted, listeners.admitted),
            (self._connected, listeners.connected),
            (self._recovered, listeners.recovered),
            (self._joined, listeners.joined),
            (self._left, listeners.left),
            (self._disconnected, listeners.disconnected),
            (self._serving, listeners.serving),
        ):
            bound += [partial(listener, state) for listener in declared]
        self.relayed.update((name, partial(listener, state)) for name, listener in listeners.relayed.items())

    def _bind_again(self, event: IncomingEvent, state: Any, context: FeatureContext) -> None:
        self.events[event.name] = self._bound(event, state, context)

    def seal(self) -> None:
        """Decide anew which events may wait, since the application has registered all its hooks; later calls do nothing."""
        while self._undecided:
            self._undecided.pop()()

    def _bound(self, event: IncomingEvent, state: Any, context: FeatureContext) -> BoundEvent:
        handle = partial(event.handler, state) if event.has_payload else _without_payload(event.handler, state)
        is_inline = event.inline(context) if callable(event.inline) else event.inline
        needs_context = event.app_context and not is_inline
        work = partial(self._work, partial(self._in_context, handle, event.name) if needs_context else handle)
        repeat = None if event.repeat is None else partial(event.repeat, state)
        return BoundEvent(event.parse, work, not is_inline, event.binary, event.in_every_namespace, repeat)

    def _in_context(self, handle: Callable[..., Any], event: str, caller: Caller, request: Any) -> Any:
        return self._application.handle(handle, caller, request, connection=caller, event=event)

    def _work(self, handle: Callable[..., Any], caller: Caller, request: Any) -> Any:
        answer = handle(caller, request)
        if type(answer) is Outcome:
            for emit in answer.emits:
                self._send(emit)
            answer = answer.answer
        return ACKNOWLEDGED if answer is None else answer

    def serving(self) -> None:
        """Notify the features that this process begins to serve."""
        self._notify(self._serving)

    def connected(self, connection: Connection, *, is_replaced: bool = False) -> None:
        """Notify the features of an admitted connection of a user.

        Args:
            connection: The connection.
            is_replaced: Whether it takes the place of one that they have not been notified of the end of.
        """
        self._notify(self._admitted, connection)
        if connection.namespace == DEFAULT_NAMESPACE and not is_replaced:
            self._notify(self._connected, connection)

    def opened(self, connection: Connection) -> None:
        """Notify whoever observes this server, or serves a namespace, of an admitted connection."""
        observer, served = self._view.observer, self.namespaces.get(connection.namespace)
        if observer is not None:
            self._tell(observer.connected, connection)
        if served is not None:
            self._tell(served.connected, connection)

    def closed(self, connection: Connection, reason: str) -> None:
        """Notify whoever observes this server, or serves a namespace, of a closed connection."""
        observer, served = self._view.observer, self.namespaces.get(connection.namespace)
        if observer is not None:
            self._tell(observer.disconnected, connection, reason)
        if served is not None:
            self._tell(served.disconnected, connection)

    def _tell(self, listener: Callable[..., None], connection: Connection, *args: Any) -> None:
        try:
            listener(connection, *args)
        except Exception as error:  # noqa: BLE001 - the connection is admitted, or gone, all the same
            self._application.report(error, connection, None)

    def recovered(self, connection: Connection) -> None:
        """Notify the features of a connection whose client came back after a loss."""
        self._notify(self._recovered, connection)

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that joined a conversation."""
        self._log(caller, "joined: user=%s id=%s conversation=%s", conversation_id)
        self._notify(self._joined, caller, conversation_id)

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that left a conversation."""
        self._log(caller, "left: user=%s id=%s conversation=%s", conversation_id)
        self._notify(self._left, caller, conversation_id)

    def disconnected(self, connection: Connection) -> Departure:
        """Notify the features of a closed connection, and return the remaining work for it."""
        changes: list[Callable[[], object]] = []
        announcements: list[Announce] = []
        for effect in self._effects(self._disconnected, connection):
            if isinstance(effect, Share):
                changes.append(effect.change)
            elif isinstance(effect, Announce):
                if self._application.hooks.functions(effect.hook):  # Otherwise each end would take a turn of a mailbox for nothing.
                    announcements.append(effect)
            else:
                self._send(effect)
        return Departure(tuple(changes), tuple(announcements))

    def _log(self, caller: Caller, text: str, conversation_id: str) -> None:
        peer = user_peer(caller.user_id, caller.address)
        self._peer_log.write(logger, logging.DEBUG, peer, text, caller.user_id, caller.id, conversation_id)

    def _notify(self, listeners: Iterable[Listener], *args: Any) -> None:
        for effect in self._effects(listeners, *args):
            self._send(effect)  # type: ignore[arg-type]  # only `disconnected` listeners return other effects

    def _effects(self, listeners: Iterable[Listener], *args: Any) -> Iterable[Effect]:
        for listener in listeners:
            try:
                yield from listener(*args) or ()
            except Exception as error:  # noqa: BLE001 - one feature's failure must not stop the others
                self._application.report(error, args[0] if args else None, None)

    def run_command(self, feature_name: str, command: str, *args: Any) -> int:
        """Run a feature's command on this server, and return the number that it returned, or 0."""
        for feature in self._declared:
            if feature.name == feature_name and command in feature.commands:
                done = feature.commands[command](self._states[feature_name], *args)
                return done if isinstance(done, int) else 0
        return 0  # Unknown here: sent by a server of another version.


class Departure(NamedTuple):
    """The remaining work for a closed connection.

    Args:
        changes: Functions that change state that servers share; they may wait.
        announcements: The notifications of the application's hooks, after that.
    """

    changes: tuple[Callable[[], object], ...]
    announcements: tuple[Announce, ...]


def _without_payload(handler: Callable[..., Any], state: Any) -> Callable[..., Any]:
    def handle(caller: Caller, _request: object) -> Any:
        return handler(state, caller)

    return handle
