"""What is kept of a handshake: what tells who connects, and no more than a bounded part of what a client sent."""

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from flask_realtime.gateway.admission.handshake import for_application, for_authentication

MOST_BYTES = 8192 + len("Bearer ") + 2048
COOKIE = f"session={'x' * 6000}"


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
