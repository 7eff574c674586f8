"""The gateway of one application: puts its parts together, and keeps the sessions that the engine opens and closes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from flask import Flask
from flask_socketio import SocketIO

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.bus import Envelope
from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import Counts
from flask_realtime.feature.connections import LostConnection
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.hook import Hook
from flask_realtime.gateway.admission.admission import Admission
from flask_realtime.gateway.admission.closing import ConnectionCloser
from flask_realtime.gateway.admission.connecting import ConnectHandler
from flask_realtime.gateway.admission.connection_hooks import ConnectionHooks
from flask_realtime.gateway.admission.credentials import Credentials
from flask_realtime.gateway.admission.returning import ReturnAdmission
from flask_realtime.gateway.admission.user_presence import UserPresence
from flask_realtime.gateway.connection import Connection, Registry, Session
from flask_realtime.gateway.context import Surroundings
from flask_realtime.gateway.delivery.control import Control
from flask_realtime.gateway.delivery.envelopes import COMMAND, INSPECT, SEND, TAKEN
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.dispatch.mailbox import Concurrency
from flask_realtime.gateway.dispatch.routing import Router
from flask_realtime.gateway.features import Features
from flask_realtime.gateway.inspection import Inspection
from flask_realtime.gateway.limits.connect_limiter import ConnectLimiter
from flask_realtime.gateway.limits.event_limiter import EventLimiter
from flask_realtime.gateway.limits.peer_log import PeerLog
from flask_realtime.gateway.parts import ChooseParts, Deferred, Parts
from flask_realtime.gateway.recovery.clients import is_browser
from flask_realtime.gateway.recovery.setup import discard_kept, new_elsewhere, new_journal, new_kept, new_recovery
from flask_realtime.gateway.requests import Requests
from flask_realtime.gateway.scrape.readings import Readings
from flask_realtime.gateway.scrape.workers import Workers
from flask_realtime.gateway.server_view import GatewayView
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.gateway.shutdown import GatewayShutdown
from flask_realtime.hooks import TABLES, ApplicationEvent, Hooks, Tables
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_SERVER_DISCONNECT: Final = CloseReason.SERVER_DISCONNECT.value


class Essential(NamedTuple):
    """The features that a gateway requires.

    Args:
        presence: The feature that keeps count of users' connections.
        authentication: The feature that authenticates connections.
    """

    presence: Feature[Any]
    authentication: Feature[Any]


class Gateway:
    """Everything between one application's Socket.IO server and the features.

    Args:
        app: The Flask application.
        socketio: Its Flask-SocketIO object, initialised.
        config: Its settings.
        hooks: Its hooks.
        backend: The state that it shares with other servers.
        essential: The features that it requires.
        choose_parts: Returns the parts that are not the usual ones; None if all are.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the composition of these
        self,
        app: Flask,
        socketio: SocketIO,
        config: RealtimeConfig,
        hooks: Hooks,
        backend: Backend,
        essential: Essential,
        choose_parts: ChooseParts | None = None,
    ) -> None:
        counts, journal = Counts(), new_journal(config)
        self._config, self._backend, self._counts = config, backend, counts
        self._sessions, self._is_serving = dict[str, Session](), False
        server = self._server = SocketIOServer(app, socketio, config, self, counts, journal)
        sessions, connections, existing = server.sessions, server.connections, server.existing
        peer_log = self._peer_log = PeerLog(server.concurrency, server.new_event)
        self._deferred = Deferred(server)
        parts = Parts() if choose_parts is None else choose_parts(self._deferred.run)
        application = parts.application(app, hooks, peer_log, counts)
        registry = self._registry = Registry(config.max_connections_per_user, config.max_connections, config.retry_after)
        limiter = EventLimiter(config, hooks)
        connect_limiter = ConnectLimiter(config.max_connects_per_user, config.max_failed_connects)
        readings = Readings(counts, registry, self._sessions, server, backend, journal)
        self._hooks, self._workers = hooks, Workers(app, config, server, readings)
        sent = SentEvents(backend)
        delivery = self._delivery = parts.delivery(app, server.local, None if backend.is_local else backend.publish, sent)
        server.all_rooms.tell(backend.interest)
        elsewhere = None if journal is None else new_elsewhere(config, journal, backend, server.sleep, sent)
        self._shared = None if elsewhere is None else elsewhere.shared
        kept = None if journal is None or not backend.is_local else new_kept(config, app.instance_path, journal, server, sent)
        self._kept = kept
        self._begin_to_keep = partial(discard_kept, config, app.instance_path) if kept is None else kept.begin
        recovery = None if journal is None else new_recovery(config, journal, server, elsewhere, kept)
        lost_connections = _nobody if recovery is None else recovery.lost_connections
        after_commit = parts.after_commit(app, by_default=config.after_commit)
        finishing: list[Callable[[], bool]] = []
        calls = (after_commit, self._disconnect, lost_connections, finishing.append, counts, parts.tracing)
        view = self._view = GatewayView(self._sessions, registry, server.all_rooms, sessions, self._disconnect)
        surroundings = Surroundings(app, config, application, backend, server, registry, connect_limiter, delivery, *calls, view)
        features = self._features = Features(hooks.features, application, delivery.send, surroundings.context_of, peer_log, view)
        self.control = Control(registry, delivery, backend, features, after_commit, lost_connections)
        self.inspection, self.requests = Inspection(registry, server, backend), Requests(config, features, limiter)
        server.local.relayed, presence_state = features.relayed, features.state_of(essential.presence)
        notifier = self._notifier = presence_state.notifier
        presence = UserPresence(presence_state, backend, config.max_connections_per_user, config.retry_after, server.sleep)
        authentication = features.state_of(essential.authentication)
        credentials = self._credentials = Credentials(
            authentication, connect_limiter, server, config.open_namespaces, features.namespaces
        )
        connection_hooks = ConnectionHooks(application, existing)
        places, watching = (credentials, registry, connections), (connection_hooks, presence, features)
        returning = (
            None
            if recovery is None
            else ReturnAdmission(recovery, *places, sessions, *watching, limiter, peer_log, server.sleep, counts)
        )
        admission = Admission(*places, *watching, peer_log, recovery, returning, counts)
        connects = ConnectHandler(admission, sessions, connections, existing, application, peer_log, features.namespaces, counts)
        closer = self._closer = ConnectionCloser(
            sessions, connections, registry, limiter, features, presence, connection_hooks, peer_log, recovery, counts
        )
        handling = (config, features.events, application, existing, limiter)
        dispatcher = parts.dispatcher(*handling, sessions, connections, delivery, closer.disconnect, peer_log, counts)
        namespaces = parts.namespaces(*handling, dispatcher, sessions, connections, peer_log, features.namespaces, counts)
        self._router = Router(config, sessions, connections, connects, closer, dispatcher, namespaces, peer_log, counts)
        view.route(self._router.receive)
        finishing.append(lambda: notifier.is_idle)
        self._shutdown = GatewayShutdown(sessions, server.sleep, backend, finishing)

    def _disconnect(self, connection: Connection, reason: str) -> None:
        # Late-bound, since features end connections, and `_closer` needs the features.
        self._closer.disconnect(connection, reason)

    @property
    def config(self) -> RealtimeConfig:
        """The application's settings."""
        return self._config

    @property
    def counts(self) -> Counts:
        """Counts of what happened in this process."""
        return self._counts

    @property
    def workers(self) -> Workers:
        """The workers of the application on this machine, with their metrics."""
        return self._workers

    @property
    def backend(self) -> Backend:
        """State that the application shares with other servers."""
        return self._backend

    @property
    def socketio(self) -> SocketIO:
        """The application's Flask-SocketIO object."""
        return self._server.socketio

    @property
    def path(self) -> str:
        """Path at which clients connect."""
        return self._server.path

    @property
    def allows_any_origin(self) -> bool:
        """True if any web page may connect."""
        return self._server.allows_any_origin

    @property
    def is_draining(self) -> bool:
        """True if the process is told to stop, and ends its connections."""
        return self._server.is_draining

    @property
    def concurrency(self) -> Concurrency:
        """The greenlets or threads that serve the application."""
        return self._server.concurrency

    @property
    def features(self) -> tuple[Feature[Any], ...]:
        """The features, each behind those that it requires."""
        return self._features.declared

    @property
    def application_events(self) -> Iterable[ApplicationEvent]:
        """The events that the application registered handlers for."""
        return self._hooks.events.values()

    def has_hook(self, hook: Hook) -> bool:
        """Return whether the application registered a function for a hook."""
        return bool(self._hooks.functions(hook))

    def tables(self) -> Tables | None:
        """Return the tables of the application's store, or None without one."""
        return next((function() for function in self._hooks.functions(TABLES)), None)

    @property
    def hooks_of_no_feature(self) -> list[Hook]:
        """The hooks whose functions nobody calls; see `Hooks.of_no_feature`."""
        return self._hooks.of_no_feature()

    def run(self, app: Flask, host: str, port: int, options: Mapping[str, Any]) -> None:
        """Serve the application with a development server; see `SocketIOServer.run`."""
        self._server.run(app, host, port, options)

    def _receive_from_others(self, envelope: Envelope) -> None:
        if envelope.kind == SEND:
            self._delivery.receive(envelope)
            note = envelope.header.get("note")
            if note is not None:
                self._features.run_command(note[0], note[1], *note[2])
        elif envelope.kind == COMMAND:
            self.control.perform(envelope)
        elif envelope.kind == INSPECT:
            self.inspection.answer(envelope.header)
        elif envelope.kind == TAKEN and self._shared is not None:
            self._shared.taken(envelope.header["key"], envelope.header["turn"])

    def _came_back_elsewhere(self, connection: Connection) -> None:
        self._closer.disconnected(connection, CloseReason.TAKEN_OVER.value)
        self._server.sessions.close(connection.session.id)

    def _changed_meanwhile(self, user_id: str, online: bool, version: int) -> None:  # noqa: FBT001 - the back end's signature
        self._notifier.changed(user_id, online=online, version=version)

    @property
    def namespaces(self) -> Iterable[str]:
        """The namespaces that features serve."""
        return self._features.namespaces

    def on_serving(self) -> None:
        """Handle the beginning of serving in this process, which may be noticed more than once."""
        if not self._is_serving:
            self._is_serving = True
            self._workers.on_serving()
            self._deferred.begin()
            self._begin_to_keep()
            self._features.serving()
            logger.info("serving: path=%s", self.path)

    def on_open(self, eio_sid: str, environ: Mapping[str, Any]) -> Callable[[object], None]:
        """Register a new session, and return the function that handles its messages."""
        if not self._hooks.sealed:
            self._hooks.sealed = True
            self._warn_without_queue(environ)
        self._features.seal()
        self._backend.start(self._receive_from_others, self._changed_meanwhile)
        if self._shared is not None:
            self._shared.start(self._came_back_elsewhere)
        session = self._sessions[eio_sid] = Session(
            eio_sid,
            str(environ.get("REMOTE_ADDR", "")),
            self._credentials.kept_of(environ),
            self._server.new_mailbox(),
            self._server.sessions.transport,
            is_browser=is_browser(environ),
        )
        if self._view.observer is not None:
            self._view.observer.session_opened()
        return partial(self._view.receive, session)

    def _warn_without_queue(self, environ: Mapping[str, Any]) -> None:
        if environ.get("wsgi.multiprocess") and self._config.message_queue is None:
            logger.warning(
                "There are several workers, and no REALTIME_MESSAGE_QUEUE: each knows its own clients only. What one sends does "
                "not reach the clients of the others, and users who are connected to another one appear offline."
            )
            if self._kept is not None:
                self._kept.give_up()

    def on_close(self, eio_sid: str, reason: str) -> None:
        """Handle the end of a session."""
        session = self._sessions.pop(eio_sid, None)
        if session is None:
            return
        session.closed = True
        if self._view.observer is not None:
            self._view.observer.session_closed(reason)
        for connection in session.open_connections():
            self._closer.disconnected(connection, reason, is_lost=True)
        self._shutdown.forget(session)

    def begin_drain(self) -> None:
        """Start the drain: sessions are ended in batches from now on."""
        logger.info("draining: connections=%d", len(self._registry))
        if self._kept is not None:
            self._kept.begin_to_leave()
        self._end_waiting()
        self._shutdown.begin_drain()

    def wait_idle(self) -> None:
        """Return when the application has heard of every end, or it takes too long."""
        self._end_waiting()
        try:
            self._shutdown.wait_idle()
        finally:
            self._workers.stop()
        logger.info("stopped: connections=%d", len(self._registry))

    def _end_waiting(self) -> None:
        if self._backend.is_local:  # Otherwise the other servers know who is not back in time.
            self._notifier.end_waiting()

    def when_done(self, eio_sid: str, callback: Callable[[], None]) -> None:
        """Call a function once all messages of a session have been handled."""
        session = self._sessions.get(eio_sid)
        if session is None:
            callback()
        else:
            self._shutdown.when_done(session.mailbox, callback)

    def on_failure(self, eio_sid: str, error: BaseException) -> None:
        """Log that a session's message could not be handled."""
        session = self._sessions.get(eio_sid)
        peer = session.address if session is not None else ""
        text = "A message could not be handled: address=%s"
        self._peer_log.write(logger, logging.ERROR, peer, text, peer, error=error)

    def on_disconnected(self, connection_id: str) -> None:
        """Handle a connection that left its namespace."""
        connection = self._registry.get(connection_id)
        if connection is not None:
            self._closer.disconnected(connection, _SERVER_DISCONNECT, socketio_handler_called=True)

    def on_message(self, eio_sid: str, data: object) -> None:
        """Handle a message of a session."""
        session = self._sessions.get(eio_sid)
        if session is not None:
            self._view.receive(session, data)


def _nobody(_user_id: str | None = None, *, token_id: str | None = None) -> tuple[LostConnection, ...]:  # noqa: ARG001
    return ()
