"""What the callback of an event gets, and what happens where there is none."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client
from tests.e2e.conftest import ClientFactory, NewId, OpenSocket

OK = {"ok": True}
LONGEST_ID = "x" * 128
BAD_IDS = ["", True, False, None, {}, [], {"id": 1}, ["a"], 1.5, LONGEST_ID + "x"]
EVENTS_WITH_AN_ID: dict[str, Callable[[Any], Any]] = {
    "join:conversation": lambda value: value,
    "leave:conversation": lambda value: value,
    "typing:start": lambda value: {"conversationId": value},
    "typing:stop": lambda value: {"conversationId": value},
    "conversation:get-online-users": lambda value: value,
    "notification:read": lambda value: value,
    "notification:delivered": lambda value: value,
    "user:get-status": lambda value: value,
    "users:get-status": lambda value: [value],
}
FIELDS = {
    "notification:read": "notificationId",
    "notification:delivered": "notificationId",
    "user:get-status": "userId",
    "users:get-status": "userIds",
}
SECRET = "secret detail"


def assert_error(answer: Any, code: str, message_part: str = "") -> None:
    """The answer is an error object of the contract's shape, and no more than that."""
    assert answer.keys() == {"error"}
    error = answer["error"]
    assert error.keys() <= {"code", "message", "retryAfter"}
    assert error["code"] == code
    assert message_part in error["message"]
    assert " " in error["message"]
    assert SECRET not in error["message"]


def assert_alive(client: Client) -> None:
    """The connection is the same one and still answers."""
    client.settle()
    assert client.connected


# Events without an answer of their own ----------------------------------------------------------------


def test_an_event_without_an_answer_of_its_own_answers_ok(connect: ClientFactory, new_id: NewId) -> None:
    client, conversation = connect(new_id("ann")), new_id("conversation")
    assert client.call("join:conversation", conversation) == OK
    assert client.call("typing:start", {"conversationId": conversation}) == OK
    assert client.call("typing:stop", {"conversationId": conversation}) == OK
    assert client.call("leave:conversation", conversation) == OK
    assert client.call("notification:read", new_id("notification")) == OK
    assert client.call("notifications:read-all") == OK
    assert client.call("app:silent", 1) == OK


def test_documented_answers_have_the_documented_shape(connect: ClientFactory, new_id: NewId) -> None:
    user, absent, conversation = new_id("ann"), new_id("ben"), new_id("conversation")
    client = connect(user)
    client.call("join:conversation", conversation)
    online, offline = {"userId": user, "status": "online"}, {"userId": absent, "status": "offline"}
    assert client.call("user:get-status", user) == online
    assert client.call("users:get-status", [absent, user]) == [offline, online]
    assert client.call("conversation:get-online-users", conversation) == [user]


# Errors -----------------------------------------------------------------------------------------------


