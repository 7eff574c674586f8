"""Limits and bounds: what a client that wants too much is answered, and when it is turned away."""

import json
import time
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.conftest import NewId, OpenSocket, Servers, ServerWith
from tests.e2e.raw import RawSocket
from tests.e2e.servers import poll

PROXIED_APP = "tests.e2e.apps.engine_app:create_proxied_app()"
OK = {"ok": True}


def entered(open_socket: OpenSocket, api: Api, user: str) -> RawSocket:
    """A raw connection that has been let in."""
    raw = open_socket(api.url)
    assert raw.enter(api.token(user)).startswith("40{")
    return raw


def code(answer: Any) -> str | None:
    """The code of an answer that is an error."""
    return answer["error"]["code"] if isinstance(answer, dict) and "error" in answer else None


def codes(raw: RawSocket, count: int, event: str, *args: Any) -> list[str | None]:
    """Send an event so often, one after the other's answer, and return the codes of the answers."""
    return [code(raw.call(number, event, *args)) for number in range(count)]


def errors(raw: RawSocket, count: int) -> list[dict[str, Any]]:
    """The payloads of the next errors of events without a callback."""
    return [json.loads(raw.receive_until('42["realtime:error"')[2:])[1] for _ in range(count)]


def attempt(url: str, token: str, address: str | None = None) -> dict[str, Any] | None:
    """Try to connect, and return what the refusal says, or None where there was none."""
    headers = {"X-Forwarded-For": address} if address else None
    with closing(RawSocket(url, headers=headers)) as raw:
        answer = raw.enter(token)
    return json.loads(answer[2:]) if answer.startswith("44") else None


# Rates --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "event", "args"),
    [
        ("typing", "typing:stop", [{"conversationId": 1}]),
        ("presence", "user:get-status", [1]),
        ("joins", "leave:conversation", [1]),
        ("messages", "message:send", [1]),
        ("notifications", "notifications:read-all", []),
        ("sync", "sync", []),
        ("application", "app:echo", [1]),
        ("application", "no:such-event", []),
    ],
)
def test_each_class_of_events_has_a_limit_of_its_own(
    open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId, name: str, event: str, args: list[Any]
) -> None:
    raw = entered(open_socket, engine_with(REALTIME_LIMITS={name: "2/minute"}), new_id("ann"))
    *allowed, refused = codes(raw, 3, event, *args)
    assert refused == "rate_limited" not in allowed
    others = {"presence": ("app:echo", 1)}.get(name, ("user:get-status", 1))
    assert codes(raw, 5, *others) == [None] * 5


