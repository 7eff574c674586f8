"""Origin check for either engine, which logs the origins that it refuses, and counts the requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from flask_realtime.allowances import TokenBucket
from flask_realtime.counts import Counts
from flask_realtime.engine.refusals import FORBIDDEN
from flask_realtime.logs import get_logger
from flask_realtime.rates import parse_rate

logger = get_logger(__name__)

AllowedOrigins = Callable[..., Any] | list[str] | tuple[str, ...] | str

MAX_REMEMBERED: Final = 100
"""Maximum number of remembered refused origins, so that invented ones neither use up memory nor fill the log."""

SILENCE: Final = 3600.0
"""Seconds without further log lines after that many."""

_LOG_RATE: Final = parse_rate("1/second, burst 10")
_MAX_LENGTH: Final = 200
_COUNTED: Final = "flask_realtime.is_refusal_counted"


def same_origin(origin: str | None, environ: Mapping[str, Any]) -> bool:
    """Allow the server's own origin: python-engineio would also trust an `X-Forwarded-Host` from the client."""
    return origin == _own_origin(environ)


def _own_origin(environ: Mapping[str, Any]) -> str:
    return f"{environ.get('wsgi.url_scheme')}://{environ.get('HTTP_HOST')}"


def allow_any(origins: object) -> bool:
    """Return whether any web page may connect; an empty list switches python-engineio's check off."""
    return origins == "*" or (isinstance(origins, list | tuple) and (not origins or "*" in origins))


class OriginCheck:
    """Callable that python-engineio asks whether an origin may connect; it logs each refused one once, and counts each request.

    Args:
        origins: The allowed origins, or a function that decides, as python-engineio accepts them.
        setting: The name of the setting that lists them.
        counts: Counts the refused requests.
        clock: Returns seconds.
    """

    def __init__(self, origins: AllowedOrigins, setting: str, counts: Counts, clock: Callable[[], float] = monotonic) -> None:
        self._origins = [origins] if isinstance(origins, str) else origins
        self._setting = setting
        self._counts = counts
        self._clock = clock
        self._refused: set[str] = set()
        self._log_allowance = TokenBucket(_LOG_RATE)
        self._silent_until = 0.0

    def __call__(self, origin: str | None, environ: MutableMapping[str, Any]) -> bool:
        """Return whether a request's origin may connect."""
        allowed = self._is_allowed(origin, environ)
        if origin and not allowed:
            self._count(environ)
            self._log(origin, environ)
        return allowed

    def _count(self, environ: MutableMapping[str, Any]) -> None:
        if _COUNTED not in environ:  # Either engine asks a second time, for the headers of the answer.
            environ[_COUNTED] = True
            self._counts.refusals.add(FORBIDDEN.counted_as)

    def _is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        if not callable(self._origins):
            return origin in self._origins
        try:
            return bool(self._origins(origin, environ))
        except TypeError:  # Like python-engineio, accept a function that takes only the origin.
            return bool(self._origins(origin))

    def _log(self, origin: str, environ: Mapping[str, Any]) -> None:
        origin = origin[:_MAX_LENGTH]
        if origin in self._refused or not self._may_name_another(self._clock()):
            return
        self._refused.add(origin)
        # Not `%r`, since the logger escapes the text already.
        logger.warning("refused: origin '%s' may not connect. %s", origin, self._remedy(origin, environ))
        if len(self._refused) == MAX_REMEMBERED:
            self._silent_until = self._clock() + SILENCE
            logger.warning("%s origins have been refused; no more are named for an hour.", MAX_REMEMBERED)

    def _may_name_another(self, now: float) -> bool:
        if len(self._refused) < MAX_REMEMBERED:
            return self._log_allowance.take(now)
        if now < self._silent_until:
            return False
        self._refused.clear()
        return True

    def _remedy(self, origin: str, environ: Mapping[str, Any]) -> str:
        if callable(self._origins) and self._origins is not same_origin:
            return f"The function in {self._setting} refused it."
        remedy = f"If it is a page of yours, add {origin!r} to {self._setting}."
        hosts = {environ.get("HTTP_HOST"), environ.get("HTTP_X_FORWARDED_HOST")}
        if _host(origin) in hosts:
            own = _own_origin(environ)[:_MAX_LENGTH]
            return (
                f"{remedy} If there is a proxy before the server, which sees {own!r}: wrap app.wsgi_app in ProxyFix after init_app."
            )
        return remedy


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
