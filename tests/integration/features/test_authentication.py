"""The `authenticate` hook: what it is given, what becomes of what it returns, and what its failures come to."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import pytest
from flask import Flask, abort, current_app, g, has_request_context, request, session
from flask_jwt_extended import JWTManager, create_access_token
from flask_socketio import SocketIO
from socketio import packet as sio
from werkzeug.local import LocalProxy

from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.checks import find_all
from flask_realtime.errors import ConfigError, ConnectionRefused, NotFound, RateLimited, RegistrationError
from flask_realtime.extension import gateway_of
from flask_realtime.features.authentication import authentication
from flask_realtime.features.authentication.hooks import Authenticate
from flask_realtime.testing import RealtimeTestClient
from flask_realtime.testing.plugin import ConnectAs, realtime_client, realtime_credentials
from tests.integration.conftest import KEY, MakeApp

__all__ = ["realtime_client", "realtime_credentials"]

SECONDS = 10.0
KEYS = {"key of ann": "ann", "key of ben": "ben"}

Connect = Callable[..., RealtimeTestClient]


def by_key(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity | None:
    """Anyone with a key, in `auth.token` or in a header, for a minute."""
    key = (auth or {}).get("token") or environ.get("HTTP_X_API_KEY")
    user_id = KEYS.get(str(key))
    return None if user_id is None else Identity(user_id, {"jti": key}, expires_at=time.time() + 60)


def returning(result: Any) -> Authenticate:
    """A hook that says the same of everyone."""

    def authenticate(_auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Any:
        return result() if callable(result) else result

    return authenticate


def raising(error: BaseException) -> Authenticate:
    def authenticate(_auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Identity | None:
        raise error

    return authenticate


def from_an_address(wsgi_app: Callable[..., Any]) -> Callable[..., Any]:
    """A test client has none, and what has none is not counted."""

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        return wsgi_app({**environ, "REMOTE_ADDR": "203.0.113.7"}, start_response)

    return serve


class World:
    """An application without a JWTManager, and its clients."""

    def __init__(self, app: Flask, stack: ExitStack) -> None:
        self.app = app
        self.realtime = Realtime(app)
        self._stack = stack
        app.wsgi_app = from_an_address(app.wsgi_app)  # type: ignore[method-assign]

    def connect(self, auth: Mapping[str, Any] | None = None, **headers: str) -> RealtimeTestClient:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._stack.enter_context(RealtimeTestClient(self.app, auth=auth, headers=given))

    def refusal(self, auth: Any = None, **headers: str) -> ConnectionRefused:
        with pytest.raises(ConnectionRefused) as refused:
            self.connect(auth, **headers)
        return refused.value


MakeWorld = Callable[..., World]


@pytest.fixture(params=["gevent", "threading"])
def make_world(request: pytest.FixtureRequest) -> Iterator[MakeWorld]:
    with ExitStack() as stack:

        def make(hook: Authenticate | None = None, **config: Any) -> World:
            app = Flask(__name__)
            app.config.update({"SECRET_KEY": KEY, "REALTIME_ASYNC_MODE": request.param, **config})
            world = World(app, stack)
            if hook is not None:
                world.realtime.authenticate(hook)
            return world

        yield make


# What it is given -------------------------------------------------------------------------------------


def test_it_takes_the_place_of_tokens(make_world: MakeWorld) -> None:
    world = make_world(by_key)
    assert world.connect({"token": "key of ann"}).call("user:get-status", "ann")["status"] == "online"
    assert world.connect(X_API_Key="key of ben").call("user:get-status", "ben")["status"] == "online"


def test_it_gets_what_the_client_sent_and_the_handshake(make_world: MakeWorld) -> None:
    seen: list[Any] = []

    def authenticate(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity:
        seen.append((auth, environ["HTTP_X_API_KEY"], environ["HTTP_COOKIE"], environ["PATH_INFO"], environ["REQUEST_METHOD"]))
        return Identity("ann")

    world = make_world(authenticate)
    world.connect({"key": [1, {"a": None}]}, X_API_Key="key", Cookie="theme=dark")
    world.connect(X_API_Key="key", Cookie="theme=dark")
    rest = ("key", "theme=dark", "/socket.io/", "GET")
    assert seen == [({"key": [1, {"a": None}]}, *rest), (None, *rest)]


def test_a_log_that_shows_an_identity_shows_nothing_personal() -> None:
    assert repr(Identity("ann", {"email": "a@b.example"}, user="Ann", expires_at=7.5)) == "Identity(user_id='ann', expires_at=7.5)"


def test_it_has_a_request_of_its_own_with_the_session(make_world: MakeWorld) -> None:
    seen: list[Any] = []

    def authenticate(_auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Identity:
        seen.append(("user" in g, request.path, request.cookies["theme"], request.form.get("body"), current_app.name))
        g.user = session["user"]
        return Identity(session["user"])

    world = make_world(authenticate)
    signed = world.app.session_interface.get_signing_serializer(world.app).dumps({"user": "ann"})  # type: ignore[attr-defined]
    for _ in range(2):
        assert world.connect(Cookie=f"theme=dark; session={signed}").call("user:get-status", "ann")["status"] == "online"
    assert seen == [(False, "/socket.io/", "dark", None, world.app.name)] * 2


def test_what_is_put_away_after_a_request_is_put_away(make_world: MakeWorld) -> None:
    world, ended = make_world(returning(Identity("ann"))), list[str]()
    world.app.teardown_request(lambda _error: ended.append("request"))
    world.app.teardown_appcontext(lambda _error: ended.append("app"))
    world.connect()
    assert ended[:2] == ["request", "app"]


def test_the_hooks_get_the_identity_that_it_returned(make_world: MakeWorld) -> None:
    identity, seen = Identity("ann", {"role": "admin"}, object(), time.time() + 60), list[Any]()
    world = make_world(returning(identity))
    world.realtime.on_connect(lambda given: seen.append((given, current_connection.identity)))
    world.connect()
    assert seen[0][0] is identity
    assert seen[0][1] is identity


def test_a_proxy_for_the_user_is_resolved_while_there_is_a_request(make_world: MakeWorld) -> None:
    user, seen = object(), list[Any]()
    world = make_world(returning(Identity("ann", user=LocalProxy(lambda: user if has_request_context() else None))))
    world.realtime.on_connect(lambda identity: seen.append(identity.user))
    world.connect()
    assert seen == [user]


def test_it_is_asked_for_other_namespaces_with_the_same_handshake(make_world: MakeWorld) -> None:
    seen: list[Any] = []

    def authenticate(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity:
        seen.append((auth, environ["HTTP_X_API_KEY"], environ["HTTP_COOKIE"]))
        return Identity("ann")

    world = make_world(authenticate)
    world.realtime.socketio.on_event("look", lambda: current_connection.user_id, namespace="/desk")
    client = world.connect({"of": "default"}, X_API_Key="key", Cookie="a=1")
    client._connection.send(sio.Packet(sio.CONNECT, {"of": "desk"}, namespace="/desk"))
    client._wait(lambda: len(seen) == 2, SECONDS, "the second question")
    assert seen == [({"of": "default"}, "key", "a=1"), ({"of": "desk"}, "key", "a=1")]


# What becomes of what it returns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "headers", "code"),
    [
        (None, {}, "token_missing"),
        ({}, {}, "token_missing"),
        ({"token": "key"}, {}, "token_invalid"),
        (None, {"Authorization": "Basic YW5u"}, "token_invalid"),
        (None, {"Cookie": "session=1"}, "token_invalid"),
    ],
)
def test_none_refuses(make_world: MakeWorld, auth: Any, headers: dict[str, str], code: str) -> None:
    assert make_world(returning(None)).refusal(auth, **headers).code == code


@pytest.mark.parametrize("auth", ["key of ann", ["key of ann"]])
def test_what_is_no_object_is_malformed_and_the_hook_is_not_asked(make_world: MakeWorld, auth: Any) -> None:
    error = make_world(raising(AssertionError("asked"))).refusal(auth)
    assert (error.code, error.message) == ("token_malformed", "auth must be an object")


def test_an_identity_that_has_expired_already_is_refused(make_world: MakeWorld) -> None:
    assert make_world(returning(Identity("ann", expires_at=time.time()))).refusal().code == "token_expired"


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (True, "an Identity, or None to refuse, not bool"),
        ("ann", "an Identity, or None to refuse, not str"),
        ({"user_id": "ann"}, "an Identity, or None to refuse, not dict"),
        (Identity(""), "text of 1 to 128 characters, as of str(user.id), not ''"),
        (Identity(7), "text of 1 to 128 characters, as of str(user.id), not 7"),  # type: ignore[arg-type]
        (Identity(None), "text of 1 to 128 characters, as of str(user.id), not None"),  # type: ignore[arg-type]
        (Identity("x" * 129), "text of 1 to 128 characters"),
        (Identity("a\nb"), "text of 1 to 128 characters"),
        (Identity("ann", expires_at=(time.time() + 60) * 1000), "Unix time in seconds, as of datetime.timestamp(), not 1"),
        (Identity("ann", expires_at=float("nan")), "Unix time in seconds, as of datetime.timestamp(), not nan"),
        (Identity("ann", expires_at=True), "Unix time in seconds, as of datetime.timestamp(), not True"),
        (Identity("ann", expires_at=datetime.now(timezone.utc)), "not datetime.datetime("),  # type: ignore[arg-type]
        (Identity("ann", None), "an Identity whose claims are a mapping, not NoneType"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_identity_admits_nobody_and_the_log_says_what_it_should_have_been(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture, result: Any, told: str
) -> None:
    world, reported = make_world(returning(result)), list[Any]()
    world.realtime.on_error(lambda error, event, identity: reported.append((str(error), event, identity)))
    error = world.refusal({"token": "key"})
    assert (error.code, error.message) == ("internal_error", "The server failed to handle the connection")
    ((text, event, identity),) = reported
    assert text.startswith(f"authenticate ({__name__}.returning.<locals>.authenticate) must return ")
    assert told in text
    assert (event, identity) == ("connect", None)
    assert text in caplog.text
    assert gateway_of(world.app)._registry.everyone() == []


# When it raises ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConnectionRefused("Your subscription has ended"), "connection_refused", "Your subscription has ended"),
        (ConnectionRefused("No such key", code="token_invalid"), "token_invalid", "No such key"),
        (NotFound("No such tenant"), "connection_refused", "No such tenant"),
        (RateLimited("Come back later", retry_after=5), "rate_limited", "Come back later"),
        (RuntimeError("secret detail"), "internal_error", "The server failed to handle the connection"),
    ],
)
def test_it_may_refuse_in_words_of_its_own_and_a_failure_refuses(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture, error: Exception, code: str, message: str
) -> None:
    world = make_world(raising(error))
    refused = world.refusal({"token": "key"})
    assert (refused.code, refused.message) == (code, message)
    assert ("secret detail" in caplog.text) is (code == "internal_error")
    assert gateway_of(world.app)._registry.everyone() == []


def test_code_shared_with_views_may_abort(make_world: MakeWorld) -> None:
    def authenticate(_auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Identity:
        abort(403, "Members only")

    error = make_world(authenticate).refusal()
    assert (error.code, error.message) == ("connection_refused", "Members only")


def test_its_failures_are_left_out_of_the_log_where_one_peer_causes_too_many(
    make_world: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world(raising(RuntimeError("secret detail")))
    with caplog.at_level(logging.ERROR):
        for _ in range(30):
            world.refusal()
    assert 0 < sum(record.levelno == logging.ERROR for record in caplog.records) < 30


@pytest.mark.parametrize("error", [None, ConnectionRefused("No such key"), ConnectionRefused("No", code="no_such_key")])
def test_its_refusals_count_as_failed_attempts(make_world: MakeWorld, error: Exception | None) -> None:
    world = make_world(returning(None) if error is None else raising(error), REALTIME_MAX_FAILED_CONNECTS="2/hour")
    codes = [world.refusal({"token": "key"}).code for _ in range(3)]
    assert codes[1] != "rate_limited"
    assert codes[2] == "rate_limited"


# Registration -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (lambda: None, r"cannot be called with \(auth, environ\)"),
        (lambda _auth: None, r"cannot be called with \(auth, environ\)"),
        (lambda _auth, _environ, _more: None, r"cannot be called with \(auth, environ\)"),
        (Identity, "is a class"),
        ("by_key", "takes a function"),
    ],
)
def test_one_that_cannot_be_called_is_an_error_at_once(hook: Any, told: str) -> None:
    with pytest.raises(RegistrationError, match=f"^authenticate.*{told}"):
        Realtime().authenticate(hook)


def test_one_with_parentheses_is_an_error() -> None:
    with pytest.raises(RegistrationError, match="without parentheses"):
        Realtime().authenticate()  # type: ignore[call-arg]


def test_there_can_be_one() -> None:
    realtime = Realtime()
    assert realtime.authenticate(by_key) is by_key
    with pytest.raises(RegistrationError, match=r"authenticate is registered already \(.*by_key\); there can be only one"):
        realtime.authenticate(returning(None))


def test_one_that_comes_after_the_first_connection_is_an_error(make_world: MakeWorld) -> None:
    world = make_world()
    world.refusal()
    with pytest.raises(RegistrationError, match="authenticate was registered after the first connection"):
        world.realtime.authenticate(by_key)


def test_it_is_for_one_realtime_objects_applications_alone(make_world: MakeWorld, make_app: MakeApp) -> None:
    make_world(by_key).connect({"token": "key of ann"})
    other = make_app()
    Realtime(other)
    with pytest.raises(ConnectionRefused) as refused:
        RealtimeTestClient(other, "key of ann")
    assert refused.value.code == "token_malformed"


# Any origin -------------------------------------------------------------------------------------------


def cookies(_auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity:
    return Identity(
        "ann", {"environ": environ.get("HTTP_COOKIE"), "request": dict(request.cookies), "key": environ["HTTP_X_API_KEY"]}
    )


def claims_of_ann(app: Flask) -> Any:
    (connection,) = gateway_of(app)._registry.of_user("ann")
    return connection.identity.claims


@pytest.mark.parametrize("origins", ["*", ["*"]])
def test_cookies_do_not_reach_it_where_any_origin_may_connect(make_world: MakeWorld, origins: Any) -> None:
    world = make_world(cookies, REALTIME_CORS_ALLOWED_ORIGINS=origins)
    world.connect(Cookie="session=1", X_API_Key="key", Origin="https://evil.example")
    assert claims_of_ann(world.app) == {"environ": None, "request": {}, "key": "key"}
    assert any(
        "cookies do not reach the authenticate hook" in str(finding) for finding in find_all(world.app, gateway_of(world.app))
    )


@pytest.mark.parametrize(
    ("origins", "cookie"), [("*", None), ([], None), (None, "session=1"), (["https://a.example"], "session=1")]
)
def test_cookies_reach_it_by_an_adopted_objects_own_origin_rules(make_app: MakeApp, origins: Any, cookie: str | None) -> None:
    app = make_app()
    socketio = SocketIO(app, async_mode=app.config.pop("REALTIME_ASYNC_MODE"), cors_allowed_origins=origins)
    Realtime(app, socketio=socketio).authenticate(cookies)
    with RealtimeTestClient(app, headers={"Cookie": "session=1", "X-API-Key": "key"}):
        assert claims_of_ann(app)["environ"] == cookie


# Until when -------------------------------------------------------------------------------------------


def test_a_new_token_is_passed_on_as_auth(make_world: MakeWorld) -> None:
    seen: list[Any] = []

    def authenticate(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity | None:
        seen.append((auth, environ["HTTP_X_API_KEY"], bool(current_connection)))
        return by_key(auth, environ)

    client = make_world(authenticate).connect(X_API_Key="key of ann")
    answer = client.call("auth:refresh", "key of ann")
    assert datetime.fromisoformat(answer["expiresAt"].replace("Z", "+00:00")).timestamp() == pytest.approx(time.time() + 60, abs=5)
    assert seen == [(None, "key of ann", False), ({"token": "key of ann"}, "key of ann", True)]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (None, "token_invalid"),
        (Identity("ben"), "forbidden"),
        (Identity("ann", expires_at=1.0), "token_expired"),
        (ConnectionRefused("No", code="no_such_key"), "no_such_key"),
        (RuntimeError("secret detail"), "internal_error"),
        (True, "internal_error"),
    ],
)
def test_a_new_token_that_is_refused_leaves_the_connection_as_it_was(make_world: MakeWorld, answer: Any, code: str) -> None:
    identity = Identity("ann", {"first": True})

    def authenticate(auth: Mapping[str, Any] | None, _environ: Mapping[str, Any]) -> Any:
        if auth is None:
            return identity
        if isinstance(answer, Exception):
            raise answer
        return answer

    world = make_world(authenticate)
    client = world.connect()
    assert client.call("auth:refresh", "another")["error"]["code"] == code
    assert claims_of_ann(world.app) == {"first": True}
    assert client.call("user:get-status", "ann")["status"] == "online"


def test_refused_refreshes_count_as_failed_attempts(make_world: MakeWorld) -> None:
    world = make_world(by_key, REALTIME_MAX_FAILED_CONNECTS="2/hour")
    client = world.connect({"token": "key of ann"})
    codes = [client.call("auth:refresh", "rubbish")["error"]["code"] for _ in range(3)]
    assert codes == ["token_invalid", "token_invalid", "rate_limited"]


def test_revoked_ids_end_the_connections_whose_claims_have_them(make_world: MakeWorld) -> None:
    def authenticate(auth: Mapping[str, Any] | None, environ: Mapping[str, Any]) -> Identity | None:
        return Identity("eve") if auth is None else by_key(auth, environ)

    world, asked = make_world(authenticate, REALTIME_REVOCATION_INTERVAL=0.05), list[Sequence[str]]()

    @world.realtime.revoked_tokens
    def revoked(token_ids: Sequence[str]) -> Sequence[str]:
        asked.append(token_ids)
        return ["key of ben"]

    ann, eve = world.connect({"token": "key of ann"}), world.connect()
    ben = world.connect({"token": "key of ben"})
    eve._wait(lambda: not ben.is_connected, SECONDS, "the end")
    assert all("key of ann" in ids for ids in asked)
    for client in (ann, eve):
        assert client.call("user:get-status", "nobody")["status"] == "offline"


def test_the_blocklist_loader_is_not_asked_about_what_is_no_token_of_its_own(make_world: MakeWorld) -> None:
    world, asked = make_world(by_key, JWT_SECRET_KEY=KEY), list[Any]()
    JWTManager(world.app).token_in_blocklist_loader(lambda *args: bool(asked.append(args)))  # type: ignore[func-returns-value]
    world.connect({"token": "key of ann"})
    with world.app.app_context():
        list(world.realtime.state_of(authentication).revocation._round())
    assert asked == []


# Setting up, and tests of applications ----------------------------------------------------------------


def test_no_jwt_manager_is_missed(make_world: MakeWorld) -> None:
    for hook, expected in ((by_key, set()), (None, {"jwt_manager_missing"})):
        world = make_world(hook)
        codes = {finding.code for finding in find_all(world.app, gateway_of(world.app))}
        assert codes & {"jwt_manager_missing", "jwt_key_missing", "jwt_key_short"} == expected


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    Realtime(app).authenticate(by_key)
    return app


def test_the_fixture_that_connects_says_what_it_lacks(realtime_client: ConnectAs) -> None:
    with pytest.raises(ConfigError, match="override the fixture realtime_credentials"):
        realtime_client("ann")


class TestOverriding:
    """Tests of an application that has a way of its own."""

    @pytest.fixture
    def realtime_credentials(self) -> Callable[..., Mapping[str, Any]]:
        return lambda user_id, **_claims: {"headers": {"X-API-Key": f"key of {user_id}"}}

    def test_the_fixture_connects_with_the_applications_credentials(self, realtime_client: ConnectAs) -> None:
        assert realtime_client("ann").call("user:get-status", "ann")["status"] == "online"
        with pytest.raises(ConnectionRefused):
            realtime_client("eve")


def test_identities_of_tokens_say_until_when(make_app: MakeApp) -> None:
    app, seen = make_app(JWT_DECODE_LEEWAY=7), list[Identity]()
    Realtime(app).on_connect(seen.append)
    with app.app_context():
        tokens = [create_access_token("ann"), create_access_token("ann", expires_delta=False)]
    for token in tokens:
        RealtimeTestClient(app, token).disconnect()
    assert seen[0].expires_at == seen[0].claims["exp"] + 7
    assert seen[1].expires_at is None
