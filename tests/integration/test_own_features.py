"""An application's own features: what they handle, hear, ask, send and keep."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any

import pytest
from flask import Flask, has_app_context
from flask_jwt_extended import create_access_token
from socketio.packet import CONNECT, Packet

from flask_realtime import Caller, Emit, Feature, FeatureContext, Identity, Outcome, Realtime
from flask_realtime.contract.effects import Announce, Effect, Share
from flask_realtime.errors import BadRequest, Forbidden, RegistrationError
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp
from tests.redis_server import free_port

SECONDS = 10.0


class Notes:
    """The state of a feature: what it heard, and what it was made with."""

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        self.heard: list[Any] = []


class Served:
    """An application with one feature, and clients of it.

    Args:
        app: The application, not yet set up.
        connect: Connects to it.
    """

    def __init__(self, app: Flask, connect: Connect) -> None:
        self.app = app
        self.notes: Feature[Notes] = Feature("notes", state=Notes)
        self.realtime = Realtime()
        self.realtime.authorize_join(lambda _identity, _conversation_id: True)
        self._connect = connect

    def start(self) -> Notes:
        """Set the application up, and return the feature's state."""
        self.realtime.register(self.notes)
        self.realtime.init_app(self.app)
        return self.realtime.state_of(self.notes)

    def client(self, user_id: str) -> RealtimeTestClient:
        """Connect as a user."""
        return self._connect(self.app, user_id)


@pytest.fixture
def app_token(served: Served) -> Callable[[str], str]:
    def make(user_id: str) -> str:
        with served.app.app_context():
            token: str = create_access_token(user_id)
        return token

    return make


@pytest.fixture
def served(make_app: MakeApp, connect: Connect) -> Served:
    return Served(make_app(), connect)


def wait_until(context: FeatureContext, condition: Callable[[], bool]) -> None:
    """Let the application run until something holds."""
    deadline = monotonic() + SECONDS
    while not condition():
        assert monotonic() < deadline, "what was waited for did not happen"
        context.let_others_run()


# What clients send ------------------------------------------------------------------------------------------------------------


def test_a_handler_gets_the_state_the_caller_and_the_checked_payload(served: Served) -> None:
    @served.notes.event("note:add", payload=int)
    def add(state: Notes, caller: Caller, number: int) -> dict[str, Any]:
        state.heard.append(number)
        return {"user": caller.user_id, "connection": caller.id, "name": caller.identity.user_id, "numbers": state.heard}

    served.start()
    ann, ben = served.client("ann"), served.client("ben")
    assert ann.call("note:add", 1)["numbers"] == [1]
    assert ben.call("note:add", 2) == {"user": "ben", "connection": ben.id, "name": "ben", "numbers": [1, 2]}
    assert ann.call("note:add", "many")["error"]["code"] == "bad_request"
    for wrong in ((), (1, 2)):
        assert "one argument" in ann.call("note:add", *wrong)["error"]["message"]


class Counter:
    """The state of a feature that counts in a record."""

    def __init__(self, context: FeatureContext) -> None:
        self.numbers = context.record("numbers", ttl=60.0)


def counting(app: Flask) -> tuple[Realtime, Feature[Counter]]:
    counter: Feature[Counter] = Feature("counter", state=Counter)

    @counter.event("count:add", payload=str)
    def add(state: Counter, _caller: Caller, name: str) -> dict[str, int]:
        return {"count": state.numbers.change(name, lambda count: (count or 0) + 1).value}

    realtime = Realtime()
    realtime.register(counter)
    realtime.init_app(app)
    return realtime, counter


def test_a_record_is_the_application_s_own(make_app: MakeApp, connect: Connect) -> None:
    app, other = make_app(), make_app()
    (realtime, counter), _ = counting(app), counting(other)
    ann, ben = connect(app, "ann"), connect(app, "ben")
    assert [client.call("count:add", "a")["count"] for client in (ann, ben, ann)] == [1, 2, 3]
    assert connect(other, "ann").call("count:add", "a") == {"count": 1}
    assert realtime.state_of(counter).numbers.get("a").value == 3


