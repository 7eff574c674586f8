"""Settings: defaults, overridden by the environment, overridden by the caller."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Flask

from example_app.files import make_private_folder
from flask_realtime import new_push_key

DEFAULT_DATABASE_URL = "sqlite:///example.sqlite3"
MAX_BODY_BYTES = 64 * 1024
SECRET_BYTES = 32
KEY_FILE = "jwt.key"
PUSH_KEY_FILE = "push.key"
PUSH_CONTACT = "mailto:operator@example.org"

# A request must not wait for a connection longer than a person waits for a response.
POSTGRESQL_OPTIONS = {
    "pool_size": 10,
    "max_overflow": 10,
    "pool_timeout": 10,
    "pool_recycle": 1800,
    "pool_pre_ping": True,
    "connect_args": {"connect_timeout": 5},
}


def configure(app: Flask, overrides: Mapping[str, Any]) -> None:
    """Fill `app.config`.

    Args:
        app: The application.
        overrides: Settings that take precedence over the environment.
    """
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url(),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        JWT_SECRET_KEY=os.environ.get("JWT_SECRET_KEY"),
        REALTIME_MESSAGE_QUEUE=os.environ.get("MESSAGE_QUEUE_URL"),
        METRICS_TOKEN=os.environ.get("METRICS_TOKEN"),
        DEMO_MESSAGES=_value(os.environ.get("DEMO_MESSAGES", "true")),
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(minutes=15),
        JWT_REFRESH_TOKEN_EXPIRES=timedelta(days=30),
    )
    app.config.update(realtime_settings(os.environ))
    app.config.update(overrides)
    url = app.config["SQLALCHEMY_DATABASE_URI"] = with_driver(app.config["SQLALCHEMY_DATABASE_URI"])
    if url.startswith("postgresql"):
        app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", POSTGRESQL_OPTIONS)
    if not app.config["JWT_SECRET_KEY"]:
        app.config["JWT_SECRET_KEY"] = read_or_create_secret(Path(app.instance_path) / KEY_FILE)
    if "REALTIME_PUSH_PRIVATE_KEY" not in app.config and find_spec("pywebpush") is not None:
        key = read_or_create_secret(Path(app.instance_path) / PUSH_KEY_FILE, new_push_key)
        app.config.update(REALTIME_PUSH_PRIVATE_KEY=key)
    app.config.setdefault("REALTIME_PUSH_CONTACT", PUSH_CONTACT)


def database_url() -> str:
    """Return the URL of the database from the environment, or the default."""
    return os.environ.get("DATABASE_URL") or DEFAULT_DATABASE_URL


def realtime_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the `REALTIME_*` settings of an environment: as JSON where they parse, else as text."""
    return {name: _value(text) for name, text in environment.items() if name.startswith("REALTIME_")}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def with_driver(url: str) -> str:
    """Add psycopg 3, which waits without blocking under gevent, to a PostgreSQL address that names no driver."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgres", "postgresql"} else url


def new_secret() -> str:
    """Make a secret that signs tokens."""
    return secrets.token_hex(SECRET_BYTES)


def read_or_create_secret(path: Path, make: Callable[[], str] = new_secret) -> str:
    """Return the secret kept in a file that only its owner can read; the first call creates it.

    So tokens, and subscriptions to web push, stay valid across restarts and in all worker processes.

    Args:
        path: The file.
        make: Makes the secret.
    """
    if not path.exists():
        _create_secret(path, make())
    return path.read_text(encoding="ascii")


def _create_secret(path: Path, secret: str) -> None:
    make_private_folder(path.parent)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret)
    # A hard link is atomic, and the second of two processes keeps the first one's secret.
    with suppress(FileExistsError):
        os.link(draft, path)
    Path(draft).unlink()
