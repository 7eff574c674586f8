"""What is kept of a handshake: what tells who connects, within bounds, and less once the client is admitted."""

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from flask_realtime.gateway.admission.handshake import (
    MAX_FOR_HANDLERS,
    MAX_HEADERS,
    MAX_TOKEN_HEADER,
    essentials_of,
    for_application,
    for_authentication,
    for_handlers,
)

MOST_BYTES = 8192 + len("Bearer ") + 2048
COOKIE = f"session={'x' * 6000}"
OVERHEAD = 160
ENVIRON: dict[str, Any] = {
    "HTTP_X_OWN": "own",
    "HTTP_AUTHORIZATION": "Bearer abc",
    "HTTP_COOKIE": "a=b",
    "HTTP_HOST": "chat.example",
    "REMOTE_ADDR": "192.0.2.1",
    "REQUEST_METHOD": "GET",
    "QUERY_STRING": "EIO=4",
    "PATH_INFO": "/socket.io/",
    "SCRIPT_NAME": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "5000",
    "wsgi.url_scheme": "https",
}
UNKEPT: dict[str, Any] = {"wsgi.input": object(), "gunicorn.socket": "x", "CONTENT_LENGTH": "0", "HTTP_ODD": b"bytes"}


def environ(**headers: str) -> dict[str, Any]:
    built = EnvironBuilder("/socket.io/", base_url="https://chat.example/").get_environ()
    return built | {f"HTTP_{name.upper()}": value for name, value in headers.items()} | {"REMOTE_USER": "ann"}


def size(kept: dict[str, Any]) -> int:
    return sum(len(name) + len(value) for name, value in kept.items())


def test_an_application_gets_every_header_that_may_say_who_connects() -> None:
    sent = {"authorization": "Bearer key", "cookie": "session=1", "x_api_key": "key", "user_agent": "Mozilla/5.0", "origin": "null"}
    kept = for_application(environ(**sent), any_origin=False)
    assert {name: kept[f"HTTP_{name.upper()}"] for name in sent} == sent
    assert (kept["REMOTE_USER"], kept["PATH_INFO"]) == ("ann", "/socket.io/")
    assert all(isinstance(value, str) for value in kept.values())


def test_an_application_gets_a_long_cookie_and_a_long_key() -> None:
    for header in ({"cookie": COOKIE}, {"x_api_key": COOKIE}, {"authorization": COOKIE}):
        assert COOKIE in for_application(environ(**header), any_origin=False).values()


def test_what_does_not_say_who_connects_is_not_kept() -> None:
    noise = {"accept": "*/*", "accept_encoding": "br", "connection": "Upgrade", "sec_websocket_key": "x", "upgrade": "websocket"}
    kept = for_application(environ(**noise), any_origin=False)
    assert not {f"HTTP_{name.upper()}" for name in noise} & kept.keys()


@pytest.mark.parametrize("any_origin", [False, True])
def test_no_more_is_kept_for_an_application_than_beside_the_longest_token(any_origin: bool) -> None:  # noqa: FBT001
    many = {f"x_{number}": "y" * 500 for number in range(100)}
    kept = for_application(environ(cookie="c" * 9000, authorization="a" * 9000, **many), any_origin=any_origin)
    assert 8000 < size(kept) < MOST_BYTES


@pytest.mark.parametrize("authorization", ["Basic YW5u", "basic YW5u", " Digest a", "Negotiate a", "NTLM a"])
def test_where_any_page_may_connect_what_a_browser_sends_by_itself_is_left_out(authorization: str) -> None:
    sent = environ(cookie="session=1", authorization=authorization, origin="https://evil.example", x_api_key="key")
    kept = for_application(sent, any_origin=True)
    assert not {"HTTP_COOKIE", "REMOTE_USER", "HTTP_AUTHORIZATION"} & kept.keys()
    assert kept["HTTP_X_API_KEY"] == "key"


def test_where_any_page_may_connect_what_its_script_or_a_program_sends_is_kept() -> None:
    for sent in ({"authorization": "Bearer key", "origin": "https://a.example"}, {"authorization": "Basic YW5u"}):
        kept = for_application(environ(**sent), any_origin=True)
        assert kept["HTTP_AUTHORIZATION"] == sent["authorization"]


def test_for_tokens_an_overlong_header_leaves_a_mark_that_is_no_token() -> None:
    assert for_authentication(environ(authorization="a" * 9000))["HTTP_AUTHORIZATION"] == ","


