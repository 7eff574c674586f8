"""Which web server a request came through, by its environment and by whose functions are being called."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler

from flask_realtime.gateway.serving.web_server import WebServer, find_web_server

THREADED = {"wsgi.multithread": True}
CALLER = """
class Caller:
    def __init__(self, **attributes):
        vars(self).update(attributes)

    def call(self, function, *args):
        return function(*args)
"""


def find(environ: Mapping[str, Any]) -> WebServer | None:
    return find_web_server(environ, lambda *_args: None)


def found_below(module: str, environ: Mapping[str, Any], **attributes: Any) -> WebServer | None:
    """What is found where an object of a class in some module is among the callers."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(CALLER, namespace)  # noqa: S102 - the module is what it is about
    server: WebServer | None = namespace["Caller"](**attributes).call(find, environ)
    return server


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, WebServer("the web server", places=1)),
        (THREADED, WebServer("the web server")),
        ({"SERVER_SOFTWARE": "Werkzeug/3.1", **THREADED}, WebServer("Werkzeug's server")),
        ({"SERVER_SOFTWARE": "WSGIServer/0.2"}, WebServer("wsgiref's server", places=1)),
        ({"SERVER_SOFTWARE": "mod_wsgi/5.0 (Unix)", **THREADED}, WebServer("mod_wsgi")),
        ({"SERVER_SOFTWARE": "other", "uwsgi.version": b"2", **THREADED}, WebServer("uWSGI")),
        ({"werkzeug.socket": object(), **THREADED}, WebServer("the web server", hands_out_socket=True)),
        ({"gunicorn.socket": object(), **THREADED}, WebServer("the web server", hands_out_socket=True)),
        ({"wsgi.multiprocess": True, **THREADED}, WebServer("the web server", has_processes=True)),
    ],
)
def test_the_environment_tells_of_the_server(environ: dict[str, Any], expected: WebServer) -> None:
    assert find(environ) == expected


@pytest.mark.parametrize(("kind", "places"), [("gthread", 4), ("gevent", 1000), ("sync", 1000)])
def test_gunicorns_worker_tells_how_many_requests_it_handles(kind: str, places: int) -> None:
    cfg = SimpleNamespace(worker_class_str=kind, threads=4, worker_connections=1000)
    server = found_below(f"gunicorn.workers.{kind}", {"SERVER_SOFTWARE": "gunicorn/27", **THREADED}, cfg=cfg)
    assert server == WebServer(f"gunicorn's {kind} worker", places=places)
    alone = found_below(f"gunicorn.workers.{kind}", {"SERVER_SOFTWARE": "gunicorn/27"}, cfg=cfg)
    assert alone == WebServer(f"gunicorn's {kind} worker", places=1)


def test_waitress_tells_how_many_threads_it_has() -> None:
    channel = SimpleNamespace(server=SimpleNamespace(adj=SimpleNamespace(threads=6)))
    server = found_below("waitress.task", {"SERVER_SOFTWARE": "waitress", **THREADED}, channel=channel)
    assert server == WebServer("waitress", places=6)


@pytest.mark.parametrize("package", ["a2wsgi", "asgiref", "uvicorn", "hypercorn", "daphne", "granian"])
def test_a_bridge_is_named_for_its_package(package: str) -> None:
    expected = WebServer(f"{package}'s bridge from ASGI to WSGI", is_bridge=True)
    assert found_below(f"{package}.wsgi", THREADED) == expected
    assert found_below(package, {"SERVER_SOFTWARE": "other", **THREADED}) == expected
    assert found_below(f"{package}er", THREADED) == WebServer("the web server")


def test_a_tests_client_is_no_server() -> None:
    assert found_below("werkzeug.test", THREADED) is None


@pytest.mark.parametrize("has_processes", [True, False])
@pytest.mark.parametrize(("kind", "has_websockets"), [(WSGIHandler, False), (WebSocketHandler, True)])
def test_gevents_server_is_told_by_its_handler(kind: type[WSGIHandler], *, has_websockets: bool, has_processes: bool) -> None:
    handler = kind.__new__(kind)
    handler.environ = {"wsgi.multiprocess": has_processes}
    server = find_web_server(handler.environ, handler.start_response)
    assert server == WebServer(
        "gevent's pywsgi server", is_pywsgi=True, has_processes=has_processes, hands_out_socket=has_websockets
    )
