"""Spans of events: who caused what, on which server, and nothing of what the events say."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from time import monotonic, time_ns
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy.orm import DeclarativeBase

from flask_realtime import Emit, Identity, Realtime, RealtimeEmitter, tracing
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack
from flask_realtime.errors import Forbidden, RegistrationError
from flask_realtime.extension import gateway_of
from flask_realtime.testing import RealtimeTestClient
from flask_realtime.tracing.parts import _publish
from tests.integration.conftest import KEY, Connect, MakeApp
from tests.integration.wire import Wire
from tests.redis_server import RedisServer

SECONDS = 10.0
SECRET = "the price is 4711"


class Traced:
    """An application whose spans are kept.

    Args:
        app: The application, not yet set up.
        is_traced: Whether it is traced at all.
        name: What its spans are told apart by.
    """

    def __init__(self, app: Flask, *, is_traced: bool = True) -> None:
        self.app = app
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        self.realtime = Realtime()
        if is_traced:
            tracing.instrument(self.realtime, self.provider)
        self._add_hooks()
        self.realtime.init_app(app)

    def _add_hooks(self) -> None:
        @self.realtime.authorize_join
        def may_join(_identity: Identity, conversation_id: str) -> bool:
            return conversation_id != "closed"

        @self.realtime.on("app:price")
        def price(identity: Identity, text: str) -> str:
            if text == "crash":
                raise RuntimeError(SECRET)
            if text == "forbidden":
                raise Forbidden(SECRET)
            self.realtime.send_to_user(identity.user_id, "app:told", text)
            return text

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended, in the order of their ends."""
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only span of that name, waiting for it if it has not ended yet."""
        (span,) = self.wait_for(name, 1)
        return span

    def wait_for(self, name: str, number: int) -> list[ReadableSpan]:
        """Wait until so many spans of that name have ended, while the server's greenlets or threads run."""
        deadline = monotonic() + SECONDS
        while len(self.named(name)) < number:
            assert monotonic() < deadline, [span.name for span in self.spans]
            gateway_of(self.app).concurrency.sleep(0.005)
        return self.named(name)


Trace = Callable[..., Traced]


@pytest.fixture
def trace(make_app: MakeApp) -> Trace:
    return lambda *, is_traced=True, **config: Traced(make_app(**config), is_traced=is_traced)


@pytest.fixture
def join(connect: Connect) -> Iterator[Callable[..., RealtimeTestClient]]:
    """Connects to a traced application, and joins a conversation."""
    with ExitStack() as stack:

        def joined(traced: Traced, user_id: str, conversation_id: str = "7") -> RealtimeTestClient:
            client = stack.enter_context(connect(traced.app, user_id))
            client.join(conversation_id)
            return client

        yield joined


Join = Callable[..., RealtimeTestClient]