def test_what_needs_a_record_fails_while_redis_is_away(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_MESSAGE_QUEUE=f"redis://127.0.0.1:{free_port()}")
    counting(app)
    assert connect(app, "ann").call("count:add", "a")["error"]["code"] == "internal_error"


def test_a_handler_without_a_payload_gets_no_argument(served: Served) -> None:
    @served.notes.event("note:count")
    def count(state: Notes, _caller: Caller) -> int:
        return len(state.heard)

    @served.notes.event("note:clear")
    def clear(state: Notes, _caller: Caller) -> None:
        state.heard.clear()

    served.start().heard.append(1)
    ann = served.client("ann")
    assert (ann.call("note:count"), ann.call("note:clear"), ann.call("note:count")) == (1, {"ok": True}, 0)


def test_a_feature_may_check_the_arguments_itself(served: Served) -> None:
    def parse(args: Sequence[Any], settings: Any) -> list[Any]:
        if len(args) > settings.max_status_ids:
            raise BadRequest("too many")
        return list(args)

    @served.notes.event("note:list", parse=parse)
    def listed(_state: Notes, _caller: Caller, words: list[Any]) -> int:
        return len(words)

    served.app.config["REALTIME_MAX_STATUS_IDS"] = 3
    served.start()
    ann = served.client("ann")
    assert ann.call("note:list", 1, 2, 3) == 3
    assert ann.call("note:list", 1, 2, 3, 4)["error"]["message"] == "too many"


def test_a_handler_refuses_in_plain_words(served: Served) -> None:
    @served.notes.event("note:add")
    def add(_state: Notes, _caller: Caller) -> None:
        raise Forbidden("Not today")

    served.start()
    assert served.client("ann").call("note:add")["error"] == {"code": "forbidden", "message": "Not today"}


@pytest.mark.parametrize(("limit", "answers"), [("1/hour", [1, "rate_limited"]), (None, [1, 1]), ("typing", [1, 1])])
def test_an_event_has_the_limit_that_it_names(served: Served, limit: str | None, answers: list[Any]) -> None:
    @served.notes.event("note:add", limit=limit)
    def add(_state: Notes, _caller: Caller) -> int:
        return 1

    served.app.config["REALTIME_LIMITS"] = {"application": "1/hour"}
    served.start()
    ann = served.client("ann")
    given = [ann.call("note:add") for _ in range(2)]
    assert [answer if answer == 1 else answer["error"]["code"] for answer in given] == answers


def test_a_limit_that_is_no_rate_is_an_error(served: Served) -> None:
    served.notes.event("note:add", limit="often")(lambda _state, _caller: None)
    with pytest.raises(RegistrationError, match=r"'note:add': .*a rate such as .*one of .*typing.*, not 'often': the form is"):
        served.start()


def test_only_an_inline_handler_is_called_without_an_application_context(served: Served) -> None:
    def look(_state: Notes, _caller: Caller) -> bool:
        return has_app_context()

    served.notes.event("look")(look)
    served.notes.event("look:inline", inline=True)(look)
    served.notes.event("look:maybe", inline=lambda context: context.backend.is_local)(look)
    served.notes.event("look:no", inline=lambda context: not context.backend.is_local)(look)
    served.notes.event("look:bare", app_context=False)(look)
    served.start()
    ann = served.client("ann")
    events = ("look", "look:inline", "look:maybe", "look:no", "look:bare")
    assert [ann.call(event) for event in events] == [True, False, False, True, False]


@pytest.mark.parametrize("goes_on", [True, False])
def test_an_event_that_comes_again_is_handled_in_less_time_or_as_ever(served: Served, *, goes_on: bool) -> None:
    @served.notes.event("note:again", payload=str, inline=True, limit=None)
    def again(state: Notes, _caller: Caller, text: str) -> None:
        state.heard.append(("handled", text))

    @served.notes.repeats("note:again")
    def repeat(state: Notes, _caller: Caller, text: str, _allowance: object) -> Callable[[], bool]:
        def go_on() -> bool:
            state.heard.append(("again", text))
            return goes_on

        return go_on

    notes = served.start()
    ann = served.client("ann")
    sent: list[str] = []

    def send(text: str) -> None:
        ann.emit("note:again", text)
        sent.append(text)
        wait_until(notes.context, lambda: [heard for how, heard in notes.heard if how == "handled" or goes_on] == sent)

    while ("again", "a") not in notes.heard:  # Whether one is still being handled is a matter of time.
        send("a")
        assert len(sent) < 1000
    send("b")