def test_a_failure_answers_the_callback(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert_error(client.call("join:conversation", new_id("private")), "forbidden")
    client.assert_none("realtime:error")


def test_a_failure_without_a_callback_reaches_that_one_client(connect: ClientFactory, new_id: NewId) -> None:
    user = new_id("ann")
    client, second_tab, other = connect(user), connect(user), connect(new_id("ben"))
    client.emit("join:conversation", new_id("private"))
    payload = client.wait_for("realtime:error").data
    assert payload.pop("event") == "join:conversation"
    assert_error(payload, "forbidden")
    second_tab.assert_none("realtime:error")
    other.assert_none("realtime:error")


def test_a_hooks_own_words_reach_the_client(connect_js: ClientFactory, new_id: NewId) -> None:
    client = connect_js(new_id("ann"))
    assert_error(client.call("join:conversation", new_id("closed")), "forbidden", "The conversation is closed")
    assert_error(client.call("app:refuse", 1), "forbidden", "Not yours to change")


def test_an_unknown_event_is_named_as_such(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert_error(client.call("no:such-event", 1), "unknown_event")
    client.emit("no:such-event", 1)
    payload = client.wait_for("realtime:error").data
    assert payload["event"] == "no:such-event"
    assert payload["error"]["code"] == "unknown_event"
    assert_alive(client)


@pytest.mark.parametrize("event", ["message:new", "user:status-changed", "order:update", "realtime:error"])
def test_an_event_of_the_server_is_unknown_from_a_client(connect_js: ClientFactory, new_id: NewId, event: str) -> None:
    client, other = connect_js(new_id("ann")), connect_js(new_id("ben"))
    assert_error(client.call(event, {"id": 1}), "unknown_event")
    other.assert_none(event, lambda data: data == {"id": 1})


@pytest.mark.parametrize(
    ("event", "argument"),
    [("app:boom", 1), ("join:conversation", "boom-1"), ("notification:read", "boom-1")],
)
def test_an_exception_answers_without_detail_and_keeps_the_connection(
    connect: ClientFactory, api: Api, new_id: NewId, event: str, argument: Any
) -> None:
    user = new_id("ann")
    client = connect(user)
    assert_error(client.call(event, argument), "internal_error")
    client.emit(event, argument)
    payload = client.wait_for("realtime:error").data
    assert payload["event"] == event
    assert payload["error"]["code"] == "internal_error"
    assert SECRET not in payload["error"]["message"]
    assert_alive(client)
    calls = [call for call in api.hooks("error") if call[2] == user]
    assert calls == [["RuntimeError", event, user]] * 2


def test_a_join_hook_that_does_not_answer_refuses(connect_js: ClientFactory, new_id: NewId) -> None:
    assert_error(connect_js(new_id("ann")).call("join:conversation", new_id("nothing")), "forbidden")


# Ids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD_IDS, ids=lambda bad: repr(bad)[:12])
@pytest.mark.parametrize("event", EVENTS_WITH_AN_ID)
def test_what_is_no_id_is_a_bad_request_that_names_the_field(
    connect_js: ClientFactory, new_id: NewId, event: str, bad: Any
) -> None:
    client = connect_js(new_id("ann"))
    answer = client.call(event, EVENTS_WITH_AN_ID[event](bad))
    assert_error(answer, "bad_request", FIELDS.get(event, "conversationId"))
    assert_alive(client)


@pytest.mark.parametrize("event", EVENTS_WITH_AN_ID)
def test_the_longest_id_is_one(connect_js: ClientFactory, new_id: NewId, event: str) -> None:
    client = connect_js(new_id("ann"))
    client.call("join:conversation", LONGEST_ID)
    assert "error" not in client.call(event, EVENTS_WITH_AN_ID[event](LONGEST_ID))


@pytest.mark.parametrize("event", EVENTS_WITH_AN_ID)
def test_a_missing_argument_is_a_bad_request(connect_js: ClientFactory, new_id: NewId, event: str) -> None:
    client = connect_js(new_id("ann"))
    assert_error(client.call(event), "bad_request")
    client.emit(event)
    assert client.wait_for("realtime:error").data["event"] == event


@pytest.mark.parametrize("payload", ["text", 7, None, True, [], ["a"], {}, {"conversation": "a"}])
def test_a_typing_payload_of_another_shape_is_a_bad_request(connect_js: ClientFactory, new_id: NewId, payload: Any) -> None:
    assert_error(connect_js(new_id("ann")).call("typing:start", payload), "bad_request", "conversationId")


@pytest.mark.parametrize("payload", ["text", 7, None, True, {}, {"0": "a"}])
def test_a_list_of_ids_must_be_a_list(connect_js: ClientFactory, new_id: NewId, payload: Any) -> None:
    assert_error(connect_js(new_id("ann")).call("users:get-status", payload), "bad_request", "userIds")


def test_a_call_may_ask_for_a_hundred_users_and_no_more(connect_js: ClientFactory, new_id: NewId) -> None:
    client = connect_js(new_id("ann"))
    hundred = [f"user-{number}" for number in range(100)]
    assert [status["userId"] for status in client.call("users:get-status", hundred)] == hundred
    assert_error(client.call("users:get-status", [*hundred, "one more"]), "bad_request", "100")


def test_an_integer_and_its_text_are_the_same_id(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    number = int(new_id("").strip("-")[:8], 16)
    ann, ben = connect(new_id("ann")), connect(new_id("ben"))
    ann.call("join:conversation", number)
    ben.call("join:conversation", str(number))
    api.emit("emit_new_message", number, {"id": "m1"})
    api.emit("emit_new_message", str(number), {"id": "m2"})
    for client in (ann, ben):
        assert [client.wait_for("message:new").data["id"] for _ in range(2)] == ["m1", "m2"]


@pytest.mark.parametrize("form", ["user:{}", "conversation:user:{}", ":{}", "user: {}", "/user:{}", "{}"])
def test_no_id_leads_into_another_room(connect_js: ClientFactory, api: Api, new_id: NewId, form: str) -> None:
    victim = new_id("victim")
    intruder = connect_js(new_id("intruder"))
    intruder.call("join:conversation", form.format(victim))
    api.emit("emit_notification_to_user", victim, {"id": "n1"})
    intruder.assert_none("notification:new")


# Sizes and types --------------------------------------------------------------------------------------


def test_every_wrong_id_of_a_list_is_named(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    expected = "must be a non-empty string of at most 128 printable characters, or an integer"
    one = client.call("users:get-status", ["ann", "", "ben"])
    assert one == {"error": {"code": "bad_request", "message": f"userIds[1] {expected}"}}
    some = client.call("users:get-status", [None, "ann", {"id": 1}, "", 7])
    assert some["error"]["message"] == "; ".join(f"userIds[{index}] {expected}" for index in (0, 2, 3))
    many = client.call("users:get-status", [""] * 100)
    assert many["error"]["message"] == "; ".join([*(f"userIds[{index}] {expected}" for index in range(10)), "and 90 more"])


def test_binary_where_none_is_expected_is_a_bad_request(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert_error(client.call("join:conversation", b"\x00\x01"), "bad_request")
    assert_error(client.call("typing:start", {"conversationId": b"\x00\x01"}), "bad_request")
    assert_error(client.call("user:get-status", {"a": [b"\x00"]}), "bad_request")
    assert_alive(client)


def test_an_event_that_is_too_large_is_answered_and_the_connection_stays(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert_error(client.call("app:echo", "x" * 70_000), "payload_too_large")
    client.emit("app:echo", "x" * 70_000)
    assert client.wait_for("realtime:error").data["error"]["code"] == "payload_too_large"
    assert client.call("app:echo", "x" * 60_000) == {"echo": "x" * 60_000}


@pytest.mark.parametrize("nested", ["[" * 20_000 + "]" * 20_000, '{"a":' * 9_000 + "1" + "}" * 9_000])
def test_deep_nesting_is_answered(open_socket: OpenSocket, api: Api, new_id: NewId, nested: str) -> None:
    raw = open_socket(api.url)
    raw.enter(api.token(new_id("ann")))
    raw.send(f'421["app:echo",{nested}]')
    assert '"bad_request"' in raw.receive_until("431[")
    assert raw.call(2, "user:get-status", "nobody") == {"userId": "nobody", "status": "offline"}


@pytest.mark.parametrize("body", ['["app:echo",]', '["app:echo"', "{}", '"app:echo"', "7", '["app:echo",01]', "[", ""])
def test_a_body_that_is_no_event_is_answered(open_socket: OpenSocket, api: Api, new_id: NewId, body: str) -> None:
    raw = open_socket(api.url)
    raw.enter(api.token(new_id("ann")))
    raw.send(f"421{body}" if not body.startswith("7") else f"421 {body}")
    assert '"bad_request"' in raw.receive_until("431[")
    assert raw.call(2, "user:get-status", "nobody") == {"userId": "nobody", "status": "offline"}


# Events of the application ----------------------------------------------------------------------------


def test_an_application_event_answers_with_what_its_handler_returns(connect: ClientFactory, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    vote = {"poll": "lunch", "choice": 2}
    assert client.call("poll:vote", vote) == {"user": user, **vote}
    assert client.wait_for("poll:voted", lambda poll: poll == "lunch").data == "lunch"


def test_every_wrong_field_of_a_declared_payload_is_named(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    one = client.call("poll:vote", {"poll": "lunch", "choice": "many"})["error"]["message"]
    assert one == "choice: Input should be a valid integer, unable to parse string as an integer"
    assert (
        client.call("poll:vote", {"poll": 1, "choice": "many"})["error"]["message"]
        == f"poll: Input should be a valid string; {one}"
    )
    assert client.call("poll:vote", {})["error"]["message"] == "poll: Field required; choice: Field required"


@pytest.mark.parametrize("payload", [None, {}, "text", [], {"poll": "lunch"}, {"poll": "lunch", "choice": "many"}])
def test_a_payload_that_is_not_of_the_declared_type_is_a_bad_request(
    connect_js: ClientFactory, new_id: NewId, payload: Any
) -> None:
    client = connect_js(new_id("ann"))
    assert_error(client.call("poll:vote", payload), "bad_request")
    assert_alive(client)


def test_the_message_names_the_field_that_does_not_fit(connect_js: ClientFactory, new_id: NewId) -> None:
    answer = connect_js(new_id("ann")).call("poll:vote", {"poll": "lunch", "choice": "many"})
    assert_error(answer, "bad_request", "choice")


def test_a_handler_can_ask_for_the_connection(connect: ClientFactory, new_id: NewId) -> None:
    client = connect(new_id("ann"))
    assert client.call("app:connection", 1) == {"id": client.sid, "transport": client.transport}
