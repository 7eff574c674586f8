"""Presence in one process: what users set, what others see of it, and what nobody hears of who is invisible."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from flask_realtime import Identity, Realtime
from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import rated_queue
from flask_realtime.rates import parse_rate
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import MakeApp

OK = {"ok": True}
TYPING = {"conversationId": "1"}
CHANGED, STATUS = "presence:changed", "user:status-changed"
PATIENCE = 10.0


def soon(seconds: float) -> str:
    """A time so many seconds from now, as clients write it."""
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """A time as clients get it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def code(answer: Any) -> Any:
    """The code of an answer that is an error."""
    return answer["error"]["code"]


class Client(RealtimeTestClient):
    """A client that lets the server run while it waits.

    Args:
        app: The application.
        user_id: Its user.
        device: How it calls its device.
    """

    def __init__(self, app: Flask, user_id: str, device: str = "") -> None:
        self.pause = gateway_of(app).concurrency.sleep
        with app.app_context():
            auth = {"token": create_access_token(user_id), "device": device}
        super().__init__(app, auth=auth)


class World:
    """An application whose conversation 1 anybody may join, and its clients.

    Args:
        app: The application, not yet set up.
        stack: Closes the clients.
        on: What is set up on it.
    """

    def __init__(self, app: Flask, stack: ExitStack, on: Callable[[Realtime], object] = lambda _: None) -> None:
        self.app, self.stack = app, stack
        self.realtime = Realtime()
        self.realtime.authorize_join(lambda _identity, _conversation_id: True)
        on(self.realtime)
        self.realtime.init_app(app)

    def client(self, user_id: str, device: str = "") -> Client:
        """Connect, and join conversation 1."""
        client = Client(self.app, user_id, device)
        self.stack.callback(client.disconnect)
        client.join("1")
        return client


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def world(make_app: MakeApp, stack: ExitStack) -> World:
    return World(make_app(), stack)


def wait_until(condition: Callable[[], bool], client: Client) -> None:
    """Wait until a condition holds of what a client got, or of the server."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, client.received
        client.pause(0.005)


def about(client: Client, event: str, user_id: str) -> list[Any]:
    """What a client got of an event about a user."""
    return [item.data for item in client.received if item.event == event and item.data["userId"] == user_id]


def last(client: Client, user_id: str, **fields: Any) -> Any:
    """Wait until the last `presence:changed` about a user has some values, and return it."""

    def has_come() -> bool:
        found = about(client, CHANGED, user_id)
        return bool(found) and {key: found[-1][key] for key in fields} == fields

    wait_until(has_come, client)
    return about(client, CHANGED, user_id)[-1]


def asked(client: Client, user_id: str) -> Any:
    """What a client is told of a user's presence."""
    (presence,) = client.call("presence:get", [user_id])
    return presence


def statuses(client: Client, user_id: str) -> list[str]:
    return [data["status"] for data in about(client, STATUS, user_id)]


def test_a_state_is_told_to_others_and_to_whoever_asks(world: World) -> None:
    ann, ben = world.client("ann"), world.client("ben")
    assert asked(ben, "ann") == {"userId": "ann", "status": "online", "state": "online", "text": None, "lastSeenAt": None}
    assert ann.call("presence:set", {"state": "busy", "text": "In a meeting 👩‍🚀", "until": soon(3600)}) == OK
    busy = {"userId": "ann", "status": "online", "state": "busy", "text": "In a meeting 👩‍🚀", "lastSeenAt": None}
    assert last(ben, "ann", state="busy") == busy
    assert asked(ben, "ann") == busy
    assert ben.call("user:get-status", "ann") == {"userId": "ann", "status": "online"}
    assert ann.call("presence:set", {"state": "online", "text": None}) == OK
    assert last(ben, "ann", state="online")["text"] is None
    assert statuses(ben, "ann") == [], "to the events of the reference document it is nothing"