def is_child(child: ReadableSpan, parent: ReadableSpan) -> bool:
    assert child.context is not None
    assert parent.context is not None
    return (
        child.parent is not None
        and child.parent.span_id == parent.context.span_id
        and child.context.trace_id == parent.context.trace_id
    )


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_what_a_view_sends_is_in_its_trace(trace: Trace, join: Join) -> None:
    traced = trace()
    client = join(traced, "ann"), join(traced, "ben")
    with traced.tracer.start_as_current_span("view"):
        traced.realtime.send_to_conversation("7", "app:news", SECRET)
    assert client[0].wait_for("app:news").data == SECRET
    send, deliver = traced.one("send app:news"), traced.one("deliver app:news")
    assert is_child(send, traced.one("view"))
    assert is_child(deliver, send)
    assert (send.kind, deliver.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert attributes(send) == {
        "messaging.system": "socket.io",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "app:news",
        "flask_realtime.rooms": ("conversation:7",),
    }
    assert attributes(deliver) == {
        "messaging.system": "socket.io",
        "messaging.operation.name": "deliver",
        "messaging.operation.type": "process",
        "messaging.destination.name": "app:news",
        "flask_realtime.receivers": 2,
    }


def test_rooms_are_named_up_to_a_number_and_everyone_by_none(trace: Trace) -> None:
    traced = trace()
    traced.realtime.broadcast_to_all("app:everyone")
    assert "flask_realtime.rooms" not in attributes(traced.one("send app:everyone"))
    traced.realtime.emit(Emit("app:many", (), tuple(f"user:{number}" for number in range(12))))
    assert attributes(traced.one("send app:many"))["flask_realtime.rooms"] == tuple(f"user:{number}" for number in range(10))


def test_a_clients_event_begins_a_trace_with_what_it_comes_to(trace: Trace, join: Join) -> None:
    traced = trace()
    client = join(traced, "ann")
    assert client.call("app:price", SECRET) == SECRET
    process, call = traced.one("process app:price"), traced.one("call Traced._add_hooks.<locals>.price")
    assert process.parent is None
    assert process.kind is SpanKind.CONSUMER
    assert is_child(call, process)
    assert is_child(traced.one("send app:told"), call)
    assert attributes(process)["flask_realtime.user"] == "ann"
    assert attributes(process)["flask_realtime.connection"] == client.id
    assert attributes(call) == {"code.function.name": f"{__name__}.Traced._add_hooks.<locals>.price"}


def test_a_hook_that_decides_is_called_in_a_span(trace: Trace, join: Join) -> None:
    traced = trace()
    join(traced, "ann")
    assert is_child(traced.one("call Traced._add_hooks.<locals>.may_join"), traced.one("process join:conversation"))


def test_a_refusal_has_its_code_and_is_no_error(trace: Trace, join: Join) -> None:
    traced = trace()
    client = join(traced, "ann")
    assert client.call("app:price", "forbidden")["error"]["code"] == "forbidden"
    process = traced.one("process app:price")
    assert attributes(process)["error.type"] == "forbidden"
    assert process.status.status_code is StatusCode.UNSET


def test_a_failure_is_an_error_without_its_text(trace: Trace, join: Join) -> None:
    traced = trace()
    client = join(traced, "ann")
    assert client.call("app:price", "crash")["error"]["code"] == "internal_error"
    for span in (traced.one("process app:price"), traced.one("call Traced._add_hooks.<locals>.price")):
        assert span.status.status_code is StatusCode.ERROR
        assert attributes(span)["error.type"] == "internal_error"
    assert not any(SECRET in span.to_json() for span in traced.spans)


def test_no_span_is_named_for_what_a_client_makes_up(trace: Trace, join: Join) -> None:
    traced = trace()
    client = join(traced, "ann")
    assert client.call("app:made-up", 1)["error"]["code"] == "unknown_event"
    assert attributes(traced.one("process"))["error.type"] == "unknown_event"
    assert not any("made-up" in span.name for span in traced.spans)


def test_an_event_that_is_repeated_is_seen_each_time(trace: Trace, join: Join) -> None:
    traced = trace()
    ann, ben = join(traced, "ann"), join(traced, "ben")
    for _ in range(3):
        ann.emit("typing:start", {"conversationId": "7"})
        assert ben.wait_for("typing:start").data == {"conversationId": "7", "userId": "ann"}
    handled, sent = traced.wait_for("process typing:start", 3), traced.named("send typing:start")
    delivered = traced.named("deliver typing:start")
    assert [is_child(*pair) for pair in zip(sent, handled, strict=True)] == [True] * 3
    assert [is_child(*pair) for pair in zip(delivered, sent, strict=True)] == [True] * 3


def test_an_event_of_a_namespace_begins_a_trace_too(trace: Trace) -> None:
    traced = trace()
    traced.realtime.socketio.on_event("desk:ask", lambda text: text, namespace="/desk")
    wire = Wire(traced.app)
    assert wire.enter("ann", "/desk").startswith("0/desk,")
    wire.send('2/desk,1["desk:ask","x"]', '2/desk,2["desk:made-up"]')
    assert wire.receive_until("3/desk,1") == '3/desk,1["x"]'
    assert "unknown_event" in wire.receive_until("3/desk,2")
    assert attributes(traced.one("process desk:ask"))["flask_realtime.namespace"] == "/desk"
    assert attributes(traced.one("process"))["error.type"] == "unknown_event"


def test_an_event_that_waited_for_a_commit_is_in_the_trace_of_its_caller() -> None:
    class Base(DeclarativeBase):
        pass

    app = Flask(__name__)
    app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    JWTManager(app)
    db = SQLAlchemy(app, model_class=Base)
    traced = Traced(app)
    with app.app_context(), traced.tracer.start_as_current_span("view"):
        db.session.connection()
        with traced.tracer.start_as_current_span("step"):
            traced.realtime.broadcast_to_all("app:later", after_commit=True)
        assert traced.named("send app:later") == []
        db.session.commit()
    assert is_child(traced.one("send app:later"), traced.one("step"))


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with RedisServer() as redis:
        yield redis.url


@pytest.fixture
def queue(redis_url: str, request: pytest.FixtureRequest) -> dict[str, str]:
    return {"REALTIME_MESSAGE_QUEUE": redis_url, "REALTIME_MESSAGE_QUEUE_CHANNEL": request.node.name}


def test_one_trace_leads_to_the_delivery_on_another_server(trace: Trace, join: Join, queue: dict[str, str]) -> None:
    here, there = trace(**queue), trace(**queue)
    client = join(there, "ann"), join(here, "ben")
    with here.tracer.start_as_current_span("view"):
        here.realtime.send_to_conversation("7", "app:news", SECRET)
    assert client[0].wait_for("app:news").data == SECRET
    deliver, send = there.one("deliver app:news"), here.one("send app:news")
    assert is_child(deliver, send)
    assert attributes(deliver)["flask_realtime.receivers"] == 1
    assert attributes(send)["flask_realtime.published"] is True
    assert here.one("deliver app:news").context != deliver.context


def test_what_an_emitter_sends_is_in_the_trace_of_its_caller_up_to_the_delivery(
    trace: Trace, join: Join, queue: dict[str, str]
) -> None:
    traced, exporter = trace(**queue), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client = join(traced, "ann")
    emitter = RealtimeEmitter(queue["REALTIME_MESSAGE_QUEUE"], channel=queue["REALTIME_MESSAGE_QUEUE_CHANNEL"])
    tracing.instrument(emitter, provider)
    try:
        with provider.get_tracer("test").start_as_current_span("task"):
            assert emitter.send_to_user("ann", "app:told", SECRET)
        client.wait_for("app:told")
    finally:
        emitter.close()
    send, task = exporter.get_finished_spans()
    assert (send.name, send.kind, task.name) == ("send app:told", SpanKind.PRODUCER, "task")
    assert is_child(send, task)
    assert is_child(traced.one("deliver app:told"), send)
    assert SECRET not in send.to_json()


def test_servers_with_and_without_tracing_read_each_others_events(trace: Trace, join: Join, queue: dict[str, str]) -> None:
    traced, plain = trace(**queue), trace(**queue, is_traced=False)
    ann, ben = join(traced, "ann"), join(plain, "ben")
    plain.realtime.send_to_conversation("7", "app:plain", 1)
    assert ann.wait_for("app:plain").data == 1
    assert traced.one("deliver app:plain").parent is None
    traced.realtime.send_to_conversation("7", "app:traced", 2)
    assert ben.wait_for("app:traced").data == 2
    assert plain.spans == []


def test_a_binary_event_is_named_too(trace: Trace) -> None:
    traced = trace()
    traced.realtime.broadcast_to_all('app:"quoted"', b"bytes")
    assert is_child(traced.one('deliver app:"quoted"'), traced.one('send app:"quoted"'))


def test_spans_end_in_a_greenlet_of_their_own_while_the_process_serves() -> None:
    app = Flask(__name__)
    app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="gevent")
    JWTManager(app)
    traced = Traced(app)
    gateway_of(app).on_serving()
    traced.realtime.broadcast_to_all("app:news")
    assert traced.spans == []
    now = time_ns()
    end = traced.one("send app:news").end_time
    assert end is not None
    assert end <= now