# What the server sends --------------------------------------------------------------------------------------------------------


def test_what_a_handler_sends_reaches_whom_it_is_addressed_to(served: Served) -> None:
    noted = served.notes.outgoing("noted", str, audience="whoever", summary="Something was noted.")
    ids: list[str] = []
    ways: dict[str, Callable[[], Emit]] = {
        "conversation": lambda: noted.to_conversation(7, "conversation"),
        "others": lambda: noted.to_conversation("7", "others", except_user="ann"),
        "user": lambda: noted.to_user("ann", "user"),
        "users": lambda: noted.to_users(["ann", "cid"], "users"),
        "connection": lambda: noted.to_connection(ids[1], "connection"),
        "everyone": lambda: noted.to_everyone("everyone"),
    }

    @served.notes.event("note:send", payload=str)
    def send(_state: Notes, _caller: Caller, way: str) -> Outcome:
        return Outcome({"sent": way}, [ways[way]()])

    served.start()
    clients = [served.client("ann"), served.client("ann"), served.client("ben"), served.client("cid")]
    ids += [client.id or "" for client in clients]
    for client in (clients[0], clients[2]):
        client.join("7")
    assert [clients[3].call("note:send", way) for way in ways] == [{"sent": way} for way in ways]
    heard = [[seen.data for seen in _received(client, "noted")] for client in clients]
    assert heard == [
        ["conversation", "user", "users", "everyone"],
        ["user", "users", "connection", "everyone"],
        ["conversation", "others", "everyone"],
        ["users", "everyone"],
    ]


def _received(client: RealtimeTestClient, event: str) -> list[Any]:
    client.call("user:get-status", "nobody")
    return [seen for seen in client.received if seen.event == event]


def test_an_outcome_may_be_without_an_answer(served: Served) -> None:
    noted = served.notes.outgoing("noted", None, audience="everyone", summary="Something was noted.")

    @served.notes.event("note:send")
    def send(_state: Notes, _caller: Caller) -> Outcome:
        return Outcome(None, [noted.to_everyone()])

    served.start()
    ann = served.client("ann")
    assert ann.call("note:send") == {"ok": True}
    assert ann.wait_for("noted").args == ()


def test_an_event_is_sent_with_just_the_payload_that_it_declares() -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    plain = notes.outgoing("noted", None, audience="everyone", summary="Something was noted.")
    full = notes.outgoing("noted:more", str, audience="everyone", summary="Something was noted.", volatile=True)
    for event, payloads in ((plain, ("x",)), (full, ()), (full, ("x", "y"))):
        with pytest.raises(TypeError, match="is declared with"):
            event.to_everyone(*payloads)
    assert (plain.to_everyone().volatile, full.to_everyone("x").volatile) == (False, True)


def test_a_view_sends_what_a_feature_declares_and_leaves_the_sender_out_if_asked(served: Served) -> None:
    noted = served.notes.outgoing("noted", str, audience="everyone", summary="Something was noted.")

    @served.app.post("/note/<text>/<int:skip>")
    def note(text: str, skip: int) -> str:
        return str(served.realtime.emit(noted.to_everyone(text), **({"skip_sender": True} if skip else {})))

    served.start()
    ann, ben = served.client("ann"), served.client("ben")
    for path in ("/note/to-all/0", "/note/to-others/1"):
        answer = served.app.test_client().post(path, headers={"X-Socket-ID": str(ann.id)})
        assert answer.text == "True"
    assert [seen.data for seen in _received(ann, "noted")] == ["to-all"]
    assert [seen.data for seen in _received(ben, "noted")] == ["to-all", "to-others"]


# What a feature hears of connections ------------------------------------------------------------------------------------------


