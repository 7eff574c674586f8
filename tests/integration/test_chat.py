"""`Chat` in an application of its own: its requests, who may send them, how often, and what they are answered."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, request
from flask_jwt_extended import JWTManager, create_access_token
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from flask_realtime import Identity, Realtime
from flask_realtime.chat import Chat
from flask_realtime.cli import commands
from flask_realtime.errors import Forbidden, RegistrationError
from flask_realtime.store import Store
from flask_realtime.testing import RealtimeTestClient
from tests.described_apps import bare
from tests.integration.conftest import KEY
from tests.integration.example_support import create_tables, shared_models, sqlite_url

ROUTES = """
GET /admin/analytics
GET /conversations
POST /conversations
GET /conversations/<conversationId>
PATCH /conversations/<conversationId>
GET /conversations/<conversationId>/members
POST /conversations/<conversationId>/members
PATCH /conversations/<conversationId>/members/<userId>
DELETE /conversations/<conversationId>/members/<userId>
PUT /conversations/<conversationId>/pins/<messageId>
DELETE /conversations/<conversationId>/pins/<messageId>
GET /conversations/<conversationId>/messages
POST /conversations/<conversationId>/messages
PATCH /conversations/<conversationId>/messages/<messageId>
DELETE /conversations/<conversationId>/messages/<messageId>
GET /conversations/<conversationId>/messages/<messageId>/receipts
PUT /conversations/<conversationId>/messages/<messageId>/reactions/<emoji>
DELETE /conversations/<conversationId>/messages/<messageId>/reactions/<emoji>
POST /conversations/<conversationId>/read
POST /conversations/<conversationId>/delivered
GET /messages/unread-count
GET /search
GET /sync
GET /notifications
GET /push/key
POST /push/subscriptions
DELETE /push/subscriptions
PATCH /me
"""
MESSAGES = "/api/conversations/1/messages"
HELLO = {"content": "hello"}
TOO_LARGE = (413, "payload_too_large")


class World:
    """An application with a chat; conversation 1 is of ann, who owns it, and ben, conversation 2 of ben alone."""

    def __init__(self, folder: Path, config: dict[str, Any], **options: Any) -> None:
        self.app = Flask("chat_app")
        self.app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=sqlite_url(folder), REALTIME_ASYNC_MODE="threading")
        self.app.config.update(config)
        JWTManager(self.app)
        self.db, models = shared_models(self.app, log=True, search=True)
        self.store = Store(self.db, models)
        self.realtime = Realtime()
        self.chat = Chat(self.realtime, self.store, **{"users": known, **options})

    def serve(self, **options: Any) -> None:
        """Begin to serve, with the options of `register_blueprint`."""
        self.app.register_blueprint(self.chat.blueprint, **options)
        self.realtime.init_app(self.app)
        with self.app.app_context():
            create_tables(self.db)
            self.store.conversations.create(["ann", "ben"])
            self.store.conversations.create(["ben"])

    def token(self, user_id: str) -> str:
        with self.app.app_context():
            return str(create_access_token(user_id))

    def call(self, user_id: str, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token(user_id)}"}
        return self.app.test_client().open(path, method=method, headers=headers, **options)


def known(user_ids: Collection[str]) -> dict[str, dict[str, str]]:
    return {user_id: {"id": user_id, "username": user_id.title()} for user_id in user_ids if user_id in {"ann", "ben", "eve"}}


@contextmanager
def a_world(folder: Path, config: dict[str, Any] | None = None, **options: Any) -> Iterator[World]:
    made = World(folder, config or {}, **options)
    try:
        yield made
    finally:
        with made.app.app_context():
            made.db.engine.dispose()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.serve()
        yield made


def refusal(answer: TestResponse) -> tuple[int, str]:
    """The status and the code of an error, which must have the contract's form."""
    error = answer.get_json()["error"]
    assert set(answer.get_json()) == {"error"}
    assert error["message"]
    assert ("Retry-After" in answer.headers) == ("retryAfter" in error)
    return answer.status_code, error["code"]


