"""Spans of jobs: what runs later, in whatever process, leads back to what caused it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from flask_realtime import CriticalNotification
from tests.integration.example_support import on_sqlite
from tests.integration.features.critical_support import CriticalApp, critical_app

SECRET = "the price is 4711"


@pytest.fixture
def chat(database_url: str) -> Iterator[CriticalApp]:
    with critical_app(database_url, "email", is_traced=True) as made:
        yield made


def named(chat: CriticalApp, name: str) -> list[ReadableSpan]:
    """The spans of that name, in the order of their ends."""
    return [span for span in chat.spans.get_finished_spans() if span.name == name]


def links(span: ReadableSpan) -> list[int]:
    """The ids of the spans that it links to."""
    return [link.context.span_id for link in span.links]


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


def add_in_a_view(chat: CriticalApp) -> ReadableSpan:
    """Store a critical notification in a span, and return the span."""
    with chat.tracer.start_as_current_span("view"):
        chat.add()
    (view,) = named(chat, "view")
    return view


def test_the_run_of_a_job_begins_a_trace_that_links_to_what_added_the_job(chat: CriticalApp) -> None:
    chat.broken["email"] = lambda notification: chat.realtime.send_to_user(notification.user_id, "app:told", 1)
    view = add_in_a_view(chat)
    (job,) = chat.pending()
    assert chat.run() == 1
    (run,) = named(chat, "run critical_notification")
    assert (run.parent, links(run), run.kind) == (None, [id_of(view)], SpanKind.CONSUMER)
    assert dict(run.attributes or {}) == {"flask_realtime.job": job.id, "flask_realtime.user": "ann", "flask_realtime.attempt": 1}
    (send,) = named(chat, "send app:told")
    assert send.parent is not None
    assert send.parent.span_id == id_of(run)


def test_each_attempt_links_to_what_added_the_job_and_tells_of_a_failure_by_its_type(chat: CriticalApp) -> None:
    def fail(_notification: CriticalNotification) -> None:
        raise OSError(SECRET)

    view, chat.broken["email"] = add_in_a_view(chat), fail
    assert chat.run() == 1
    chat.broken.clear()
    chat.make_due()
    assert chat.run() == 1
    first, second = named(chat, "run critical_notification")
    assert [links(first), links(second)] == [[id_of(view)]] * 2
    assert ((first.attributes or {})["error.type"], first.status.status_code) == ("JobFailed", StatusCode.ERROR)
    assert ((second.attributes or {})["flask_realtime.attempt"], second.status.status_code) == (2, StatusCode.UNSET)
    assert not any(SECRET in span.to_json() for span in chat.spans.get_finished_spans())


def test_a_job_that_is_done_in_parts_keeps_its_link(chat: CriticalApp) -> None:
    add_in_a_view(chat)
    (before,) = chat.pending()

    def part(_done: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"reached": 7}

    with chat.app.app_context():
        until = datetime.now(timezone.utc) + timedelta(minutes=1)
        (job,) = chat.jobs.claim(1, until)
        advanced = chat.jobs.advance(job, until, part)
    assert advanced is not None
    assert advanced.data == {"reached": 7, "trace": before.data["trace"]}
    assert set(before.data["trace"]) == {"traceparent"}


def test_a_job_that_nothing_caused_has_no_link(chat: CriticalApp) -> None:
    chat.add()
    assert chat.run() == 1
    assert [links(span) for span in named(chat, "run critical_notification")] == [[]]


@on_sqlite
def test_jobs_of_an_application_that_is_not_traced_keep_no_context(database_url: str) -> None:
    with critical_app(database_url, "email") as plain:
        plain.add()
        assert [job.data for job in plain.pending()] == [{}]
        assert plain.run() == 1
    assert plain.spans.get_finished_spans() == ()
