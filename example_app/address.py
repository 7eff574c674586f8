"""The address that `python -m example_app` listens on, from `HOST` and `PORT`, checked before anything is created."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = "3000"
MAX_PORT = 65_535

REMEDIES = {
    errno.EADDRINUSE: "Another program listens there: stop it, or choose another port, as in PORT={next} make run.",
    errno.EACCES: "Ports below 1024 are for administrators: choose another, as in PORT=3000 make run.",
    errno.EADDRNOTAVAIL: "HOST is not an address of this machine: leave it out, or set 0.0.0.0 for all of them.",
}


class AddressError(Exception):
    """The server cannot listen there; the message says why, and what to do."""


def read_address(environ: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Read the host and the port, and check that the server can listen there.

    Raises:
        AddressError: It cannot.
    """
    host = environ.get("HOST") or DEFAULT_HOST
    port = _read_port(environ.get("PORT") or DEFAULT_PORT)
    try:
        _try_to_bind(host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressError(f"HOST={host} cannot be found. Leave it out, or set an address of this machine.") from error
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "Choose another HOST or PORT.").format(next=port % MAX_PORT + 1)
        raise AddressError(f"Cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}. {remedy}") from error
    return host, port


def url_of(host: str, port: int) -> str:
    """Return the address as a URL for a browser."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:6]) <= MAX_PORT:
        raise AddressError(f"PORT={text} is not a port. Set a number from 1 to {MAX_PORT}, as in PORT=3000 make run.")
    return int(text)


def _try_to_bind(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
