"""An application's own WebSocket: opened when it is used, and answered as any request where it is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pywsgi import WSGIHandler

from flask_realtime.engine.own_websocket import OwnWebSocket


class Handler:
    """A handler of gevent-websocket's, as far as it is used."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.websocket: Any = None
        self.done: list[Any] = []

    def upgrade_websocket(self) -> None:
        """Shake hands."""
        self.done.append(("upgraded for", self.application))
        self.websocket = SimpleNamespace(receive=lambda: "message", close=lambda: self.done.append("closed"), version=13)

    def write(self, data: bytes) -> None:
        """Send."""
        self.done.append(data)


class Answer(list[bytes]):
    """An answer that notes that it is closed."""

    is_closed = False

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def serve(application: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Handler]:
    started: list[Any] = []
    monkeypatch.setattr(WSGIHandler, "start_response", lambda *answer: started.append(answer))
    handler = Handler(application)
    own = OwnWebSocket(handler)
    handler.application = own.serve
    answer = own.serve({"PATH_INFO": "/"}, None)
    handler.done += [item[1:] for item in started]
    assert all(item[0] is handler for item in started)
    return answer, handler


def test_an_application_without_a_websocket_answers_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer([b"not found"])

    def application(environ: Any, start_response: Any) -> Any:
        assert environ["wsgi.websocket"].handler is not None
        start_response("404 Not Found", [("A", "b")], "an error")
        return answer

    returned, handler = serve(application, monkeypatch)
    assert returned is answer
    assert not answer.is_closed, "the server closes it"
    assert handler.done == [("404 Not Found", [("A", "b")], "an error")]


def test_an_application_that_uses_it_has_it_opened_once_and_closed_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer([b"behind", b"the end"])

    def application(environ: Any, start_response: Any) -> Any:
        websocket = environ["wsgi.websocket"]
        assert (websocket.receive(), websocket.version) == ("message", 13)
        assert start_response("200 OK", [])(b"data") is None
        return answer

    returned, handler = serve(application, monkeypatch)
    assert returned == [b"", b""], "after a handshake there is no other answer"
    assert answer.is_closed
    assert handler.done == [("upgraded for", application), b"", "closed"]


def test_what_an_application_does_not_have_it_does_not_get(monkeypatch: pytest.MonkeyPatch) -> None:
    def application(environ: Any, _start_response: Any) -> Any:
        with pytest.raises(AttributeError):
            environ["wsgi.websocket"].nothing  # noqa: B018 - looked for
        return [b"an answer that cannot be closed"]

    returned, handler = serve(application, monkeypatch)
    assert (returned, handler.done[-1]) == ([b""], "closed")


def test_an_application_that_fails_leaves_no_websocket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def application(environ: Any, _start_response: Any) -> Any:
        environ["wsgi.websocket"].receive()
        environ["wsgi.websocket"]._opened.close = lambda: closed.append("closed")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(application, monkeypatch)
    assert closed == ["closed"]


def test_an_application_that_fails_before_is_not_taken_for_one_that_used_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        serve(lambda _environ, _start: 1 / 0, monkeypatch)


def test_an_answer_that_fails_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Answer):
        def __iter__(self) -> Any:
            raise ZeroDivisionError

    answer = Failing()

    def application(environ: Any, _start_response: Any) -> Any:
        environ["wsgi.websocket"].receive()
        return answer

    with pytest.raises(ZeroDivisionError):
        serve(application, monkeypatch)
    assert answer.is_closed
