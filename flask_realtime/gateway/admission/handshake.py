"""What is kept of a handshake's WSGI environment: what authentication needs, and no more than a bounded part of what a client sent.

All of it weighs more than all the rest of a session, and whoever opens one need not be anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MAX_HEADERS: Final = 4096
"""Bytes that a client's headers and address may take, all together, until it is admitted; what does not fit is left out."""

_LEAST: Final = 2048
"""Bytes that they may take beside a long token."""

MAX_TOKEN_HEADER: Final = 8192 + len("Bearer ")
"""Characters of an `Authorization` header that may hold a token; a longer one holds none."""

_IMPLAUSIBLE: Final = ","
"""What is kept of a longer one: it is refused for the same reason."""

_OVERHEAD: Final = 160
"""Bytes that a header takes beside its name and value."""

_ESSENTIAL: Final = (
    "HTTP_AUTHORIZATION",
    "HTTP_HOST",
    "PATH_INFO",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "wsgi.url_scheme",
)
"""The fields of `Essentials`, in their order."""

_FIRST: Final = (
    "HTTP_HOST",
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "SERVER_NAME",
    "SERVER_PORT",
    "wsgi.url_scheme",
    "PATH_INFO",
    "SCRIPT_NAME",
    "QUERY_STRING",
    "HTTP_ORIGIN",
    "HTTP_COOKIE",
    "HTTP_USER_AGENT",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_MODE",
)
"""What an application's token loaders look at, by its importance; other headers follow in their order."""


def for_authentication(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an environment until its client is admitted.

    Args:
        environ: The environment of the handshake.
    """
    kept: dict[str, Any] = {}
    token = environ.get("HTTP_AUTHORIZATION", "")
    if token:
        kept["HTTP_AUTHORIZATION"] = token = token if len(token) <= MAX_TOKEN_HEADER else _IMPLAUSIBLE
    left = max(MAX_HEADERS - len(token), _LEAST)
    others = (name for name in environ if name.startswith("HTTP_"))
    for name in dict.fromkeys((*_FIRST, *others)):
        value = environ.get(name)
        if isinstance(value, str) and name not in kept:
            size = _OVERHEAD + len(name) + len(value)
            if size <= left:
                kept[name] = value
                left -= size
    return kept


class Essentials(NamedTuple):
    """What is left of a handshake's environment once its client is admitted, to authenticate the same session again.

    It weighs less than half of what a dictionary of the same would, and a fifth less than a mapping around a tuple.
    """

    authorization: Any
    host: Any
    path_info: Any
    remote_addr: Any
    request_method: Any
    script_name: Any
    server_name: Any
    server_port: Any
    url_scheme: Any

    @property
    def environ(self) -> dict[str, Any]:
        """The environment that this is left of."""
        return {key: value for key, value in zip(_ESSENTIAL, self, strict=True) if value is not None}


def essentials_of(environ: Mapping[str, Any]) -> Essentials:
    """Return what is left of an environment."""
    return Essentials(*map(environ.get, _ESSENTIAL))
