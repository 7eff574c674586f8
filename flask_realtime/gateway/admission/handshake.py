"""What is kept of a handshake's WSGI environment: what authentication needs, and no more than a bounded part of what a client sent.

All of it weighs more than all the rest of a session, and whoever opens one need not be anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

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


_IRRELEVANT: Final = (
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_PRAGMA",
    "HTTP_PRIORITY",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS",
    "HTTP_SEC_WEBSOCKET_KEY",
    "HTTP_SEC_WEBSOCKET_VERSION",
    "HTTP_UPGRADE",
)
"""Headers that do not say who connects; all others may."""


_BY_ITSELF: Final = ("basic ", "digest ", "negotiate ", "ntlm ")
"""What a browser may put into `Authorization` without the page's doing."""


def for_application(environ: Mapping[str, Any], *, any_origin: bool) -> dict[str, Any]:
    """Return what is kept of an environment where a function of the application's says who connects.

    It is asked again for other namespaces and new tokens, so all of it is kept as long as the session.

    Args:
        environ: The environment of the handshake.
        any_origin: Whether any web page may connect. Then what its visitor's browser sends by itself is left out, cookies above
            all: with it, the page could act as its visitor.
    """
    left_out = {*_IRRELEVANT, *(_sent_by_browsers(environ) if any_origin else ())}
    names = ("HTTP_AUTHORIZATION", "REMOTE_USER", *_FIRST, *_headers(environ))
    return _filled({}, MAX_TOKEN_HEADER + _LEAST, environ, (name for name in names if name not in left_out))


def _sent_by_browsers(environ: Mapping[str, Any]) -> Iterator[str]:
    yield from ("HTTP_COOKIE", "REMOTE_USER")
    if "HTTP_ORIGIN" in environ and str(environ.get("HTTP_AUTHORIZATION", "")).lower().lstrip().startswith(_BY_ITSELF):
        yield "HTTP_AUTHORIZATION"


def for_authentication(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an environment until its client is admitted.

    Args:
        environ: The environment of the handshake.
    """
    kept: dict[str, Any] = {}
    token = environ.get("HTTP_AUTHORIZATION", "")
    if token:
        kept["HTTP_AUTHORIZATION"] = token = token if len(token) <= MAX_TOKEN_HEADER else _IMPLAUSIBLE
    return _filled(kept, max(MAX_HEADERS - len(token), _LEAST), environ, (*_FIRST, *_headers(environ)))


def _headers(environ: Mapping[str, Any]) -> list[str]:
    return [name for name in environ if name.startswith("HTTP_")]


def _filled(kept: dict[str, Any], left: int, environ: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Add what fits into so many bytes, of the text under some names, to what is kept already."""
    for name in dict.fromkeys(names):
        value = environ.get(name)
        if isinstance(value, str) and name not in kept:
            size = _OVERHEAD + len(name) + len(value)
            if size <= left:
                kept[name] = value
                left -= size
    return kept


class Essentials(Mapping[str, Any]):
    """What is left of a handshake's environment once its client is admitted, to authenticate the same session again.

    Without names, it weighs half of what a dictionary of the same would.

    Args:
        environ: The environment.
    """

    __slots__ = ("_values",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._values = tuple(map(environ.get, _ESSENTIAL))

    def __getitem__(self, key: str) -> Any:
        value = self._values[_ESSENTIAL.index(key)] if key in _ESSENTIAL else None
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key, value in zip(_ESSENTIAL, self._values, strict=True) if value is not None)

    def __len__(self) -> int:
        return sum(value is not None for value in self._values)