def test_log_lines_get_the_ids_of_the_current_span(trace: Trace) -> None:
    traced = trace()
    assert tracing.current_ids() == {}
    with traced.tracer.start_as_current_span("view") as span:
        context = span.get_span_context()
        assert tracing.current_ids() == {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def test_it_comes_before_the_application() -> None:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = KEY
    JWTManager(app)
    with pytest.raises(RegistrationError, match="before"):
        tracing.instrument(Realtime(app))


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=SECONDS * 6)


def test_what_is_sent_again_carries_the_context_of_each_time() -> None:
    tracer = TracerProvider().get_tracer("test")
    published: list[tuple[bytes, bytes]] = []

    def publish(envelope: Envelope) -> bool:
        published.append(pack(envelope))
        return True

    envelope = Envelope("send", {"rooms": None}, ("a packet",), packed=[])
    contexts = []
    for name in ("first", "second"):
        with tracer.start_as_current_span(name) as span:
            _publish(publish, envelope)
            contexts.append(f"{span.get_span_context().span_id:016x}".encode())
    assert [[context in head for context in contexts] for head, _ in published] == [[True, False], [False, True]]
    assert envelope.header == {"rooms": None}


def test_nothing_of_it_is_imported_without_it() -> None:
    run("""
        import sys
        sys.modules["redis"] = None  # It imports OpenTelemetry by itself where that is installed.
        import flask, flask_jwt_extended, flask_realtime
        app = flask.Flask("app")
        app.config["JWT_SECRET_KEY"] = "0123456789abcdef" * 2
        flask_jwt_extended.JWTManager(app)
        flask_realtime.Realtime(app)
        found = [name for name in sys.modules if name.startswith(("opentelemetry", "flask_realtime.tracing"))]
        assert found == [], found
    """)


def test_a_missing_package_is_named() -> None:
    run("""
        import sys
        sys.modules["opentelemetry"] = sys.modules["opentelemetry.context"] = None
        from flask_realtime import Realtime, tracing
        from flask_realtime.errors import ConfigError
        try:
            tracing.instrument(Realtime())
        except ConfigError as error:
            assert "flask-realtime[tracing]" in str(error)
        else:
            sys.exit("no error")
    """)
