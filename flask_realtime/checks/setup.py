"""Checks of the configuration, the hooks and the middleware of an application."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_realtime.checks.findings import Finding
from flask_realtime.config import PREFIX, RealtimeConfig
from flask_realtime.errors import ConfigError
from flask_realtime.features.authentication import AUTHENTICATE
from flask_realtime.features.conversations import AUTHORIZE_JOIN
from flask_realtime.gateway.gateway import Gateway
from flask_realtime.gateway.serving.serving import Serving

_INNER = ("app", "wsgi_app", "_wsgi_app", "_application")
"""Attributes in which middleware keeps the application that it wraps."""

_WORKERS = re.compile(r"(?:^|\s)(?:-w|--workers)[\s=]*(\d+)")


def check_settings(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Find settings that were made too late to take effect."""
    try:
        now = RealtimeConfig.from_mapping(app.config)
    except ConfigError as error:
        yield Finding("setting_invalid", f"{error}.", "It was set after init_app and has no effect.")
        return
    for item in fields(RealtimeConfig):
        if getattr(now, item.name) != getattr(gateway.config, item.name):
            key = f"{PREFIX}{item.name.upper()}"
            yield Finding("setting_late", f"{key} was changed after init_app had read it.", "Set it before Realtime.init_app.")


def check_hooks(gateway: Gateway) -> Iterator[Finding]:
    """Check that somebody can join a conversation, and that every hook's functions can be called."""
    if not gateway.has_hook(AUTHORIZE_JOIN):
        yield Finding(
            "authorize_join_missing",
            "There is no authorize_join hook, so that every join:conversation is refused.",
            "Register one with @realtime.authorize_join; where there are no conversations, one that returns False.",
        )
    for hook in gateway.hooks_of_no_feature:
        yield Finding(
            "hook_of_no_feature",
            f"The functions registered for {hook.name} are never called: the feature that has this hook is not registered.",
            "Register the feature with Realtime.register.",
        )


def check_after_commit(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that calls that wait for a commit have a database to wait for."""
    if gateway.config.after_commit and "sqlalchemy" not in app.extensions:
        yield Finding(
            "after_commit_without_database",
            f"{PREFIX}AFTER_COMMIT is True, and Flask-SQLAlchemy is not set up on the application: every call that sends fails.",
            f"Call db.init_app(app), or leave {PREFIX}AFTER_COMMIT unset.",
        )


def check_store(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that the database of the application's store is set up."""
    tables = gateway.tables()
    if tables is not None and not tables.is_set_up(app.extensions):
        yield Finding(
            "store_without_database",
            "The db that the Store was made with is not set up on this application: every join, and whatever else the store "
            "answers, fails.",
            "Call db.init_app(app) on the application, with that very db.",
        )


def check_middleware(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that Socket.IO's requests pass the middleware that determines client addresses."""
    outside, inside = _proxy_fixes(app, gateway.socketio.sockio_mw)
    if inside and not outside:
        yield Finding(
            "proxy_fix_inside",
            "ProxyFix was added before init_app: Socket.IO's requests do not pass it, and have the proxy's address and origin.",
            "Add it after Realtime.init_app: app.wsgi_app = ProxyFix(app.wsgi_app, ...).",
        )
    elif not outside and app.config.get("PREFERRED_URL_SCHEME") == "https" and gateway.config.cors_allowed_origins is None:
        yield Finding(
            "proxy_fix_missing",
            "PREFERRED_URL_SCHEME is https, and there is no ProxyFix: behind a proxy that ends TLS, the application's own pages "
            "are refused as another origin.",
            "If there is such a proxy, wrap app.wsgi_app in ProxyFix after Realtime.init_app.",
            "hint",
        )


def _proxy_fixes(app: Flask, engine_middleware: object) -> tuple[bool, bool]:
    """Return whether there is a ProxyFix outside the engine's middleware, and one inside."""
    found, is_inside = [False, False], False
    current: object = app.wsgi_app
    while current is not None:
        is_inside = is_inside or current is engine_middleware
        found[is_inside] = found[is_inside] or isinstance(current, ProxyFix)
        owner = getattr(current, "__self__", None)
        wrapper = owner if isinstance(owner, Serving) else current
        current = next((vars(wrapper)[name] for name in _INNER if name in getattr(wrapper, "__dict__", ())), None)
    return found[False], found[True]


def check_origins(gateway: Gateway) -> Iterator[Finding]:
    """Check whether any page may connect."""
    if gateway.allows_any_origin:
        yield Finding(
            "any_origin",
            "Any web page may connect, if it has a token."
            if not gateway.has_hook(AUTHENTICATE)
            else "Any web page may connect, so that cookies do not reach the authenticate hook.",
            f"If that is not intended, list the pages' origins in {PREFIX}CORS_ALLOWED_ORIGINS.",
            "hint",
        )


def check_workers(gateway: Gateway, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Check whether gunicorn is set to start several workers that share no message queue."""
    count = _workers(environment)
    if count > 1 and gateway.backend.is_local:
        yield Finding(
            "workers_without_queue",
            f"gunicorn is set to start {count} workers, and without {PREFIX}MESSAGE_QUEUE each knows its own clients only.",
            f"Set {PREFIX}MESSAGE_QUEUE to the URL of a Redis server, or start one worker.",
        )


def check_recovery_folder(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that a single server can keep what its successor needs to recover its clients."""
    config = gateway.config
    if config.recovery_window is None or config.recovery_folder is None or not gateway.backend.is_local:
        return
    folder = Path(app.instance_path) / config.recovery_folder
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        yield Finding(
            "recovery_folder_unusable",
            f"{folder} cannot be written by the user who runs this command: after a restart, no client recovers what it missed.",
            f"Set {PREFIX}RECOVERY_FOLDER to a folder that the server may write, or to None.",
            "hint",
        )


def _workers(environment: Mapping[str, str]) -> int:
    told: Any = _WORKERS.findall(environment.get("GUNICORN_CMD_ARGS", ""))[-1:] or [environment.get("WEB_CONCURRENCY", "1")]
    return int(told[0]) if told[0].isdecimal() else 1