def test_the_own_entry_has_the_devices(world: World) -> None:
    phone, laptop = world.client("ann", "Phone"), world.client("ann", "Laptop")
    own = asked(phone, "ann")
    assert [(one["device"], one["state"]) for one in own["devices"]] == [("Phone", "active"), ("Laptop", "active")]
    assert all(moment(one["since"]) <= datetime.now(timezone.utc) for one in own["devices"])
    assert laptop.call("presence:idle") == OK
    told = last(phone, "ann")
    assert [(one["device"], one["state"]) for one in told["devices"]] == [("Phone", "active"), ("Laptop", "idle")]
    assert told["state"] == "online", "one of two"


def test_a_user_is_away_while_every_device_is_idle(world: World) -> None:
    ben, phone, laptop = world.client("ben"), world.client("ann", "Phone"), world.client("ann", "Laptop")
    for client in (phone, laptop, laptop):
        assert client.call("presence:idle") == OK
    assert last(ben, "ann", state="away")["status"] == "online"
    assert "devices" not in asked(ben, "ann")
    assert laptop.call("presence:active") == OK
    assert last(ben, "ann", state="online") == asked(ben, "ann")
    assert [data["state"] for data in about(ben, CHANGED, "ann")] == ["away", "online"], "nothing else is news to others"


def test_a_closed_connection_counts_no_more_and_a_new_one_is_active(world: World) -> None:
    ben, phone, laptop = world.client("ben"), world.client("ann", "Phone"), world.client("ann", "Laptop")
    assert phone.call("presence:idle") == OK
    laptop.disconnect()
    last(ben, "ann", state="away")
    world.client("ann", "Tablet")
    last(ben, "ann", state="online")
    assert [data["state"] for data in about(ben, CHANGED, "ann")] == ["away", "online"]


def test_being_idle_does_not_change_a_state_that_was_set(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "busy"}) == OK
    last(ben, "ann", state="busy")
    assert ann.call("presence:idle") == OK
    assert last(ann, "ann", state="busy")
    wait_until(lambda: [one["state"] for one in about(ann, CHANGED, "ann")[-1]["devices"]] == ["idle"], ann)
    assert len(about(ben, CHANGED, "ann")) == 1
    assert asked(ben, "ann")["state"] == "busy"


def test_at_the_end_of_a_state_the_user_is_plain_online_again(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "busy", "text": "a minute", "until": soon(0.5)}) == OK
    last(ben, "ann", state="busy")
    assert last(ben, "ann", state="online", text=None) == asked(ben, "ann")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "busy",
        {},
        {"state": "asleep"},
        {"state": ["busy"]},
        {"state": "busy", "text": "x" * 101},
        {"state": "busy", "text": "two\nlines"},
        {"state": "busy", "text": "\0"},
        {"state": "busy", "text": "\u202e"},
        {"state": "busy", "text": 7},
        {"state": "busy", "until": "2001-01-01T00:00:00Z"},
        {"state": "busy", "until": "2999-01-01T00:00:00"},
        {"state": "busy", "until": "tomorrow"},
        {"state": "busy", "until": "9999-12-31T23:59:59-12:00"},
        {"state": "busy", "until": 3600},
    ],
)
def test_what_is_no_state_is_refused(world: World, bad: Any) -> None:
    ann = world.client("ann")
    assert code(ann.call("presence:set", bad)) == "bad_request"
    assert asked(ann, "ann")["state"] == "online"


def test_every_wrong_field_is_named(world: World) -> None:
    answer = world.client("ann").call("presence:set", {"state": 1, "text": "\n", "until": ""})
    assert [word in answer["error"]["message"] for word in ("state", "text", "until")] == [True] * 3