def size_of(kept: dict[str, Any]) -> int:
    return sum(OVERHEAD + len(name) + len(value) for name, value in kept.items() if name != "HTTP_AUTHORIZATION")


def test_everything_that_a_loader_may_look_at_is_kept_where_it_fits() -> None:
    assert for_authentication({**ENVIRON, **UNKEPT}) == ENVIRON


def test_where_there_is_no_token_none_is_kept() -> None:
    for environ in ({}, {"HTTP_AUTHORIZATION": ""}):
        assert for_authentication(environ).get("HTTP_AUTHORIZATION", "") == ""


def test_a_token_may_have_8192_characters_beside_its_scheme() -> None:
    assert MAX_TOKEN_HEADER == 8192 + 7
    longest = "Bearer " + "x" * 8192
    assert for_authentication({"HTTP_AUTHORIZATION": longest}) == {"HTTP_AUTHORIZATION": longest}
    assert for_authentication({"HTTP_AUTHORIZATION": longest + "x"}) == {"HTTP_AUTHORIZATION": ","}


@pytest.mark.parametrize(
    ("token", "room"), [("", MAX_HEADERS), ("x" * 1000, MAX_HEADERS - 1000), ("x" * 4000, 2048), ("x" * 8000, 2048)]
)
def test_what_a_client_sent_beside_its_token_has_a_bound(token: str, room: int) -> None:
    fitting = room - OVERHEAD - len("HTTP_COOKIE")
    for size, is_kept in ((fitting, True), (fitting + 1, False)):
        kept = for_authentication({"HTTP_AUTHORIZATION": token, "HTTP_COOKIE": "x" * size})
        assert ("HTTP_COOKIE" in kept) == is_kept
    many = {f"HTTP_X_{number}": "x" * 100 for number in range(100)}
    kept = for_authentication({**({"HTTP_AUTHORIZATION": token} if token else {}), **many})
    assert room - 300 < size_of(kept) <= room


def test_what_matters_more_is_kept_first_and_what_still_fits_is_kept_behind_it() -> None:
    large = {"HTTP_X_FIRST": "x" * 3000, "HTTP_COOKIE": "x" * 2000, "HTTP_X_LAST": "x"}
    kept = for_authentication({**large, "HTTP_HOST": "chat.example", "REMOTE_ADDR": "192.0.2.1"})
    assert list(kept) == ["HTTP_HOST", "REMOTE_ADDR", "HTTP_COOKIE", "HTTP_X_LAST"]


def test_once_the_client_is_admitted_less_is_left() -> None:
    left = essentials_of(ENVIRON).environ
    assert left == {name: value for name, value in ENVIRON.items() if name not in {"HTTP_X_OWN", "HTTP_COOKIE", "QUERY_STRING"}}


def test_what_was_never_there_is_not_left_either() -> None:
    assert essentials_of({"HTTP_HOST": "chat.example", "REMOTE_ADDR": None}).environ == {"HTTP_HOST": "chat.example"}


def test_handlers_of_flask_socketio_have_a_request() -> None:
    sent = environ(cookie="theme=dark", authorization="Bearer abc", user_agent="Mozilla/5.0", x_tenant="blue", connection="close")
    sent |= {"QUERY_STRING": "EIO=4&from=here", "wsgi.input": object(), "gunicorn.socket": object()}
    request = Request(for_handlers(sent))
    assert (request.cookies["theme"], request.headers["X-Tenant"], request.args["from"]) == ("dark", "blue", "here")
    assert (request.headers["Authorization"], request.user_agent.string) == ("Bearer abc", "Mozilla/5.0")
    assert (request.url_root, request.remote_user, request.data) == ("https://chat.example/", "ann", b"")


def test_a_request_of_theirs_has_few_bytes_and_holds_on_to_no_connection() -> None:
    many = {f"x_{number}": "x" * 300 for number in range(90)}
    kept = for_handlers({**environ(cookie="session=1", **many), "gunicorn.socket": object()})
    texts = {name: value for name, value in kept.items() if isinstance(value, str)}
    assert MAX_FOR_HANDLERS - 1000 < size(texts) + OVERHEAD * len(texts) <= MAX_FOR_HANDLERS
    assert kept["HTTP_COOKIE"] == "session=1"
    assert "gunicorn.socket" not in kept
