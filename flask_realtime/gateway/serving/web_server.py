"""Web server of a request: its name, and its capabilities for clients that stay connected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask_realtime.engine.installing import handler_of
from flask_realtime.engine.patching import callers

_SOCKETS: Final = ("werkzeug.socket", "gunicorn.socket")
"""Keys of the connection in a request's environment, from which simple-websocket takes it."""

_BRIDGES: Final = ("a2wsgi", "asgiref", "uvicorn", "hypercorn", "daphne", "granian")
"""Packages that pass requests of an ASGI server on to a WSGI application."""

_NAMES: Final = {"Werkzeug": "Werkzeug's server", "WSGIServer": "wsgiref's server"}


@dataclass(frozen=True)
class WebServer:
    """A web server.

    Args:
        name: Its common name.
        is_pywsgi: Whether it is gevent's own, which the engine can work with.
        is_bridge: Whether it is an ASGI server, with a bridge that passes its requests on.
        has_processes: Whether several processes answer at one address.
        places: Maximum number of concurrent requests; None if it has no limit, or does not tell.
        hands_out_socket: Whether python-engineio can take a connection over, with simple-websocket; under gevent's server, with
            gevent-websocket.
    """

    name: str
    is_pywsgi: bool = False
    is_bridge: bool = False
    has_processes: bool = False
    places: int | None = None
    hands_out_socket: bool = False


def find_web_server(environ: Mapping[str, Any], start_response: Any) -> WebServer | None:
    """Return a request's web server, or None if a test client calls the application directly.

    Args:
        environ: The request's WSGI environment.
        start_response: The request's `start_response`.
    """
    handler = handler_of(environ, start_response)
    if handler is not None:
        return WebServer(
            "gevent's pywsgi server",
            is_pywsgi=True,
            has_processes=bool(environ.get("wsgi.multiprocess")),
            hands_out_socket=hasattr(handler, "upgrade_websocket"),  # gevent-websocket's.
        )
    callers = list(_callers())
    if any(module == "werkzeug.test" for module, _ in callers):
        return None
    gunicorn = next((caller.cfg for module, caller in callers if module.startswith("gunicorn.workers.")), None)
    bridge = next((package for module, _ in callers if (package := module.partition(".")[0]) in _BRIDGES), None)
    return WebServer(
        _name(environ, gunicorn, bridge),
        is_bridge=bridge is not None,
        has_processes=bool(environ.get("wsgi.multiprocess")),
        places=_places(environ, gunicorn, callers),
        hands_out_socket=any(key in environ for key in _SOCKETS),
    )


def _callers() -> Iterator[tuple[str, Any]]:
    """Yield the module of each function that is being called, from here outwards, and the object whose method it is."""
    for frame in callers():
        yield str(frame.f_globals.get("__name__", "")), frame.f_locals.get("self")


def _name(environ: Mapping[str, Any], gunicorn: Any, bridge: str | None) -> str:
    if bridge is not None:
        return f"{bridge}'s bridge from ASGI to WSGI"
    if gunicorn is not None:
        return f"gunicorn's {gunicorn.worker_class_str} worker"
    if "uwsgi.version" in environ:
        return "uWSGI"
    product = str(environ.get("SERVER_SOFTWARE", "")).partition("/")[0]
    return _NAMES.get(product, product) or "the web server"


def _places(environ: Mapping[str, Any], gunicorn: Any, callers: list[tuple[str, Any]]) -> int | None:
    if not environ.get("wsgi.multithread"):
        return 1
    if gunicorn is not None:
        places: int = gunicorn.threads if gunicorn.worker_class_str == "gthread" else gunicorn.worker_connections
        return places
    for module, caller in callers:
        if module == "waitress.task":
            threads: int = caller.channel.server.adj.threads
            return threads
    return None