def test_whoever_is_invisible_is_offline_to_everybody_else(world: World) -> None:
    ben, ann, phone = world.client("ben"), world.client("ann"), world.client("ann", "Phone")
    assert ann.call("presence:set", {"state": "invisible", "text": "hush"}) == OK
    assert ben.call("user:get-status", "ann") == {"userId": "ann", "status": "offline"}
    assert ben.call("users:get-status", ["ann", "ben"])[0]["status"] == "offline"
    assert ben.call("conversation:get-online-users", "1") == ["ben"]
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    seen = asked(ben, "ann")
    assert (seen["status"], seen["state"], seen["text"]) == ("offline", "offline", None)
    assert seen["lastSeenAt"] is not None
    assert about(ben, CHANGED, "ann") == [], "as of whoever really goes offline"
    own = last(phone, "ann", state="invisible")
    assert (own["status"], own["text"], len(own["devices"])) == ("online", "hush", 2)
    assert ann.call("user:get-status", "ann")["status"] == "online"
    assert ann.call("conversation:get-online-users", "1") == ["ben", "ann"]
    assert "offline" not in statuses(ann, "ann") + statuses(phone, "ann"), "the user's own devices are not told that it is offline"
    with world.app.app_context():
        assert world.realtime.is_user_online("ann"), "the application knows"
        assert [one["status"] for one in world.realtime.get_presence(["ann", "ben"])] == ["offline", "online"]


