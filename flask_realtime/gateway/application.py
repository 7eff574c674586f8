"""The application's code is called here and nowhere else: with an application context, and with its exceptions caught."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

import gevent
from flask import Flask
from werkzeug.exceptions import HTTPException

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
        peer_log: Writes what a client can provoke.
    """

    def __init__(self, app: Flask, hooks: Hooks, peer_log: PeerLog) -> None:
        self._app = app
        self._peer_log = peer_log
        self.hooks = hooks

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        connection: Connection | None = None,
        event: str | None = None,
        address: str = "",
    ) -> Any:
        """Call a hook or a handler.

        Args:
            function: The application's function.
            args: Its arguments.
            connection: The connection on whose behalf it is called, or None.
            event: The event on whose behalf it is called, or None.
            address: The peer's address, where there is one and no connection yet.

        Returns:
            What it returns.

        Raises:
            EventError: The function raised it, or an HTTP error that has a counterpart here.
            ConnectionRefused: The function raised it.
            InternalError: The function raised anything else, which has been logged and given to the `on_error` hooks.
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
        connection: Connection | None = None,
        event: str | None = None,
    ) -> Any:
        """Call a function of the application's in a request context, which has no body and whose answer nobody gets.

        Args:
            function: The application's function.
            environ: What there is of the request's WSGI environment.
            args: Its arguments.
            connection: The connection on whose behalf it is called, or None.
            event: What it is called for.

        Raises:
            EventError: As for `call`.
            ConnectionRefused: As for `call`.
        """

        def in_request(*arguments: Any) -> Any:
            with self._app.request_context({"wsgi.input": BytesIO(), **environ}):
                return function(*arguments)

        address = str(environ.get("REMOTE_ADDR", ""))
        return self.call(in_request, *args, connection=connection, event=event, address=address)

    def decide(self, function: Callable[..., Any], *args: Any, connection: Connection, event: str, default: bool) -> bool:
        """Call a hook that says yes or no.

        Args:
            function: The application's function.
            args: Its arguments.
            connection: The connection on whose behalf it is called.
            event: The event on whose behalf it is called.
            default: What None means.

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

        decision: bool = self.call(strict, *args, connection=connection, event=event)
        return decision

    def announce(self, functions: list[Callable[..., None]], *args: Any, connection: Connection | None = None) -> None:
        """Call hooks that are only told, each whatever the others do."""
        for function in functions:
            try:
                self.call(function, *args, connection=connection)
            except (EventError, ConnectionRefused) as error:
                if not isinstance(error, InternalError):
                    self.report(error, connection, None)

    def report(self, error: BaseException, connection: Connection | None, event: str | None, address: str = "") -> None:
        """Log an unexpected exception, and give it to the `on_error` hooks.

        Args:
            error: The exception.
            connection: The connection on whose behalf the application was called, or None.
            event: The event on whose behalf it was, or None.
            address: The peer's address, where there is one and no connection yet.
        """
        user_id = (connection.user_id or None) if connection is not None else None
        message = "The application failed: event=%s user=%s"
        if connection is None and not address:
            logger.error(message, event, user_id, exc_info=error)
        else:
            peer = address if connection is None else user_peer(connection.user_id, connection.address)
            self._peer_log.write(logger, logging.ERROR, peer, message, event, user_id, error=error)
        identity = connection.identity if connection is not None and connection.user_id else None
        for hook in self.hooks.functions(ON_ERROR):
            try:
                self.in_context(hook, error, event, identity, connection=connection)
            except Exception:
                logger.exception("An on_error hook failed")

    def in_context(self, function: Callable[..., Any], *args: Any, connection: Connection | None = None) -> Any:
        """Call a function in an application context of its own; whoever calls this handles what it raises."""
        if connection is None:
            with self._app.app_context():
                return function(*args)
        token = current.set(connection)
        try:
            with self._app.app_context():
                return function(*args)
        finally:
            current.reset(token)

    def _translated(self, error: HTTPException, connection: Connection | None, event: str | None, address: str) -> EventError:
        """Answer `abort(404)` and the like, which code shared with views may call, in the contract's terms."""
        kind = _BY_STATUS.get(error.code)
        if kind is None:
            self.report(error, connection, event, address)
            return InternalError()
        # Werkzeug's own descriptions speak of URLs.
        return kind(None if error.description == type(error).description else error.description)