def test_a_feature_hears_what_connections_do_and_may_send_something(served: Served) -> None:
    noted = served.notes.outgoing("noted", str, audience="everyone", summary="Something was noted.")

    def hear(what: str) -> Callable[..., Iterable[Emit]]:
        def listener(state: Notes, caller: Caller, *more: Any) -> Iterable[Emit]:
            state.heard.append((what, caller.user_id, *more))
            return [noted.to_everyone(f"{what} {caller.user_id}")]

        return listener

    notes = served.notes
    for register, what in (
        (notes.on_admitted, "admitted"),
        (notes.on_connected, "connected"),
        (notes.on_joined, "joined"),
        (notes.on_left, "left"),
        (notes.on_disconnected, "disconnected"),
    ):
        listener = hear(what)
        assert register(listener) is listener
    state = served.start()
    watcher = served.client("ann")
    # A client may know that it is connected before the features have heard of it.
    assert [watcher.wait_for("noted").data for _ in range(2)] == ["admitted ann", "connected ann"]
    ben = served.client("ben")
    ben.join("7")
    ben.call("leave:conversation", "7")
    ben.disconnect()
    expected = ["admitted", "connected", "joined", "left", "disconnected"]
    assert [watcher.wait_for("noted").data for _ in expected] == [f"{what} ben" for what in expected]
    assert [heard for heard in state.heard if heard[1] == "ben"] == [
        ("admitted", "ben"), ("connected", "ben"), ("joined", "ben", "7"), ("left", "ben", "7"), ("disconnected", "ben"),
    ]  # fmt: skip


def test_what_servers_share_is_changed_and_told_of_once_a_connection_is_gone(served: Served) -> None:
    done: list[str] = []
    gone = served.notes.hook("on_gone", ["user_id"])
    served.realtime.hook(gone)(lambda user_id: done.append(f"told of {user_id}"))

    @served.notes.on_disconnected
    def leave(_state: Notes, caller: Caller) -> Iterable[Effect]:
        return [Announce(gone, (caller.user_id,)), Share(lambda: done.append(f"shared {caller.user_id}"))]

    context = served.start().context
    served.client("ann").disconnect()
    wait_until(context, lambda: done == ["shared ann", "told of ann"])


def test_a_listener_that_fails_keeps_nobody_else_from_hearing(served: Served) -> None:
    errors: list[str] = []
    served.realtime.on_error(lambda error, _event, _identity: errors.append(str(error)))

    @served.notes.on_connected
    def fail(_state: Notes, _caller: Caller) -> None:
        raise RuntimeError("it is broken")

    @served.notes.on_connected
    def hear(state: Notes, caller: Caller) -> None:
        state.heard.append(caller.user_id)

    state = served.start()
    assert served.client("ann").call("user:get-status", "ann")["status"] == "online"
    assert (state.heard, errors) == (["ann"], ["it is broken"])


# What a feature asks the application ------------------------------------------------------------------------------------------


def test_the_functions_of_a_hook_are_called_one_after_the_other(served: Served) -> None:
    noted = served.notes.hook("on_noted", ["identity", "text"], default="unused")
    heard: list[Any] = []

    @served.notes.event("note:add", payload=str)
    def add(state: Notes, caller: Caller, text: str) -> Any:
        return [state.context.is_registered(noted), state.context.call(noted, caller.identity, text, caller=caller)]

    for number in (1, 2):

        @served.realtime.hook(noted)
        def remember(identity: Identity, text: str, number: int = number) -> str:
            heard.append((number, identity.user_id, text, has_app_context()))
            return "not asked for"

    served.start()
    assert served.client("ann").call("note:add", "x") == [True, "unused"]
    assert heard == [(1, "ann", "x", True), (2, "ann", "x", True)]


@pytest.mark.parametrize(("answer", "expected"), [("theirs", "theirs"), (None, "ours"), (False, False)])
def test_a_single_hook_returns_what_its_function_does(served: Served, answer: Any, expected: Any) -> None:
    chosen = served.notes.hook("choose", ["text"], single=True, default="ours")

    @served.notes.event("note:choose")
    def choose(state: Notes, caller: Caller) -> Any:
        return [state.context.call(chosen, "x", caller=caller)]

    served.realtime.hook(chosen)(lambda _text: answer)
    with pytest.raises(RegistrationError, match=r"notes\.choose"):
        served.realtime.hook(chosen)(lambda _text: answer)
    served.start()
    assert served.client("ann").call("note:choose") == [expected]