def routes(app: Flask, prefix: str = "/api") -> set[str]:
    """The requests that the application's rules lead to the chat."""
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("chat.")]
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    return {f"{method} {rule.rule.removeprefix(prefix)}" for rule in rules for method in methods & (rule.methods or set())}


def test_the_routes_are_these_and_none_is_for_nobody(world: World) -> None:
    assert routes(world.app) == set(ROUTES.split("\n")[1:-1])
    for route in sorted(routes(world.app)):
        method, path = route.replace("<", "").replace(">", "").split(" ")
        assert world.app.test_client().open(f"/api{path}", method=method).status_code == 401, route


def test_the_prefix_is_the_applications(tmp_path: Path) -> None:
    with a_world(tmp_path, url_prefix="/chat/v1") as world:
        world.serve()
        assert routes(world.app, "/chat/v1") == set(ROUTES.split("\n")[1:-1])
        assert world.call("ann", "GET", "/chat/v1/conversations").status_code == 200
        assert world.call("ann", "GET", "/api/conversations").status_code == 404


def nothing() -> None: ...


UNFIT: list[tuple[str, Any, str]] = [
    ("users", None, r"takes a function \(user_ids\), not None"),
    ("users", {"7": {"id": "7"}}, r"takes a function \(user_ids\), not {'7'"),
    ("users", nothing, r"cannot be called with \(user_ids\)"),
    ("notification_json", nothing, r"cannot be called with \(notification\)"),
    ("notification_json", "title", r"takes a function \(notification\), not 'title'"),
]


@pytest.mark.parametrize(
    ("option", "function", "reason"),
    [*UNFIT, ("authenticate", Identity, "is a class"), ("authenticate", known, r"cannot be called with \(\)")],
)
def test_a_function_that_cannot_be_called_is_an_error_where_the_chat_is_made(
    tmp_path: Path, option: str, function: Any, reason: str
) -> None:
    with (
        pytest.raises(RegistrationError, match=rf"^Chat\({option}=\.\.\.\).*{reason}"),
        a_world(tmp_path, **{option: function}),
    ):
        pass


def test_something_else_than_the_store_is_an_error_where_the_chat_is_made(world: World) -> None:
    store: Any
    for store in (None, world.db):
        with pytest.raises(RegistrationError, match=r"^Chat takes the Store object, not .*; make it first: Store\("):
            Chat(Realtime(), store, users=known)


@pytest.mark.parametrize(
    ("option", "function", "reason"),
    [
        *UNFIT[1:],
        ("message_json", nothing, r"cannot be called with \(message\)"),
        ("conversation_json", nothing, r"cannot be called with \(conversation\)"),
    ],
)
def test_a_function_that_cannot_be_called_is_an_error_where_a_store_is_registered(
    world: World, option: str, function: Any, reason: str
) -> None:
    store = Store(world.db, world.store.models)
    realtime: Any
    for realtime in (None, world.app):
        with pytest.raises(RegistrationError, match=r"^store\.register takes the Realtime object, not "):
            store.register(realtime)
    realtime = Realtime()
    with pytest.raises(RegistrationError, match=rf"^store\.register\({option}=\.\.\.\).*{reason}"):
        store.register(realtime, **{option: function})
    store.register(realtime)  # Nothing was registered before.


def by_header() -> Identity:
    """Identify users as an application may that has no tokens."""
    user_id = request.headers.get("X-User")
    if user_id is None:
        abort(401, "Who are you?")
    if user_id == "eve":
        raise Forbidden("Not you")
    return Identity(user_id)


def test_an_application_identifies_users_itself(tmp_path: Path) -> None:
    with a_world(tmp_path, authenticate=by_header) as world:
        world.serve()
        client = world.app.test_client()
        answer = client.post(MESSAGES, json=HELLO, headers={"X-User": "ben"})
        assert (answer.status_code, answer.get_json()["senderId"]) == (201, "ben")
        assert client.get(MESSAGES).status_code == 401
        assert world.call("ann", "GET", MESSAGES).status_code == 401
        assert refusal(client.get(MESSAGES, headers={"X-User": "eve"})) == (403, "forbidden")
        assert refusal(client.get("/api/conversations/2", headers={"X-User": "ann"})) == (403, "forbidden")


