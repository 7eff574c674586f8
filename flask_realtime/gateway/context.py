"""Context of a feature: settings, clock, timers, rooms, connections, hooks, and commands that run on every server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, NamedTuple, Protocol, TypeVar

from flask import Flask, has_request_context

from flask_realtime.backends.backend import Backend
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.effects import Change, Emit
from flask_realtime.counts import Counts
from flask_realtime.errors import RegistrationError
from flask_realtime.feature.connections import Caller, LostConnection
from flask_realtime.feature.context import BeforeCommit, FeatureContext, HasState
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.hook import Hook
from flask_realtime.feature.serving import ServedNamespace
from flask_realtime.feature.tracing import Tracing
from flask_realtime.feature.values import Record, Tracker
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.changes import carry_out
from flask_realtime.gateway.connection import Connection, Registry
from flask_realtime.gateway.delivery.after_commit import AfterCommit
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.delivery.envelopes import command_envelope
from flask_realtime.gateway.dispatch.mailbox import Mailbox
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE
from flask_realtime.gateway.limits.connect_limiter import ConnectLimiter
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.repeats import Repeated
from flask_realtime.gateway.server_view import GatewayView
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.gateway.timer import DeadlineTimer

StateT = TypeVar("StateT")


class OtherFeatures(Protocol):
    """All features, as each of them sees the others."""

    @property
    def namespaces(self) -> dict[str, ServedNamespace]:
        """The namespaces that features serve."""

    def state_of(self, feature: HasState[StateT]) -> StateT:
        """Return the state of a feature."""

    def joined(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that joined a conversation."""

    def left(self, caller: Caller, conversation_id: str) -> None:
        """Notify the features of a connection that left a conversation."""

    def run_command(self, feature_name: str, command: str, *args: Any) -> int:
        """Run a feature's command on this server, and return the number that it returned, or 0."""


class Surroundings(NamedTuple):
    """Services of the gateway that contexts of features are made of.

    Args:
        app: The application.
        config: Its settings.
        application: Calls its code.
        backend: What servers share.
        server: The Socket.IO server.
        registry: The connections of this server.
        limiter: Counts attempts to connect.
        delivery: Sends events.
        after_commit: Lets events wait for a commit.
        disconnect: Ends a connection, for a reason.
        lost_connections: Returns a user's lost connections, or everybody's.
        before_stop: Adds what the server waits for when it is told to stop.
        counts: Counts of what happens.
        tracing: Records what features do later.
        view: This server, as features see it.
    """

    app: Flask
    config: RealtimeConfig
    application: Application
    backend: Backend
    server: SocketIOServer
    registry: Registry
    limiter: ConnectLimiter
    delivery: Delivery
    after_commit: AfterCommit
    disconnect: Callable[[Connection, str], None]
    lost_connections: Callable[..., Sequence[LostConnection]]
    before_stop: Callable[[Callable[[], bool]], None]
    counts: Counts
    tracing: Tracing
    view: GatewayView

    def context_of(self, feature: Feature[Any], features: OtherFeatures) -> FeatureContext:
        """Return the context of one feature.

        Args:
            feature: The feature.
            features: All features.
        """
        return _Context(self, feature, features)


