"""A token is verified with Flask-JWT-Extended's own parts, and the outcome is what asking for all of it comes to."""

import datetime as dt
import hmac
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask_jwt_extended
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException, RevokedTokenError
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_encode
from werkzeug.test import EnvironBuilder

from flask_realtime.features.authentication import decoding, plain_tokens, quick_tokens
from flask_realtime.features.authentication import verification as auth
from flask_realtime.features.authentication.tokens import verify_in_request

KEY = "0123456789abcdef" * 4
OTHER_KEY = KEY[::-1]
LATER, EARLIER = dt.timedelta(hours=1), dt.timedelta(hours=-1)
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)

Configure = Callable[[Flask, JWTManager], None]
MakeToken = Callable[[], str]


def environ() -> dict[str, Any]:
    return EnvironBuilder("/socket.io/", query_string="EIO=4&transport=websocket", headers=[("X-Tenant", "ours")]).get_environ()


def plain() -> tuple[Flask, JWTManager]:
    """An application without anything of its own."""
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = KEY
    return app, JWTManager(app)


# Applications -----------------------------------------------------------------------------------------


def setting(**config: Any) -> Configure:
    return lambda app, _manager: app.config.update(config)


def asymmetric(app: Flask, _manager: JWTManager) -> None:
    private = PRIVATE_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = PRIVATE_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    app.config.update(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY=private, JWT_PUBLIC_KEY=public.decode())


def blocklist(_app: Flask, manager: JWTManager) -> None:
    manager.token_in_blocklist_loader(lambda _header, claims: bool(claims.get("revoked")))


def verification(_app: Flask, manager: JWTManager) -> None:
    manager.token_verification_loader(lambda header, claims: header["alg"] == "HS256" and not claims.get("revoked"))


def user_lookup(_app: Flask, manager: JWTManager) -> None:
    manager.user_lookup_loader(lambda _header, claims: None if claims["sub"] == "unknown" else {"name": claims["sub"]})


def broken_lookup(_app: Flask, manager: JWTManager) -> None:
    manager.user_lookup_loader(lambda _header, claims: claims["there is no such claim"])


def key_of_the_tenant(_app: Flask, manager: JWTManager) -> None:
    manager.decode_key_loader(lambda header, claims: OTHER_KEY if header.get("kid") or claims.get("tenant") else KEY)


def loaders_that_look_at_the_request(_app: Flask, manager: JWTManager) -> None:
    manager.decode_key_loader(lambda _header, _claims: KEY if flask.request.headers["X-Tenant"] == "ours" else OTHER_KEY)
    manager.token_in_blocklist_loader(lambda _header, _claims: flask.request.method != "GET")
    manager.user_lookup_loader(lambda _header, _claims: flask.request.headers["Authorization"].partition(" ")[2])


CONFIGURATIONS: dict[str, Configure] = {
    "none": setting(),
    "another algorithm": setting(JWT_ALGORITHM="HS512"),
    "two algorithms": setting(JWT_DECODE_ALGORITHMS=["HS256", "HS512"]),
    "a secret of bytes": setting(JWT_SECRET_KEY=KEY.encode()),
    "an asymmetric algorithm": asymmetric,
    "an issuer": setting(JWT_DECODE_ISSUER="us"),
    "an audience": setting(JWT_DECODE_AUDIENCE="here"),
    "leeway": setting(JWT_DECODE_LEEWAY=7200),
    "another identity claim": setting(JWT_IDENTITY_CLAIM="user"),
    "subjects of any type": setting(JWT_VERIFY_SUB=False),
    "another header": setting(JWT_HEADER_NAME="X-Access-Token", JWT_HEADER_TYPE=""),
    "a blocklist": blocklist,
    "a verification": verification,
    "a user lookup": user_lookup,
    "a user lookup that fails": broken_lookup,
    "keys of tenants": key_of_the_tenant,
    "loaders that look at the request": loaders_that_look_at_the_request,
}


@pytest.fixture(params=CONFIGURATIONS)
def app(request: pytest.FixtureRequest) -> Flask:
    app, manager = plain()
    CONFIGURATIONS[request.param](app, manager)
    return app


# Tokens -----------------------------------------------------------------------------------------------


def access(subject: str = "ann", **claims: Any) -> MakeToken:
    return lambda: str(create_access_token(subject, additional_claims=claims))


