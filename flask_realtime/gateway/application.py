"""Calls of the application's code, only from here: with an application context, and with its exceptions caught."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from io import BytesIO
from time import monotonic
from typing import Any, Final

import gevent
from flask import Flask
from werkzeug.exceptions import HTTPException

from flask_realtime.counts import Counts
from flask_realtime.errors import (
    BadRequest,
    ConnectionRefused,
    EventError,
    Forbidden,
    InternalError,
    NotFound,
    PayloadTooLarge,
    RateLimited,
)
from flask_realtime.feature.connections import Caller
from flask_realtime.gateway.connection import Connection, current
from flask_realtime.gateway.limits.peer_log import PeerLog, user_peer
from flask_realtime.hooks import ON_ERROR, Hooks
from flask_realtime.logs import get_logger
from flask_realtime.signatures import describe

logger = get_logger(__name__)

_BY_STATUS: Final[dict[int | None, type[EventError]]] = {
    400: BadRequest,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    413: PayloadTooLarge,
    422: BadRequest,
    429: RateLimited,
}


class Application:
    """Calls one application's hooks and handlers.

    Args:
        app: The Flask application.
        hooks: Its hooks.
        peer_log: Logs lines that a client can provoke.
        counts: Counts how long they take.
    """

    def __init__(self, app: Flask, hooks: Hooks, peer_log: PeerLog, counts: Counts) -> None:
        self._counts = counts
        self._app = app
        self._peer_log = peer_log
        self.hooks = hooks
        self._labels = hooks.labels

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        connection: Caller | None = None,
        event: str | None = None,
        address: str = "",
        timed: Callable[..., Any] | None = None,
    ) -> Any:
        """Call a hook; its duration is counted.

        Args:
            function: The application's function.
            args: Its arguments.
            connection: The connection on whose behalf it is called, or None.
            event: The event on whose behalf it is called, or None.
            address: The peer's address, if it is known and there is no connection yet.
            timed: The function of the application that it calls, if it is not one itself.

        Returns:
            Its result.

        Raises:
            EventError: As for `handle`.
            ConnectionRefused: As for `handle`.
        """
        label, began = self._labels.get(id(function if timed is None else timed)), monotonic()
        try:
            return self.handle(function, *args, connection=connection, event=event, address=address)
        finally:
            if label is not None:
                self._counts.hook_took(label, monotonic() - began)

    def handle(
        self,
        function: Callable[..., Any],
        *args: Any,
        connection: Caller | None = None,
        event: str | None = None,
        address: str = "",
    ) -> Any:
        """Call a handler of an event.

        Args:
            function: The handler.
            args: Its arguments.
            connection: The connection on whose behalf it is called, or None.
            event: The event on whose behalf it is called, or None.
            address: The peer's address, if it is known and there is no connection yet.

        Returns:
            Its result.

        Raises:
            EventError: The function raised it, or an HTTP error that has a counterpart here.
            ConnectionRefused: The function raised it.
            InternalError: The function raised anything else, which has been logged and passed to the `on_error` hooks.
        """
        try:
            return self.in_context(function, *args, connection=connection)
        except (EventError, ConnectionRefused):
            raise
        except HTTPException as error:
            raise self._translated(error, connection, event, address) from None
        except (Exception, gevent.Timeout) as error:  # noqa: BLE001 - a client must always get its answer
            self.report(error, connection, event, address)
            raise InternalError from None

    def call_in_request(
        self,
        function: Callable[..., Any],
        environ: Mapping[str, Any],
        *args: Any,
        connection: Caller | None = None,
        event: str | None = None,
        timed: Callable[..., Any] | None = None,
    ) -> Any:
        """Call a function of the application's in a request context, without a body and whose response is discarded.

        Args:
            function: The application's function.
            environ: The kept part of the request's WSGI environment.
            args: Its arguments.
            connection: The connection on whose behalf it is called, or None.
            event: The reason for the call.
            timed: As for `call`.

        Raises:
            EventError: As for `call`.
            ConnectionRefused: As for `call`.
        """

        def in_request(*arguments: Any) -> Any:
            with self._app.request_context({"wsgi.input": BytesIO(), **environ}):
                return function(*arguments)

        address = str(environ.get("REMOTE_ADDR", ""))
        return self.call(in_request, *args, connection=connection, event=event, address=address, timed=timed or function)

    def decide(self, function: Callable[..., Any], *args: Any, connection: Caller, event: str, default: bool) -> bool:
        """Call a hook for a yes or no.

        Args:
            function: The application's function.
            args: Its arguments.
            connection: The connection on whose behalf it is called.
            event: The event on whose behalf it is called.
            default: The meaning of None.

        Raises:
            EventError: As for `call`; an answer that is neither True, False nor None is an error too, and admits nobody.
            ConnectionRefused: As for `call`.
        """

        def strict(*arguments: Any) -> bool:
            answer = function(*arguments)
            if answer is None:
                return default
            if not isinstance(answer, bool):
                msg = f"{describe(function)} must return True or False, not {type(answer).__name__}"
                raise TypeError(msg)
            return answer

        decision: bool = self.call(strict, *args, connection=connection, event=event, timed=function)
        return decision

    def announce(self, functions: list[Callable[..., None]], *args: Any, connection: Caller | None = None) -> None:
        """Call notification hooks, each regardless of the others."""
        for function in functions:
            try:
                self.call(function, *args, connection=connection)
            except (EventError, ConnectionRefused) as error:
                if not isinstance(error, InternalError):
                    self.report(error, connection, None)

    def announce_with(self, function: Callable[[], None]) -> None:
        """Call a function that calls notification hooks, and whose failure concerns nobody else."""
        try:
            self.handle(function)
        except (EventError, ConnectionRefused) as error:
            if not isinstance(error, InternalError):
                self.report(error, None, None)

    def report(self, error: BaseException, connection: Caller | None, event: str | None, address: str = "") -> None:
        """Log an unexpected exception, and pass it to the `on_error` hooks.

        Args:
            error: The exception.
            connection: The connection on whose behalf the application was called, or None.
            event: The event on whose behalf it was, or None.
            address: The peer's address, if it is known and there is no connection yet.
        """
        told = (event, None, None) if connection is None else (event, connection.user_id or None, connection.id)
        message = "application failed: event=%s user=%s id=%s"
        if connection is None and not address:
            logger.error(message, *told, exc_info=error)
        else:
            peer = address if connection is None else user_peer(connection.user_id, connection.address)
            self._peer_log.write(logger, logging.ERROR, peer, message, *told, error=error)
        identity = connection.identity if connection is not None and connection.user_id else None
        for hook in self.hooks.functions(ON_ERROR):
            try:
                self.in_context(hook, error, event, identity, connection=connection)
            except Exception:
                logger.exception("An on_error hook failed")

    def in_context(self, function: Callable[..., Any], *args: Any, connection: Caller | None = None) -> Any:
        """Call a function in an application context of its own; its exceptions are the caller's to handle."""
        if not isinstance(connection, Connection):
            with self._app.app_context():
                return function(*args)
        token = current.set(connection)
        try:
            with self._app.app_context():
                return function(*args)
        finally:
            current.reset(token)

    def _translated(self, error: HTTPException, connection: Caller | None, event: str | None, address: str) -> EventError:
        """Translate `abort(404)` and the like, which code shared with views may raise, to the contract's errors."""
        kind = _BY_STATUS.get(error.code)
        if kind is None:
            self.report(error, connection, event, address)
            return InternalError()
        # Not Werkzeug's default descriptions, which are about URLs.
        return kind(None if error.description == type(error).description else error.description)
