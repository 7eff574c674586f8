"""Makes an application's Flask-SocketIO object."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask_socketio import SocketIO

from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.admission.origin_check import same_origin
from flask_realtime.gateway.serving.suitability import Choice
from flask_realtime.logs import get_logger


class _Quiet(logging.Filter):
    """Keeps back what the libraries say about every packet: it holds tokens and messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


def _library_logger(name: str) -> logging.Logger:
    logger = get_logger(f"flask_realtime.{name}")
    if not any(isinstance(item, _Quiet) for item in logger.filters):
        logger.addFilter(_Quiet())
    return logger


class OwnSocketIO(SocketIO):  # type: ignore[misc]  # Flask-SocketIO has no types
    """Flask-SocketIO object that was made here, and works as its web server allows unless a setting says how."""


def create_socketio(config: RealtimeConfig) -> SocketIO:
    """Return a Flask-SocketIO object with an application's settings, not initialised yet."""
    return OwnSocketIO(
        async_mode=config.async_mode or _usual_async_mode(),
        path=config.path.strip("/"),
        cors_allowed_origins=_engine_origins(config),
        transports=list(config.transports),
        ping_interval=config.ping_interval,
        ping_timeout=config.ping_timeout,
        max_http_buffer_size=config.max_http_buffer_size,
        logger=_library_logger("socketio"),
        engineio_logger=_library_logger("engineio"),
    )


def choice_of(socketio: SocketIO, config: RealtimeConfig) -> Choice | None:
    """Return the way to work that somebody asked for, or None.

    Args:
        socketio: The application's Flask-SocketIO object.
        config: Its settings.
    """
    if not isinstance(socketio, OwnSocketIO):
        return Choice(socketio.server.eio.async_mode, "the existing SocketIO object's async_mode")
    return None if config.async_mode is None else Choice(config.async_mode, "REALTIME_ASYNC_MODE")


def _usual_async_mode() -> str:
    # A guess until the first request. By default, python-engineio uses eventlet if it happens to be installed.
    return "threading" if os.environ.get("FLASK_RUN_FROM_CLI") else "gevent"


def _engine_origins(config: RealtimeConfig) -> Any:
    origins = config.cors_allowed_origins
    if origins is None:
        return same_origin
    return list(origins) if isinstance(origins, tuple) else origins