def test_a_hook_that_nobody_registered_has_its_default(served: Served) -> None:
    chosen = served.notes.hook("choose", [], single=True, default="ours")
    allowed = served.notes.hook("allow", [], single=True, default=True)

    @served.notes.event("note:choose")
    def choose(state: Notes, caller: Caller) -> Any:
        context = state.context
        decided = context.decide(allowed, caller=caller, event="note:choose")
        return [context.is_registered(chosen), context.call(chosen, caller=caller), decided]

    served.start()
    assert served.client("ann").call("note:choose") == [False, "ours", True]


@pytest.mark.parametrize(("answer", "expected"), [(True, True), (False, False), (None, False), ("yes", "internal_error")])
def test_a_hook_that_decides_says_yes_or_no(served: Served, answer: Any, expected: Any) -> None:
    allowed = served.notes.hook("allow", ["identity"], single=True, default=False)

    @served.notes.event("note:allow")
    def allow(state: Notes, caller: Caller) -> dict[str, bool]:
        return {"allowed": state.context.decide(allowed, caller.identity, caller=caller, event="note:allow")}

    served.realtime.hook(allowed)(lambda _identity: answer)
    served.start()
    given = served.client("ann").call("note:allow")
    assert (given["error"]["code"] if "error" in given else given["allowed"]) == expected


def test_hooks_that_are_only_told_fail_alone(served: Served) -> None:
    told = served.notes.hook("on_noted", ["text"])
    heard: list[str] = []
    errors: list[str] = []

    @served.notes.event("note:add")
    def add(state: Notes, caller: Caller) -> None:
        state.context.announce(told, "x", caller=caller)
        state.context.announce_with(lambda: heard.append("after"))

    @served.realtime.hook(told)
    def fail(_text: str) -> None:
        raise RuntimeError("it is broken")

    served.realtime.hook(told)(heard.append)
    served.realtime.on_error(lambda error, _event, _identity: errors.append(str(error)))
    served.start()
    assert served.client("ann").call("note:add") == {"ok": True}
    assert (heard, errors) == (["x", "after"], ["it is broken"])


# What a feature has -----------------------------------------------------------------------------------------------------------


def test_each_application_has_a_state_of_its_own(make_app: MakeApp) -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    states = []
    for app in (make_app(), make_app()):
        realtime = Realtime()
        realtime.register(notes)
        realtime.init_app(app)
        states.append(realtime.state_of(notes))
        assert states[-1].context.app is app
        assert states[-1].context.config.typing_timeout == 7.0
    assert states[0] is not states[1]


def test_a_feature_sees_the_states_that_it_requires_and_no_others(make_app: MakeApp) -> None:
    first: Feature[Notes] = Feature("first", state=Notes)
    second = Feature("second", state=lambda context: context.state_of(first), requires=[first])
    third = Feature("third", state=Notes)
    realtime = Realtime()
    realtime.register(second)
    realtime.register(third)
    app = make_app()  # The extension does not keep an application alive.
    realtime.init_app(app)
    assert realtime.state_of(second) is realtime.state_of(first)
    with pytest.raises(RegistrationError, match=r"'third' does not require 'first'; name it in requires"):
        realtime.state_of(third).context.state_of(first)
    with pytest.raises(RegistrationError, match=r"'fourth' is not registered; call realtime\.register"):
        realtime.state_of(Feature("fourth", state=Notes))


def test_a_feature_finds_connections_and_ends_them(served: Served) -> None:
    gone: list[Any] = []
    served.realtime.on_disconnect(lambda identity, reason: gone.append((identity.user_id, reason)))
    context = served.start().context
    assert not context.has_connections()
    ann, ben = served.client("ann"), served.client("ben")
    assert context.has_connections()
    assert {connection.id for connection in context.connections()} == {ann.id, ben.id}
    (found,) = context.connections_of("ben")
    assert (found.id, found.user_id, context.find(found.id), context.find("nobody")) == (ben.id, "ben", found, None)
    context.disconnect(found, "because")
    wait_until(context, lambda: gone == [("ben", "because")])
    assert context.connections_of("ben") == []