def forged(key: str | None = KEY, algorithm: str = "HS256", without: str = "", **claims: Any) -> MakeToken:
    """A token made without Flask-JWT-Extended."""

    def make() -> str:
        times = {"iat": dt.datetime.now(dt.timezone.utc), "exp": dt.datetime.now(dt.timezone.utc) + LATER}
        given = {"sub": "ann", "jti": "1", "type": "access", "fresh": False, **times, **claims}
        given.pop(without, None)
        return jwt.encode(given, key or "", algorithm=algorithm, headers={"kid": "second"} if claims.get("tenant") else None)

    return make


def written(payload: str, header: str = '{"alg":"HS256","typ":"JWT"}', key: str = KEY) -> MakeToken:
    """A token of some text, correctly signed, which the libraries' own functions would not write like this."""

    def make() -> str:
        signed = b".".join([base64url_encode(header.encode()), base64url_encode(payload.encode("utf-8", "surrogatepass"))])
        return b".".join([signed, base64url_encode(hmac.digest(key.encode(), signed, "sha256"))]).decode()

    return make


def respelled(part: int, change: Callable[[str], str]) -> MakeToken:
    """A correctly signed token with a part that is spelled in an unusual way."""

    def make() -> str:
        parts = access()().split(".")[:2]
        parts[part] = change(parts[part])
        signed = ".".join(parts).encode()
        return f"{signed.decode()}.{base64url_encode(hmac.digest(KEY.encode(), signed, 'sha256')).decode()}"

    return make


TOKENS: dict[str, MakeToken] = {
    "access": access(),
    "fresh": lambda: str(create_access_token("ann", fresh=True)),
    "refresh": lambda: str(create_refresh_token("ann")),
    "expired": lambda: str(create_access_token("ann", expires_delta=EARLIER)),
    "not yet valid": lambda: str(create_access_token("ann", additional_claims={"nbf": dt.datetime.now(dt.timezone.utc) + LATER})),
    "revoked": access(revoked=True),
    "unknown user": access("unknown"),
    "issuer": access(iss="us"),
    "another issuer": access(iss="them"),
    "audience": access(aud="here"),
    "several audiences": access(aud=["there", "here"]),
    "another audience": access(aud="there"),
    "another identity claim": access(user="ben"),
    "without the defaults": forged(without="type"),
    "without jti": forged(without="jti"),
    "without expiry": forged(without="exp"),
    "without subject": forged(without="sub"),
    "subject of another type": forged(sub=7),
    "another type": forged(type="other"),
    "another key": forged(key=OTHER_KEY),
    "another tenant": forged(key=OTHER_KEY, tenant=1),
    "another algorithm": forged(algorithm="HS512"),
    "unsigned": forged(key=None, algorithm="none"),
    "cut short": lambda: access()()[:-4],
    "changed": lambda: access()()[:-1] + "AB",
    "padded": lambda: access()() + "=",
    "no payload": lambda: ".".join([access()().split(".")[0], "", "AAAA"]),
    "a list": lambda: jwt.PyJWS().encode(b"[1]", KEY, algorithm="HS256"),
    "no JSON": lambda: jwt.PyJWS().encode(b"{", KEY, algorithm="HS256"),
    "roles": access(roles=["admin", {"of": 1.5}]),
    "issued later": forged(iat=dt.datetime.now(dt.timezone.utc) + LATER),
    "times as text": forged(exp="99999999999"),
    "times with a fraction": forged(exp=99_999_999_999.5),
    "no time": forged(exp="soon"),
    "truth as a time": forged(nbf=True),
    "id of another type": written('{"sub":"ann","jti":7}'),
    "a large number": written('{"sub":"ann","jti":"1","large":123456789012345678901234567890}'),
    "a claim twice": written('{"sub":"ann","sub":"ben","jti":"1"}'),
    "half a character": written('{"sub":"ann","jti":"1","name":"\\ud800"}'),
    "bytes that are no text": written('{"sub":"ann","jti":"1","name":"\ud800"}'),
    "a number that JSON does not have": written('{"sub":"ann","jti":"1","n":NaN}'),
    "white space": written(' {"sub": "ann", "jti": "1"}'),
    "UTF-16": written('{\0"\0s\0u\0b\0"\0:\0"\0a\0n\0n\0"\0}\0'),
    "too many levels": written('{"sub":"ann","jti":"1","deep":' + "[" * 9000 + "]" * 9000 + "}"),
    "another order in the header": written('{"sub":"ann","jti":"1"}', '{"typ":"JWT","alg":"HS256"}'),
    "white space in the header": written('{"sub":"ann","jti":"1"}', '{"alg": "HS256", "typ": "JWT"}'),
    "more in the header": written('{"sub":"ann","jti":"1"}', '{"alg":"HS256","typ":"JWT","crit":["b64"],"b64":false}'),
    "an empty list of what is critical": written('{"sub":"ann","jti":"1"}', '{"alg":"HS256","typ":"JWT","crit":[]}'),
    "a long header": written('{"sub":"ann","jti":"1"}', '{"alg":"HS256","typ":"JWT"' + " " * 99 + "}"),
    "another type in the header": written('{"sub":"ann","jti":"1"}', '{"alg":"HS256","typ":"at+jwt"}'),
    "a header that is no object": written('{"sub":"ann","jti":"1"}', '["HS256"]'),
    "a header that is no JSON": written('{"sub":"ann","jti":"1"}', "HS256"),
    "a part too many": lambda: access()() + ".AAAA",
    "a padded payload": respelled(1, lambda part: part + "=" * (-len(part) % 4)),
    "a payload with something in it": respelled(1, lambda part: part[:4] + "!" + part[4:]),
    "a payload with two ends": respelled(1, lambda part: part + "." + part),
    "a payload in the other alphabet": written('{"sub":"ann","jti":"1","name":"\u00ff\u00fe>>>???"}'),
    "garbage": lambda: "garbage",
    "dots": lambda: "...",
    "empty parts": lambda: "..",
}


