"""What becomes of a connection whose token expires, is replaced, or is revoked."""

import datetime as dt
from typing import Any

import jwt
import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, Refused
from tests.e2e.conftest import ClientFactory, NewId, Servers, ServerWith

WARNING = 1.0
GRACE = 0.5
FIRST_SECONDS = 3
"""The time for which a test's first token is valid; a token's expiry is a whole second, so it may be one less."""
INTERVAL = 0.2
SERVER_SAYS_GOODBYE = {"io server disconnect", "server disconnect"}

REFUSED_KINDS = {
    "refresh": "token_not_access",
    "revoked": "token_revoked",
    "expired": "token_expired",
    "not_yet_valid": "token_not_yet_valid",
    "other_key": "token_invalid",
}


@pytest.fixture
def brief(server_with: ServerWith) -> Api:
    """A server that warns shortly before a token expires, and does not wait long afterwards."""
    return server_with(REALTIME_EXPIRY_WARNING=WARNING, REALTIME_EXPIRY_GRACE=GRACE, REALTIME_REVOCATION_INTERVAL=None)


@pytest.fixture
def asking(server_with: ServerWith) -> Api:
    """A server that asks the blocklist again and again."""
    return server_with(REALTIME_REVOCATION_INTERVAL=INTERVAL)


def claims(token: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return decoded


def expiry_of(token: str) -> str:
    """When a token expires, as JavaScript's ``toISOString`` has it."""
    moment = dt.datetime.fromtimestamp(claims(token)["exp"], dt.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def code_of(answer: Any) -> Any:
    assert answer.keys() == {"error"}
    return answer["error"]["code"]


def wait_for_end(client: Client) -> None:
    """Wait until the server has ended the connection of its own accord."""
    assert client.wait_for_disconnect() in SERVER_SAYS_GOODBYE


# Expiry -----------------------------------------------------------------------------------------------


def test_a_client_is_warned_and_then_told_and_then_disconnected(connect: ClientFactory, brief: Api, new_id: NewId) -> None:
    user = new_id("ann")
    token = brief.token(user, seconds=FIRST_SECONDS)
    client = connect(api=brief, token=token)
    assert client.wait_for("auth:expiring").data == {"expiresAt": expiry_of(token)}
    assert client.connected
    assert client.wait_for("auth:expired").data == {"expiresAt": expiry_of(token)}
    assert dt.datetime.now(dt.timezone.utc).timestamp() >= claims(token)["exp"] + GRACE
    wait_for_end(client)
    assert brief.wait_for_hook("disconnect", user) == [[user, "token expired"]]
    assert brief.emit("is_user_online", user) is False
    assert client.received("auth:expiring") == []


def test_a_token_that_lives_shorter_than_the_warning_is_warned_of_at_once(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    token = api.token(new_id("ann"), seconds=30)
    client = connect(token=token)
    assert client.wait_for("auth:expiring").data == {"expiresAt": expiry_of(token)}
    client.settle()
    assert client.connected


def test_a_new_token_of_a_short_life_is_not_warned_of_before_half_of_it_is_over(
    connect_js: ClientFactory, api: Api, new_id: NewId
) -> None:
    user = new_id("ann")
    client = connect_js(token=api.token(user, seconds=30))
    client.wait_for("auth:expiring")
    second = api.token(user, seconds=4)
    assert client.call("auth:refresh", second) == {"expiresAt": expiry_of(second)}
    client.settle()
    client.assert_none("auth:expiring")
    assert client.wait_for("auth:expiring").data == {"expiresAt": expiry_of(second)}


def test_a_token_that_lives_longer_is_not_warned_of_yet(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    client.assert_none("auth:expiring")


def test_a_warning_is_in_time_while_the_next_one_is_far_away(connect_js: ClientFactory, brief: Api, new_id: NewId) -> None:
    late = connect_js(new_id("ann"), api=brief)
    soon = connect_js(api=brief, token=brief.token(new_id("ben"), seconds=FIRST_SECONDS))
    soon.wait_for("auth:expired")
    late.assert_none("auth:expiring")
    assert late.connected


def test_a_token_that_never_expires_is_not_warned_of(connect_js: ClientFactory, brief: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_js(api=brief, token=brief.token(user, "lasting"))
    other = connect_js(api=brief, token=brief.token(new_id("ben"), seconds=FIRST_SECONDS))
    wait_for_end(other)
    client.assert_none("auth:expiring")
    assert client.call("auth:refresh", brief.token(user, "lasting")) == {"expiresAt": None}


def test_connections_may_outlive_their_tokens_where_configured(
    connect_js: ClientFactory, brief: Api, server_with: ServerWith, new_id: NewId
) -> None:
    lenient = server_with(REALTIME_EXPIRY_WARNING=WARNING, REALTIME_EXPIRY_GRACE=None, REALTIME_REVOCATION_INTERVAL=None)
    user = new_id("ann")
    token = lenient.token(user, seconds=FIRST_SECONDS)
    client = connect_js(api=lenient, token=token)
    wait_for_end(connect_js(api=brief, token=brief.token(new_id("ben"), seconds=FIRST_SECONDS + 1)))
    client.assert_none("auth:expiring")
    client.assert_none("auth:expired")
    assert code_of(client.call("auth:refresh", token)) == "token_expired"
    assert client.call("auth:refresh", lenient.token(user, "lasting")) == {"expiresAt": None}


def test_the_leeway_for_clocks_is_added(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(JWT_DECODE_LEEWAY=600)
    token = api.token(new_id("ann"), seconds=30)
    client = connect_js(api=api, token=token)
    client.assert_none("auth:expiring")
    later = dt.datetime.fromtimestamp(claims(token)["exp"] + 600, dt.timezone.utc)
    answer = client.call("auth:refresh", token)
    assert dt.datetime.fromisoformat(answer["expiresAt"].replace("Z", "+00:00")) == later


# Refresh ----------------------------------------------------------------------------------------------


def test_a_refreshed_connection_outlives_its_first_token(connect: ClientFactory, brief: Api, new_id: NewId) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    first, second = brief.token(user, seconds=FIRST_SECONDS), brief.token(user)
    kept, left = connect(api=brief, token=first), connect(api=brief, token=first)
    assert kept.call("join:conversation", conversation) == {"ok": True}
    kept.wait_for("auth:expiring")
    assert kept.call("auth:refresh", second) == {"expiresAt": expiry_of(second)}
    wait_for_end(left)
    kept.assert_none("auth:expired")
    kept.assert_none("auth:expiring")
    brief.emit("emit_new_message", conversation, {"content": "still here"})
    assert kept.wait_for("message:new").data == {"content": "still here"}
    assert kept.connected
    assert len(brief.hooks("connect", user)) == 2


def test_a_refreshed_connection_ends_with_its_second_token(connect: ClientFactory, brief: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user, api=brief)
    token = brief.token(user, seconds=FIRST_SECONDS)
    assert client.call("auth:refresh", token) == {"expiresAt": expiry_of(token)}
    assert client.wait_for("auth:expiring").data == {"expiresAt": expiry_of(token)}
    assert client.wait_for("auth:expired").data == {"expiresAt": expiry_of(token)}
    wait_for_end(client)
    assert brief.wait_for_hook("disconnect", user) == [[user, "token expired"]]


def test_a_refresh_is_still_taken_in_the_time_of_grace(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_EXPIRY_WARNING=0, REALTIME_EXPIRY_GRACE=60)
    user = new_id("ann")
    client = connect_js(api=api, token=api.token(user, seconds=FIRST_SECONDS))
    client.wait_for("auth:expiring")
    token = api.token(user)
    assert client.call("auth:refresh", token) == {"expiresAt": expiry_of(token)}
    client.settle()
    assert client.connected


@pytest.mark.parametrize(("kind", "code"), REFUSED_KINDS.items())
def test_a_refused_refresh_leaves_the_connection_as_it_was(
    connect: ClientFactory, api: Api, new_id: NewId, kind: str, code: str
) -> None:
    user = new_id("ann")
    first = api.token(user)
    client = connect(token=first)
    assert code_of(client.call("auth:refresh", api.token(user, kind))) == code
    assert_as_it_was(client, api, user, first)


def test_another_users_token_is_refused(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user, other = new_id("ann"), new_id("ben")
    first, foreign = api.token(user), api.token(other)
    client = connect(token=first)
    assert code_of(client.call("auth:refresh", foreign)) == "forbidden"
    assert api.emit("is_user_online", other) is False
    assert api.emit("disconnect_token", api.token_id(foreign)) == 0
    assert_as_it_was(client, api, user, first)


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "Bearer x", "\u00e9\u00e9.\u00e9.\u00e9"])
def test_garbage_is_refused(connect: ClientFactory, api: Api, new_id: NewId, token: str) -> None:
    user = new_id("ann")
    first = api.token(user)
    client = connect(token=first)
    assert code_of(client.call("auth:refresh", token)) == "token_malformed"
    assert_as_it_was(client, api, user, first)


@pytest.mark.parametrize("args", [(), (None,), ("",), (7,), ({"token": "x"},), (["x"],)])
def test_what_is_no_text_is_a_bad_request(connect_js: ClientFactory, api: Api, new_id: NewId, args: tuple[Any, ...]) -> None:
    user = new_id("ann")
    header = {"Authorization": "Bearer " + api.token(user)}
    client = connect_js(extraHeaders=header)
    assert code_of(client.call("auth:refresh", *args)) == "bad_request"
    assert client.connected


def test_a_user_who_is_not_known_any_more_gets_no_further(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    client = connect_js(new_id("ann"))
    assert code_of(client.call("auth:refresh", api.token(new_id("unknown")))) == "user_unknown"
    assert code_of(client.call("auth:refresh", api.token(new_id("lookup-broken")))) == "internal_error"
    assert client.connected


def test_a_refused_refresh_without_a_callback_is_told_too(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    client.emit("auth:refresh", api.token(user, "expired"))
    error = client.wait_for("realtime:error").data
    assert (error["event"], error["error"]["code"]) == ("auth:refresh", "token_expired")


def test_a_refused_refresh_does_not_put_the_end_off(connect_js: ClientFactory, brief: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_js(api=brief, token=brief.token(user, seconds=FIRST_SECONDS))
    client.wait_for("auth:expiring")
    assert code_of(client.call("auth:refresh", brief.token(user, "refresh"))) == "token_not_access"
    client.wait_for("auth:expired")
    wait_for_end(client)


def test_after_a_refresh_the_new_token_is_the_one_that_ends_the_connection(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    first, second = api.token(user), api.token(user)
    client = connect(token=first)
    assert client.call("auth:refresh", second) == {"expiresAt": expiry_of(second)}
    assert api.emit("disconnect_token", api.token_id(first)) == 0
    client.settle()
    assert api.emit("disconnect_token", api.token_id(second)) == 1
    wait_for_end(client)


def test_hooks_and_handlers_get_the_new_identity(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_js(user)
    assert client.call("app:claim", "role") == {"claim": None}
    assert "expiresAt" in client.call("auth:refresh", api.token(user, role="moderator"))
    assert client.call("app:claim", "role") == {"claim": "moderator"}


def assert_as_it_was(client: Client, api: Api, user: str, token: str) -> None:
    """The connection is alive, and still the one of that user and token."""
    client.settle()
    assert client.connected
    assert client.call("user:get-status", user) == {"userId": user, "status": "online"}
    assert client.call("app:claim", "jti") == {"claim": api.token_id(token)}
    assert api.emit("disconnect_token", api.token_id(token)) == 1
    wait_for_end(client)


# Revocation -------------------------------------------------------------------------------------------


def test_a_revoked_token_ends_its_connections_and_no_others(connect: ClientFactory, asking: Api, new_id: NewId) -> None:
    user = new_id("ann")
    token, other = asking.token(user), asking.token(user)
    ended, kept = connect(api=asking, token=token), connect(api=asking, token=other)
    asking.post("/revoke", {"jti": asking.token_id(token)})
    wait_for_end(ended)
    assert asking.wait_for_hook("disconnect", user) == [[user, "token revoked"]]
    kept.settle()
    assert kept.connected


def test_a_new_token_is_the_one_that_is_asked_about(connect: ClientFactory, asking: Api, new_id: NewId) -> None:
    user = new_id("ann")
    first, second = asking.token(user), asking.token(user)
    kept, ended = connect(api=asking, token=first), connect(api=asking, token=first)
    assert "expiresAt" in kept.call("auth:refresh", second)
    asking.post("/revoke", {"jti": asking.token_id(first)})
    wait_for_end(ended)
    kept.settle()
    assert kept.connected
    asking.post("/revoke", {"jti": asking.token_id(second)})
    wait_for_end(kept)


def test_a_hook_is_asked_about_many_tokens_at_once_instead(
    connect_js: ClientFactory, server_with: ServerWith, new_id: NewId
) -> None:
    api = server_with(REALTIME_REVOCATION_INTERVAL=INTERVAL, TEST_REVOKED_TOKENS_HOOK=True)
    user = new_id("ann")
    token, other = api.token(user), api.token(user)
    ended, kept = connect_js(api=api, token=token), connect_js(api=api, token=other)
    api.post("/revoke", {"jti": api.token_id(token)})
    wait_for_end(ended)
    kept.settle()
    assert kept.connected
    assert {api.token_id(token), api.token_id(other)} in [set(asked) for (asked,) in api.hooks("revoked_tokens")]


def test_a_blocklist_that_fails_ends_no_connection_and_is_reported(connect_js: ClientFactory, asking: Api, new_id: NewId) -> None:
    user, broken = new_id("ann"), new_id("blocklist-broken")
    token = asking.token(user)
    fine, failing = connect_js(api=asking, token=token), connect_js(broken, api=asking)
    asking.wait_for_hook("error", "RuntimeError", None, None)
    asking.post("/revoke", {"jti": asking.token_id(token)})
    wait_for_end(fine)
    failing.settle()
    assert failing.connected


def test_nobody_is_asked_where_so_configured(connect_js: ClientFactory, brief: Api, asking: Api, new_id: NewId) -> None:
    user = new_id("ann")
    never, soon = brief.token(user), asking.token(user)
    kept, ended = connect_js(api=brief, token=never), connect_js(api=asking, token=soon)
    for api, token in ((brief, never), (asking, soon)):
        api.post("/revoke", {"jti": api.token_id(token)})
    wait_for_end(ended)
    kept.settle()
    assert kept.connected


# Secrecy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["gevent", "stock"])
@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"], ["websocket"]])
def test_no_token_is_in_the_log(
    connect_js: ClientFactory, servers: Servers, new_id: NewId, transports: list[str], engine: str
) -> None:
    api = servers.get({"TEST_LOG_LEVEL": "DEBUG", "REALTIME_ENGINE": engine})
    user = new_id("ann")
    tokens = [api.token(user, kind) for kind in ("access", "access", "expired", "refresh", "revoked", "other_key")]
    first, second, *bad = tokens
    client = connect_js(api=api, token=first, transports=transports)
    assert "expiresAt" in client.call("auth:refresh", second)
    for token in bad[:2]:
        client.emit("auth:refresh", token)
        assert "error" in client.call("auth:refresh", token)
    client.disconnect()
    for token in bad:
        with pytest.raises(Refused):
            connect_js(api=api, token=token, transports=transports)
        with pytest.raises(Refused):
            connect_js(api=api, transports=transports, extraHeaders={"Authorization": f"Bearer {token}"})
    api.wait_for_hook("disconnect", user)
    log = servers.new_lines()
    assert "DEBUG" in log
    assert user in log
    # A part of one would be as bad as all of it; what is signed is in the middle.
    assert [part for token in tokens for part in token.split(".")[1:] if part in log] == []
