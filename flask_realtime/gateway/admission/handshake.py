"""Handshake: the bounded part of its WSGI environment that is kept, for authentication.

All of it would take more memory than the rest of a session, and the client is not authenticated yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, NamedTuple

MAX_HEADERS: Final = 4096
"""Maximum bytes of a client's headers and address together, until it is admitted; those that do not fit are dropped."""

_LEAST: Final = 2048
"""Maximum bytes of them beside a long token."""

MAX_TOKEN_HEADER: Final = 8192 + len("Bearer ")
"""Maximum characters of an `Authorization` header with a token; a longer one cannot hold a valid one."""

MAX_FOR_HANDLERS: Final = 6144
"""Maximum bytes of what handlers registered through Flask-SocketIO see of a client's request."""

_OF_SERVER: Final = (
    "flask.app",
    "wsgi.errors",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "wsgi.run_once",
    "wsgi.version",
)
"""What a request context needs beside text; the same objects for all requests."""

_IMPLAUSIBLE: Final = ","
"""Replacement for a longer one, which is refused for the same reason."""

_OVERHEAD: Final = 160
"""Bytes of memory of a header beside its name and value."""

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
"""Headers that an application's token loaders use, by importance; other headers follow in their order."""

_FIRST_NAMES: Final = frozenset(_FIRST)
_TEXT: Final = frozenset((str,))
"""The only type of a header; a server that puts anything else there gets it left out."""

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
"""Headers that do not identify a client; all others may."""


_BY_ITSELF: Final = ("basic ", "digest ", "negotiate ", "ntlm ")
"""`Authorization` schemes that a browser may send without the page's involvement."""


def for_application(environ: Mapping[str, Any], *, any_origin: bool) -> dict[str, Any]:
    """Return the kept part of an environment, if the application authenticates connections itself.

    Its function is called again for other namespaces and new tokens, so all of it is kept as long as the session.

    Args:
        environ: The environment of the handshake.
        any_origin: Whether any web page may connect. Then credentials that a visitor's browser sends by itself are dropped, above
            all cookies: with them, the page could act as its visitor.
    """
    left_out = {*_IRRELEVANT, *(_sent_by_browsers(environ) if any_origin else ())}
    names = ("HTTP_AUTHORIZATION", "REMOTE_USER", *_FIRST, *_headers(environ))
    return _filled({}, MAX_TOKEN_HEADER + _LEAST, environ, (name for name in names if name not in left_out))


def _sent_by_browsers(environ: Mapping[str, Any]) -> Iterator[str]:
    yield from ("HTTP_COOKIE", "REMOTE_USER")
    if "HTTP_ORIGIN" in environ and str(environ.get("HTTP_AUTHORIZATION", "")).lower().lstrip().startswith(_BY_ITSELF):
        yield "HTTP_AUTHORIZATION"


def for_authentication(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an environment that is kept until its client is admitted.

    Args:
        environ: The environment of the handshake.
    """
    token = environ.get("HTTP_AUTHORIZATION", "")
    if len(token) > MAX_TOKEN_HEADER:
        token = _IMPLAUSIBLE
    left = max(MAX_HEADERS - len(token), _LEAST)
    names = _kept_names(tuple(environ))
    texts = dict(zip(names, map(environ.get, names), strict=True))
    if _TEXT.issuperset(map(type, texts.values())) and _size(texts) <= left:
        return texts
    return _filled({"HTTP_AUTHORIZATION": token} if token else {}, left, environ, (*_FIRST, *_headers(environ)))


def for_handlers(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an environment that handlers registered through Flask-SocketIO have as their request.

    All of it would hold on to the request's connection too.

    Args:
        environ: The environment of the handshake.
    """
    kept = {name: environ[name] for name in _OF_SERVER if name in environ}
    kept["wsgi.input"] = BytesIO()
    names = (*_FIRST, "HTTP_AUTHORIZATION", "REMOTE_USER", *environ)
    return _filled(kept, MAX_FOR_HANDLERS, environ, (name for name in names if name not in _IRRELEVANT))


@lru_cache(maxsize=16)
def _kept_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those to keep of an environment's names: clients of one kind send the same ones.

    As few are remembered as a stranger may be let choose: with a head of 32 KiB each, half a MiB.
    """
    return tuple(name for name in names if name in _FIRST_NAMES or name.startswith("HTTP_"))


def _size(texts: Mapping[str, Any]) -> int:
    return _OVERHEAD * len(texts) + sum(map(len, texts)) + sum(map(len, texts.values()))


def _headers(environ: Mapping[str, Any]) -> list[str]:
    return [name for name in environ if name.startswith("HTTP_")]


def _filled(kept: dict[str, Any], left: int, environ: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Add the text under some names to the kept part, as far as it fits into a number of bytes."""
    for name in dict.fromkeys(names):
        value = environ.get(name)
        if isinstance(value, str) and name not in kept:
            size = _OVERHEAD + len(name) + len(value)
            if size <= left:
                kept[name] = value
                left -= size
    return kept


class Essentials(NamedTuple):
    """Rest of a handshake's environment once its client is admitted, to authenticate the same session again.

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