def outcome(verify: Callable[..., Any], app: Flask, token: str) -> tuple[Any, ...]:
    """What a way to verify a token comes to: what the token says, or the kind of error."""
    try:
        claims, user = verify(app, token, environ())
    except (PyJWTError, JWTExtendedException, KeyError) as error:
        return (type(error),)
    return claims, user


@pytest.mark.parametrize("kind", TOKENS)
def test_the_outcome_is_the_same_either_way(app: Flask, kind: str) -> None:
    with app.app_context():
        token = TOKENS[kind]()
    assert outcome(quick_tokens.verify, app, token) == outcome(verify_in_request, app, token)


def test_some_tokens_are_accepted_and_some_are_not() -> None:
    """What is compared above is not always the same error."""
    app, _ = plain()
    with app.app_context():
        accepted = {kind for kind, make in TOKENS.items() if len(outcome(quick_tokens.verify, app, make())) == 2}
    assert accepted >= {"access", "fresh", "issuer", "another type", "without the defaults", "without jti", "without expiry"}
    assert not accepted & {"refresh", "expired", "not yet valid", "another key", "another algorithm", "unsigned", "changed"}


ORDINARY = '{"fresh":false,"iat":1,"jti":"1","type":"access","sub":"ann","nbf":1,"csrf":"x","exp":99999999999}'


def test_an_ordinary_token_is_verified_without_pyjwt(monkeypatch: pytest.MonkeyPatch) -> None:
    app, _ = plain()
    monkeypatch.delattr(quick_tokens, "decode")
    assert outcome(quick_tokens.verify, app, written(ORDINARY)()) == ({**json.loads(ORDINARY)}, None)


@pytest.mark.parametrize(
    ("version", "is_known"), [("2.7.0", False), ("2.8.0", True), ("2.15.1", True), ("2.16.0", False), ("3.0.0", False)]
)
def test_another_version_of_pyjwt_decides_itself(monkeypatch: pytest.MonkeyPatch, version: str, *, is_known: bool) -> None:
    monkeypatch.setattr(jwt, "__version__", version)
    try:
        fresh = importlib.reload(plain_tokens)
        assert (fresh.plain_claims(written(ORDINARY)(), KEY, "HS256", 0) is not None) is is_known
    finally:
        monkeypatch.undo()
        importlib.reload(plain_tokens)


def test_a_short_secret_is_left_to_pyjwt_and_its_warning() -> None:
    secrets = {length: "s" * length for length in (31, 32)}
    found = {length: plain_tokens.plain_claims(written(ORDINARY, key=key)(), key, "HS256", 0) for length, key in secrets.items()}
    assert found == {31: None, 32: json.loads(ORDINARY)}


@pytest.mark.parametrize(
    ("claim", "seconds", "is_valid"),
    [("exp", -9, True), ("exp", -11, False), ("nbf", 9, True), ("nbf", 11, False), ("iat", 9, True), ("iat", 11, False)],
)
def test_clocks_may_differ_by_the_leeway(claim: str, seconds: int, *, is_valid: bool) -> None:
    app, _ = plain()
    app.config["JWT_DECODE_LEEWAY"] = 10
    token = written(json.dumps({"sub": "ann", "jti": "1", claim: int(time.time()) + seconds}))()
    found = outcome(quick_tokens.verify, app, token)
    assert (len(found) == 2) is is_valid
    assert found == outcome(verify_in_request, app, token)
    assert (plain_tokens.plain_claims(token, KEY, "HS256", 10) is not None) is is_valid


