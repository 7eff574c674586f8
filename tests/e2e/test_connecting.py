"""Who gets in, with what token, and what those hear who do not."""

import json
from typing import Any

import pytest
import requests

from tests.e2e.api import Api
from tests.e2e.clients import Refused
from tests.e2e.conftest import ClientFactory, NewId, OpenSocket, ServerWith
from tests.e2e.raw import RawSocket

REFUSED_TOKENS = {
    "expired": "token_expired",
    "not_yet_valid": "token_not_yet_valid",
    "other_key": "token_invalid",
    "other_algorithm": "token_invalid",
    "unsigned": "token_invalid",
    "no_subject": "token_invalid",
    "revoked": "token_revoked",
    "refresh": "token_not_access",
}
REFUSED_USERS = {
    "unknown": "user_unknown",
    "refused": "connection_refused",
    "banned": "connection_refused",
    "crash": "internal_error",
    "typeerror": "internal_error",
    "lookup-broken": "internal_error",
}


def refusal(connect: ClientFactory, *args: Any, **options: Any) -> Refused:
    """Connect, which must fail, and return the client's error."""
    with pytest.raises(Refused) as caught:
        connect(*args, **options)
    return caught.value


def test_a_valid_token_lets_in(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    assert client.transport == connect.final_transport
    assert api.emit("is_user_online", user) is True


def test_a_connection_is_in_its_users_room(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user, other = new_id("ann"), new_id("ben")
    client, stranger = connect(user), connect(other)
    api.emit("send_to_user", user, "private:note", {"text": "hi"})
    assert client.wait_for("private:note").data == {"text": "hi"}
    stranger.assert_none("private:note")


@pytest.mark.parametrize("form", ["Bearer {}", "{}"])
def test_the_token_may_come_in_the_authorization_header(connect: ClientFactory, api: Api, new_id: NewId, form: str) -> None:
    user = new_id("ann")
    connect(extraHeaders={"Authorization": form.format(api.token(user))})
    assert api.emit("is_user_online", user) is True


def test_auth_token_goes_before_the_header(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    header = {"Authorization": "Bearer " + api.token(kind="expired")}
    assert connect(user, extraHeaders=header).connected
    good_header = {"Authorization": "Bearer " + api.token(user)}
    error = refusal(connect, token=api.token(kind="expired"), extraHeaders=good_header)
    assert error.code == "token_expired"


def test_the_token_is_never_taken_from_the_query_string(connect: ClientFactory, api: Api) -> None:
    token = api.token("ann")
    query = {"token": token, "access_token": token, "jwt": token, "Authorization": f"Bearer {token}"}
    assert refusal(connect, query=query).code == "token_missing"


@pytest.mark.parametrize("auth", [None, {}, {"token": None}])
def test_no_token_is_refused(connect: ClientFactory, auth: Any) -> None:
    options = {} if auth is None else {"auth": auth}
    error = refusal(connect, **options)
    assert error.code == "token_missing"
    assert_plain_words(error.message)


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "....", "\u00e9\u00e9.\u00e9.\u00e9"])
def test_a_token_that_is_none_is_refused_as_malformed(connect: ClientFactory, token: str) -> None:
    assert refusal(connect, token=token).code == "token_malformed"


@pytest.mark.parametrize("auth", [{"token": 7}, {"token": ["a"]}, {"token": {"a": 1}}, {"token": True}])
def test_a_token_of_another_type_is_refused_as_malformed(connect_js: ClientFactory, auth: Any) -> None:
    assert refusal(connect_js, auth=auth).code == "token_malformed"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer "])
def test_a_bearer_prefix_in_auth_token_is_refused_with_the_way_to_mend_it(connect: ClientFactory, api: Api, scheme: str) -> None:
    error = refusal(connect, token=scheme + api.token("ann"))
    assert error.code == "token_malformed"
    assert "Bearer" in error.message


@pytest.mark.parametrize(("kind", "code"), REFUSED_TOKENS.items())
def test_a_bad_token_is_refused_with_its_code(connect: ClientFactory, api: Api, kind: str, code: str) -> None:
    error = refusal(connect, token=api.token("ann", kind))
    assert error.code == code
    assert_plain_words(error.message)


@pytest.mark.parametrize("kind", ["expired", "revoked", "refresh"])
def test_a_bad_token_in_the_header_is_refused_the_same(connect_js: ClientFactory, api: Api, kind: str) -> None:
    header = {"Authorization": "Bearer " + api.token("ann", kind)}
    assert refusal(connect_js, extraHeaders=header).code == REFUSED_TOKENS[kind]


@pytest.mark.parametrize(("kind", "code"), REFUSED_USERS.items())
def test_a_user_who_is_not_let_in_hears_why(connect: ClientFactory, new_id: NewId, kind: str, code: str) -> None:
    error = refusal(connect, new_id(kind))
    assert error.code == code
    assert_plain_words(error.message)


def test_a_connect_hooks_own_words_reach_the_client(connect: ClientFactory, new_id: NewId) -> None:
    assert refusal(connect, new_id("banned")).message == "You are banned until Monday"


@pytest.mark.parametrize("kind", ["refused", "banned", "crash", "typeerror"])
def test_a_connect_hook_runs_once(connect_js: ClientFactory, api: Api, new_id: NewId, kind: str) -> None:
    user = new_id(kind)
    refusal(connect_js, user)
    assert len(api.hooks("connect", user)) == 1


@pytest.mark.parametrize("kind", ["refused", "crash", "typeerror", "unknown"])
def test_who_is_refused_is_not_online(connect_js: ClientFactory, api: Api, new_id: NewId, kind: str) -> None:
    user = new_id(kind)
    watcher = connect_js(new_id("watcher"))
    refusal(connect_js, user)
    assert api.emit("is_user_online", user) is False
    watcher.assert_none("user:status-changed", lambda data: data["userId"] == user)
    assert api.hooks("disconnect", user) == []


@pytest.mark.parametrize("kind", ["refused", "crash", "typeerror", "unknown", "lookup-broken"])
def test_nothing_reaches_a_refused_connection(open_socket: OpenSocket, api: Api, new_id: NewId, kind: str) -> None:
    user = new_id(kind)
    raw = open_socket(api.url)
    assert raw.enter(api.token(user)).startswith("44")
    api.emit("broadcast_to_all", "secret", {"for": "members"})
    api.emit("send_to_user", user, "secret", {"for": "members"})
    packets = packets_until_admitted(raw, api.token(new_id("ann")))
    assert not any("secret" in packet for packet in packets)


def test_nothing_reaches_a_connection_while_its_hook_decides(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    user = new_id("slowrefused")
    raw = open_socket(api.url)
    raw.send("40" + json.dumps({"token": api.token(user)}))
    api.wait_for_hook("connect", user)
    api.emit("broadcast_to_all", "secret", {"for": "members"})
    assert raw.receive().startswith("44")


def test_an_event_before_connecting_is_not_handled(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    raw = open_socket(api.url)
    raw.send('421["user:get-status","ann"]')
    packets = packets_until_admitted(raw, api.token(new_id("ann")))
    assert not any(packet.startswith("43") for packet in packets)


@pytest.mark.parametrize("auth", ['"text"', "[1]", "7", "null", "true", '{"token":{"token":"x"}}'])
def test_an_auth_value_of_any_shape_is_refused_with_a_code(open_socket: OpenSocket, api: Api, auth: str) -> None:
    raw = open_socket(api.url)
    raw.send("40" + auth)
    answer = raw.receive()
    assert answer.startswith("44{")
    assert json.loads(answer[2:])["data"]["code"] in {"token_missing", "token_malformed"}


def test_another_namespace_is_refused(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    raw = open_socket(api.url)
    raw.send("40/admin," + json.dumps({"token": api.token(new_id("ann"))}))
    assert raw.receive().startswith("44/admin,")


def test_a_second_connect_packet_ends_the_connection_and_admits_nobody(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    user, other = new_id("ann"), new_id("ben")
    raw = open_socket(api.url)
    assert raw.enter(api.token(user)).startswith("40{")
    raw.send("40" + json.dumps({"token": api.token(other)}))
    while raw.receive():
        pass
    assert api.hooks("connect", other) == []
    assert api.emit("is_user_online", user) is False
    assert api.emit("is_user_online", other) is False


def test_hooks_get_the_looked_up_user_and_the_connection(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    assert api.hooks("connect", user) == [[user, {"name": user.title()}, client.sid]]


def test_a_number_as_subject_is_a_string_on_the_wire(connect_js: ClientFactory, server_with: ServerWith) -> None:
    api = server_with(JWT_VERIFY_SUB=False)
    client = connect_js(42, api=api)
    assert client.call("user:get-status", 42) == {"userId": "42", "status": "online"}
    assert api.hooks("connect")[0][0] == "42"


@pytest.mark.parametrize("claim", ["ISSUER", "AUDIENCE"])
def test_a_configured_issuer_or_audience_is_asked_for(
    connect_js: ClientFactory, api: Api, server_with: ServerWith, claim: str
) -> None:
    strict = server_with(**{f"JWT_ENCODE_{claim}": "chat", f"JWT_DECODE_{claim}": "chat"})
    assert connect_js("ann", api=strict).connected
    assert refusal(connect_js, api=strict, token=api.token("ann")).code == "token_invalid"


def test_one_user_may_not_have_more_connections_than_configured(
    connect_js: ClientFactory, server_with: ServerWith, new_id: NewId
) -> None:
    api = server_with(REALTIME_MAX_CONNECTIONS_PER_USER=2)
    user = new_id("ann")
    first, _second = connect_js(user, api=api), connect_js(user, api=api)
    assert refusal(connect_js, user, api=api).code == "too_many_connections"
    assert connect_js(new_id("ben"), api=api).connected
    first.disconnect()
    api.wait_for_hook("disconnect", user)
    assert connect_js(user, api=api).connected


def test_the_path_is_configurable(connect: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_PATH="/live/")
    assert connect(new_id("ann"), api=api, path="/live/").connected
    assert requests.get(api.url + "/socket.io/?EIO=4&transport=polling", timeout=10).status_code == 404


def test_a_transport_that_is_not_configured_is_refused(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    api = server_with(REALTIME_TRANSPORTS=["websocket"])
    assert connect_js(new_id("ann"), api=api).transport == "websocket"
    with pytest.raises(Refused):
        connect_js(new_id("ann"), api=api, transports=["polling"])


def packets_until_admitted(raw: RawSocket, token: str) -> list[str]:
    """Connect properly and return what came before the admission, or all that came if the server closed."""
    packets = [raw.enter(token)]
    while packets[-1] and not packets[-1].startswith("40"):
        packets.append(raw.receive())
    return packets


def assert_plain_words(message: str) -> None:
    """A sentence for a person: no code, no name of a Python error, no detail of an exception."""
    assert " " in message
    assert "secret detail" not in message
    assert "Error" not in message
