"""Dispatcher of packets, from parsing to the answer.

Built-in and application events take the same path: size, JSON, name, binary, arguments, handler, answer. Every exception on it
becomes an answer; none closes the connection, and none escapes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple, NoReturn

from socketio import packet as sio

from flask_realtime.config import RealtimeConfig
from flask_realtime.contract.answers import ACKNOWLEDGED, REALTIME_ERROR, error_answer, error_event
from flask_realtime.contract.effects import Emit
from flask_realtime.contract.reasons import CloseReason
from flask_realtime.counts import ON, OTHER, SAMPLE, Alike, Counts, Tally
from flask_realtime.errors import BadRequest, EventError, InternalError, PayloadTooLarge, RateLimited, UnknownEvent
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.connection import Connection, Session
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.dispatch.packets import DEFAULT_NAMESPACE, Packet, event_payload
from flask_realtime.gateway.features import BoundEvent, Work
from flask_realtime.gateway.limits.event_limiter import EventLimiter, LimitGroup
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.gateway.repeats import RememberedCalls
from flask_realtime.gateway.serving.connections import SocketIOConnections
from flask_realtime.gateway.serving.existing import ExistingHandlers
from flask_realtime.gateway.serving.sessions import EngineSessions
from flask_realtime.hooks import ApplicationEvent
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

RATE_LIMIT: Final = CloseReason.RATE_LIMIT.value
"""Why a connection ends that goes on sending too much."""


class _Call(NamedTuple):
    """A parsed event.

    Args:
        event: Its name, or an empty string if that could not be read.
        group: Its limit group.
        work: Handles it, and returns the answer.
        request: Its parsed arguments.
        may_wait: Whether handling may wait: for the application's code, or for state that servers share.
        answers_several: Whether the answer is a list of arguments, as from Flask-SocketIO's handlers, instead of a single one.
        repeat: Returns the fast path for repeating it; None if it has none.
    """

    event: str
    group: LimitGroup
    work: Work
    request: Any
    may_wait: bool = True
    answers_several: bool = False
    repeat: Callable[..., Callable[[], bool] | None] | None = None


class Dispatcher:
    """Handles the events of all connections.

    Args:
        config: The application's settings.
        events: The events of features, by name.
        application: Calls the application's code.
        existing: The handlers that it registered through Flask-SocketIO.
        limiter: Counts events.
        sessions: The engine's sessions.
        connections: The connections of the Socket.IO server.
        delivery: Sends events.
        disconnect: Ends a connection, for a reason.
        peer_log: Logs lines that a client can provoke.
        counts: Counts what happens.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the stages of an event
        self,
        config: RealtimeConfig,
        events: Mapping[str, BoundEvent],
        application: Application,
        existing: ExistingHandlers,
        limiter: EventLimiter,
        sessions: EngineSessions,
        connections: SocketIOConnections,
        delivery: Delivery,
        disconnect: Callable[[Connection, str], None],
        peer_log: PeerLog,
        counts: Counts,
    ) -> None:
        self._counts = counts
        self._received = counts.received
        self._settings = config
        self._max_nesting = config.max_nesting
        # A character takes at most four bytes, so texts up to this length are never too large.
        self._surely_small = config.max_payload_bytes // 4
        self._events = events
        self._application = application
        self._existing = existing
        self._limiter = limiter
        self._sessions = sessions
        self._connections = connections
        self._delivery = delivery
        self._disconnect = disconnect
        self._peer_log = peer_log
        self._is_sampled = False  # Another thread may take it for its own event: then that one is timed.
        self._remembered: RememberedCalls[tuple[_Call, Alike]] = RememberedCalls()

    def receive(self, session: Session, packet: Packet) -> None:
        """Handle an event.

        Args:
            session: The session that it came on.
            packet: The packet that carries it.
        """
        connection = session.connection
        call = self._read(connection, packet)
        if not packet.attachments:
            self._remember(packet.body, call)
        if self._is_sampled:
            self._is_sampled = False
            self._begin_timed(session, connection, call, packet.id)
        else:
            self._begin(session, connection, call, packet.id)

    def receive_again(self, session: Session, packet_id: int | None, body: str) -> bool:
        """Handle an event that somebody has sent before in the same words, such as what a typing client sends.

        Args:
            session: The session that it came on.
            packet_id: The client's number for its callback, or None without one.
            body: The packet's JSON text.

        Returns:
            Whether it was handled; if not, it has to be read first.
        """
        known = self._remembered.get(body)
        connection = session.connection
        if known is None or connection is None or connection.closed:
            return False
        call, alike = known
        number = alike.times = alike.times + 1
        begin = self._begin_timed if number % SAMPLE == 1 else self._begin
        refusal = self._limiter.charge(connection, call.group)
        if refusal is not None:
            self._count_refusal(connection)
            call = _refused(call, refusal)
        begin(session, connection, call, packet_id)
        # What is answered has another number each time.
        if call.repeat is not None and packet_id is None:
            again = call.repeat(connection, call.request, self._limiter.allowance(connection, call.group))
            session.repeatable = None if again is None else (f"{sio.EVENT}{body}", again, alike)
        return True

    def charge(self, connection: Connection, group: LimitGroup) -> RateLimited | None:
        """Count an event; a connection that keeps sending after many refusals is disconnected."""
        refusal = self._limiter.charge(connection, group)
        if refusal is not None:
            self._count_refusal(connection)
        return refusal

    def _count_refusal(self, connection: Connection) -> None:
        if self._limiter.is_out_of_patience(connection):
            told = (connection.user_id, connection.id, connection.address, "keeps sending too much")
            self._log(connection, logging.WARNING, "closed: user=%s id=%s address=%s reason=%s", *told)
            self._disconnect(connection, RATE_LIMIT)

    def _log(self, connection: Connection, level: int, message: str, *args: object) -> None:
        self._peer_log.write(logger, level, user_peer(connection.user_id, connection.address), message, *args)

    def _remember(self, body: str, call: _Call) -> None:
        if not call.may_wait and call.work is not _raise:
            alike = self._received[call.event].alike(1, len(body))
            if alike is not None:
                self._remembered.remember(body, (call, alike))

    def _begin(self, session: Session, connection: Connection | None, call: _Call, packet_id: int | None) -> None:
        """Handle an event at once if its handler never waits and the mailbox is empty, else in the mailbox."""
        mailbox = session.mailbox
        if connection is None or call.may_wait or not mailbox.begin_turn():
            task = partial(self._handle_early if connection is None else self._handle, session, call, packet_id)
            self._sessions.post(session.id, mailbox, task)
            return
        try:
            self._handle(session, call, packet_id)
        finally:
            mailbox.end_turn()

    def _begin_timed(self, session: Session, connection: Connection | None, call: _Call, packet_id: int | None) -> None:
        """Handle an event of those that are timed; see `_begin`."""
        mailbox, began = session.mailbox, monotonic()
        if call.event in self._application.hooks.events and call.work is not _raise:
            call = call._replace(work=self._timed(call.work))
        if connection is None or call.may_wait or not mailbox.begin_turn():
            task = partial(self._handle_early if connection is None else self._handle, session, call, packet_id)
            self._sessions.post(session.id, mailbox, self._counts.timed(task))
            return
        try:
            self._handle(session, call, packet_id)
        finally:
            mailbox.end_turn()
        self._counts.inline.observe(monotonic() - began)

    def _handle_early(self, session: Session, call: _Call, packet_id: int | None) -> None:
        connection = session.connection
        refusal = None if connection is None or connection.closed else self.charge(connection, call.group)
        self._handle(session, call if refusal is None else _refused(call, refusal), packet_id)

    def _read(self, connection: Connection | None, packet: Packet) -> _Call:
        """Read an event, and count it: towards its limit as soon as its name is known, before its arguments are checked."""
        name, failure = "", None
        args: list[Any] = []
        try:
            name, args = self.open(packet)
        except EventError as error:
            failure = error
        group = self._limiter.group(name)
        refusal = None if connection is None else self.charge(connection, group)
        try:
            if failure is None and refusal is None:
                return self._resolve(name, args, packet, group)
        except EventError as error:
            failure = error
        self._count(self._tally(name), packet)
        return _Call(name, group, _raise, refusal or failure, may_wait=False)

    def _count(self, tally: Tally, packet: Packet) -> None:
        """Count an event; inlined where most of them pass."""
        sizes = tally.sizes
        sizes.append(len(packet.body))
        if len(sizes) >= tally.due:
            tally.add_up()
            self._is_sampled = True

    def _tally(self, name: str) -> Tally:
        received = self._received
        if name in self._events or name in self._application.hooks.events or self._existing.names(name):
            return received[name]
        return received[OTHER]

    def open(self, packet: Packet) -> tuple[str, list[Any]]:
        """Return an event's name and arguments.

        Raises:
            EventError: It is too large, or not an event.
        """
        if packet.is_too_large or (len(packet.body) > self._surely_small and packet.size > self._settings.max_payload_bytes):
            msg = f"An event may have at most {self._settings.max_payload_bytes} bytes"
            raise PayloadTooLarge(msg)
        return event_payload(packet, self._max_nesting)

    def _resolve(self, name: str, args: list[Any], packet: Packet, group: LimitGroup) -> _Call:
        event = self._events.get(name)
        if event is not None:
            if packet.attachments and not event.binary:
                raise _no_binary(name)
            request = event.parse(args, self._settings)
            tally = self._received[name]
            sizes = tally.sizes
            sizes.append(len(packet.body))
            if len(sizes) >= tally.due:
                tally.add_up()
                self._is_sampled = True
            return _Call(name, group, event.work, request, event.may_wait, False, event.repeat)  # noqa: FBT003 - as fast
        application_event = self._application.hooks.events.get(name)
        if application_event is not None:
            if packet.attachments and not application_event.binary:
                raise _no_binary(name)
            work, request = self._application_work(application_event), application_event.arguments(args)
            tally = self._received[name]
            sizes = tally.sizes
            sizes.append(len(packet.body))
            if len(sizes) >= tally.due:
                tally.add_up()
                self._is_sampled = True
            return _Call(name, group, work, request)
        if self._existing.has_socketio_handler(name):
            self._count(self._tally(name), packet)
            return _Call(name, group, self._own_work(name), args, answers_several=True)
        msg = f"The server does not know the event {name}"
        raise UnknownEvent(msg)

    def _application_work(self, event: ApplicationEvent) -> Work:
        def work(connection: Connection, args: Iterable[Any]) -> Any:
            answer = self._application.handle(event.handler, connection.identity, *args, connection=connection, event=event.name)
            return ACKNOWLEDGED if answer is None else answer

        return work

    def _timed(self, work: Work) -> Work:
        def timed_work(caller: Any, request: Any) -> Any:
            began = monotonic()
            try:
                return work(caller, request)
            finally:
                self._counts.hook_took(ON, monotonic() - began)

        return timed_work

    def _own_work(self, name: str) -> Work:
        def work(connection: Connection, args: Iterable[Any]) -> list[Any]:
            where = (name, DEFAULT_NAMESPACE, connection.id)
            handler = self._existing.call_socketio_handler
            return answer_arguments(self._application.handle(handler, *where, *args, connection=connection, event=name))

        return work

    def _handle(self, session: Session, call: _Call, packet_id: int | None) -> None:
        connection = session.connection
        if connection is None or not connection.admitted:
            # An event before the answer to CONNECT; Node's server also closes the session.
            self._sessions.close(session.id)
            return
        try:
            answer = call.work(connection, call.request)
            if packet_id is not None:
                if not connection.closed:
                    self._connections.reply(connection.session.id, packet_id, answer if call.answers_several else [answer])
                self._counts.answered += 1
        except EventError as error:
            self._fail(connection, call, packet_id, error)
        except Exception as error:  # noqa: BLE001 - a client must always get its answer
            self._application.report(error, connection, call.event)
            self._fail(connection, call, packet_id, InternalError())

    def _fail(self, connection: Connection, call: _Call, packet_id: int | None, error: EventError) -> None:
        self._counts.failures.add(error.code)
        told = (call.event, error.code, connection.user_id, connection.id)
        self._log(connection, logging.INFO, "failed: event=%s code=%s user=%s id=%s", *told)
        if packet_id is None:
            self._delivery.send_here(Emit(REALTIME_ERROR, (error_event(error, call.event),), (connection.id,)))
        elif not connection.closed:
            self._connections.reply(connection.session.id, packet_id, [error_answer(error)])


def answer_arguments(answer: Any) -> list[Any]:
    """Return the arguments for a client's callback from the result of a Flask-SocketIO handler."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, tuple) else [answer]


def _refused(call: _Call, error: EventError) -> _Call:
    return _Call(call.event, call.group, _raise, error, may_wait=False)


def _raise(_connection: Connection, error: EventError) -> NoReturn:
    raise error


def _no_binary(name: str) -> BadRequest:
    return BadRequest(f"{name} takes no binary data")
