"""The application that the engine's tests talk to: handlers that tests hold up and let go, and views that show the process."""

import gc
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import flask
from flask_jwt_extended import create_access_token
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_realtime import Identity, Realtime, current_connection
from tests.e2e.apps.contract_app import KEY, NO_LIMITS, Notes, add_jwt, add_views

GATE_SECONDS = 60.0


class Gates:
    """Places where handlers wait until a test lets them go on, each with a name."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}

    def wait(self, name: str) -> None:
        """Wait until the gate is open."""
        assert self._gate(name).wait(GATE_SECONDS), f"nobody opened {name}"

    def open(self, name: str) -> None:
        """Let everybody through who waits there or comes later."""
        self._gate(name).set()

    def _gate(self, name: str) -> threading.Event:
        return self._events.setdefault(name, threading.Event())


def create_app() -> flask.Flask:
    """The application, for a server that takes a factory."""
    return build()[0]


def create_mounted_app() -> DispatcherMiddleware:
    """The application below a prefix, beside another one."""
    return DispatcherMiddleware(flask.Flask("outside"), {"/mounted": create_app()})


def create_proxied_app() -> flask.Flask:
    """The application behind one proxy that says for whom it asks."""
    app = create_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    return app


def build() -> tuple[flask.Flask, Realtime]:
    """The application with the configuration keys of ``CONTRACT_APP_CONFIG`` (JSON) set, and its extension."""
    app = flask.Flask(__name__)
    app.config.from_mapping(NO_LIMITS, JWT_SECRET_KEY=KEY)
    app.config.update(json.loads(os.environ.get("CONTRACT_APP_CONFIG", "{}")))
    calls, gates, realtime = Notes(), Gates(), Realtime()
    app.extensions["contract_app_notes"] = calls
    add_jwt(app, calls)
    add_hooks(realtime, calls, gates)
    add_events(realtime, gates)
    add_counting_events(realtime)
    add_limited_events(realtime)
    if "TEST_LOG_LEVEL" in app.config:
        logging.basicConfig(level=app.config["TEST_LOG_LEVEL"])
    realtime.init_app(app)
    add_broken_namespace(realtime)
    if app.config.get("TEST_HAS_OWN_HANDLER"):
        realtime.socketio.on_event("own", lambda: flask.request.headers.get("X-Header-0"))
    add_views(app, realtime, calls)
    add_engine_views(app, realtime, gates)
    return app, realtime


def add_hooks(realtime: Realtime, calls: Notes, gates: Gates) -> None:
    """Everybody may do everything; users whose names begin with ``gated`` wait at the gate of their name.

    Those that begin with ``leavegated`` and ``askgated`` do so when they leave, and when it is asked who hears of that; with
    ``leavebroken`` and ``askbroken`` the application fails then.
    """

    def fail_or_wait(user_id: str, when: str) -> None:
        if user_id.startswith(f"{when}gated"):
            gates.wait(user_id)
        if user_id.startswith(f"{when}broken"):
            raise RuntimeError(user_id)

    @realtime.authorize_join
    def may_join(_identity: Identity, _conversation_id: str) -> bool:
        return True

    @realtime.on_connect
    def connected(identity: Identity) -> bool:
        calls.record("connect", identity.user_id)
        if identity.user_id.startswith("gated"):
            gates.wait(identity.user_id)
        return not identity.user_id.startswith("gatedrefused")

    @realtime.on_disconnect
    def gone(identity: Identity, reason: str) -> None:
        calls.record("disconnect", identity.user_id, reason)
        print(f"gone: {identity.user_id}, {reason}", flush=True)  # noqa: T201 - for tests of how the process ends
        fail_or_wait(identity.user_id, "leave")

    @realtime.presence_audience
    def audience(user_id: str) -> list[str] | None:
        if not realtime.is_user_online(user_id):
            calls.record("ask", user_id)
            fail_or_wait(user_id, "ask")
        # Most tests look at every packet, and none should be another test's; a crowd would cost the square of its number.
        return None if user_id.startswith("seen") else []


def add_events(realtime: Realtime, gates: Gates) -> None:
    """Events of the application's own."""

    @realtime.on("app:echo")
    def echo(_identity: Identity, data: Any) -> Any:
        return {"echo": data}

    @realtime.on("app:bytes", binary=True)
    def echo_bytes(_identity: Identity, *data: Any) -> Any:
        return {"echo": list(data)}

    @realtime.on("app:wait")
    def wait(_identity: Identity, gate: Any) -> None:
        gates.wait(gate)

    @realtime.on("app:pause")
    def pause(_identity: Identity, seconds: Any) -> None:
        print("pausing", flush=True)  # noqa: T201 - as above
        time.sleep(seconds)

    @realtime.on("app:say")
    def say(_identity: Identity, text: Any) -> None:
        print(f"said: {text}", flush=True)  # noqa: T201 - as above

    @realtime.on("app:raise")
    def fail(_identity: Identity, text: Any) -> None:
        raise RuntimeError(text)

    @realtime.on("app:ask")
    def ask(_identity: Identity) -> Any:
        return realtime.socketio.call("question", 1, to=current_connection.id, timeout=5)

    @realtime.on("app:large")
    def large(_identity: Identity, size: Any) -> str:
        return "x" * int(size)


