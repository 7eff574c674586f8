"""The web client: the page built from `frontend/`, and its Content-Security-Policy and cache headers."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from pathlib import Path

from flask import Blueprint, Response, current_app, send_from_directory

NONCE_BYTES = 16
# The build's placeholder for the nonce; see vite.config.ts.
NONCE_PLACEHOLDER = "CSP_NONCE"
YEAR_SECONDS = 365 * 24 * 60 * 60

# Only the page's own scripts run, and it connects to its own server only. Its component library's dialogs add a style
# element, which the nonce allows.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

NOT_BUILT = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The page is not built</title>
<h1>The page is not built</h1>
<p>The API and Socket.IO work. <code>make run</code> builds the page; so does
<code>npm ci &amp;&amp; npm run build</code> in <code>example_app/frontend</code>.</p>
</html>
"""

pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> Response:
    """Return the page, or instructions where it is not built."""
    try:
        page = (_folder() / "index.html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return _html(NOT_BUILT, HTTPStatus.SERVICE_UNAVAILABLE)
    return _html(page, HTTPStatus.OK)


@pages.get("/assets/<path:name>")
def asset(name: str) -> Response:
    """Return a part of the page. Its name changes with its content, so it may be cached for ever."""
    response = send_from_directory(_folder() / "assets", name, max_age=YEAR_SECONDS)
    response.cache_control.public = True
    response.cache_control.immutable = True
    return response


@pages.get("/icon.svg")
def icon() -> Response:
    """Return the page's icon."""
    return send_from_directory(_folder(), "icon.svg")


@pages.get("/sw.js")
def service_worker() -> Response:
    """Return the service worker, which shows what comes by web push. Browsers ask for it again by themselves."""
    response = send_from_directory(_folder(), "sw.js", mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    return response


def _folder() -> Path:
    return Path(current_app.root_path) / "static"


def _html(page: str, status: HTTPStatus) -> Response:
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    response = Response(page.replace(NONCE_PLACEHOLDER, nonce), status, mimetype="text/html")
    response.headers.update(
        {
            # Revalidated each time, so that it names the current parts.
            "Cache-Control": "no-cache",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY.format(nonce=nonce),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }
    )
    return response
