"""A SocketIO object that the application already has: its handlers go on working, behind the extension's authentication."""

import threading
from typing import Any

import flask_socketio
import pytest
from flask import Flask, request
from flask_jwt_extended import create_access_token
from flask_socketio import SocketIO
from socketio.manager import Manager

from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.errors import ConfigError, ConnectionRefused
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    app = make_app()
    mode = app.config.pop("REALTIME_ASYNC_MODE")
    socketio = SocketIO(app, async_mode=mode)
    app.extensions["test_socketio"] = socketio
    app.extensions["test_realtime"] = Realtime(app, socketio=socketio)
    return app


@pytest.fixture
def socketio(app: Flask) -> SocketIO:
    return app.extensions["test_socketio"]


@pytest.fixture
def realtime(app: Flask) -> Realtime:
    realtime: Realtime = app.extensions["test_realtime"]
    return realtime


def test_own_handlers_answer_and_emit(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    @socketio.on("shout")
    def shout(text: str) -> tuple[str, int]:
        flask_socketio.emit("heard", text.upper())
        return text, len(text)

    with connect(app, "ann") as ann:
        assert ann.call("shout", "hey") == ("hey", 3)
        assert ann.wait_for("heard").data == "HEY"


def test_an_own_handler_that_returns_nothing_is_answered_with_nothing(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    socketio.on("take")(lambda _value: None)
    with connect(app, "ann") as ann:
        assert ann.call("take", 1) == ()


def test_own_handlers_get_no_unauthenticated_client(app: Flask, socketio: SocketIO) -> None:
    calls: list[Any] = []
    socketio.on("connect")(calls.append)
    with pytest.raises(ConnectionRefused) as refused:
        RealtimeTestClient(app)
    assert refused.value.code == "token_missing"
    assert calls == []


def test_the_own_connect_handler_may_join_rooms_send_and_refuse(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    @socketio.on("connect")
    def connected(auth: dict[str, str]) -> bool | None:
        assert auth["token"]
        flask_socketio.join_room("lobby")
        flask_socketio.emit("welcome", request.sid)  # type: ignore[attr-defined]
        return None

    with connect(app, "ann") as ann:
        assert ann.wait_for("welcome").data == ann.id
        socketio.emit("news", 1, to="lobby")
        assert ann.wait_for("news").data == 1


@pytest.mark.parametrize(
    ("behaviour", "code", "message"),
    [("false", "connection_refused", None), ("raise", "connection_refused", "no entry"), ("crash", "internal_error", None)],
)
def test_an_own_connect_handler_that_does_not_admit_refuses(
    app: Flask, socketio: SocketIO, connect: Connect, behaviour: str, code: str, message: str | None
) -> None:
    """Even with an error handler, which in Flask-SocketIO turns the exception into an admission."""
    socketio.on_error_default(lambda _error: None)

    @socketio.on("connect")
    def connected(_auth: object) -> bool:
        if behaviour == "raise":
            raise flask_socketio.ConnectionRefusedError("no entry")
        if behaviour == "crash":
            raise RuntimeError("secret")
        return False

    with pytest.raises(ConnectionRefused) as refused:
        connect(app, "ann")
    assert refused.value.code == code
    assert message in {None, refused.value.message}
    assert "secret" not in refused.value.message


def test_the_own_disconnect_handler_hears_of_every_end_once(
    app: Flask, socketio: SocketIO, realtime: Realtime, connect: Connect
) -> None:
    ends: list[tuple[str, str]] = []
    told = threading.Event()

    @socketio.on("disconnect")
    def gone(_reason: str) -> None:
        ends.append((request.sid, "own"))  # type: ignore[attr-defined]

    @realtime.on_disconnect
    def also(_identity: Identity, _reason: str) -> None:
        told.set()

    enders = (
        lambda client: client.disconnect(),
        lambda client: socketio.server.disconnect(client.id),
        lambda _client: realtime.disconnect_user("ann"),
    )
    for end in enders:
        told.clear()
        client = connect(app, "ann")
        end(client)
        client._wait(told.is_set, 5, "on_disconnect")
        assert ends == [(client.id, "own")]
        ends.clear()
        assert not realtime.is_user_online("ann")
        client.disconnect()


@pytest.mark.parametrize("name", ["connect", "disconnect"])
def test_no_event_of_that_name_reaches_an_own_handler_of_the_life_cycle(
    app: Flask, socketio: SocketIO, connect: Connect, name: str
) -> None:
    calls: list[Any] = []
    socketio.on(name)(lambda *args: calls.append(args))
    with connect(app, "ann") as ann:
        calls.clear()
        assert ann.call(name, "transport close")["error"]["code"] == "bad_request"
        ann.emit(name, "transport close")
        assert ann.wait_for("realtime:error").data["error"]["code"] == "bad_request"
        assert calls == []


def test_the_own_error_handler_still_answers_for_own_events(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    socketio.on_error_default(lambda error: f"handled {error}")

    @socketio.on("fail")
    def fail() -> None:
        raise RuntimeError("it")

    with connect(app, "ann") as ann:
        assert ann.call("fail") == "handled it"


def test_an_own_handler_that_fails_is_answered(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    @socketio.on("fail")
    def fail() -> None:
        raise RuntimeError("it")

    with connect(app, "ann") as ann:
        assert ann.call("fail")["error"]["code"] == "internal_error"


def test_the_contract_is_served_beside_it(app: Flask, realtime: Realtime, connect: Connect) -> None:
    realtime.authorize_join(lambda _identity, _conversation_id: True)
    with connect(app, "ann") as ann:
        ann.join("1")
        realtime.emit_new_message("1", "hello")
        assert ann.wait_for("message:new").data == "hello"


def test_an_object_made_without_an_application_is_initialised(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    socketio = SocketIO(async_mode=app.config.pop("REALTIME_ASYNC_MODE"))
    socketio.on("ping-pong")(lambda: "pong")
    Realtime(app, socketio=socketio)
    with connect(app, "ann") as ann:
        assert ann.call("ping-pong") == "pong"


def test_setups_that_cannot_work_say_so(make_app: MakeApp) -> None:
    app = make_app()
    socketio = SocketIO(app, async_mode="threading")
    with pytest.raises(ConfigError, match=r"pass it on: Realtime\(socketio="):
        Realtime(app)
    with pytest.raises(ConfigError, match="REALTIME_ASYNC_MODE does not reach an existing SocketIO object"):
        Realtime(app, socketio=socketio)
    other = make_app()
    del other.config["REALTIME_ASYNC_MODE"]
    with pytest.raises(ConfigError, match="belongs to another application"):
        Realtime(other, socketio=socketio)


def test_any_origin_together_with_cookies_is_refused_here_too(make_app: MakeApp) -> None:
    app = make_app(JWT_TOKEN_LOCATION="cookies")
    del app.config["REALTIME_ASYNC_MODE"]
    with pytest.raises(ConfigError, match="JWT_TOKEN_LOCATION"):
        Realtime(app, socketio=SocketIO(app, async_mode="threading", cors_allowed_origins="*"))


def test_another_namespace_has_handlers_of_its_own_that_know_the_user(app: Flask, socketio: SocketIO, connect: Connect) -> None:
    seen: list[str] = []

    @socketio.on("connect", namespace="/admin")
    def connected() -> None:
        seen.append(f"{request.namespace} {current_connection.namespace} {current_connection.user_id}")  # type: ignore[attr-defined]

    with connect(app, "ann") as ann:
        with app.app_context():
            token = create_access_token("ann")
        ann._connection.send_body('40/admin,{"token":"' + token + '"}')
        ann._wait(lambda: bool(seen), 5, "the connect handler of /admin")
        assert seen == ["/admin /admin ann"]


def test_a_message_queue_is_refused_in_plain_words(make_app: MakeApp) -> None:
    app = make_app()
    del app.config["REALTIME_ASYNC_MODE"]
    with pytest.raises(ConfigError, match="message queue"):
        Realtime(app, socketio=SocketIO(async_mode="threading", client_manager=socketio_manager()))


def socketio_manager() -> Any:
    class Other(Manager):  # type: ignore[misc]
        """Not python-socketio's plain one."""

    return Other()
