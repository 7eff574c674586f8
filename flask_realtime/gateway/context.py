"""Context of a feature: settings, clock, timers, rooms, connections, hooks, and commands that run on every server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, NamedTuple, Protocol, TypeVar

from flask import Flask

from flask_realtime.contract.effects import Change, Emit
from flask_realtime.errors import RegistrationError
from flask_realtime.feature.context import Caller, FeatureContext, HasState, Record, Tracker
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.hook import Hook
from flask_realtime.gateway.changes import carry_out
from flask_realtime.gateway.connection import Connection
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.parts import Parts
from flask_realtime.gateway.repeats import Repeated
from flask_realtime.gateway.timer import DeadlineTimer

StateT = TypeVar("StateT")


class CommandRunner(Protocol):
    """Runs commands of features on all servers."""

    def run_everywhere(self, feature_name: str, command: str, *args: Any) -> int:
        """Run a command on every server, and return what it returned on this one."""

    def run_elsewhere(self, feature_name: str, command: str, *args: Any) -> None:
        """Run a command on all other servers."""


class OtherFeatures(Protocol):
    """The features, as each of them is given the others."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature."""

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear of a connection that joined a conversation."""

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Let the features hear of a connection that left a conversation."""


class Surroundings(NamedTuple):
    """Services of the gateway that features use.

    Args:
        disconnect: Ends a connection, for a reason.
        control: Runs commands of features on all servers.
        new_mailbox: Makes a mailbox.
    """

    disconnect: Callable[[Connection, str], None]
    control: CommandRunner
    new_mailbox: Callable[[], Mailbox]


def make_context(
    app: Flask, feature: Feature[Any], features: OtherFeatures, parts: Parts, surroundings: Surroundings
) -> FeatureContext:
    """Return what one feature is given.

    Args:
        app: The application.
        feature: The feature.
        features: All features.
        parts: The gateway's parts.
        surroundings: What features ask of the gateway beside them.
    """
    return _Context(app, feature, features, parts, surroundings)


class _Context:
    def __init__(
        self, app: Flask, feature: Feature[Any], features: OtherFeatures, parts: Parts, surroundings: Surroundings
    ) -> None:
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
        self.repeated_emit = Repeated
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

    def record(self, kind: str, *, ttl: float) -> Record:
        return self.backend.record(self._feature.name, kind, ttl)

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

    def change(self, caller: Caller, change: Callable[[], Iterable[Change]]) -> None:
        carry_out(self, caller, change)

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
