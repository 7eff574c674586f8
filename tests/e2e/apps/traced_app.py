"""An application whose spans are exported at once, by an exporter that waits, as one that talks to a collector does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import flask
import gevent
from flask_jwt_extended import JWTManager, create_access_token
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from flask_realtime import Realtime, tracing
from tests.e2e.example import KEY


class WaitingExporter(SpanExporter):
    """Writes the names of spans to a file, each after a moment in which other greenlets run."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        gevent.sleep(0.001)
        self._file.writelines(f"{span.name}\n" for span in spans)
        self._file.flush()
        return SpanExportResult.SUCCESS


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    app = flask.Flask(__name__)
    app.config.update(JWT_SECRET_KEY=KEY)
    JWTManager(app)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(WaitingExporter(Path(os.environ["SPANS"]))))
    realtime = Realtime()
    tracing.instrument(realtime, provider)
    realtime.authorize_join(lambda _identity, _conversation_id: True)
    realtime.init_app(app)

    @app.get("/ready")
    def ready() -> str:
        return "ok"

    @app.post("/token")
    def token() -> dict[str, str]:
        return {"token": create_access_token(str(flask.request.get_json()["sub"]))}

    return app
