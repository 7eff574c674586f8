"""The handler class that a server is given: before its own, once, for the paths at which the engine is served."""

from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.installing import FirstRequest, before, change_handler
from flask_realtime.engine.limits import EngineLimits

PATH = "/socket.io/"


class OwnParser(WSGIHandler):
    """A handler that reads headers in a way of its own."""

    def MessageClass(self, *_args: Any) -> Any:  # noqa: N802 - gevent's name
        return "read by its own parser"


def server(kind: type[WSGIHandler] = WebSocketHandler, *, ssl_enabled: bool = False) -> Any:
    return SimpleNamespace(handler_class=kind, ssl_enabled=ssl_enabled, wrap_socket=None)


def handler(of: Any, path: str) -> Any:
    """The handler of a request, as far as it is looked at."""
    return SimpleNamespace(server=of, path=path)


def test_a_server_keeps_its_own_class_behind_the_new_one() -> None:
    changed = server()
    limits = EngineLimits(connect_timeout=1.5)
    kind = change_handler(handler(changed, "/socket.io/?EIO=4"), PATH, PATH, limits)
    assert changed.handler_class is kind
    assert kind.__mro__[1:4] == (EngineHandler, WebSocketHandler, WSGIHandler)
    assert (kind.limits, kind.engine_paths) == (limits, (PATH,))
    assert kind.__name__ == "WebSocketHandler"
    assert EngineHandler.engine_paths == ()


def test_several_engines_share_one_class() -> None:
    changed = server()
    first = change_handler(handler(changed, "/a/socket.io/?x"), PATH, PATH, EngineLimits(max_head=1))
    second = change_handler(handler(changed, "/b/x/?y"), "/x/", "/x/", EngineLimits(max_head=2))
    third = change_handler(handler(changed, "/a/socket.io/"), PATH, PATH, EngineLimits(max_head=3))
    assert first is second is third is changed.handler_class
    assert set(first.engine_paths) == {"/a/socket.io/", "/b/x/"}
    assert first.limits.max_head == 1


def test_a_class_that_was_there_before_the_application_gets_its_limits() -> None:
    early = before(WSGIHandler)
    assert early.limits == EngineLimits()
    changed = change_handler(handler(server(early), "/socket.io/"), PATH, PATH, EngineLimits(max_head=1))
    assert (changed, changed.limits.max_head) == (early, 1)


@pytest.mark.parametrize(
    ("requested", "path_info", "engine_paths"),
    [
        ("/ready", "/ready", (PATH,)),
        ("/mounted/ready?x=/ready", "/ready", ("/mounted/socket.io/",)),
        ("/mounted", "", ("/mounted/socket.io/",)),
        ("/caf%E9/ready", "/ready", ("/caf\xe9/socket.io/",)),
        ("/rewritten", "/otherwise", ()),
    ],
)
def test_where_the_engine_is_served_shows_in_any_request(requested: str, path_info: str, engine_paths: tuple[str, ...]) -> None:
    kind = change_handler(handler(server(), requested), path_info, PATH, EngineLimits())
    assert kind.engine_paths == engine_paths


@pytest.mark.parametrize(("kind", "is_stock"), [(WSGIHandler, True), (WebSocketHandler, True), (OwnParser, False)])
def test_a_parser_of_the_servers_own_is_left_to_it(kind: type[WSGIHandler], is_stock: bool) -> None:  # noqa: FBT001 - a case
    changed: Any = change_handler(handler(server(kind), PATH), PATH, PATH, EngineLimits())
    assert changed.has_stock_parser is is_stock
    if not is_stock:
        assert changed.MessageClass(changed.__new__(changed)) == "read by its own parser"


def test_the_first_request_is_shown_and_no_other() -> None:
    shown: list[Any] = []
    app = FirstRequest(lambda environ, start: [environ["REQUEST_METHOD"].encode(), start], lambda *request: shown.append(request))
    for method in ("GET", "POST"):
        assert app({"REQUEST_METHOD": method}, b"started") == [method.encode(), b"started"]
    assert shown == [({"REQUEST_METHOD": "GET"}, b"started")]