def test_what_is_too_much_is_refused_with_the_time_to_wait(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    raw = entered(open_socket, engine_with(REALTIME_LIMITS={"application": "1/minute"}), new_id("ann"))
    assert raw.call(1, "app:echo", 1) == {"echo": 1}
    error = raw.call(2, "app:echo", 2)["error"]
    assert error == {"code": "rate_limited", "message": "Too many events; slow down", "retryAfter": error["retryAfter"]}
    assert 50 < error["retryAfter"] <= 60
    raw.send('42["app:echo",3]')
    (payload,) = errors(raw, 1)
    assert (payload["event"], payload["error"]["code"]) == ("app:echo", "rate_limited")
    assert 50 < payload["error"]["retryAfter"] <= error["retryAfter"]


def test_after_the_time_to_wait_it_goes_on(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    raw = entered(open_socket, engine_with(REALTIME_LIMITS={"application": "2/second, burst 3"}), new_id("ann"))
    for _ in range(3):
        answers = [raw.call(number, "app:echo", 1) for number in range(4)]
        assert [code(answer) for answer in answers][-1] == "rate_limited"
        time.sleep(answers[-1]["error"]["retryAfter"])  # What is tested is that this is long enough.
        assert raw.call(9, "app:echo", 1) == {"echo": 1}
        time.sleep(1)


def test_who_types_the_same_over_and_over_is_limited_too(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, room = engine_with(REALTIME_LIMITS={"typing": "6/minute"}), new_id("room")
    typist, reader = (entered(open_socket, api, new_id(name)) for name in ("ann", "ben"))
    for raw in (typist, reader):
        assert raw.call(1, "join:conversation", room) == OK
    typing = "42" + json.dumps(["typing:start", {"conversationId": room}])
    typist.send_many(typing, 10)
    refused = errors(typist, 4)
    assert {(payload["event"], payload["error"]["code"]) for payload in refused} == {("typing:start", "rate_limited")}
    assert typist.call(2, "app:echo", 1) == {"echo": 1}

    heard = 0
    reader.send('423["app:echo","last"]')
    while not (packet := reader.receive()).startswith("433["):
        heard += packet.startswith('42["typing:start"')
    assert heard == 6


@pytest.mark.parametrize("packet", ['421["app:echo",NaN]', "421[]", '421{"a":1}', '421["app:echo"]', '421["connect"]'])
def test_what_is_malformed_counts_too(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId, packet: str) -> None:
    raw = entered(open_socket, engine_with(REALTIME_LIMITS={"application": "2/minute"}), new_id("ann"))
    answers = []
    for _ in range(3):
        raw.send(packet)
        answers.append(code(json.loads(raw.receive_until("431[")[3:])[0]))
    assert answers == ["bad_request", "bad_request", "rate_limited"]


def test_all_connections_of_a_user_have_a_limit_together(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_USER_LIMITS={"application": "4/minute"}), new_id("ann")
    first, second, other = (entered(open_socket, api, name) for name in (user, user, new_id("ben")))
    assert codes(first, 3, "app:echo", 1) == [None] * 3
    assert codes(second, 2, "app:echo", 1) == [None, "rate_limited"]
    assert codes(first, 1, "app:echo", 1) == ["rate_limited"]
    assert codes(other, 4, "app:echo", 1) == [None] * 4


def test_a_limit_of_one_connection_leaves_the_others_alone(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_LIMITS={"application": "2/minute"}), new_id("ann")
    first, second = (entered(open_socket, api, user) for _ in range(2))
    assert codes(first, 3, "app:echo", 1) == [None, None, "rate_limited"]
    assert codes(second, 3, "app:echo", 1) == [None, None, "rate_limited"]


def test_a_user_who_comes_back_gets_nothing_anew(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_USER_LIMITS={"application": "2/minute"}), new_id("ann")
    first = entered(open_socket, api, user)
    assert codes(first, 2, "app:echo", 1) == [None, None]
    first.close()
    api.wait_for_hook("disconnect", user)
    assert codes(entered(open_socket, api, user), 1, "app:echo", 1) == ["rate_limited"]


def test_an_event_may_have_a_limit_of_its_own(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_LIMITS={"application": "1/minute"}), new_id("ann")
    first, second = (entered(open_socket, api, user) for _ in range(2))
    assert codes(first, 2, "app:echo", 1) == [None, "rate_limited"]
    assert codes(first, 2, "app:limited") == [None, None]
    assert codes(second, 2, "app:limited") == [None, "rate_limited"]
    assert codes(first, 5, "app:unlimited") == [None] * 5


def test_events_sent_before_the_connection_is_admitted_count(
    open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId
) -> None:
    api, user = engine_with(REALTIME_LIMITS={"application": "2/minute"}), new_id("gated")
    raw = open_socket(api.url)
    raw.send("40" + json.dumps({"token": api.token(user)}))
    for number in range(3):
        raw.send(f'42{number}["app:echo",1]')
    api.post(f"/gates/{user}", {})
    assert raw.receive().startswith("40{")
    answers = [json.loads(raw.receive_until(f"43{number}[")[3:])[0] for number in range(3)]
    assert [code(answer) for answer in answers] == [None, None, "rate_limited"]


def test_who_keeps_on_is_disconnected(open_socket: OpenSocket, engine_with: ServerWith, servers: Servers, new_id: NewId) -> None:
    limits = {"REALTIME_LIMITS": {"application": "1/minute"}, "REALTIME_MAX_REFUSALS": "3/minute"}
    api, user = engine_with(**limits), new_id("ann")
    raw, other = (entered(open_socket, api, name) for name in (user, new_id("ben")))
    assert codes(raw, 4, "app:echo", 1) == [None, *["rate_limited"] * 3]
    raw.send('42["app:echo",1]')  # Were there more, the close could meet them on their way, and cut what it says.
    raw.receive_until("41")
    assert api.wait_for_hook("disconnect", user) == [[user, "rate limit"]]
    assert poll(lambda: "keeps sending too much" in servers.new_lines(), 10)
    assert servers.new_lines().count("keeps sending too much") == 1
    assert codes(other, 1, "app:echo", 1) == [None]


def test_refusals_now_and_then_do_no_harm(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_LIMITS={"application": "1/minute"}, REALTIME_MAX_REFUSALS=None)
    raw = entered(open_socket, api, new_id("ann"))
    assert codes(raw, 300, "app:echo", 1) == [None, *["rate_limited"] * 299]
    assert codes(raw, 1, "user:get-status", 1) == [None]


# Failed attempts to connect -----------------------------------------------------------------------------------------------------


def test_an_address_that_fails_too_often_has_to_wait(engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_MAX_FAILED_CONNECTS="9/hour"), new_id("ann")
    kinds = ["other_key", "other_algorithm", "unsigned", "no_subject", "not_yet_valid", "revoked", "refresh"]
    good, bad = api.token(user), [api.token(user, kind) for kind in kinds]
    assert attempt(api.url, good) is None
    refused = [attempt(api.url, token) for token in (*bad, "nonsense", api.token(new_id("unknown")))]
    assert {refusal["data"]["code"] for refusal in refused if refusal is not None} == {
        "token_invalid",
        "token_malformed",
        "token_not_access",
        "token_not_yet_valid",
        "token_revoked",
        "user_unknown",
    }
    for token in (good, "nonsense"):
        refusal = attempt(api.url, token)
        assert refusal is not None
        assert refusal["data"] == {"code": "rate_limited", "retryAfter": refusal["data"]["retryAfter"]}
        assert 380 < refusal["data"]["retryAfter"] <= 401
        assert refusal["message"] == "Too many attempts to connect have failed; try again later"


def test_after_the_time_to_wait_an_address_may_try_again(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_FAILED_CONNECTS="1/second, burst 2")
    good = api.token(new_id("ann"))
    for _ in range(2):
        assert attempt(api.url, "nonsense") is not None
    refusal = attempt(api.url, good)
    assert refusal is not None
    time.sleep(refusal["data"]["retryAfter"])  # What is tested is that this is long enough.
    assert attempt(api.url, good) is None


def test_tokens_that_were_good_once_and_refusals_of_the_application_do_not_count(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_FAILED_CONNECTS="1/hour")
    user = new_id("gatedrefused")
    api.post(f"/gates/{user}", {})
    for token in (api.token("ann", "expired"), api.token(user)):
        for _ in range(3):
            refusal = attempt(api.url, token)
            assert refusal is not None
            assert refusal["data"]["code"] in {"token_expired", "connection_refused"}
    assert attempt(api.url, api.token(new_id("ann"))) is None


def test_behind_a_proxy_each_client_counts_for_itself(servers: Servers, new_id: NewId) -> None:
    api = servers.get({"REALTIME_MAX_FAILED_CONNECTS": "2/hour"}, PROXIED_APP)
    good = api.token(new_id("ann"))
    for number in range(2):
        attempt(api.url, "nonsense", "192.0.2.1")
        attempt(api.url, "nonsense", f"2001:db8:0:1::{number}")
    for address in ("192.0.2.1", "2001:db8:0:1::ffff"):
        refusal = attempt(api.url, good, address)
        assert refusal is not None
        assert refusal["data"]["code"] == "rate_limited"
    assert attempt(api.url, good, "192.0.2.2") is None
    assert attempt(api.url, good, "2001:db8:0:2::1") is None


def test_without_a_proxy_nobody_can_pretend_to_be_another(engine_with: ServerWith, new_id: NewId) -> None:
    api = engine_with(REALTIME_MAX_FAILED_CONNECTS="2/hour")
    for number in range(2):
        attempt(api.url, "nonsense", f"192.0.2.{number}")
    refusal = attempt(api.url, api.token(new_id("ann")), "192.0.2.9")
    assert refusal is not None
    assert refusal["data"]["code"] == "rate_limited"


def test_a_new_token_that_is_refused_counts_as_an_attempt_to_connect(
    open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId
) -> None:
    api, user = engine_with(REALTIME_MAX_FAILED_CONNECTS="3/hour"), new_id("ann")
    raw, good = entered(open_socket, api, user), api.token(user)
    assert codes(raw, 3, "auth:refresh", api.token(user, "other_key")) == ["token_invalid"] * 3
    refusal = attempt(api.url, good)
    assert refusal is not None
    assert refusal["data"]["code"] == "rate_limited"
    error = raw.call(9, "auth:refresh", good)["error"]
    assert error == {"code": "rate_limited", "message": refusal["message"], "retryAfter": error["retryAfter"]}
    assert 1180 < error["retryAfter"] <= 1201
    assert raw.call(9, "user:get-status", user) == {"userId": user, "status": "online"}


# Bounds -------------------------------------------------------------------------------------------------------------------------


def test_a_connection_joins_so_many_conversations_and_no_more(
    open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId
) -> None:
    raw = entered(open_socket, engine_with(REALTIME_MAX_ROOMS=2), new_id("ann"))
    assert [code(raw.call(number, "join:conversation", number)) for number in range(3)] == [None, None, "too_many_rooms"]
    assert raw.call(9, "join:conversation", 1) == OK
    assert raw.call(9, "leave:conversation", 1) == OK
    assert raw.call(9, "join:conversation", 2) == OK
    assert code(raw.call(9, "typing:start", {"conversationId": 1})) == "not_joined"


def test_a_server_has_so_many_connections_and_no_more(open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId) -> None:
    api, user = engine_with(REALTIME_MAX_CONNECTIONS=2), new_id("ann")
    first = entered(open_socket, api, user)
    entered(open_socket, api, new_id("ben"))
    refusal = attempt(api.url, api.token(new_id("cid")))
    message = "The server has too many connections open; try again later"
    assert refusal == {"message": message, "data": {"code": "too_many_connections"}}
    first.close()
    api.wait_for_hook("disconnect", user)
    assert attempt(api.url, api.token(new_id("cid"))) is None


@pytest.mark.parametrize(("opening", "closing_"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_a_payload_has_so_many_levels_and_no_more(
    open_socket: OpenSocket, engine_with: ServerWith, new_id: NewId, opening: str, closing_: str
) -> None:
    raw = entered(open_socket, engine_with(REALTIME_MAX_NESTING=4), new_id("ann"))
    levels = opening.count("[") + opening.count("{")
    answers = []
    for depth in (4, 6):
        raw.send(f'421["app:echo",{opening * (depth // levels)}1{closing_ * (depth // levels)}]')
        answers.append(code(json.loads(raw.receive_until("431[")[3:])[0]))
    assert answers == [None, "bad_request"]
    assert raw.call(2, "app:echo", ["[" * 50, {"{": "{" * 50}]) == {"echo": ["[" * 50, {"{": "{" * 50}]}
