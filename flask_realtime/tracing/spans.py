"""Spans of events: their names, attributes and ends, and the context that the envelopes of the bus carry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import time_ns
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from flask_realtime.errors import EventError, InternalError
from flask_realtime.gateway.parts import Defer

PROCESS: Final = "process"
SEND: Final = "send"
DELIVER: Final = "deliver"

TRACE: Final = "trace"
"""The field of an envelope's header that holds the context, as W3C's Trace Context names its parts."""

MAX_ROOMS: Final = 10
"""Maximum number of rooms in an attribute."""

_SYSTEM: Final = "socket.io"
_KINDS: Final = {PROCESS: SpanKind.CONSUMER, SEND: SpanKind.PRODUCER, DELIVER: SpanKind.CONSUMER}
_NAME: Final = re.compile(r'[^\["]*\[("(?:[^"\\]|\\.)*")')
# Not the application's own propagators: what else those carry, such as baggage, may be private, and of any size.
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Spans:
    """Starts and ends spans.

    Args:
        tracer: Starts them.
        defer: Runs what may wait. Ending a span may, where an exporter is called at once, and events are also sent in the event
            loop, and while locks are held.
    """

    def __init__(self, tracer: Tracer, defer: Defer) -> None:
        self._tracer = tracer
        self._defer = defer

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, AttributeValue] | None = None,
        context: Context | None = None,
        links: Sequence[Link] = (),
    ) -> Iterator[Span]:
        """Make a span the current one.

        Args:
            name: Its name.
            kind: Its kind.
            attributes: Its attributes.
            context: The context of its parent; None for the current one.
            links: Its links to other spans.
        """
        span = self._tracer.start_span(name, context, kind, attributes, links)
        try:
            # An exception's text may quote a payload.
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        except Exception as error:
            fail(span, error)
            raise
        finally:
            self._defer(partial(span.end, time_ns()))

    def operation(self, operation: str, event: str, context: Context | None = None, **attributes: AttributeValue | None) -> Any:
        """Make the span of an operation on an event the current one.

        Args:
            operation: `PROCESS`, `SEND` or `DELIVER`.
            event: The event's name; an empty string where it may be anything that a client has made up.
            context: The context of its parent; None for the current one.
            attributes: Its own attributes; None leaves one out.
        """
        named = {"messaging.destination.name": event} if event else {}
        given = {f"flask_realtime.{key}": value for key, value in attributes.items() if value is not None}
        kind = "send" if operation == SEND else "process"
        messaging = {"messaging.system": _SYSTEM, "messaging.operation.name": operation, "messaging.operation.type": kind}
        return self.span(f"{operation} {event}".rstrip(), _KINDS[operation], {**messaging, **named, **given}, context)


def fail(span: Span, error: BaseException) -> None:
    """Record an error by its code or its type: a refusal is no fault of the server."""
    span.set_attribute("error.type", error.code if isinstance(error, EventError) else type(error).__qualname__)
    if isinstance(error, InternalError) or not isinstance(error, EventError):
        span.set_status(Status(StatusCode.ERROR))


def named_rooms(rooms: Sequence[str] | None) -> list[str] | None:
    """Return the first rooms of an event, or None for everyone."""
    return None if rooms is None else list(rooms[:MAX_ROOMS])


def event_of(parts: Sequence[str | bytes]) -> str:
    """Return the name of an encoded event."""
    found = _NAME.match(str(parts[0]))
    return "" if found is None else str(json.loads(found[1]))


def carry() -> dict[str, str]:
    """Return the current context as text, as W3C's Trace Context names its parts; nothing if there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier


def restore(carried: Mapping[str, str]) -> Context:
    """Return a context that was carried, an empty one if there was none."""
    return _PROPAGATOR.extract(carried, Context())


def inject(header: dict[str, Any]) -> None:
    """Write the current context into an envelope's header, if there is one."""
    carrier = carry()
    if carrier:
        header[TRACE] = carrier


def extract(header: Mapping[str, Any]) -> Context:
    """Return the context of an envelope, an empty one if it has none."""
    return restore(header.get(TRACE) or {})