def test_events_and_requests_draw_on_one_allowance(tmp_path: Path) -> None:
    with a_world(tmp_path, {"REALTIME_USER_LIMITS": {"messages": "1/minute, burst 5"}}) as world:
        world.serve()
        with RealtimeTestClient(world.app, world.token("ann")) as client:
            for number in range(3):
                sent = {"conversationId": "1", "clientId": str(number), "content": "hello"}
                assert client.call("message:send", sent)["ok"] is True
            assert [world.call("ann", "POST", MESSAGES, json=HELLO).status_code for _ in range(2)] == [201, 201]
            refused = world.call("ann", "POST", MESSAGES, json=HELLO)
            assert refusal(refused) == (429, "rate_limited")
            assert 0 < refused.get_json()["error"]["retryAfter"] <= int(refused.headers["Retry-After"]) <= 60
            assert client.call("message:send", {**sent, "clientId": "4"})["error"]["code"] == "rate_limited"
        assert world.call("ann", "GET", MESSAGES).status_code == 200
        assert world.call("ben", "POST", MESSAGES, json=HELLO).status_code == 201


def test_errors_have_their_statuses(world: World) -> None:
    @world.realtime.may_add_members
    def may_add(_identity: Identity, _user_ids: Any) -> bool:
        raise ZeroDivisionError("a secret")

    expected = {
        (400, "bad_request"): ("POST", MESSAGES, {}),
        (403, "forbidden"): ("GET", "/api/conversations/2", None),
        (404, "not_found"): ("DELETE", f"{MESSAGES}/99", None),
        (413, "payload_too_large"): ("POST", MESSAGES, {"content": "x" * 65_536}),
        (500, "internal_error"): ("POST", "/api/conversations", {"participantIds": ["ben"]}),
    }
    for error, (method, path, body) in expected.items():
        answer = world.call("ann", method, path, json=body)
        assert refusal(answer) == error
        assert "secret" not in answer.text


def test_a_request_that_fails_is_logged_and_reveals_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faults: list[Exception] = []

    def find(user_ids: Collection[str]) -> Any:
        if faults:
            raise faults.pop()
        return known(user_ids)

    with a_world(tmp_path, users=find) as world:
        world.serve()
        faults.append(LookupError("a secret"))
        failed = world.call("ann", "GET", "/api/conversations")
        assert refusal(failed) == (500, "internal_error")
        assert "secret" not in failed.text
        assert "LookupError: a secret" in caplog.text
        assert world.call("ann", "GET", "/api/conversations").status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b"null", b'"x"', b"{", b"\xff", b'{"content": NaN}', b'{"content": "\\ud800"}', b"[" * 30_000, b"content=hello"],
    ids=repr,
)
def test_a_body_is_a_json_object(world: World, body: bytes) -> None:
    for method, path in [
        ("POST", MESSAGES),
        ("PATCH", "/api/conversations/1"),
        ("PUT", "/api/conversations/1/pins/1"),
        ("DELETE", f"{MESSAGES}/1"),
    ]:
        answer = world.call("ann", method, path, data=body)
        assert refusal(answer) == (400, "bad_request")
        assert answer.get_json()["error"]["message"] == "The body must be a JSON object"


def test_numbers_of_any_size_are_refused_where_they_cannot_be(world: World) -> None:
    for number in (b"1e999", b"9" * 60_000, b"-" + b"9" * 200):
        assert refusal(world.call("ann", "POST", MESSAGES, data=b'{"content": "x", "replyTo": ' + number + b"}"))[0] == 400
    answer = world.call("ann", "POST", MESSAGES, data=b'{"content": "x", "clientId": ' + b"9" * 128 + b"}")
    assert (answer.status_code, answer.get_json()["clientId"]) == (201, "9" * 128)


