"""Tracing with OpenTelemetry, for those who set `TRACES_FOLDER`: each process writes its spans there, a line of JSON for each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from flask_realtime import Realtime, tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def trace_events(realtime: Realtime) -> TracerProvider | None:
    """Record what happens to events, before any application is initialised; return what records it, None without a folder."""
    folder = os.environ.get("TRACES_FOLDER")
    if not folder:
        return None
    # Imported here because it is not among the packages that the example needs.
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415

    file = (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8")
    provider = TracerProvider()
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing.instrument(realtime, provider)
    return provider


def trace_requests(app: Flask, provider: TracerProvider | None) -> None:
    """Record requests, which events are traced back to; before the extension, whose connections are no requests."""
    if provider is not None:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415 - as above

        FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