def add_counting_events(realtime: Realtime) -> None:
    """Events that are noted by their numbers, to see which were handled when."""
    numbers: dict[str, list[int]] = {}

    @realtime.on("app:number")
    def note_number(identity: Identity, number: Any, _padding: Any = None) -> None:
        numbers.setdefault(identity.user_id, []).append(number)

    @realtime.on("app:work")
    def work(identity: Identity, number: Any) -> None:
        note_number(identity, number)
        sum(range(1_000_000))  # Without waiting for anything: nobody else has a turn meanwhile.

    @realtime.on("app:worked")
    def worked(_identity: Identity, user_id: Any) -> int:
        return len(numbers.get(str(user_id), []))

    @realtime.on("app:numbers")
    def in_order(identity: Identity) -> dict[str, Any]:
        noted = numbers.get(identity.user_id, [])
        return {"count": len(noted), "ordered": noted == sorted(noted)}


def add_limited_events(realtime: Realtime) -> None:
    """Events with limits of their own."""

    @realtime.on("app:limited", limit="3/minute")
    def limited(_identity: Identity) -> None: ...

    @realtime.on("app:unlimited", limit=None)
    def unlimited(_identity: Identity) -> None: ...


def add_broken_namespace(realtime: Realtime) -> None:
    """A namespace at which the server itself fails, in the event loop, before anything of the application's is called."""

    class Broken(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            if name == "/broken":
                raise RuntimeError("secret detail")
            return super().__contains__(name)

    realtime.socketio.server.namespace_handlers = Broken()


def add_engine_views(app: flask.Flask, realtime: Realtime, gates: Gates) -> None:
    """What the tests ask of the process."""

    @app.get("/process")
    def process() -> dict[str, Any]:
        engine = realtime.socketio.server.eio
        return {"pid": os.getpid(), "engine": type(engine).__module__.partition(".")[0], "mode": engine.async_mode}

    @app.post("/body")
    def body() -> bytes:
        return flask.request.get_data()

    @app.get("/memory")
    def memory() -> dict[str, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return {"bytes": pages * os.sysconf("SC_PAGE_SIZE"), "sessions": len(realtime.socketio.server.eio.sockets)}

    @app.get("/cycles")
    def cycles() -> dict[str, list[str]]:
        gc.disable()  # From the first call on, what is a cycle stays until the next one.
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = {type(item).__name__ for item in gc.garbage if type(item).__module__.startswith("flask_realtime")}
        gc.set_debug(0)
        gc.garbage.clear()
        return {"types": sorted(found)}

    @app.route("/own-websocket", websocket=True)
    @app.route("/socket.io-of-their-own/", websocket=True)
    def own_websocket() -> str:
        websocket = flask.request.environ["wsgi.websocket"]
        while (message := websocket.receive()) is not None:
            websocket.send(f"echo: {message}")
        return ""

    @app.post("/gates/<name>")
    def open_gate(name: str) -> dict[str, Any]:
        gates.open(name)
        return {}

    @app.post("/tokens")
    def tokens() -> dict[str, list[str]]:
        return {"tokens": [create_access_token(subject) for subject in flask.request.get_json()]}


if __name__ == "__main__":
    application, extension = build()
    extension.run(application, host="127.0.0.1", port=int(os.environ["PORT"]))