def test_an_invisible_user_comes_and_goes_without_notice(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    gone = asked(ben, "ann")
    ann.disconnect()
    wait_until(lambda: not world.realtime.is_user_online("ann"), ben)
    assert asked(ben, "ann") == gone, "the time when it was last seen stays"
    ann = world.client("ann")
    assert asked(ben, "ann") == gone
    assert asked(ann, "ann")["state"] == "invisible", "what was set survives a disconnect"
    assert statuses(ben, "ann") == ["online", "offline"]
    assert ann.call("presence:set", {"state": "online"}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online"], ben)
    assert asked(ben, "ann")["status"] == "online"
    assert about(ben, CHANGED, "ann") == []


def test_whoever_becomes_visible_with_a_state_is_announced_with_it(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    assert ann.call("presence:idle") == OK
    assert ann.call("presence:set", {"state": "busy"}) == OK
    assert last(ben, "ann", state="busy") == asked(ben, "ann")
    assert ann.call("presence:set", {"state": "invisible", "text": "here"}) == OK
    assert ann.call("presence:set", {"state": "online"}) == OK
    assert last(ben, "ann", state="away") == asked(ben, "ann"), "its device is idle"
    assert len(about(ben, CHANGED, "ann")) == 2


def test_nobody_hears_that_an_invisible_user_types(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    ann.emit("typing:start", TYPING)
    ben.wait_for("typing:start")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    assert ben.wait_for("typing:stop").data == {"conversationId": "1", "userId": "ann"}
    for event in ("typing:start", "typing:start", "typing:stop"):
        ann.emit(event, TYPING)
    assert ann.call("typing:start", TYPING) == OK
    ben.assert_nothing("typing:start")
    ben.assert_nothing("typing:stop")
    assert ann.call("presence:set", {"state": "online"}) == OK
    assert ann.call("typing:start", TYPING) == OK
    ben.wait_for("typing:start")


def test_invisibility_ends_at_its_time(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "invisible", "until": soon(0.6)}) == OK
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline", "online"], ben)
    assert ben.call("user:get-status", "ann")["status"] == "online"


def test_whoever_comes_online_with_a_state_is_announced_with_it(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "busy", "text": "deep in code"}) == OK
    last(ben, "ann", state="busy")
    ann.disconnect()
    wait_until(lambda: statuses(ben, "ann") == ["online", "offline"], ben)
    gone = asked(ben, "ann")
    assert (gone["state"], gone["text"]) == ("offline", None)
    assert abs(datetime.fromisoformat(gone["lastSeenAt"].replace("Z", "+00:00")) - datetime.now(timezone.utc)) < timedelta(
        minutes=1
    )
    world.client("ann")
    wait_until(lambda: len(about(ben, CHANGED, "ann")) == 2, ben)
    assert about(ben, CHANGED, "ann")[1]["text"] == "deep in code"


def test_the_audience_of_a_status_is_that_of_a_state(make_app: MakeApp, stack: ExitStack) -> None:
    def set_up(realtime: Realtime) -> None:
        @realtime.presence_audience
        def audience(user_id: str) -> list[str]:
            if user_id == "eve":
                raise LookupError(user_id)
            return ["ben", user_id]

    world = World(make_app(), stack, set_up)
    ann, ben, cat, eve = (world.client(name) for name in ("ann", "ben", "cat", "eve"))
    assert ann.call("presence:set", {"state": "busy"}) == OK
    last(ben, "ann", state="busy")
    last(ann, "ann", state="busy")
    assert eve.call("presence:set", {"state": "busy"}) == OK
    last(eve, "eve", state="busy")
    assert [client.call("user:get-status", "x")["status"] for client in (ann, ben, cat)] == ["offline"] * 3
    assert about(cat, CHANGED, "ann") == about(ben, CHANGED, "eve") == []
    assert len(about(ann, CHANGED, "ann")) == 1, "with the devices, once"


def test_who_may_not_be_seen_is_like_who_does_not_exist(make_app: MakeApp, stack: ExitStack) -> None:
    questions: list[Any] = []

    def set_up(realtime: Realtime) -> None:
        @realtime.may_see_presence
        def may_see(identity: Identity, user_ids: list[str]) -> list[str]:
            questions.append((identity.user_id, user_ids))
            return [user_id for user_id in user_ids if user_id != "ann"]

    world = World(make_app(), stack, set_up)
    ann, ben, cat = (world.client(name) for name in ("ann", "ben", "cat"))
    assert ann.call("presence:set", {"state": "busy"}) == OK
    nothing = {"status": "offline", "state": "offline", "text": None, "lastSeenAt": None}
    assert ben.call("presence:get", ["ann", "nobody"]) == [{"userId": "ann", **nothing}, {"userId": "nobody", **nothing}]
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    assert [one["status"] for one in ben.call("users:get-status", ["cat", "ann"])] == ["online", "offline"]
    assert sorted(ben.call("conversation:get-online-users", "1")) == ["ben", "cat"]
    assert ("ben", ["cat", "ann"]) in questions
    ann.disconnect()
    wait_until(lambda: not world.realtime.is_user_online("ann"), cat)
    assert ben.call("presence:get", ["ann"]) == [{"userId": "ann", **nothing}]


@pytest.mark.parametrize("answer", [None, 7, [None], LookupError("no database")])
def test_a_hook_that_fails_shows_nobody(make_app: MakeApp, stack: ExitStack, answer: Any) -> None:
    errors: list[BaseException] = []

    def set_up(realtime: Realtime) -> None:
        realtime.on_error(lambda error, _event, _identity: errors.append(error))

        @realtime.may_see_presence
        def may_see(_identity: Identity, _user_ids: list[str]) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    client = World(make_app(), stack, set_up).client("ann")
    for question in (("user:get-status", "ben"), ("users:get-status", ["ben"]), ("presence:get", ["ben"])):
        assert code(client.call(*question)) == "internal_error"
    assert len(errors) == 3


def test_a_hook_registered_after_init_app_is_asked(make_app: MakeApp, stack: ExitStack) -> None:
    world = World(make_app(), stack)
    world.realtime.may_see_presence(lambda _identity, _user_ids: [])
    world.client("ann")
    assert world.client("ben").call("user:get-status", "ann")["status"] == "offline"


def test_changes_beyond_the_rate_wait_and_the_last_one_is_announced(
    monkeypatch: pytest.MonkeyPatch, make_app: MakeApp, stack: ExitStack
) -> None:
    monkeypatch.setattr("flask_realtime.features.presence.rated_queue.RATE", parse_rate("1/second, burst 2"))
    world = World(make_app(REALTIME_LIMITS={"presence": None}), stack)
    ben, ann = world.client("ben"), world.client("ann")
    for number in range(20):
        assert ann.call("presence:set", {"state": "busy", "text": str(number)}) == OK
    assert last(ben, "ann", text="19")
    assert len(about(ben, CHANGED, "ann")) <= 5


def test_going_and_coming_back_visible_is_announced_at_a_bounded_rate(
    monkeypatch: pytest.MonkeyPatch, make_app: MakeApp, stack: ExitStack
) -> None:
    monkeypatch.setattr(rated_queue, "RATE", parse_rate("1/second, burst 2"))
    world = World(make_app(REALTIME_LIMITS={"presence": None}), stack)
    ben, ann = world.client("ben"), world.client("ann")
    for state in ["invisible", "online"] * 5 + ["invisible"]:
        assert ann.call("presence:set", {"state": state}) == OK
    wait_until(lambda: statuses(ben, "ann")[-1:] == ["offline"], ben)
    assert len(statuses(ben, "ann")) <= 6


def test_an_application_sets_and_asks(world: World) -> None:
    ben, _ann = world.client("ben"), world.client("ann")
    with world.app.app_context():
        world.realtime.set_presence("ann", "away", "lunch", datetime.now(timezone.utc) + timedelta(hours=1))
        assert world.realtime.get_presence(["ann"])[0]["text"] == "lunch"
        with pytest.raises(ValueError, match="state must be one of"):
            world.realtime.set_presence("ann", "asleep")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="until must be"):
            world.realtime.set_presence("ann", "away", until=datetime(2001, 1, 1, tzinfo=timezone.utc))
    assert last(ben, "ann", text="lunch")["state"] == "away"


def test_thousands_of_users_may_have_texts_as_long_as_they_may_be(world: World) -> None:
    text, users = "\N{GRINNING FACE}" * 100, [f"user-{number}" for number in range(3000)]
    with world.app.app_context():
        for user in users:
            world.realtime.set_presence(user, "invisible", text)
        assert {one["status"] for one in world.realtime.get_presence([users[0], users[-1]])} == {"offline"}
    ann = world.client("ann")
    assert ann.call("presence:set", {"state": "busy", "text": text}) == OK


def test_a_user_may_keep_typing_to_themselves(world: World) -> None:
    ben, ann = world.client("ben"), world.client("ann")
    ann.emit("typing:start", TYPING)
    ben.wait_for("typing:start")
    with world.app.app_context():
        world.realtime.set_privacy("ann", send_typing=False)
    ben.wait_for("typing:stop")
    assert [ann.call(event, TYPING) for event in ("typing:start", "typing:stop")] == [OK, OK]
    assert ben.call("typing:start", TYPING) == OK
    ann.wait_for("typing:start")
    ben.assert_nothing("typing:start")
    assert code(ann.call("typing:start", {"conversationId": "2"})) == "not_joined", "which is checked as ever"
    assert ben.call("user:get-status", "ann")["status"] == "online"
    with world.app.app_context():
        world.realtime.set_privacy("ann", send_typing=True)
    assert ann.call("typing:start", TYPING) == OK
    ben.wait_for("typing:start")


def test_hooks_hear_of_invisible_users(make_app: MakeApp, stack: ExitStack) -> None:
    heard: list[Any] = []

    def set_up(realtime: Realtime) -> None:
        realtime.on_user_online(lambda user_id: heard.append((user_id, "online")))
        realtime.on_user_offline(lambda user_id: heard.append((user_id, "offline")))

    world = World(make_app(), stack, set_up)
    ben, ann = world.client("ben"), world.client("ann")
    assert ann.call("presence:set", {"state": "invisible"}) == OK
    ann.disconnect()
    wait_until(lambda: ("ann", "offline") in heard, ben)
    assert heard == [("ben", "online"), ("ann", "online"), ("ann", "offline")]
    assert statuses(ben, "ann")[-1:] == ["offline"]
