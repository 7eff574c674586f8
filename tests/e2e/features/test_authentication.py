"""Applications that authenticate in a way of their own: sessions of Flask-Login, and API keys."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.api import Api
from tests.e2e.clients import Client, Refused
from tests.e2e.conftest import ClientFactory, NewId, OpenWire, Servers
from tests.e2e.servers import gunicorn
from tests.redis_server import RedisServer

APP = "tests.e2e.apps.authentication_app:create_app()"
SECONDS = 30.0
BRIEF = {"REALTIME_EXPIRY_WARNING": 1.0, "REALTIME_EXPIRY_GRACE": 0.5}
SERVER_SAYS_GOODBYE = {"io server disconnect", "server disconnect"}


@pytest.fixture
def server(servers: Servers) -> Api:
    return servers.get({}, APP)


@pytest.fixture
def brief(servers: Servers) -> Api:
    """A server that warns shortly before an identity expires, and does not wait long afterwards."""
    return servers.get(BRIEF, APP)


@pytest.fixture
def open_to_all(servers: Servers) -> Api:
    """A server to which any web page may connect."""
    return servers.get({"REALTIME_CORS_ALLOWED_ORIGINS": "*"}, APP)


def cookie(api: Api, user: str, **options: Any) -> dict[str, str]:
    """The header of a browser in which a user has logged in."""
    with requests.Session() as browser:
        assert browser.post(api.url + "/login", json={"user": user, **options}, timeout=SECONDS).ok
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


def key(api: Api, user: str, **options: Any) -> str:
    return str(api.post("/key", {"user": user, **options})["key"])


def refusal(connect: ClientFactory, api: Api, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        connect(api=api, **options)
    return refused.value


def wait_for_end(client: Client) -> None:
    assert client.wait_for_disconnect() in SERVER_SAYS_GOODBYE


# Sessions ---------------------------------------------------------------------------------------------


def test_a_session_of_flask_login_lets_in(connect: ClientFactory, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(api=server, extraHeaders=cookie(server, user))
    assert client.call("who") == {"user": user, "by": "session", "name": user.title()}
    assert server.emit("is_user_online", user) is True
    server.emit("send_to_user", user, "news", 1)
    assert client.wait_for("news").data == 1


def test_who_has_no_session_is_refused(connect: ClientFactory, server: Api, new_id: NewId) -> None:
    assert refusal(connect, server).code == "token_missing"
    deleted = cookie(server, new_id("deleted"))
    assert refusal(connect, server, extraHeaders=deleted).code == "token_invalid"


def test_a_forged_session_is_refused(connect_js: ClientFactory, server: Api, new_id: NewId) -> None:
    name, _, value = cookie(server, new_id("ann"))["Cookie"].partition("=")
    forged = {"Cookie": f"{name}={value[:-4]}AAAA"}
    assert refusal(connect_js, server, extraHeaders=forged).code == "token_invalid"


def test_a_session_lets_into_other_namespaces_on_the_same_connection(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = open_wire(server.url, headers=cookie(server, user))
    wire.opening()
    for namespace in ("", "/desk,"):
        wire.send(f"40{namespace}")
        assert wire.receive_until(f"40{namespace}").startswith(f'40{namespace}{{"sid":')
    wire.send('42/desk,1["who"]')
    answer = json.loads(wire.receive_until("43/desk,1").removeprefix("43/desk,1"))
    assert answer == [{"user": user, "by": "session", "name": user.title()}]


# Pages of other origins -------------------------------------------------------------------------------


def test_a_page_of_another_origin_cannot_use_a_visitors_session(server: Api, new_id: NewId) -> None:
    evil = {**cookie(server, new_id("ann")), "Origin": "https://evil.example"}
    answer = requests.get(server.url + "/socket.io/?EIO=4&transport=polling", headers=evil, timeout=SECONDS)
    assert not answer.ok
    own = {**evil, "Origin": server.url}
    assert requests.get(server.url + "/socket.io/?EIO=4&transport=polling", headers=own, timeout=SECONDS).status_code == 200


def test_where_any_page_may_connect_a_session_lets_nobody_in(connect: ClientFactory, open_to_all: Api, new_id: NewId) -> None:
    session = cookie(open_to_all, new_id("ann"))
    assert refusal(connect, open_to_all, extraHeaders=session).code == "token_missing"
    user = new_id("ben")
    with_both = connect(api=open_to_all, extraHeaders=session, auth={"apiKey": key(open_to_all, user)})
    assert with_both.call("who") == {"user": user, "by": "key", "name": None}


# Keys -------------------------------------------------------------------------------------------------


def test_a_key_lets_in_by_auth_or_by_a_header(connect: ClientFactory, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    given = key(server, user)
    ways: list[dict[str, Any]] = [{"auth": {"apiKey": given}}, {"extraHeaders": {"X-API-Key": given}}]
    for options in ways:
        assert connect(api=server, **options).call("who") == {"user": user, "by": "key", "name": None}


def test_a_wrong_or_expired_key_is_refused_with_its_code(connect_js: ClientFactory, server: Api, new_id: NewId) -> None:
    assert refusal(connect_js, server, auth={"apiKey": "guessed"}).code == "token_invalid"
    assert refusal(connect_js, server, auth="guessed").code == "token_malformed"
    assert refusal(connect_js, server, auth={"apiKey": key(server, new_id("ann"), seconds=-1)}).code == "token_expired"


def test_whoever_guesses_keys_has_to_wait(connect_js: ClientFactory, servers: Servers) -> None:
    api = servers.get({"REALTIME_MAX_FAILED_CONNECTS": "3/hour"}, APP)
    codes = [refusal(connect_js, api, auth={"apiKey": f"guess {number}"}).code for number in range(4)]
    assert codes == ["token_invalid"] * 3 + ["rate_limited"]


# What goes wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [{"fail": True}, {"answer": True}, {"answer": "ann"}, {"answer": {"user_id": "ann"}}])
def test_whatever_goes_wrong_admits_nobody(connect: ClientFactory, server: Api, auth: dict[str, Any]) -> None:
    before = server.emit("get_online_users_count")
    error = refusal(connect, server, auth=auth)
    assert (error.code, error.message) == ("internal_error", "The server failed to handle the connection")
    assert server.emit("get_online_users_count") <= before


def test_nothing_reaches_whom_a_failure_kept_out(open_wire: OpenWire, server: Api) -> None:
    wire = open_wire(server.url)
    wire.opening()
    wire.send('40{"fail":true}')
    assert '"code":"internal_error"' in wire.text()
    server.emit("broadcast_to_all", "news", 1)
    wire.send("40/nowhere,")
    assert wire.text().startswith("44/nowhere,")


# Until when -------------------------------------------------------------------------------------------


def test_a_client_is_warned_and_told_and_disconnected_when_its_identity_expires(
    connect: ClientFactory, brief: Api, new_id: NewId
) -> None:
    user, began = new_id("ann"), time.time()
    client = connect(api=brief, extraHeaders=cookie(brief, user, seconds=2))
    warned = client.wait_for("auth:expiring").data
    assert client.wait_for("auth:expired").data == warned
    assert time.time() >= began + 2 + BRIEF["REALTIME_EXPIRY_GRACE"]
    wait_for_end(client)
    assert brief.wait_for_hook("disconnect", user) == [[user, "token expired"]]


def test_a_new_token_is_shown_to_the_application_and_the_connection_goes_on(
    connect: ClientFactory, brief: Api, new_id: NewId
) -> None:
    user = new_id("ann")
    client = connect(api=brief, auth={"apiKey": key(brief, user, seconds=3)})
    client.wait_for("auth:expiring")
    assert client.call("auth:refresh", "rubbish")["error"]["code"] == "token_invalid"
    assert client.call("auth:refresh", key(brief, new_id("ben")))["error"]["code"] == "forbidden"
    assert client.call("auth:refresh", key(brief, user)) == {"expiresAt": None}
    client.settle()
    client.assert_none("auth:expired")


# Several workers --------------------------------------------------------------------------------------


def test_every_worker_asks_the_application(connect: ClientFactory, new_id: NewId) -> None:
    with RedisServer() as redis, tempfile.TemporaryDirectory(prefix="notes-") as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        config = {"REALTIME_MESSAGE_QUEUE": redis.url}
        environment = {"CONTRACT_APP_CONFIG": json.dumps(config), "CONTRACT_APP_NOTES": str(notes)}
        with gunicorn(APP, environment, "--workers", "2") as started:
            api = Api(started.url)
            users = [new_id("ann") for _ in range(4)]
            clients = [connect(api=api, extraHeaders=cookie(api, user)) for user in users]
            for user, client in zip(users, clients, strict=True):
                assert client.call("who")["user"] == user
            api.emit("broadcast_to_all", "news", 1)
            for client in clients:
                client.wait_for("news")
            for client in clients:
                client.release()
