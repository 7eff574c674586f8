"""What applications get for their own tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

import flask_realtime
from flask_realtime import Identity, Realtime
from flask_realtime.errors import ConnectionRefused
from flask_realtime.testing import CapturedEvent, RealtimeTestClient, capture_events
from flask_realtime.testing.plugin import ConnectAs, realtime_client, realtime_credentials, realtime_events

__all__ = ["realtime_client", "realtime_credentials", "realtime_events"]


@pytest.fixture(params=["gevent", "threading"])
def app(request: pytest.FixtureRequest) -> Flask:
    app = Flask(__name__)
    app.config.update(JWT_SECRET_KEY="0123456789abcdef" * 2, REALTIME_ASYNC_MODE=request.param)
    JWTManager(app)
    realtime = Realtime(app)

    @realtime.authorize_join
    def may_join(_identity: Identity, conversation_id: str) -> bool:
        return conversation_id != "private"

    @realtime.on("echo", binary=True)
    def echo(_identity: Identity, value: Any) -> Any:
        return value

    @realtime.on("who")
    def who(identity: Identity) -> Any:
        realtime.send_to_user(identity.user_id, "several", 1, 2)
        realtime.send_to_user(identity.user_id, "nothing")
        return {"role": identity.claims.get("role")}

    @realtime.on("never")
    def never(_identity: Identity) -> None:
        realtime.socketio.sleep(0.5)

    @app.post("/send")
    def send() -> str:
        flask_realtime.emit_new_message("1", {"content": "hello"})
        return ""

    return app


def test_a_client_connects_joins_and_receives(app: Flask, realtime_client: ConnectAs) -> None:
    alice = realtime_client("alice")
    alice.join("1")
    app.test_client().post("/send")
    assert alice.wait_for("message:new").data == {"content": "hello"}


def test_a_client_can_say_that_nothing_came(app: Flask, realtime_client: ConnectAs) -> None:
    alice, bob = realtime_client("alice"), realtime_client("bob")
    alice.join("1")
    app.test_client().post("/send")
    bob.assert_nothing("message:new")
    with pytest.raises(AssertionError, match="message:new"):
        alice.assert_nothing("message:new")


def test_a_refused_join_fails_the_test(realtime_client: ConnectAs) -> None:
    with pytest.raises(AssertionError, match="forbidden"):
        realtime_client("alice").join("private")


def test_a_refused_connection_says_why(app: Flask) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        RealtimeTestClient(app, "rubbish")
    assert refused.value.code == "token_malformed"


def test_credentials_may_be_sent_in_other_ways(app: Flask) -> None:
    with app.app_context():
        alice, bob = create_access_token("alice"), create_access_token("bob")
    with RealtimeTestClient(app, headers={"Authorization": f"Bearer {alice}"}) as client:
        assert client.call("user:get-status", "alice")["status"] == "online"
    with RealtimeTestClient(app, bob, auth={"token": alice}) as client:
        assert client.call("user:get-status", "bob")["status"] == "offline"
    with pytest.raises(ConnectionRefused) as refused:
        RealtimeTestClient(app, alice, auth={})
    assert refused.value.code == "token_missing"


def test_a_refused_handshake_says_so(app: Flask) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        RealtimeTestClient(app, "token", headers={"Origin": "https://other.example"})
    assert refused.value.code == "handshake_refused"
    assert refused.value.message


def test_claims_are_those_of_the_token(realtime_client: ConnectAs) -> None:
    assert realtime_client("alice", role="admin").call("who") == {"role": "admin"}


def test_each_event_is_returned_once_with_its_arguments(realtime_client: ConnectAs) -> None:
    alice = realtime_client("alice")
    alice.call("who")
    assert (alice.wait_for("several").data, alice.wait_for("nothing").data) == ((1, 2), ())
    alice.assert_nothing("several")
    with pytest.raises(TimeoutError, match="several did not arrive"):
        alice.wait_for("several", timeout=0.01)
    assert [item.event for item in alice.received if item.event != "user:status-changed"] == ["several", "nothing"]
    alice.wait_for("user:status-changed")
    alice.assert_nothing()


def test_an_answer_that_does_not_come_is_named(realtime_client: ConnectAs) -> None:
    with pytest.raises(TimeoutError, match=r"an answer to never did not arrive within 0\.01 s"):
        realtime_client("alice").call("never", timeout=0.01)


def test_a_client_knows_its_id_and_whether_it_is_connected(app: Flask) -> None:
    with app.app_context():
        alice = RealtimeTestClient(app, create_access_token("alice"))
        assert alice.is_connected
        assert [entry.connection_id for entry in flask_realtime.get_user_connections("alice")] == [alice.id]
        alice.disconnect()
        alice.disconnect()
        assert not alice.is_connected
        alice._wait(lambda: not flask_realtime.is_user_online("alice"), 5, "the end")
        with RealtimeTestClient(app, create_access_token("alice")) as alice:
            flask_realtime.disconnect_user("alice")
            alice._wait(lambda: not alice.is_connected, 5, "the end")


@pytest.fixture
def looker(app: Flask) -> Iterator[list[RealtimeTestClient]]:
    """Clients that are to be gone at the end: this fixture is made before the one that connects them, and ends behind it."""
    clients: list[RealtimeTestClient] = []
    yield clients
    with app.app_context():
        for client in clients:
            client._wait(lambda: not flask_realtime.is_user_online("alice"), 5, "the end")


def test_clients_leave_when_the_test_ends(looker: list[RealtimeTestClient], realtime_client: ConnectAs) -> None:
    looker.append(realtime_client("alice"))
    assert looker[0].is_connected


def test_waiting_for_what_does_not_come_says_what_did(realtime_client: ConnectAs) -> None:
    alice = realtime_client("alice")
    alice.wait_for("user:status-changed")
    with pytest.raises(TimeoutError, match=r"order:update did not arrive within 0\.01 s; .*user:status-changed"):
        alice.wait_for("order:update", timeout=0.01)


def test_answers_and_binary_data_go_both_ways(realtime_client: ConnectAs) -> None:
    assert realtime_client("alice").call("echo", {"file": b"\x00\xff"}) == {"file": b"\x00\xff"}


def test_a_disconnect_is_seen_by_others(realtime_client: ConnectAs) -> None:
    alice, bob = realtime_client("alice"), realtime_client("bob")
    alice.wait_for("user:status-changed")
    alice.wait_for("user:status-changed")
    bob.disconnect()
    assert alice.wait_for("user:status-changed").data == {"userId": "bob", "status": "offline"}


def test_what_is_captured_says_for_whom_it_was(app: Flask) -> None:
    with app.app_context():
        with capture_events(app) as captured:
            flask_realtime.send_to_user(1, "own", 1, 2)
            flask_realtime.broadcast_to_all("all")
            with app.test_request_context(headers={"X-Socket-ID": "mine"}):
                flask_realtime.broadcast_to_all("others", None, skip_sender=True)
        flask_realtime.broadcast_to_all("late")
    assert [(item.event, item.args, item.data) for item in captured] == [
        ("own", (1, 2), (1, 2)),
        ("all", (), ()),
        ("others", (None,), None),
    ]
    assert [item.is_to_user("1") for item in captured] == [True, False, False]
    assert [item.is_to_conversation("1") for item in captured] == [False] * 3
    assert [item.is_to_everyone for item in captured] == [False, True, True]
    assert captured[0].rooms == ("user:1",)
    assert captured[0].skipped is None


def test_what_a_view_sends_is_captured_without_any_client(app: Flask, realtime_events: list[CapturedEvent]) -> None:
    app.test_client().post("/send")
    (event,) = realtime_events
    assert (event.event, event.data) == ("message:new", {"content": "hello"})
    assert event.is_to_conversation(1)
    assert not event.is_to_user(1)
    assert not event.is_to_everyone
