"""Refused origins in the log: each once, escaped, and never so many that they fill it."""

import logging
from typing import Any

import pytest

from flask_realtime.counts import Counts
from flask_realtime.gateway.admission.origin_check import MAX_REMEMBERED, SILENCE, OriginCheck, same_origin
from tests.clock import Clock

HERE: dict[str, Any] = {"wsgi.url_scheme": "http", "HTTP_HOST": "chat.example"}
SETTING = "REALTIME_CORS_ALLOWED_ORIGINS"


def named(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_refused_origin_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    check = OriginCheck(same_origin, SETTING, Counts(), Clock(0.0))
    for _ in range(3):
        assert not check("http://other.example", {**HERE})
    assert check("http://chat.example", {**HERE})
    assert not check(None, HERE)
    assert named(caplog) == [
        (
            "refused: origin 'http://other.example' may not connect. If it is a page of yours, add 'http://other.example' to "
            "REALTIME_CORS_ALLOWED_ORIGINS."
        )
    ]


def test_a_request_is_counted_once_however_often_it_is_asked_about() -> None:
    counts = Counts()
    check = OriginCheck(same_origin, SETTING, counts, Clock(0.0))
    for _ in range(2):
        request = {**HERE}
        for _ in range(2):
            assert not check("http://other.example", request)
    for origin in ("http://chat.example", None, ""):
        check(origin, {**HERE})
    assert counts.refusals == {"forbidden_origin": 2}


@pytest.mark.parametrize("extra", [{}, {"HTTP_HOST": "127.0.0.1:3000", "HTTP_X_FORWARDED_HOST": "chat.example"}])
def test_the_servers_own_host_hints_at_a_proxy(caplog: pytest.LogCaptureFixture, extra: dict[str, str]) -> None:
    environ = {**HERE, **extra}
    OriginCheck(same_origin, SETTING, Counts(), Clock(0.0))("https://chat.example", environ)
    (line,) = named(caplog)
    assert f"which sees 'http://{environ['HTTP_HOST']}': wrap app.wsgi_app in ProxyFix after init_app." in line


@pytest.mark.parametrize(
    "function", [lambda origin, _environ: origin == "http://a.example", lambda origin: origin == "http://a.example"]
)
def test_a_function_that_refuses_is_named(caplog: pytest.LogCaptureFixture, function: Any) -> None:
    check = OriginCheck(function, SETTING, Counts(), Clock(0.0))
    assert check("http://a.example", HERE)
    assert not check("http://b.example", HERE)
    assert named(caplog) == [f"refused: origin 'http://b.example' may not connect. The function in {SETTING} refused it."]


@pytest.mark.parametrize("origins", ["http://a.example", ["http://a.example"], ("http://b.example", "http://a.example")])
def test_listed_origins_are_allowed(caplog: pytest.LogCaptureFixture, origins: Any) -> None:
    check = OriginCheck(origins, SETTING, Counts(), Clock(0.0))
    assert check("http://a.example", HERE)
    assert not check("http://a", HERE)
    assert len(named(caplog)) == 1


def test_an_origin_cannot_write_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    OriginCheck(same_origin, SETTING, Counts(), Clock(0.0))("http://a\n\x1b[31m\x85\u2028" + "x" * 10_000, HERE)
    (line,) = named(caplog)
    assert line.isprintable()
    assert len(line) < 700


def test_origins_without_end_neither_fill_the_log_nor_take_memory(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(0.0)
    check = OriginCheck(same_origin, SETTING, Counts(), clock)
    for number in range(1000):
        check(f"http://{number}.example", HERE)
    assert 10 <= len(named(caplog)) <= 12  # At one moment.
    for number in range(10_000):
        clock.now += 1
        check(f"http://{number}.example", HERE)
        if clock.now > SILENCE:
            break
    lines = named(caplog)
    assert len(lines) == MAX_REMEMBERED + 1
    assert lines[-1] == "100 origins have been refused; no more are named for an hour."
    clock.now += SILENCE
    check("http://late.example", HERE)
    assert "'http://late.example'" in named(caplog)[-1]


@pytest.mark.parametrize("origin", ["http://[", "null", "//", "http://chat.example:x"])
def test_an_origin_of_any_form_is_refused(caplog: pytest.LogCaptureFixture, origin: str) -> None:
    assert not OriginCheck(same_origin, SETTING, Counts(), Clock(0.0))(origin, HERE)
    assert repr(origin) in named(caplog)[0]
