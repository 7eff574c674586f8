"""Where the engine's handler comes into a server: gunicorn's worker, gevent's server, and the first request of any other."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from flask_realtime.engine.handler import EngineHandler
from flask_realtime.engine.installing import (
    InstallingServer,
    answer_first,
    before,
    change_handler,
    handler_of,
    install_in_server,
    install_in_worker,
    install_where_loaded,
)
from flask_realtime.engine.limits import EngineLimits
from flask_realtime.engine.takeover import UPGRADE, Upgrade

LIMITS = EngineLimits(max_head=1)
PATH = "/socket.io/"
SHAKE = {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade", "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ=="}


STARTED = {"not"}
"""Emptied once a server starts."""


class Worker:
    """A worker of gunicorn's, as far as it is looked at."""

    def __init__(self, kind: Any = WSGIHandler) -> None:
        self.wsgi_handler = kind
        self.server_class = WSGIServer

    def load_wsgi(self, load: Any) -> None:
        """Load the application."""
        load()

    def other(self, load: Any) -> None:
        """Do something else."""
        load()


def load() -> None:
    install_where_loaded(LIMITS, PATH, STARTED.clear)


def test_a_worker_gets_the_handler_and_the_server_once() -> None:
    worker = Worker()
    install_in_worker(worker)
    first, server_class = worker.wsgi_handler, worker.server_class
    assert (first.engine_paths, first.limits) == ((), EngineLimits())
    install_in_worker(worker, LIMITS, PATH)
    install_in_worker(worker, EngineLimits(max_head=2), "/b/")
    install_in_worker(worker, None, PATH)
    assert (worker.wsgi_handler, worker.server_class) == (first, server_class)
    assert (set(first.engine_paths), first.limits) == ({PATH, "/b/"}, LIMITS)
    assert server_class.__mro__[1:3] == (InstallingServer, WSGIServer)
    assert server_class.__name__ == "WSGIServer"


def test_the_worker_that_loads_the_application_is_found() -> None:
    worker = Worker()
    worker.load_wsgi(load)
    assert issubclass(worker.wsgi_handler, EngineHandler)
    assert (worker.wsgi_handler.engine_paths, worker.wsgi_handler.limits) == ((PATH,), LIMITS)


def test_a_worker_calls_back_once_it_accepts_connections() -> None:
    worker = Worker()
    worker.load_wsgi(load)
    server = worker.server_class(("127.0.0.1", 0), None, handler_class=worker.wsgi_handler)
    assert STARTED
    server.start()
    server.stop()
    assert not STARTED


def test_so_is_the_class_of_workers_of_a_master_that_loads_it() -> None:
    class Master:
        worker_class = type("Forked", (), {"wsgi_handler": WSGIHandler, "server_class": WSGIServer})

        def setup(self) -> None:
            load()

    Master().setup()
    assert issubclass(Master.worker_class.wsgi_handler, EngineHandler)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [None, object, "WSGIHandler"])
def test_workers_of_other_kinds_are_left_alone(kind: Any) -> None:
    worker = Worker(kind)
    worker.load_wsgi(load)
    assert (worker.wsgi_handler, worker.server_class) == (kind, WSGIServer)
    other = Worker()
    other.other(load)
    assert other.wsgi_handler is WSGIHandler


# TLS -----------------------------------------------------------------------------------------------------


def tls_server(wrap_socket: Any, *, free: int = 1) -> Any:
    pool: Any = Pool(free + 1)
    pool.add(gevent.Greenlet())  # Takes a place, and never starts.
    return SimpleNamespace(handler_class=WSGIHandler, ssl_enabled=True, wrap_socket=wrap_socket, pool=pool)


def test_a_tls_handshake_has_a_place_only_while_it_lasts() -> None:
    ends = gevent.socket.socketpair()
    waiting: list[Any] = []

    def wrap(sock: Any, **options: Any) -> Any:
        waiting.extend(kind.places._waiting)
        return sock, options

    server = tls_server(wrap)
    kind = install_in_server(server, EngineLimits(connect_timeout=10))
    wrapped = server.wrap_socket
    assert install_in_server(server, EngineLimits()) is kind
    assert server.wrap_socket is wrapped, "once is enough"
    assert server.wrap_socket(ends[0], a=1) == (ends[0], {"a": 1})
    assert [item.fileno() for item in waiting] == [ends[0].fileno()]
    assert kind.places._waiting == {}
    for end in ends:
        end.close()


