"""Serving mode of one application, chosen by the web server of its first request.

Until then nobody is connected, and the mode is a guess: events reach nobody here, and background tasks that have not begun
are started again if the guess was wrong.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from mmap import mmap
from typing import Any, Final

from flask import Flask
from flask_socketio import SocketIO
from gevent.monkey import is_module_patched

from flask_realtime.engine.installing import answer_first
from flask_realtime.engine.polling import is_upgrade
from flask_realtime.engine.refusals import parse_query
from flask_realtime.engine.stateless import StatelessRefusal
from flask_realtime.gateway.locks import native_lock
from flask_realtime.gateway.serving.suitability import GEVENT, STOCK, THREADING, Choice, Judgement, judge
from flask_realtime.gateway.serving.web_server import WebServer, find_web_server
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_UNSUITABLE_MESSAGE: Final = "This server is not run in a way that serves Socket.IO clients; its log says why"
_FULL_MESSAGE: Final = "The server has no thread left for another client; try again later"
_NO_WEBSOCKET_MESSAGE: Final = "This server has no WebSocket; connect with long polling"

HandleRequest = Callable[[Mapping[str, Any], Any], Iterable[bytes]]
Refuse = Callable[..., StatelessRefusal]


class Serving:
    """Waits for the first request, and sets the mode that its web server allows.

    Args:
        app: The application.
        socketio: Its Flask-SocketIO object, initialised.
        choice: The requested mode, or None.
        work: Sets the engine's async mode.
        refuse: Makes a refusal from its message and its `code`.
        on_serving: Called once the web server is known; not for a test client.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what surrounds it
        self,
        app: Flask,
        socketio: SocketIO,
        choice: Choice | None,
        work: Callable[[str], None],
        refuse: Refuse,
        on_serving: Callable[[], None],
    ) -> None:
        self._app = app
        self._engine = engine = socketio.server.eio
        self._middleware = middleware = socketio.sockio_mw
        self._choice = choice
        self._work = work
        self._refuse = refuse
        self._on_serving = on_serving
        self._lock = native_lock()
        self._is_settled = False
        # Shared memory, so that a server that forks a process for each request logs its line only once.
        self._said = mmap(-1, 1)
        self._tasks = EarlyTasks(engine.start_background_task)
        self._application: HandleRequest = middleware.wsgi_app
        middleware.wsgi_app = self._serve_application
        engine.handle_request = self._serve_engine
        engine.start_background_task = self._tasks.start

    def _serve_application(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        self._look(environ, start_response)
        return self._application(environ, start_response)

    def _serve_engine(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._look(environ, start_response)
        if not self._is_settled:
            # A test client has no web server to judge; keep the guess.
            self._settle(lambda: Judgement(self._engine.async_mode), None)
        return answer_first(environ, start_response, self._engine.handle_request)

    def _look(self, environ: Mapping[str, Any], start_response: Any) -> None:
        server = None if self._is_settled else find_web_server(environ, start_response)
        if server is None:
            return
        self._settle(partial(self._judge, server), server)
        show_handler = getattr(self._engine, "change_handler", None)
        if show_handler is not None:
            show_handler(environ, start_response)

    def _judge(self, server: WebServer) -> Judgement:
        has_polling = "polling" in self._engine.transports
        is_stock = self._app.config.get("REALTIME_ENGINE") == STOCK
        is_patched = is_module_patched("threading")
        return judge(server, self._choice, has_polling=has_polling, is_patched=is_patched, is_stock=is_stock)

    def _settle(self, decide: Callable[[], Judgement], server: WebServer | None) -> None:
        guess = self._engine.async_mode
        with self._lock:  # A native lock: nothing under it may switch to another greenlet.
            if self._is_settled:
                return
            judgement = decide()
            if self._middleware.wsgi_app == self._serve_application:
                self._middleware.wsgi_app = self._application
            self._work(judgement.mode)
            self._hand_over(judgement, server)
            self._is_settled = True
        if judgement.mode != guess:
            self._tasks.start_again(self._engine.start_background_task)
        if server is not None:
            self._on_serving()
            if judgement.reason is None:
                self._remark(server, judgement)

    def _hand_over(self, judgement: Judgement, server: WebServer | None) -> None:
        handle_request = None if server is None else self._other_way(judgement, server)
        if handle_request is None:
            del self._engine.handle_request
        else:
            self._engine.handle_request = handle_request
        del self._engine.start_background_task

    def _other_way(self, judgement: Judgement, server: WebServer) -> HandleRequest | None:
        """Return the handler of the engine's requests if the engine itself cannot handle all of them."""
        if judgement.reason is not None:
            return self._refusal(server, judgement.reason)
        if judgement.capacity is None and judgement.has_websockets:
            return None
        self._engine.allow_upgrades = judgement.has_websockets
        return BoundedServing(self._engine, server, judgement, self._remedy(), self._refuse)

    def _remark(self, server: WebServer, judgement: Judgement) -> None:
        if judgement.remark is not None:
            logger.warning("%s.", judgement.remark)
        elif judgement.mode == THREADING and self._app.config.get("REALTIME_ENGINE") == "gevent":
            logger.warning("REALTIME_ENGINE = 'gevent' has no effect: %s serves with threads.", server.name)

    def _refusal(self, server: WebServer, reason: str) -> HandleRequest:
        refuse = self._refuse(_UNSUITABLE_MESSAGE, code="server_unsuitable")

        def handle_request(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
            # Only once a client connects: a process that merely emits through a message queue may have any server.
            if not self._said[0]:
                self._said[0] = 1
                logger.error(
                    "Clients are refused with server_unsuitable: %s %s. Serve with: %s", server.name, reason, self._remedy()
                )
            return refuse(environ, start_response)

        return handle_request

    def _remedy(self) -> str:
        command = f"gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker -w 1 {_address_of(self._app)}"
        # With threads, clients would have nothing but long polling on that server.
        if self._choice is None or self._choice.mode == GEVENT:
            return command
        return f"{command}, with {self._choice.asked_by} = {GEVENT!r}"


class BoundedServing:
    """Serves the requests that a web server with few threads, or without WebSockets, can serve, and refuses the rest at once.

    Args:
        engine: The Engine.IO server.
        server: The web server.
        judgement: The judgement of the web server.
        remedy: A command that serves without these bounds.
        refuse: Makes a refusal from its message and its `code`.
    """

    def __init__(self, engine: Any, server: WebServer, judgement: Judgement, remedy: str, refuse: Refuse) -> None:
        self._engine = engine
        self._serve: HandleRequest = type(engine).handle_request.__get__(engine)  # `Serving` has replaced the instance's.
        self._judgement = judgement
        self._lock = threading.Lock()  # Of gevent's kind where it has patched threads.
        self._websockets = 0
        self._refuse_when_full = refuse(_FULL_MESSAGE, code="too_many_connections")
        self._refuse_websocket = refuse(_NO_WEBSOCKET_MESSAGE, code="server_unsuitable")
        self._say_full = Once(
            partial(
                logger.warning,
                "Clients are refused with too_many_connections: %s handles %s requests at once, and each client takes one. "
                "Give it more threads, or serve with: %s",
                server.name,
                server.places,
                remedy,
            )
        )
        self._say_no_websocket = Once(
            partial(
                logger.warning,
                "A client asked for a WebSocket, which there is not: %s hands none out. Let clients begin with long polling, "
                "or serve with: %s",
                server.name,
                remedy,
            )
        )

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        query = parse_query(environ.get("QUERY_STRING", ""))
        is_websocket = query.transport == "websocket" or is_upgrade(environ)
        if is_websocket and not self._judgement.has_websockets:
            self._say_no_websocket()
            return self._refuse_websocket(environ, start_response)
        if query.sid is not None and StatelessRefusal.is_refused(query.sid):
            return self._refuse_when_full(environ, start_response)
        if self._judgement.capacity is None or (query.sid is not None and not is_websocket):
            return self._serve(environ, start_response)  # A session has one poll at a time.
        answer = self._open_websocket if is_websocket else self._open_session
        response = answer(environ, start_response)
        if response is not None:
            return response
        if query.sid is None:  # Else the client stays on long polling.
            self._say_full()
        return self._refuse_when_full(environ, start_response)

    def _open_session(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes] | None:
        with self._lock:  # Nothing waits under it, and the next request finds the session.
            return None if self._is_full() else self._serve(environ, start_response)

    def _open_websocket(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes] | None:
        with self._lock:
            if self._is_full():
                return None
            self._websockets += 1
        try:
            return self._serve(environ, start_response)  # Returns when the WebSocket is closed.
        finally:
            with self._lock:
                self._websockets -= 1

    def _is_full(self) -> bool:
        # A session that changes to a WebSocket may occupy two threads; a WebSocket may occupy one after its session has ended.
        sockets = list(self._engine.sockets.values())
        polled = sum(bool(socket.connected and not socket.upgraded and not socket.closed) for socket in sockets)
        return self._websockets + polled >= (self._judgement.capacity or 0)


class Once:
    """Function that runs only on its first call.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._first = native_lock()

    def __call__(self) -> None:
        """Call the function, unless it was called already."""
        if self._first.acquire(False):  # noqa: FBT003 - the standard library's signature
            self._function()


class EarlyTasks:
    """Background tasks that are started before it is known whether they are greenlets or threads.

    Args:
        start: Starts a task in the guessed mode.
    """

    def __init__(self, start: Callable[..., Any]) -> None:
        self._start = start
        self._tasks: list[Callable[[], None]] = []

    def start(self, target: Callable[..., None], *args: Any, **kwargs: Any) -> Any:
        """Run a function in the background."""
        task = Once(partial(target, *args, **kwargs))
        self._tasks.append(task)
        return self._start(task)

    def start_again(self, start: Callable[..., Any]) -> None:
        """Start tasks that have not begun in the other mode: greenlets do not run without gevent's event loop."""
        for task in self._tasks:
            start(task)


def _address_of(app: Flask) -> str:
    """Return an application's address for a WSGI server: its module, and its name there if it has one."""
    module = app.import_name
    variables = vars(sys.modules[module]) if module in sys.modules else {}
    guess = "create_app()" if "create_app" in variables else "app"
    name = next((name for name, value in variables.items() if value is app), guess)
    return f'"{app.name if module == "__main__" else module}:{name}"'
