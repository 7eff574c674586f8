"""A chat with notifications and orders: how an application uses flask_realtime.

Start reading at `factory.py`; `chat.py` sets up the chat, and `orders.py` has a view that stores something and tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask


def create_app(config: Mapping[str, Any] | None = None, *, instance_path: str | None = None) -> Flask:
    """Make the application.

    Args:
        config: Settings that take precedence over the environment.
        instance_path: The folder for the database and the key that signs tokens; None for Flask's own choice.
    """
    # `python -m example_app` imports this package before it can patch the standard library for gevent, so the parts
    # that open connections are not imported until the application is made.
    from example_app.factory import create_app as make_app  # noqa: PLC0415

    return make_app(config, instance_path=instance_path)


def __getattr__(name: str) -> Flask:
    """Make the application for `gunicorn example_app:app` on first access, not at import."""
    if name != "app":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    globals()["app"] = app = create_app()
    return app
