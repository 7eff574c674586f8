"""Clients that have recovery: an event's additional argument is not for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BROWSERS: Final = "browsers"
ASKING: Final = "asking"
ALL: Final = "all"

_FETCH_METADATA: Final = ("HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_DEST")


def is_browser(environ: Mapping[str, Any]) -> bool:
    """Return whether a handshake comes from a browser.

    Args:
        environ: Its WSGI environment.
    """
    if any(name in environ for name in _FETCH_METADATA):
        return True
    return "HTTP_ORIGIN" in environ and str(environ.get("HTTP_USER_AGENT", "")).startswith("Mozilla/")


def has_recovery(clients: str, auth: object, *, browser: bool) -> bool:
    """Return whether a client has recovery.

    Args:
        clients: `REALTIME_RECOVERY_CLIENTS`.
        auth: The payload of its CONNECT packet; anything.
        browser: Whether it is a browser.
    """
    wish = auth.get("recovery") if isinstance(auth, Mapping) else None
    if isinstance(wish, bool):
        return wish
    return clients == ALL or (clients == BROWSERS and browser)
