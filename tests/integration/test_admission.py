"""Who is let in and who is not: what they hear, what the application hears, and what is left of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.errors import ConnectionRefused, Forbidden, NotFound
from tests.integration.conftest import Connect, MakeApp
from tests.integration.wire import Wire


def refusal(packet: str, namespace: str = "") -> dict[str, Any]:
    """What a CONNECT_ERROR packet says."""
    start = f"4{namespace and namespace + ','}"
    assert packet.startswith(start)
    answer = json.loads(packet.removeprefix(start))
    assert answer.keys() == {"message", "data"}
    assert isinstance(answer["data"], dict)
    return {**answer["data"], "message": answer["message"]}


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (Forbidden("You are banned until Monday"), "connection_refused", "You are banned until Monday"),
        (NotFound("no such device"), "connection_refused", "no such device"),
        (ConnectionRefused("come back later", code="later", retry_after=2.5), "later", "come back later"),
        (ValueError("secret"), "internal_error", "The server failed to handle the connection"),
    ],
)
def test_what_an_on_connect_hook_raises_is_why_the_client_is_refused(
    make_app: MakeApp, raised: Exception, code: str, message: str
) -> None:
    app, reported = make_app(), []
    realtime = Realtime(app)
    realtime.on_error(lambda error, event, identity: reported.append((error, event, identity)))

    @realtime.on_connect
    def connected(_identity: Identity) -> None:
        raise raised

    said = refusal(Wire(app).enter("ann"))
    assert (said["code"], said["message"]) == (code, message)
    assert said.get("retryAfter") == getattr(raised, "retry_after", None)
    assert [(error, event) for error, event, _ in reported] == ([(raised, "connect")] if code == "internal_error" else [])
    assert not realtime.is_user_online("ann")


@pytest.mark.parametrize(("answer", "is_let_in"), [(True, True), (None, True), (False, False), ("yes", False), (0, False)])
def test_an_on_connect_hook_says_yes_or_no(make_app: MakeApp, answer: Any, *, is_let_in: bool) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.on_connect(lambda _identity: answer)
    wire = Wire(app)
    assert wire.enter("ann").startswith("0" if is_let_in else "4")
    assert realtime.is_user_online("ann") == is_let_in


def test_who_is_refused_may_try_again_in_the_same_session(make_app: MakeApp) -> None:
    app, is_open = make_app(), threading.Event()
    Realtime(app).on_connect(lambda _identity: is_open.is_set())
    wire = Wire(app)
    for _ in range(4):
        assert refusal(wire.enter("ann"))["code"] == "connection_refused"
    is_open.set()
    assert wire.enter("ann").startswith("0")
    wire.send("1")
    is_open.clear()
    for _ in range(4):
        assert refusal(wire.enter("ann"))["code"] == "connection_refused"


def test_nothing_is_looked_at_after_the_fifth_refusal(make_app: MakeApp) -> None:
    app, asked = make_app(), []
    realtime = Realtime(app)

    @realtime.on_connect
    def connected(identity: Identity) -> bool:
        asked.append(identity.user_id)
        return identity.user_id == "ann"

    wire = Wire(app)
    wire.send(*[wire.connect_packet("eve")] * 5, wire.connect_packet("ann"))
    assert [refusal(wire.receive())["code"] for _ in range(5)] == ["connection_refused"] * 5
    (session,) = realtime._gateway()._sessions.values()
    wire.wait_until(lambda: not session.connecting)
    assert asked == ["eve"] * 5


def test_a_connection_is_known_while_the_hook_is_asked_and_gets_what_is_sent_after_its_admission(make_app: MakeApp) -> None:
    app, seen = make_app(), []
    realtime = Realtime(app)

    @realtime.on_connect
    def connected(identity: Identity) -> None:
        seen.append((current_connection.id, current_connection.user_id, current_connection.transport))
        realtime.send_to_user(identity.user_id, "welcome")

    wire = Wire(app)
    connection_id = json.loads(wire.enter("ann")[1:])["sid"]
    assert wire.receive_until('2["welcome"') == '2["welcome"]'
    assert seen == [(connection_id, "ann", "polling")]


def test_one_user_has_so_many_connections_and_no_more(make_app: MakeApp, connect: Connect) -> None:
    app, ends = make_app(REALTIME_MAX_CONNECTIONS_PER_USER=2), []
    realtime = Realtime(app)
    realtime.on_disconnect(lambda identity, reason: ends.append((identity.user_id, reason)))
    with connect(app, "ann") as first, connect(app, "ann"):
        said = refusal(Wire(app).enter("ann"))
        assert (said["code"], ends) == ("too_many_connections", [])
        assert [len(realtime.get_user_connections("ann")), realtime.is_user_online("ann")] == [2, True]
        with connect(app, "ben") as ben:
            first.disconnect()
            ben._wait(lambda: len(realtime.get_user_connections("ann")) == 1, 5, "the end of the first")
            with connect(app, "ann") as third:
                assert third.is_connected


def test_one_client_in_several_namespaces_is_one_connection(make_app: MakeApp) -> None:
    app = make_app(REALTIME_MAX_CONNECTIONS_PER_USER=1)
    realtime = Realtime(app)
    realtime.socketio.on("look", namespace="/desk")(lambda: None)
    wire, other = Wire(app), Wire(app)
    assert wire.enter("ann").startswith("0{")
    assert wire.enter("ann", "/desk").startswith("0/desk,")
    for namespace in ("", "/desk"):
        assert refusal(other.enter("ann", namespace), namespace)["code"] == "too_many_connections"
    assert other.enter("ben", "/desk").startswith("0/desk,")


@pytest.mark.parametrize(
    ("device", "kept"),
    [("Ann's phone", "Ann's phone"), ("x" * 64, "x" * 64), ("x" * 65, "x" * 64), (7, ""), (None, ""), ("two\nlines", "")],
)
def test_a_client_may_name_its_device(make_app: MakeApp, device: Any, kept: str) -> None:
    app = make_app()
    realtime = Realtime(app)
    Wire(app).enter("ann", device=device)
    (entry,) = realtime.get_user_connections("ann")
    assert entry.device == kept


def test_a_server_has_so_many_connections_and_no_more(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_MAX_CONNECTIONS=2)
    realtime = Realtime(app)
    with connect(app, "ann"), connect(app, "ben") as ben:
        assert refusal(Wire(app).enter("eve"))["code"] == "too_many_connections"
        assert not realtime.is_user_online("eve")
        ben.disconnect()
        wire = Wire(app)
        wire.wait_until(lambda: realtime.get_online_users() == ["ann"])
        assert wire.enter("eve").startswith("0")


def test_one_user_connects_so_often_and_has_to_wait_then(make_app: MakeApp) -> None:
    app = make_app(REALTIME_MAX_CONNECTS_PER_USER="3/hour")
    Realtime(app)
    for _ in range(3):
        assert Wire(app).enter("ann").startswith("0")
    said = refusal(Wire(app).enter("ann"))
    assert said["code"] == "rate_limited"
    assert 1100 < said["retryAfter"] <= 1200
    assert Wire(app).enter("ben").startswith("0")


def test_one_address_fails_so_often_and_has_to_wait_then(make_app: MakeApp) -> None:
    app = make_app(REALTIME_MAX_FAILED_CONNECTS="3/hour")
    Realtime(app)

    def attempt(packet: str, address: str) -> dict[str, Any]:
        wire = Wire(app, REMOTE_ADDR=address)
        wire.send(packet)
        return refusal(wire.receive())

    codes = [attempt('0{"token":"rubbish"}', "192.0.2.1")["code"] for _ in range(4)]
    assert codes == ["token_malformed"] * 3 + ["rate_limited"]
    assert attempt('0{"token":"rubbish"}', "192.0.2.2")["code"] == "token_malformed"
    good = Wire(app, REMOTE_ADDR="192.0.2.1")
    assert refusal(good.enter("ann"))["code"] == "rate_limited"


def test_an_application_that_does_not_let_in_causes_no_failed_attempt(make_app: MakeApp) -> None:
    app = make_app(REALTIME_MAX_FAILED_CONNECTS="2/hour")
    Realtime(app).on_connect(lambda _identity: False)
    for _ in range(4):
        assert refusal(Wire(app).enter("ann"))["code"] == "connection_refused"


def test_an_unknown_namespace_is_refused_in_the_words_of_nodes_server(make_app: MakeApp) -> None:
    app = make_app()
    Realtime(app)
    wire = Wire(app)
    assert wire.enter("ann", "/nowhere") == '4/nowhere,{"message":"Invalid namespace"}'
    assert wire.enter("ann").startswith("0")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda wire, _realtime: wire.send("1"), "client disconnect"),
        (lambda _wire, realtime: realtime.disconnect_user("ann"), "server disconnect"),
        (lambda _wire, realtime: realtime.disconnect_user("ann", "moved"), "moved"),
    ],
)
def test_each_end_is_told_with_its_reason_once(make_app: MakeApp, end: Callable[[Wire, Realtime], None], reason: str) -> None:
    app, ends = make_app(), []
    offline: list[str] = []
    realtime = Realtime(app)
    realtime.on_disconnect(lambda identity, reason: ends.append((identity.user_id, reason)))
    realtime.on_user_offline(offline.append)
    wire = Wire(app)
    wire.enter("ann")
    end(wire, realtime)
    assert reason == "client disconnect" or wire.receive_until("1") == "1"
    wire.wait_until(lambda: bool(ends and offline))
    assert (ends, offline) == ([("ann", reason)], ["ann"])
    assert realtime.disconnect_user("ann") == 0