def test_the_path_says_which_conversation_and_unknown_fields_say_nothing(world: World) -> None:
    stray = {"conversationId": "2", "x": "1"}
    answer = world.call("ben", "POST", MESSAGES, json={**HELLO, **stray})
    assert (answer.status_code, answer.get_json()["conversationId"]) == (201, "1")
    page = world.call("ben", "GET", MESSAGES, query_string={**stray, "limit": "1"})
    assert [message["conversationId"] for message in page.get_json()["messages"]] == ["1"]
    assert world.call("ann", "GET", "/api/messages/unread-count", query_string=stray).get_json() == {"unreadCount": 1}


class Chunked(BytesIO):
    """A body without a length, which arrives in small parts.

    Args:
        data: Its beginning.
        is_endless: Whether spaces follow without end.
    """

    def __init__(self, data: bytes = b"", *, is_endless: bool = False) -> None:
        super().__init__(data)
        self.given = 0
        self._is_endless = is_endless

    def read(self, size: int | None = -1) -> bytes:
        most = 1000 if size is None or size < 0 else min(size, 1000)
        part = super().read(most) or b" " * most * self._is_endless
        self.given += len(part)
        return part

    def readinto(self, buffer: Any) -> int:
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("most", [None, 1000, 65_536, 10**9])
def test_no_more_of_a_body_is_read_than_is_accepted(tmp_path: Path, most: int | None) -> None:
    with a_world(tmp_path, {"MAX_CONTENT_LENGTH": most}) as world:
        world.serve()
        body, accepted = Chunked(is_endless=True), min(most or 65_536, 65_536)
        chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        assert refusal(world.call("ann", "POST", MESSAGES, input_stream=body, environ_overrides=chunked)) == TOO_LARGE
        assert body.given == accepted + 1
        assert refusal(world.call("ann", "POST", MESSAGES, data=b" " * (accepted + 1))) == TOO_LARGE
        largest = json.dumps(HELLO).encode().ljust(accepted)
        assert world.call("ann", "POST", MESSAGES, data=largest).status_code == 201
        answer = world.call("ann", "POST", MESSAGES, input_stream=Chunked(largest), environ_overrides=chunked)
        assert answer.status_code == 201


def test_answers_are_kept_by_nobody_and_are_what_they_say(world: World) -> None:
    for method, path in [("GET", MESSAGES), ("POST", MESSAGES), ("GET", "/api/conversations/2"), ("DELETE", f"{MESSAGES}/99")]:
        headers = world.call("ann", method, path).headers
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def printed(app: Flask, *arguments: str) -> dict[str, Any]:
    result = app.test_cli_runner().invoke(commands, ["openapi", *arguments])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.output)
    return document


def described(document: dict[str, Any]) -> set[str]:
    """The requests in a document, as the application's rules have them."""
    paths = document["paths"].items()
    return {f"{method.upper()} {path.replace('{', '<').replace('}', '>')}" for path, item in paths for method in item}


def test_the_requests_are_described_by_a_document_of_openapi(world: World) -> None:
    document = printed(world.app, "--title", "Chat", "--api-version", "2.0")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert (document["openapi"], document["info"]["title"], document["info"]["version"]) == ("3.1.0", "Chat", "2.0")
    assert described(document) == routes(world.app, "")


@pytest.mark.parametrize("registered", [{}, {"url_prefix": "/v2"}, {"url_prefix": "/v2/", "name": "other"}])
def test_the_document_has_the_paths_that_are_served(tmp_path: Path, registered: dict[str, str]) -> None:
    with a_world(tmp_path, url_prefix="/v1") as world:
        world.serve(**registered)
        prefix = registered.get("url_prefix", "/v1").rstrip("/")
        document = printed(world.app)
        assert described(document) == {route.replace(" ", f" {prefix}") for route in ROUTES.split("\n")[1:-1]}
        for path in document["paths"]:
            if "{" not in path and "get" in document["paths"][path]:
                assert world.call("ann", "GET", path, query_string={"q": "x"}).status_code != 404 or path.endswith("/push/key")


def test_without_a_chat_the_command_says_what_to_do() -> None:
    result = bare().test_cli_runner().invoke(commands, ["openapi"])
    assert result.exit_code == 1
    assert "register a Chat's, app.register_blueprint(chat.blueprint)" in result.output