def test_loaders_get_the_same_either_way() -> None:
    app, manager = plain()
    calls = []

    def noting(name: str, answer: Any) -> Callable[..., Any]:
        def loader(header: dict[str, Any], claims: dict[str, Any]) -> Any:
            calls.append((name, dict(header), dict(claims), flask.request.path, flask.request.headers["Authorization"]))
            return answer

        return loader

    manager.decode_key_loader(noting("key", KEY))
    manager.token_in_blocklist_loader(noting("blocklist", answer=False))
    manager.token_verification_loader(noting("verification", answer=True))
    manager.user_lookup_loader(noting("user", "somebody"))
    with app.app_context():
        token = create_access_token("ann", additional_headers={"kid": "first"})
    assert quick_tokens.verify(app, token, environ()).user == "somebody"
    quick, calls[:] = calls.copy(), []
    assert verify_in_request(app, token, environ()).user == "somebody"
    assert quick == calls
    assert [call[0] for call in calls] == ["key", "blocklist", "verification", "user"]


def test_nothing_is_remembered_of_a_token() -> None:
    app, manager = plain()
    revoked: set[str] = set()
    manager.token_in_blocklist_loader(lambda _header, claims: claims["jti"] in revoked)
    with app.app_context():
        token = str(create_access_token("ann"))
    claims = quick_tokens.verify(app, token, environ()).claims
    revoked.add(claims["jti"])
    assert outcome(quick_tokens.verify, app, token) == (RevokedTokenError,)
    app.config["JWT_SECRET_KEY"] = OTHER_KEY
    assert outcome(quick_tokens.verify, app, token) == (jwt.InvalidSignatureError,)


def test_a_public_key_is_no_secret_however_often_it_is_tried() -> None:
    app, _ = plain()
    with app.app_context():
        token = str(create_access_token("ann"))
    app.config["JWT_SECRET_KEY"] = PRIVATE_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    outcomes = [outcome(quick_tokens.verify, app, token), outcome(quick_tokens.verify, app, token)]
    assert outcomes == [(jwt.InvalidKeyError,)] * 2 == [outcome(verify_in_request, app, token)] * 2


def test_a_manager_of_the_applications_own_is_asked_itself() -> None:
    class Manager(JWTManager):
        def _decode_jwt_from_config(self, *_args: Any, **_options: Any) -> dict[str, Any]:
            raise jwt.InvalidTokenError("not on a Sunday")

    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = KEY
    Manager(app)
    with app.app_context():
        token = create_access_token("ann")
    assert outcome(quick_tokens.verify, app, token) == (jwt.InvalidTokenError,)


# Other versions of Flask-JWT-Extended -----------------------------------------------------------------


@pytest.fixture
def reimport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Imports what verifies tokens as if for the first time, and returns the module that chooses how."""
    for module in (quick_tokens, auth):
        monkeypatch.delitem(sys.modules, module.__name__)
    package = sys.modules["flask_realtime.features.authentication"]
    originals: dict[str, Any] = {"quick_tokens": quick_tokens, "verification": auth}
    yield lambda: importlib.import_module("flask_realtime.features.authentication.verification")
    for name, module in originals.items():
        setattr(package, name, module)


def test_the_parts_are_used_where_they_are_known(reimport: Callable[[], Any]) -> None:
    assert reimport().verify.__module__ == quick_tokens.__name__


def another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_jwt_extended, "__version__", "5.0.0")


def another_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_jwt_extended.tokens, "_decode_jwt", lambda encoded_token, secret: (encoded_token, secret))


def a_missing_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(flask_jwt_extended.view_decorators, "_load_user")


def another_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flask_jwt_extended.default_callbacks, "default_blocklist_callback", lambda _header, _claims: True)


def another_kind_of_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt, "PyJWK", jwt.PyJWKSet)
    decoding._key.cache_clear()


@pytest.mark.parametrize("change", [another_version, another_function, a_missing_function, another_default, another_kind_of_key])
def test_what_is_not_known_is_asked_through_its_public_interface(
    reimport: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    change(monkeypatch)
    fresh = reimport()
    assert fresh.verify is verify_in_request
    app, _ = plain()
    monkeypatch.undo()
    with app.app_context():
        token = create_access_token("ann")
        assert fresh.authenticate(app, {"token": token}, environ()).identity.claims == decode_token(token)
