"""What applications get for their own tests."""

from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

import flask_realtime
from flask_realtime import Identity, Realtime
from flask_realtime.errors import ConnectionRefused
from flask_realtime.testing import CapturedEvent, RealtimeTestClient
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


def test_what_a_view_sends_is_captured_without_any_client(app: Flask, realtime_events: list[CapturedEvent]) -> None:
    app.test_client().post("/send")
    (event,) = realtime_events
    assert (event.event, event.data) == ("message:new", {"content": "hello"})
    assert event.is_to_conversation(1)
    assert not event.is_to_user(1)
    assert not event.is_to_everyone
