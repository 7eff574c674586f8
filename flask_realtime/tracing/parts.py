"""Parts of a gateway that record spans of what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Flask
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import Link, SpanKind, TracerProvider, get_current_span, get_tracer

from flask_realtime.backends.bus import Envelope
from flask_realtime.contract.effects import Emit
from flask_realtime.engine.messages import OutboundMessage
from flask_realtime.errors import EventError
from flask_realtime.feature.context import BeforeCommit
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.delivery.after_commit import AfterCommit
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.dispatch.dispatcher import Dispatcher
from flask_realtime.gateway.dispatch.namespaces import NamespaceEvents
from flask_realtime.gateway.parts import ChooseParts, Defer, Parts
from flask_realtime.gateway.repeats import Deliverer
from flask_realtime.tracing.spans import DELIVER, PROCESS, SEND, Spans, carry, event_of, extract, fail, inject, named_rooms, restore

PACKAGE = "flask_realtime"

Publish = Callable[[Envelope], bool]
SendEmit = Callable[[Emit, Publish], bool]
"""Encodes an event, and passes it to what publishes it."""


def choose_parts(tracer_provider: TracerProvider | None) -> ChooseParts:
    """Return what chooses the parts that record spans.

    Args:
        tracer_provider: Records them; None for the global one.
    """

    def choose(defer: Defer) -> Parts:
        spans = Spans(get_tracer(PACKAGE, tracer_provider=tracer_provider), defer)
        return Parts(
            partial(_TracedApplication, spans),
            _TracedAfterCommit,
            partial(_TracedDelivery, spans),
            partial(_TracedDispatcher, spans),
            partial(_TracedNamespaceEvents, spans),
            _FeatureTracing(spans),
        )

    return choose


def traced_emits(tracer_provider: TracerProvider | None) -> Callable[[SendEmit], SendEmit]:
    """Return what makes an emitter's way of sending one that records spans, whose context the envelopes carry.

    Args:
        tracer_provider: Records them; None for the global one.
    """
    spans = Spans(get_tracer(PACKAGE, tracer_provider=tracer_provider), lambda end: end())

    def wrap(send: SendEmit) -> SendEmit:
        def traced(emit: Emit, publish: Publish) -> bool:
            with spans.operation(SEND, emit.event, rooms=named_rooms(emit.rooms)):
                return send(emit, partial(_publish, publish))

        return traced

    return wrap


class _TracedDispatcher(Dispatcher):
    """Handles each event in a span that begins a trace: a client's own word for one would not be believed."""

    def __init__(self, spans: Spans, *args: Any) -> None:
        super().__init__(*args)
        self._spans = spans

    def receive_again(self, session: Any, packet_id: int | None, body: str) -> bool:  # noqa: ARG002 - each event is read, to be seen
        return False

    def _handle(self, session: Any, call: Any, packet_id: int | None) -> None:
        connection = session.connection
        told = {} if connection is None else {"connection": connection.id, "user": connection.user_id}
        with self._spans.operation(PROCESS, call.event if self._is_known(call.event) else "", Context(), **told):
            super()._handle(session, call, packet_id)

    def _is_known(self, event: str) -> bool:
        events = self._application.hooks.events
        return event in self._events or event in events or self._existing.has_socketio_handler(event)

    def _fail(self, connection: Any, call: Any, packet_id: int | None, error: EventError) -> None:
        fail(get_current_span(), error)
        super()._fail(connection, call, packet_id, error)


class _TracedNamespaceEvents(NamespaceEvents):
    """Handles each event of the application's own namespaces in a span that begins a trace."""

    def __init__(self, spans: Spans, *args: Any) -> None:
        super().__init__(*args)
        self._spans = spans

    def _handle(self, connection: Any, packet: Any, name: str, args: Any, failure: EventError | None) -> None:
        namespace = connection.namespace
        event = name if name in self._events or self._existing.has_socketio_handler(name, namespace) else ""
        told = {"connection": connection.id, "user": connection.user_id or None, "namespace": namespace}
        with self._spans.operation(PROCESS, event, Context(), **told):
            super()._handle(connection, packet, name, args, failure)

    def _fail(self, connection: Any, packet: Any, name: str, error: EventError) -> None:
        fail(get_current_span(), error)
        super()._fail(connection, packet, name, error)


