"""What is kept of a handshake's environment: for authentication, within bounds, and less once the client is admitted."""

from typing import Any

import pytest

from flask_realtime.gateway.admission.handshake import MAX_HEADERS, MAX_TOKEN_HEADER, essentials_of, for_authentication

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