def test_a_tls_handshake_that_does_not_end_is_given_up() -> None:
    ends = gevent.socket.socketpair()
    server = tls_server(lambda sock, **_: sock.recv(1))
    kind = install_in_server(server, EngineLimits(connect_timeout=0.05))
    with gevent.Timeout(10), pytest.raises(gevent.GreenletExit):
        server.wrap_socket(ends[0])
    assert kind.places._waiting == {}
    for end in ends:
        end.close()


def test_a_server_without_tls_is_not_wrapped() -> None:
    server = tls_server(None)
    server.ssl_enabled = False
    install_in_server(server, LIMITS)
    assert server.wrap_socket is None


@pytest.fixture
def thresholds() -> Iterator[None]:
    """Sets the garbage collector's thresholds back at the end."""
    before_the_test = gc.get_threshold()
    yield
    gc.set_threshold(*before_the_test)


@pytest.mark.parametrize(
    ("chosen", "then"), [((700, 10, 10), (700, 10, 50)), ((7, 8, 9), (7, 8, 9)), ((2000, 10, 0), (2000, 10, 0))]
)
@pytest.mark.usefixtures("thresholds")
def test_a_server_of_a_workers_collects_fully_less_often_unless_the_application_has_chosen(
    chosen: tuple[int, int, int], then: tuple[int, int, int]
) -> None:
    gc.set_threshold(*chosen)
    worker = Worker()
    install_in_worker(worker)
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = worker.server_class(listener, handler_class=worker.wsgi_handler)
        server.start()
        server.stop()
    assert gc.get_threshold() == then


def test_a_server_of_a_workers_wraps_when_it_starts() -> None:
    started: list[Any] = []

    class Server:
        ssl_enabled = True
        handler_class = before(WSGIHandler)

        def __init__(self) -> None:
            self.wrap_socket: Any = started.append

        def start(self) -> None:
            started.append(hasattr(self.wrap_socket, "is_in_time"))

    installing: Any = type("Installing", (InstallingServer, Server), {})()
    installing.start()
    assert started == [True]
    wrapped = installing.wrap_socket
    install_in_server(installing, LIMITS)
    assert installing.wrap_socket is wrapped


# The first request ---------------------------------------------------------------------------------------


class Handler(WSGIHandler):
    """A handler of a server that the engine knows nothing of."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.path = PATH
        self.close_connection = False

    def begin(self) -> None:
        """Begin an answer."""


def test_the_handler_is_found_by_what_begins_the_answer() -> None:
    handler = Handler(None)
    assert handler_of({}, handler.begin) is handler
    assert handler_of({"wsgi.websocket": SimpleNamespace(handler=handler)}, None) is handler
    assert handler_of({}, lambda: None) is None
    assert handler_of({"wsgi.websocket": SimpleNamespace(handler="another")}, None) is None


def test_behind_a_middleware_the_handler_is_found_in_the_calls_under_way() -> None:
    handler: Any = Handler(None)
    found: list[Any] = []

    def application(_environ: object, _start_response: object) -> list[bytes]:
        found.append(handler_of({}, lambda: None))
        return []

    handler.application, handler.environ, handler.process_result = application, {}, lambda: None
    handler.run_application()
    assert found == [handler]


def ask(environ: dict[str, Any], handler: Any) -> Any:
    seen: list[Any] = []

    def answer(asked: dict[str, Any], _start: Any) -> Any:
        upgrade = asked.get(UPGRADE)
        seen.append(upgrade)
        if isinstance(upgrade, Upgrade):
            upgrade.is_taken = True
        return [b"answer"]

    assert answer_first(environ, handler.begin, answer) == [b"answer"]
    return seen[0]


def test_the_connection_of_the_first_request_can_be_taken_over_too() -> None:
    handler: Any = Handler(SimpleNamespace(handler_class=Handler, ssl_enabled=False))
    assert ask(dict(SHAKE), handler) is None, "not yet"
    kind = change_handler(handler, PATH, PATH, LIMITS)
    assert type(handler) is kind
    upgrade = ask(dict(SHAKE), handler)
    assert isinstance(upgrade, Upgrade)
    assert handler._is_taken is True
    with pytest.raises(AttributeError):
        upgrade.take(SHAKE)  # The handler has been let go of.
    assert ask({}, handler) is None
    assert ask({**SHAKE, "wsgi.websocket": None}, handler) is None
    assert ask({**SHAKE, UPGRADE: "there already"}, handler) == "there already"


def test_a_handler_of_another_class_stays_what_it_is() -> None:
    handler: Any = Handler(SimpleNamespace(handler_class=WSGIHandler, ssl_enabled=False))
    change_handler(handler, PATH, PATH, LIMITS)
    assert type(handler) is Handler
