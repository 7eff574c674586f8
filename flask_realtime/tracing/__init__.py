"""Tracing of events with OpenTelemetry, from the view or the client that causes one to its delivery on every server.

    realtime = Realtime()
    tracing.instrument(realtime)
    realtime.init_app(app)

Nothing of it is imported by an application that does not call `instrument`, and no event costs it anything. Tests give a tracer
provider of their own, with an exporter that keeps the spans in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from flask_realtime.errors import ConfigError
from flask_realtime.extension import Realtime

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["current_ids", "instrument"]


class Emitter(Protocol):
    """A `RealtimeEmitter`."""

    def send_through(self, wrap: Callable[[Any], Any]) -> None:
        """Send events through another function than the usual one."""


def instrument(realtime: Realtime | Emitter, tracer_provider: TracerProvider | None = None) -> None:
    """Record spans of the events of the applications that an extension object is initialised on from now on, or of an emitter.

    Args:
        realtime: The extension object, or an emitter, which sends events in the trace of whoever calls it.
        tracer_provider: Records the spans; None for OpenTelemetry's global one.

    Raises:
        ConfigError: OpenTelemetry's API is not installed.
        RegistrationError: An application is initialised already.
    """
    try:
        from flask_realtime.tracing.parts import choose_parts, traced_emits  # noqa: PLC0415 - OpenTelemetry is an extra
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("opentelemetry"):
            raise
        msg = "Tracing needs OpenTelemetry's API: pip install 'flask-realtime[tracing]'"
        raise ConfigError(msg) from None
    if isinstance(realtime, Realtime):
        realtime.replace_parts(choose_parts(tracer_provider))
    else:
        realtime.send_through(traced_emits(tracer_provider))


def current_ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the current span, in hexadecimal as exporters write them; nothing if there is none."""
    from opentelemetry import trace  # noqa: PLC0415 - as above

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}