def test_a_feature_has_rooms(served: Served) -> None:
    @served.notes.event("room", payload=str)
    def enter(state: Notes, caller: Caller, what: str) -> None:
        (state.context.enter_room if what == "enter" else state.context.leave_room)(caller, "notes:1")

    context = served.start().context
    ann, ben = served.client("ann"), served.client("ben")
    for word, what in (("one", "enter"), ("two", "leave")):
        ann.call("room", what)
        context.emit(Emit("noted", (word,), ("notes:1",)))
        context.emit_here(Emit("noted:here", (word,), ("notes:1",)))
    assert [seen.args for seen in _received(ann, "noted")] == [("one",)]
    assert [seen.args for seen in _received(ann, "noted:here")] == [("one",)]
    ben.assert_nothing("noted")


def test_a_feature_sends_to_one_connection(served: Served) -> None:
    context = served.start().context
    ann, ben = served.client("ann"), served.client("ben")
    context.send_to(context.connections_of("ann")[0], "noted", {"text": "x"})
    assert ann.wait_for("noted").data == {"text": "x"}
    ben.assert_nothing("noted")


def test_a_connection_in_another_namespace_is_admitted_and_sent_to_there(served: Served, app_token: Callable[[str], str]) -> None:
    served.notes.on_admitted(lambda state, caller: state.heard.append(("admitted", caller)))
    served.notes.on_connected(lambda state, caller: state.heard.append(("connected", caller)))
    state = served.start()
    served.realtime.socketio.on_event("look", lambda: None, namespace="/desk")
    ann = served.client("ann")
    ann._connection.send(Packet(CONNECT, {"token": app_token("ann")}, namespace="/desk"))
    wait_until(state.context, lambda: len(state.heard) == 3)
    assert [(how, caller.namespace) for how, caller in state.heard] == [
        ("admitted", "/"),
        ("connected", "/"),
        ("admitted", "/desk"),
    ]
    state.context.send_to(state.heard[-1][1], "noted", {"text": "x"})
    assert ann.wait_for("noted").data == {"text": "x"}
    assert len(list(state.heard[0][1].of_session())) == 2


def test_what_is_due_is_done_and_what_comes_of_it_is_sent(served: Served) -> None:
    context = served.start().context
    ann = served.client("ann")
    due = [context.clock() + 0.05]

    def expire() -> list[Emit]:
        assert context.clock() >= due.pop()
        return [Emit("noted", ("in time",), None)]

    context.timer(lambda: due[0] if due else None, expire).wake()
    assert ann.wait_for("noted").data == "in time"
    assert due == []


def test_a_command_runs_with_the_state_and_returns_a_number(served: Served) -> None:
    @served.notes.command("forget")
    def forget(state: Notes, *numbers: int) -> int:
        state.heard += numbers
        return len(numbers)

    @served.notes.command("say")
    def say(state: Notes, word: str) -> str:
        state.heard.append(word)
        return word

    state = served.start()
    context = state.context
    assert [context.everywhere("forget", 1, 2), context.everywhere("say", "x"), context.everywhere("unknown")] == [2, 0, 0]
    context.elsewhere("say", "y")
    assert state.heard == [1, 2, "x"]


def test_a_feature_runs_tasks_in_order_and_in_an_application_context(served: Served) -> None:
    context = served.start().context
    done: list[Any] = []
    finished = threading.Event()
    mailbox = context.new_mailbox()
    for number in range(3):
        mailbox.post(lambda number=number: done.append((number, context.in_app_context(has_app_context))))  # type: ignore[misc]
    mailbox.post(finished.set)
    wait_until(context, finished.is_set)
    assert done == [(0, True), (1, True), (2, True)]


def test_what_a_feature_reports_is_told_to_the_application(served: Served) -> None:
    errors: list[Any] = []
    served.realtime.on_error(lambda *told: errors.append(told))
    error = RuntimeError("it is broken")
    served.start().context.report(error)
    assert errors == [(error, None, None)]


