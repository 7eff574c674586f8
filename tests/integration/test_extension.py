"""Setting the extension up: factories, several applications, errors that say what to do."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token, jwt_required

import flask_realtime
from flask_realtime import Identity, Realtime
from flask_realtime.errors import (
    ConfigError,
    ConnectionRefused,
    InvalidId,
    NotInitialised,
    PayloadNotSerializable,
    RegistrationError,
)
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp


def admit_all(_identity: Identity, _conversation_id: str) -> bool:
    return True


def test_the_object_can_be_made_with_the_application_or_before_it(make_app: MakeApp, connect: Connect) -> None:
    direct = make_app()
    Realtime(direct)
    realtime, later = Realtime(), make_app()
    realtime.init_app(later)
    for app in (direct, later):
        with connect(app, "ann") as client:
            assert client.is_connected


def test_two_applications_of_one_object_do_not_meet(make_app: MakeApp, connect: Connect) -> None:
    realtime, first, second = Realtime(), make_app(), make_app()
    realtime.authorize_join(admit_all)
    realtime.init_app(first)
    realtime.init_app(second)
    with connect(first, "ann") as ann, connect(second, "bob") as bob:
        ann.join("1")
        bob.join("1")
        with first.app_context():
            realtime.emit_new_message("1", "for the first")
            assert realtime.get_online_users() == ["ann"]
        with second.app_context():
            flask_realtime.broadcast_to_all("news", "for the second")
            assert flask_realtime.get_online_users() == ["bob"]
        assert ann.wait_for("message:new").data == "for the first"
        assert bob.wait_for("news").data == "for the second"
        ann.assert_nothing("news")
        bob.assert_nothing("message:new")


def test_an_object_with_one_application_needs_no_context(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    realtime = Realtime(app)
    with connect(app, "ann") as ann:
        realtime.send_to_user("ann", "news", 1)
        assert ann.wait_for("news").data == 1
        assert realtime.is_user_online("ann")


def test_an_object_with_two_applications_asks_which(make_app: MakeApp) -> None:
    realtime, first, second = Realtime(), make_app(), make_app()
    realtime.init_app(first)
    realtime.init_app(second)
    with pytest.raises(NotInitialised, match="push the application context"):
        realtime.broadcast_to_all("news")


def test_calls_without_an_application_say_what_is_missing(make_app: MakeApp) -> None:
    with pytest.raises(NotInitialised, match="Did you forget to call 'init_app'"):
        Realtime().broadcast_to_all("news")
    with pytest.raises(NotInitialised, match="push an application context"):
        flask_realtime.broadcast_to_all("news")
    with make_app().app_context(), pytest.raises(NotInitialised, match="Did you forget to call 'init_app'"):
        flask_realtime.broadcast_to_all("news")


def test_it_is_set_up_once(make_app: MakeApp) -> None:
    app = make_app()
    realtime = Realtime(app)
    with pytest.raises(ConfigError, match="already"):
        realtime.init_app(app)


def test_hooks_come_before_the_first_connection(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.authorize_join(admit_all)
    with connect(app, "ann"), pytest.raises(RegistrationError, match="after the first connection"):
        realtime.on_connect(lambda _identity: None)


def test_any_origin_together_with_cookies_is_refused_at_start(make_app: MakeApp) -> None:
    with pytest.raises(ConfigError, match="JWT_TOKEN_LOCATION"):
        Realtime(make_app(REALTIME_CORS_ALLOWED_ORIGINS="*", JWT_TOKEN_LOCATION=["headers", "cookies"]))


def test_a_missing_token_manager_is_an_error_in_the_log_and_admits_nobody(caplog: pytest.LogCaptureFixture) -> None:
    app = Flask(__name__)
    app.config["REALTIME_ASYNC_MODE"] = "threading"
    Realtime(app)
    with pytest.raises(ConnectionRefused) as refused:
        flask_realtime.testing.RealtimeTestClient(app, "a.b.c")
    assert refused.value.code == "internal_error"
    assert "Did you forget JWTManager(app)?" in caplog.text


@pytest.mark.parametrize("payload", [float("nan"), object(), {"when": {1, 2}}])
def test_a_payload_that_is_not_json_is_an_error_even_when_nobody_listens(make_app: MakeApp, payload: Any) -> None:
    app = make_app()
    with pytest.raises(PayloadNotSerializable):
        Realtime(app).broadcast_to_all("news", payload)


@pytest.mark.parametrize("bad", ["", 0.5, None, [], True])
def test_an_id_that_is_none_never_reaches_everyone(make_app: MakeApp, connect: Connect, bad: Any) -> None:
    app = make_app()
    realtime = Realtime(app)
    with connect(app, "ann") as ann:
        for send in (realtime.send_to_user, realtime.send_to_conversation):
            with pytest.raises(InvalidId):
                send(bad, "news")
        ann.assert_nothing("news")


@pytest.mark.parametrize("event", ["connect", "disconnect", "", None, 7])
def test_an_event_that_clients_cannot_take_is_not_sent(make_app: MakeApp, event: Any) -> None:
    app = make_app()
    with pytest.raises(ValueError, match="cannot be sent as an event"):
        Realtime(app).broadcast_to_all(event)


def test_the_path_is_configurable(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_PATH="/realtime/io/")
    Realtime(app)
    assert app.test_client().get("/realtime/io/?EIO=4&transport=polling").status_code == 200
    with connect(app, "ann") as ann:
        assert ann.is_connected


def test_tokens_and_messages_never_reach_the_log(make_app: MakeApp, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    app = make_app()
    realtime = Realtime(app)
    realtime.authorize_join(admit_all)
    with connect(app, "ann") as ann:
        ann.join("1")
        realtime.emit_new_message("1", {"content": "between you and me"})
        ann.wait_for("message:new")
        ann.call("unknown:event", "between you and me")
    with pytest.raises(ConnectionRefused):
        flask_realtime.testing.RealtimeTestClient(app, "eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0")
    assert "connected: user=ann" in caplog.text
    assert "refused: code=token_invalid" in caplog.text
    for secret in ("between you and me", "eyJ"):
        assert secret not in caplog.text


def test_the_libraries_warnings_are_logged_and_nothing_else_of_theirs(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    Realtime(make_app())
    for library in ("socketio", "engineio"):
        logger = logging.getLogger(f"flask_realtime.{library}")
        logger.info("received a packet")
        logger.warning("a packet was lost")
    assert "received a packet" not in caplog.text
    assert caplog.text.count("a packet was lost") == 2


@pytest.mark.parametrize("optional", [False, True])
def test_nobody_can_keep_an_event_from_somebody_else(make_app: MakeApp, connect: Connect, *, optional: bool) -> None:
    app = make_app()
    realtime = Realtime(app)

    @app.post("/send")
    @jwt_required(optional=optional)  # type: ignore[untyped-decorator]
    def send() -> str:
        realtime.broadcast_to_all("news", skip_sender=True)
        return ""

    with connect(app, "ann") as ann, connect(app, "bob") as bob, app.app_context():
        headers = {"X-Socket-ID": bob.id or ""} | ({} if optional else {"Authorization": f"Bearer {create_access_token('ann')}"})
        assert app.test_client().post("/send", headers=headers).status_code == 200
        ann.wait_for("news")
        bob.wait_for("news")


def test_the_limits_forget_users_who_are_gone(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_USER_LIMITS={"presence": None})
    realtime = Realtime(app)
    registry, limiter = (gateway := realtime._gateway())._registry, gateway._closer._limiter
    with connect(app, "ben") as watcher:
        for number in range(20):
            with connect(app, f"ann-{number}") as first, connect(app, f"ann-{number}") as second:
                assert [client.call("user:get-status", "ben")["status"] for client in (first, second)] == ["online"] * 2
                connection = registry.get(first.id or "")
        last = connection
        assert last is not None
        watcher._wait(lambda: last.closed, 10.0, "the end of the last one")
        assert limiter.charge(last, limiter.group("user:get-status")) is None, "what still comes is not counted anew"
        assert watcher.call("user:get-status", "ben")["status"] == "online"
        watcher._wait(lambda: len(limiter._users) == 1, 10.0, "everybody else's end")


def test_a_token_that_lives_for_thousands_of_years_keeps_no_warning_from_others(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_EXPIRY_WARNING=3600)
    Realtime(app)
    with app.app_context():
        lasting = create_access_token("ann", expires_delta=timedelta(days=7000 * 365))
    with RealtimeTestClient(app, lasting) as ann, connect(app, "ben") as ben:
        assert ben.wait_for("auth:expiring").data.keys() == {"expiresAt"}
        ann.assert_nothing("auth:expiring")


def test_only_the_origins_that_are_listed_may_connect(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(REALTIME_CORS_ALLOWED_ORIGINS=["https://chat.example"])
    Realtime(app)
    client = app.test_client()
    answers = {
        origin: client.get("/socket.io/?EIO=4&transport=polling", headers={"Origin": origin})
        for origin in ("https://chat.example", "https://other.example", "http://localhost")
    }
    refused = 403 if app.config["REALTIME_ASYNC_MODE"] == "gevent" else 400  # As Node's server, and python-engineio, answer.
    assert [answer.status_code for answer in answers.values()] == [200, refused, refused]
    assert answers["https://chat.example"].headers["Access-Control-Allow-Origin"] == "https://chat.example"
    assert "add 'https://other.example' to REALTIME_CORS_ALLOWED_ORIGINS" in caplog.text


def test_a_client_on_long_polling_still_hears_why_its_session_ends(make_app: MakeApp) -> None:
    app = make_app()
    realtime = Realtime(app)
    client = app.test_client()
    session = client.get("/socket.io/?EIO=4&transport=polling").text
    url = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(session[1:])['sid']}"
    for _ in range(5):
        client.post(url, data='40{"token":"rubbish"}')
    server = realtime._gateway()._server
    for _ in range(20):
        server.sleep(0.005)  # Whatever ends the session at once has its turn.
    heard = client.get(url)
    assert (heard.status_code, heard.text.count("token_malformed")) == (200, 5)


def test_the_development_server_of_gevent_is_announced(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    realtime = Realtime(app)
    served: list[Any] = []
    monkeypatch.setattr(realtime.socketio, "run", lambda *args, **options: served.append((args, options)))
    realtime.run(app, "127.0.0.2", 5000, debug=True)
    assert served == [((app,), {"host": "127.0.0.2", "port": 5000, "debug": True})]
    is_gevent = app.config["REALTIME_ASYNC_MODE"] == "gevent"
    assert caplog.text.count("gevent.monkey.patch_all() was not called") == is_gevent
