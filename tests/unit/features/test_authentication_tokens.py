"""Tokens as clients send them: what cannot be one is refused before anything else looks at it."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from werkzeug.test import EnvironBuilder

from flask_realtime.errors import ConfigError, ConnectionRefused
from flask_realtime.features.authentication.verification import authenticate, find_token
from flask_realtime.gateway.connection import find_device

KEY = "0123456789abcdef" * 2
LONGEST = 8192
Send = Callable[[str], tuple[Any, dict[str, Any]]]

SPOILT: dict[str, Callable[[str], str]] = {
    "a blank before": lambda token: f" {token}",
    "a blank after": lambda token: f"{token} ",
    "a blank inside": lambda token: token.replace(".", " .", 1),
    "a comma before": lambda token: f",{token}",
    "a comma after": lambda token: f"{token},",
    "another after a comma": lambda token: f"{token},{token}",
    "another after a blank": lambda token: f"{token} {token}",
    "a line end after": lambda token: f"{token}\n",
    "a header after": lambda token: f"{token}\r\nX-User: admin",
    "a tab after": lambda token: f"{token}\t",
    "a NUL after": lambda token: f"{token}\0",
    "a letter of another alphabet": lambda token: f"{token}\u0430",
}
AT_THE_ENDS = {"a blank before", "a blank after", "a line end after", "a tab after"}
"""What a header's value is stripped of: white space there is none of the token."""


def in_auth(token: str) -> tuple[Any, dict[str, Any]]:
    return {"token": token}, EnvironBuilder("/socket.io/").get_environ()


def in_header(token: str) -> tuple[Any, dict[str, Any]]:
    return None, EnvironBuilder("/socket.io/").get_environ() | {"HTTP_AUTHORIZATION": f"Bearer {token}"}


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = KEY
    JWTManager(app)
    return app


def valid_token(app: Flask, size: int = 0) -> str:
    """A token that is accepted, of exactly that size where one is given."""
    with app.app_context():
        base = len(create_access_token("ann", additional_claims={"pad": ""}))
        about = (size - base) * 3 // 4  # base64 makes four characters of three.
        for pad in range(max(0, about - 40), about + 1):
            for kid in range(4):  # Neither part alone can have every size.
                token: str = create_access_token("ann", additional_claims={"pad": "x" * pad}, additional_headers={"kid": "k" * kid})
                if len(token) == size:
                    return token
        return str(create_access_token("ann"))


def refusal(app: Flask, auth: Any, environ: dict[str, Any]) -> str:
    with pytest.raises(ConnectionRefused) as refused:
        authenticate(app, auth, environ)
    return refused.value.code


@pytest.mark.parametrize("send", [in_auth, in_header])
@pytest.mark.parametrize("spoil", SPOILT)
def test_a_valid_token_with_something_about_it_is_refused_as_malformed(app: Flask, send: Send, spoil: str) -> None:
    token = valid_token(app)
    assert authenticate(app, *send(token)).identity.user_id == "ann"
    if send is in_header and spoil in AT_THE_ENDS:
        assert authenticate(app, *send(SPOILT[spoil](token))).identity.user_id == "ann"
    else:
        assert refusal(app, *send(SPOILT[spoil](token))) == "token_malformed"


@pytest.mark.parametrize("send", [in_auth, in_header])
def test_a_valid_token_of_8192_characters_is_accepted_and_one_of_8193_refused(app: Flask, send: Send) -> None:
    longest, too_long = valid_token(app, LONGEST), valid_token(app, LONGEST + 1)
    assert (len(longest), len(too_long)) == (8192, 8193)
    assert authenticate(app, *send(longest)).identity.user_id == "ann"
    assert refusal(app, *send(too_long)) == "token_malformed"


@pytest.mark.parametrize(
    ("code", "claims", "key"),
    [
        ("token_expired", {"exp": 1}, KEY),
        ("token_not_yet_valid", {"nbf": 2**32}, KEY),
        ("token_invalid", {}, "another" * 8),
        ("token_invalid", {"iss": "elsewhere"}, KEY),
        ("token_not_access", {"type": "refresh"}, KEY),
        ("token_revoked", {"jti": "revoked"}, KEY),
        ("user_unknown", {"sub": "stranger"}, KEY),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_token(app: Flask, code: str, claims: dict[str, Any], key: str) -> None:
    manager: JWTManager = app.extensions["flask-jwt-extended"]
    app.config["JWT_DECODE_ISSUER"] = "here"
    manager.token_in_blocklist_loader(lambda _header, payload: payload["jti"] == "revoked")
    manager.user_lookup_loader(lambda _header, payload: None if payload["sub"] == "stranger" else payload["sub"])
    accepted = {"sub": "ann", "type": "access", "jti": "1", "exp": 2**32, "iss": "here", "fresh": False}
    assert authenticate(app, *in_auth(jwt.encode(accepted, KEY))).identity.user_id == "ann"
    assert refusal(app, *in_auth(jwt.encode({**accepted, **claims}, key))) == code


@pytest.mark.parametrize(
    "auth", ["a token", 7, ["token"], {"token": 7}, {"token": ["a"]}, {"token": "Bearer a.b.c"}, {"token": "bearer a"}]
)
def test_what_is_no_token_is_malformed(auth: Any) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        find_token(auth, {"HTTP_AUTHORIZATION": "Bearer a.b.c"})
    assert refused.value.code == "token_malformed"


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", "BEARER "])
def test_who_sends_the_header_as_the_token_is_told_what_to_leave_out(prefix: str) -> None:
    with pytest.raises(ConnectionRefused, match="leave out the 'Bearer '"):
        find_token({"token": f"{prefix}a.b.c"}, {})


def test_an_application_without_a_jwt_manager_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"Did you forget JWTManager\(app\)"):
        authenticate(Flask(__name__), *in_auth("a.b.c"))


@pytest.mark.parametrize("auth", [None, {}, {"token": None}, {"token": ""}])
def test_without_a_token_in_auth_the_header_counts(auth: Any) -> None:
    for header in ("Bearer a.b.c", "bearer   a.b.c ", "a.b.c"):
        assert find_token(auth, {"HTTP_AUTHORIZATION": header}) == "a.b.c"
    for environ in ({}, {"HTTP_AUTHORIZATION": ""}, {"HTTP_AUTHORIZATION": "   "}):
        with pytest.raises(ConnectionRefused) as refused:
            find_token(auth, environ)
        assert refused.value.code == "token_missing"


def test_the_token_in_auth_comes_before_the_headers() -> None:
    assert find_token({"token": "a.b.c"}, {"HTTP_AUTHORIZATION": "Bearer d.e.f"}) == "a.b.c"


@pytest.mark.parametrize(
    ("auth", "device"),
    [
        ({"device": "phone"}, "phone"),
        ({"device": "x" * 64}, "x" * 64),
        ({"device": "x" * 65}, "x" * 64),
        ({"device": "a\nb"}, ""),
        ({"device": 7}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_device_is_a_short_text(auth: Any, device: str) -> None:
    assert find_device(auth) == device