# What is no feature -----------------------------------------------------------------------------------------------------------


def test_what_is_declared_too_late_is_an_error() -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    noted = notes.outgoing("noted", None, audience="everyone", summary="Something was noted.")
    notes.event("note:add")(lambda _state, _caller: None)
    Realtime().register(notes)
    late: list[Callable[[], object]] = [
        lambda: notes.event("note:more"),
        lambda: notes.repeats("note:add"),
        lambda: notes.outgoing("noted:more", None, audience="everyone", summary="More was noted."),
        lambda: notes.add_outgoing(noted),
        lambda: notes.hook("on_noted", []),
        lambda: notes.command("forget"),
        lambda: notes.on_serving(lambda _state: None),
        lambda: notes.on_relayed("noted"),
        *(
            lambda register=register: register(lambda *_args: None)
            for register in (notes.on_admitted, notes.on_connected, notes.on_joined, notes.on_left, notes.on_disconnected)
        ),
    ]
    for declare in late:
        with pytest.raises(RegistrationError, match=r"notes: .* came after Realtime\.register and would have no effect"):
            declare()


def test_only_a_volatile_event_of_its_own_with_a_payload_has_a_listener_and_only_one() -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    for name, payload, volatile in (("noted", str, False), ("bare", None, True), ("drawn", str, True)):
        notes.outgoing(name, payload, audience="everyone", summary="Something was noted.", volatile=volatile)
    with pytest.raises(RegistrationError, match=r"notes: on_relayed\('drawn'\)"):
        notes.on_relayed("drawn")(lambda _state: None)
    notes.on_relayed("drawn")(lambda _state, _payload: None)
    for name in ("noted", "bare", "drawn", "unknown"):
        with pytest.raises(RegistrationError, match=rf"notes: on_relayed\('{name}'\) needs a volatile outgoing event"):
            notes.on_relayed(name)


def test_what_is_declared_too_late_on_a_required_feature_is_an_error_too() -> None:
    shared: Feature[Notes] = Feature("shared", state=Notes)
    Realtime().register(Feature("notes", state=Notes, requires=[shared]))
    with pytest.raises(RegistrationError, match=r"shared: .* came after Realtime\.register"):
        shared.event("note:add")


def test_an_event_that_the_application_handles_is_no_features(served: Served) -> None:
    shared: Feature[Notes] = Feature("shared", state=Notes)
    shared.event("note:add")(lambda _state, _caller: "the feature's")
    served.realtime.on("note:add")(lambda _identity: "the application's")
    for feature in (shared, Feature("notes", state=Notes, requires=[shared])):
        with pytest.raises(RegistrationError, match="'note:add' has a handler already"):
            served.realtime.register(feature)
    served.start()
    assert served.client("ann").call("note:add") == "the application's"


def test_a_feature_that_is_registered_too_late_is_an_error(served: Served) -> None:
    served.start()
    with pytest.raises(RegistrationError, match=r"'late' was registered after init_app .*; register it before"):
        served.realtime.register(Feature("late", state=Notes))


@pytest.mark.parametrize("name", ["connect", "disconnect", "realtime:error", "", "x" * 129, None, 7])
def test_the_name_of_an_event_must_be_one(name: Any) -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    with pytest.raises(RegistrationError, match=r"reserved|string of 1 to 128 characters"):
        notes.event(name)
    with pytest.raises(RegistrationError, match=r"reserved|string of 1 to 128 characters"):
        notes.outgoing(name, None, audience="everyone", summary="Something was noted.")


def test_a_payload_cannot_be_declared_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    notes: Feature[Notes] = Feature("notes", state=Notes)
    with pytest.raises(RegistrationError, match=r"pip install 'flask-realtime\[validation\]'"):
        notes.event("note:add", payload=int)(lambda _state, _caller, _number: None)


def test_a_reserved_name_has_its_hook_in_the_error() -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    for name, hint in (("connect", "on_connect is its hook"), ("realtime:x", "There is no hook for it")):
        with pytest.raises(RegistrationError, match=hint):
            notes.event(name)


