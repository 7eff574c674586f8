"""Development messages of `realtime.run`."""

from __future__ import annotations

import errno
import os
from typing import Any, Final

import click
import gevent
from gevent.monkey import is_module_patched

from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_MAX_PORT: Final = 65_535
_REMEDIES: Final = {
    errno.EADDRINUSE: "Stop the program that listens there, or choose another port, as in realtime.run(app, port={next}).",
    errno.EACCES: "Ports below 1024 are for administrators: choose another, as in realtime.run(app, port=3000).",
    errno.EADDRNOTAVAIL: "It is not an address of this machine: leave host out, or choose 0.0.0.0 for all of them.",
}

_LOOKS: Final = 200
_BETWEEN_LOOKS: Final = 0.05
"""Seconds between two checks; a reloader's first process never listens."""


def warn_unpatched() -> None:
    """Warn if gevent has not patched the standard library."""
    if not is_module_patched("socket"):
        logger.warning(
            "gevent.monkey.patch_all() was not called: while anything waits for a database or another server, everybody waits. "
            "Call it before any other import."
        )


def cannot_listen(error: OSError, host: str, port: int) -> str | None:
    """Return what to tell a developer whose server cannot listen; None where the error is another one.

    Args:
        error: The error.
        host: The address.
        port: The port.
    """
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    reason = f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}."
    return f"{reason} {remedy.format(next=port % _MAX_PORT + 1)}"


def announce(socketio: Any) -> None:
    """Print where a Flask-SocketIO object's server listens, once it does."""
    gevent.spawn(_announce, socketio)


def _announce(socketio: Any) -> None:
    for _ in range(_LOOKS):
        server = getattr(socketio, "wsgi_server", None)
        if server is not None and server.started:
            host, port = server.address[:2]
            click.echo(f" * Running on {'https' if server.ssl_enabled else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")
            return
        gevent.sleep(_BETWEEN_LOOKS)