class _TracedApplication(Application):
    """Calls each function of the application's in a span."""

    def __init__(self, spans: Spans, *args: Any) -> None:
        super().__init__(*args)
        self._spans = spans

    def handle(self, function: Callable[..., Any], *args: Any, **told: Any) -> Any:
        return self._traced(function, super().handle, function, *args, **told)

    def call_in_request(self, function: Callable[..., Any], environ: Mapping[str, Any], *args: Any, **told: Any) -> Any:
        return self._traced(function, super().call_in_request, function, environ, *args, **told)

    def decide(self, function: Callable[..., Any], *args: Any, **told: Any) -> bool:
        decision: bool = self._traced(function, super().decide, function, *args, **told)
        return decision

    def _traced(self, function: Callable[..., Any], call: Callable[..., Any], *args: Any, **told: Any) -> Any:
        name = getattr(function, "__qualname__", None)
        # Functions of this package lead to the application's own.
        if name is None or str(function.__module__).partition(".")[0] == PACKAGE:
            return call(*args, **told)
        with self._spans.span(f"call {name}", attributes={"code.function.name": f"{function.__module__}.{name}"}):
            return call(*args, **told)


class _TracedAfterCommit(AfterCommit):
    """Lets events wait with the context of who called."""

    def wait(self, name: str, prepare: Callable[[], Callable[[], object]], before: BeforeCommit | None = None) -> bool:
        context = get_current()
        return super().wait(name, lambda: partial(_run_in, context, prepare()), before)


def _run_in(context: Context, function: Callable[[], object]) -> object:
    token = attach(context)
    try:
        return function()
    finally:
        detach(token)


class _TracedDelivery(Delivery):
    """Sends each event in a span, whose context its envelope carries."""

    def __init__(
        self, spans: Spans, app: Flask, local: Deliverer, publish: Callable[[Envelope], bool] | None, sent: SentEvents
    ) -> None:
        self._spans = spans
        publishing = None if publish is None else partial(_publish, publish)
        super().__init__(app, _TracedDeliverer(spans, local), publishing, sent)
        self.send_again = self.send

    def send(self, emit: Emit) -> bool:
        with self._span_of(emit):
            return super().send(emit)

    def send_here(self, emit: Emit) -> None:
        with self._span_of(emit):
            super().send_here(emit)

    def _send_prepared(self, emit: Emit, message: OutboundMessage) -> bool:
        with self._span_of(emit):
            return super()._send_prepared(emit, message)

    def _span_of(self, emit: Emit) -> Any:
        return self._spans.operation(SEND, emit.event, rooms=named_rooms(emit.rooms), logged=emit.logged)


class _FeatureTracing:
    """Records what features do later, such as jobs."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def carry(self) -> dict[str, str]:
        return carry()

    def later(self, name: str, carried: Mapping[str, str], **attributes: str | int) -> AbstractContextManager[object]:
        cause = get_current_span(restore(carried)).get_span_context()
        # Not its child: a trace would be open for hours where something is tried again and again.
        links = [Link(cause)] if cause.is_valid else []
        named = {f"{PACKAGE}.{key}": value for key, value in attributes.items()}
        return self._spans.span(name, SpanKind.CONSUMER, named, Context(), links)


def _publish(publish: Callable[[Envelope], bool], envelope: Envelope) -> bool:
    envelope = replace(envelope, header={**envelope.header}, packed=None)  # It may be sent again, in another trace.
    inject(envelope.header)
    is_on_its_way = publish(envelope)
    get_current_span().set_attribute("flask_realtime.published", is_on_its_way)
    return is_on_its_way


class _TracedDeliverer:
    """Delivers each event to this server's connections in a span that counts them.

    Args:
        spans: Starts and ends it.
        local: Delivers.
    """

    def __init__(self, spans: Spans, local: Deliverer) -> None:
        self._spans = spans
        self._local = local
        self.rooms, self.turn, self.encode, self.keep = local.rooms, local.turn, local.encode, local.keep

    def deliver(
        self, message: OutboundMessage, rooms: Sequence[str] | None, except_rooms: Iterable[str], except_sid: str | None
    ) -> None:
        with self._span_of(message.parts, rooms, except_rooms, except_sid):
            self._local.deliver(message, rooms, except_rooms, except_sid)

    def receive(self, envelope: Envelope) -> None:
        header = envelope.header
        receivers = header["rooms"], header["except_rooms"], header["except_sid"]
        with self._span_of(envelope.parts, *receivers, context=extract(header)):
            self._local.receive(envelope)

    @contextmanager
    def _span_of(
        self,
        parts: Sequence[str | bytes],
        rooms: Sequence[str] | None,
        except_rooms: Iterable[str],
        except_sid: str | None,
        context: Context | None = None,
    ) -> Iterator[None]:
        with self._spans.operation(DELIVER, event_of(parts), context) as span:
            if span.is_recording():
                count = len(self.rooms.receivers(rooms, except_rooms, except_sid))
                span.set_attribute("flask_realtime.receivers", count)
            yield