def test_nothing_is_said_of_the_hooks_of_an_own_event_that_says_nothing_itself() -> None:
    notes, realtime = Feature("notes", state=Notes), Realtime()
    notes.event("note:add")(lambda _state, _caller: None)
    notes.event("note:drop", hint="may_drop is its hook.")(lambda _state, _caller: None)
    realtime.register(notes)
    for name, end in (("note:add", "needs no other handler."), ("note:drop", "needs no other handler. may_drop is its hook.")):
        with pytest.raises(RegistrationError, match=f"'{name}' is handled by the feature 'notes', and {end}$"):
            realtime.on(name)(lambda _identity: None)


@pytest.mark.parametrize("name", ["x", "x" * 128])
def test_a_name_may_be_short_or_long(served: Served, name: str) -> None:
    served.notes.event(name)(lambda _state, _caller: 1)
    served.start()
    assert served.client("ann").call(name) == 1


def test_what_is_declared_twice_is_an_error() -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    notes.event("note:add")(lambda _state, _caller: None)
    with pytest.raises(RegistrationError, match="'note:add' has a handler already"):
        notes.event("note:add")
    notes.outgoing("noted", None, audience="everyone", summary="Something was noted.")
    with pytest.raises(RegistrationError, match="'noted' is declared already"):
        notes.outgoing("noted", None, audience="everyone", summary="Something was noted.")


@pytest.mark.parametrize(("payload", "handler"), [(None, lambda _state: 1), (str, lambda _state, _caller: 1)])
def test_a_handler_must_take_what_it_gets(payload: Any, handler: Callable[..., Any]) -> None:
    notes: Feature[Notes] = Feature("notes", state=Notes)
    with pytest.raises(RegistrationError, match=r"notes: event\('note:add'\).* cannot be called with \(state, caller"):
        notes.event("note:add", payload=payload)(handler)
    with pytest.raises(RegistrationError, match=r"notes: .* cannot be called with \(state, caller"):
        notes.on_connected(lambda: None)
    with pytest.raises(RegistrationError, match=r"notes: .* cannot be called with \(state, caller, conversation_id\)"):
        notes.on_joined(lambda _state, _caller: None)


def register_all(realtime: Realtime, features: Iterable[Feature[Any]]) -> None:
    for feature in features:
        realtime.register(feature)


@pytest.mark.parametrize("order", [1, -1])
def test_features_share_neither_names_nor_events(order: int) -> None:
    def named(name: str) -> Feature[Notes]:
        return Feature(name, state=Notes)

    sending, handling = named("sending"), named("handling")
    others = [named("notes"), sending, handling]
    notes = named("notes")
    sending.outgoing("noted", None, audience="everyone", summary="Something was noted.")
    handling.event("note:add")(lambda _state, _caller: None)
    own = named("own")
    own.outgoing("noted", None, audience="everyone", summary="Something was noted.")
    own.event("note:add")(lambda _state, _caller: None)
    for pair, problem in (
        ((others[0], notes), "Two features have the name 'notes'"),
        ((sending, own), "The outgoing event 'noted' of the feature '.*' belongs to the feature '.*' already"),
        ((handling, own), "The event 'note:add' of the feature '.*' belongs to the feature '.*' already"),
        ((named("presence"),), "Two features have the name 'presence'"),
    ):
        realtime = Realtime()
        with pytest.raises(RegistrationError, match=problem):
            register_all(realtime, pair[::order])


def test_one_name_may_stand_for_what_comes_and_what_goes(served: Served) -> None:
    said = served.notes.outgoing("say", str, audience="everyone", summary="Something was said.")

    @served.notes.event("say", payload=str)
    def say(_state: Notes, _caller: Caller, text: str) -> Outcome:
        return Outcome(None, [said.to_everyone(text)])

    served.start()
    ann = served.client("ann")
    ann.call("say", "x")
    assert ann.wait_for("say").data == "x"


def test_a_feature_that_two_others_require_is_registered_once(served: Served) -> None:
    made: list[object] = []
    shared: Feature[None] = Feature("shared", state=made.append)
    for name in ("one", "two"):
        served.realtime.register(Feature(name, state=Notes, requires=[shared]))
    served.realtime.register(shared)
    served.start()
    assert len(made) == 1