class _Context:
    def __init__(self, surroundings: Surroundings, feature: Feature[Any], features: OtherFeatures) -> None:
        delivery, registry, server = surroundings.delivery, surroundings.registry, surroundings.server
        self._feature = feature
        self._features = features
        self._application = surroundings.application
        self._registry = registry
        self._counts = surroundings.counts
        self._connections = server.connections
        self._concurrency = server
        self._new_event = server.new_event
        self.app = surroundings.app
        self.config = surroundings.config
        self.clock: Callable[[], float] = monotonic
        self.backend = surroundings.backend
        self.emit = delivery.send
        self.was_sent = delivery.sent.was_sent
        self.emit_again = delivery.send_again
        self.repeated_emit = Repeated
        self.emit_here = delivery.send_here
        self._after_commit = surroundings.after_commit
        self.joined = features.joined
        self.left = features.left
        self.find: Any = registry.get
        self.connections: Any = registry.everyone
        self.connections_of: Any = registry.of_user
        self._lost_connections = surroundings.lost_connections
        self.attempt = surroundings.limiter.attempt
        self.disconnect: Any = surroundings.disconnect
        self.functions = surroundings.application.hooks.functions
        self.before_stop = surroundings.before_stop
        self.tracing = surroundings.tracing
        self.server: Any = surroundings.view
        self.compute = server.compute
        self.handles_request = has_request_context
        self.wait_readable = server.wait_readable
        self.start: Callable[..., object] = server.start_background_task
        self.new_mailbox: Callable[[], Mailbox] = server.new_mailbox

    def state_of(self, feature: HasState[StateT]) -> StateT:
        if feature not in self._feature.requires:
            msg = f"The feature {self._feature.name!r} does not require {feature.name!r}; name it in requires=[...]."
            raise RegistrationError(msg)
        state: StateT = self._features.state_of(feature)
        return state

    def serve_namespace(self, namespace: str, served: ServedNamespace, *, is_counted: bool = True) -> None:
        self._features.namespaces[namespace] = served
        if not is_counted:
            self._counts.left_out.add(namespace)

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

        return DeadlineTimer(self._concurrency, self._new_event, clock or self.clock, next_deadline, expired)

    def after_commit(self, name: str, function: Callable[[], object], before: BeforeCommit | None = None) -> bool:
        return self._after_commit.wait(name, lambda: function, before)

    def send_to(self, connection: Any, event: str, payload: Any) -> None:
        if connection.namespace == DEFAULT_NAMESPACE:
            self.emit_here(Emit(event, (payload,), (connection.id,)))
        else:
            self._connections.send_to(connection.id, connection.namespace, event, payload)

    def lost_connections(self, user_id: str | None = None, *, token_id: str | None = None) -> Sequence[LostConnection]:
        return self._lost_connections(user_id, token_id=token_id)

    def rooms_of(self, caller: Any) -> list[str]:
        return self._connections.rooms_of(caller.id)

    def change(self, caller: Any, change: Callable[[], Iterable[Change]]) -> None:
        carry_out(self, caller, change)
        if caller.lease is not None and caller.lease.log is not None:
            caller.lease.log.wait()  # Who is told of a change keeps it, even if this server is killed right after that.

    def enter_room(self, caller: Any, room: str) -> None:
        self._connections.enter(caller.id, room)

    def leave_room(self, caller: Any, room: str) -> None:
        self._connections.leave(caller.id, room)

    def has_connections(self) -> bool:
        return len(self._registry) > 0

    def count_events(self) -> Mapping[str, Mapping[str, int]]:
        return {"received": self._counts.events_received, "sent": self._counts.events_sent}

    def count_connections(self) -> int:
        sizes: dict[str, int] = self.server.count_connections() if self._counts.left_out else {}
        return len(self._registry) - sum(sizes.get(namespace, 0) for namespace in self._counts.left_out)

    def let_others_run(self) -> None:
        self._concurrency.sleep(0)

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        return self._application.in_context(function, *args)

    def report(self, error: BaseException) -> None:
        self._application.report(error, None, None)

    def is_registered(self, hook: Hook) -> bool:
        return bool(self.functions(hook))

    def call(self, hook: Hook, *args: Any, caller: Any = None, event: str | None = None) -> Any:
        answer = None
        for function in self.functions(hook):
            answer = self._application.call(function, *args, connection=caller, event=event)
        return hook.default if answer is None or not hook.is_single else answer

    def call_in_request(
        self,
        function: Callable[..., Any],
        environ: Mapping[str, Any],
        *args: Any,
        caller: Any = None,
        event: str | None = None,
        timed: Callable[..., Any] | None = None,
    ) -> Any:
        return self._application.call_in_request(function, environ, *args, connection=caller, event=event, timed=timed)

    def decide(self, hook: Hook, *args: Any, caller: Any, event: str) -> bool:
        decision: bool = hook.default
        for function in self.functions(hook):
            decision = self._application.decide(function, *args, connection=caller, event=event, default=hook.default)
        return decision

    def announce(self, hook: Hook, *args: Any, caller: Any = None) -> None:
        self._application.announce(self.functions(hook), *args, connection=caller)

    def announce_with(self, function: Callable[[], None]) -> None:
        self._application.announce_with(function)

    def everywhere(self, command: str, *args: Any) -> int:
        self.elsewhere(command, *args)
        return self._features.run_command(self._feature.name, command, *args)

    def elsewhere(self, command: str, *args: Any) -> None:
        self.backend.publish(command_envelope(self._feature.name, command, *args))
