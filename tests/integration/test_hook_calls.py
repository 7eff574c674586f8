"""How the application's code is called: context, order, exceptions."""

import threading
from typing import Any

import pytest
from flask import abort, g, has_app_context, has_request_context

from flask_realtime import Identity, Realtime, current_connection
from flask_realtime.errors import ConnectionRefused, Forbidden, NotFound
from tests.integration.conftest import Connect, MakeApp


def test_a_hook_gets_a_context_of_its_own_and_it_is_torn_down(make_app: MakeApp, connect: Connect) -> None:
    app, seen, torn_down = make_app(), [], []
    realtime = Realtime(app)

    @realtime.on("look")
    def look(identity: Identity) -> dict[str, Any]:
        g.mark = identity.user_id
        seen.append(g.mark)
        return {"app": has_app_context(), "request": has_request_context(), "same": current_connection.id}

    @app.teardown_appcontext
    def note(_error: BaseException | None) -> None:
        torn_down.append(g.get("mark"))

    with connect(app, "ann") as ann:
        assert ann.call("look") == {"app": True, "request": False, "same": ann.id}
        assert seen == ["ann"]
        assert "ann" in torn_down


def test_a_hook_that_a_view_causes_does_not_see_the_views_request(make_app: MakeApp, connect: Connect) -> None:
    app, contexts = make_app(), []
    realtime, told = Realtime(app), threading.Event()

    @realtime.on_disconnect
    def gone(_identity: Identity, _reason: str) -> None:
        contexts.append(has_request_context())
        told.set()

    @app.post("/kick")
    def kick() -> str:
        return str(realtime.disconnect_user("ann", "out"))

    with connect(app, "ann") as ann:
        assert app.test_client().post("/kick").text == "1"
        ann._wait(told.is_set, 5, "on_disconnect")
    assert contexts == [False]


@pytest.mark.parametrize("hook", ["on_disconnect", "on_leave"])
def test_a_hook_hears_of_an_end_where_it_is_the_only_one(make_app: MakeApp, connect: Connect, hook: str) -> None:
    app, told = make_app(), []
    realtime, heard = Realtime(app), threading.Event()

    @realtime.authorize_join
    def may_join(_identity: Identity, _conversation_id: str) -> bool:
        return True

    def note(identity: Identity, what: str) -> None:
        told.append((identity.user_id, what))
        heard.set()

    getattr(realtime, hook)(note)
    with connect(app, "ann") as ann:
        assert ann.call("join:conversation", "7") == {"ok": True}
        ann.disconnect()
        ann._wait(heard.is_set, 5, hook)
    assert told == [("ann", {"on_disconnect": "client disconnect", "on_leave": "7"}[hook])]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Forbidden(), "forbidden"),
        (NotFound("gone"), "not_found"),
        (RuntimeError("secret"), "internal_error"),
        (TypeError("secret"), "internal_error"),
    ],
)
def test_what_a_handler_raises_is_the_answer(make_app: MakeApp, connect: Connect, raised: Exception, code: str) -> None:
    app, reported = make_app(), []
    realtime = Realtime(app)
    realtime.on_error(lambda error, event, identity: reported.append((error, event, identity.user_id if identity else None)))

    @realtime.on("fail")
    def fail(_identity: Identity) -> None:
        raise raised

    with connect(app, "ann") as ann:
        answer = ann.call("fail")
        assert answer["error"]["code"] == code
        assert "secret" not in str(answer)
        assert reported == ([(raised, "fail", "ann")] if code == "internal_error" else [])
        assert ann.call("user:get-status", "ann")["status"] == "online"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "not_found"),
        (403, "forbidden"),
        (401, "forbidden"),
        (400, "bad_request"),
        (422, "bad_request"),
        (413, "payload_too_large"),
        (429, "rate_limited"),
        (500, "internal_error"),
    ],
)
def test_flasks_abort_has_its_counterpart(make_app: MakeApp, connect: Connect, status: int, code: str) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.on("fail")(lambda _identity: abort(status))
    with connect(app, "ann") as ann:
        assert ann.call("fail")["error"]["code"] == code


@pytest.mark.parametrize("answer", ["yes", 1, object(), [True]])
def test_only_true_admits(make_app: MakeApp, connect: Connect, answer: Any) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, _conversation_id: answer)
    with connect(app, "ann") as ann:
        assert ann.call("join:conversation", "1")["error"]["code"] == "internal_error"
        realtime.emit_new_message("1", "secret")
        ann.assert_nothing("message:new")


def test_a_connection_whose_on_join_hook_fails_is_not_joined(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, _conversation_id: True)

    @realtime.on_join
    def refuse(_identity: Identity, _conversation_id: str) -> None:
        raise Forbidden("not today")

    with connect(app, "ann") as ann:
        assert ann.call("join:conversation", "1")["error"] == {"code": "forbidden", "message": "not today"}
        realtime.emit_new_message("1", "secret")
        ann.assert_nothing("message:new")


def test_whoever_lost_access_is_taken_out_by_joining_again(make_app: MakeApp, connect: Connect) -> None:
    app, members = make_app(), {"ann"}
    realtime = Realtime(app)
    realtime.authorize_join(lambda identity, _conversation_id: identity.user_id in members)
    with connect(app, "ann") as ann:
        ann.join("1")
        members.clear()
        assert ann.call("join:conversation", "1")["error"]["code"] == "forbidden"
        realtime.emit_new_message("1", "secret")
        ann.assert_nothing("message:new")


def test_every_on_connect_hook_can_refuse_and_none_is_called_twice(make_app: MakeApp, connect: Connect) -> None:
    app, calls = make_app(), []
    realtime = Realtime(app)

    @realtime.on_connect
    def first(identity: Identity) -> None:
        calls.append(identity.user_id)

    @realtime.on_connect
    def second(_identity: Identity) -> bool:
        raise TypeError("an argument is missing")

    with pytest.raises(ConnectionRefused) as refused:
        connect(app, "ann")
    assert refused.value.code == "internal_error"
    assert calls == ["ann"]
    assert realtime.get_online_users_count() == 0


def test_a_user_who_is_ended_while_connecting_is_not_admitted(make_app: MakeApp, connect: Connect) -> None:
    app, ends = make_app(), []
    realtime = Realtime(app)
    realtime.on_disconnect(lambda identity, _reason: ends.append(identity.user_id))

    @realtime.on_connect
    def connected(identity: Identity) -> None:
        realtime.disconnect_user(identity.user_id)

    with pytest.raises(ConnectionRefused) as refused:
        connect(app, "ann")
    assert refused.value.code == "connection_refused"
    assert ends == ["ann"]
    assert not realtime.is_user_online("ann")


def test_an_audience_that_fails_tells_nobody(make_app: MakeApp, connect: Connect) -> None:
    online: list[str] = []
    app = make_app()
    realtime = Realtime(app)
    realtime.on_user_online(online.append)

    @realtime.presence_audience
    def audience(user_id: str) -> list[str] | None:
        if user_id == "bob":
            raise RuntimeError("no database")
        return ["ann", 7]  # type: ignore[list-item]

    with connect(app, "ann") as ann:
        ann.wait_for("user:status-changed")
        with connect(app, "bob") as bob:
            bob._wait(lambda: online == ["ann", "bob"], 5, "on_user_online")
            ann.assert_nothing()
            bob.assert_nothing()


@pytest.mark.parametrize("raised", [Forbidden(), ConnectionRefused(), RuntimeError()])
def test_the_other_hooks_hear_of_a_user_whatever_the_audience_hook_raises(
    make_app: MakeApp, connect: Connect, raised: Exception
) -> None:
    online: list[str] = []
    reported: list[Exception] = []
    app = make_app()
    realtime = Realtime(app)
    realtime.on_user_online(online.append)
    realtime.on_error(lambda error, _event, _identity: reported.append(error))

    @realtime.presence_audience
    def audience(_user_id: str) -> None:
        raise raised

    with connect(app, "ann") as ann:
        ann._wait(lambda: online == ["ann"], 5, "on_user_online")
        ann.assert_nothing()
        assert reported == [raised]


def test_aborting_without_a_description_speaks_of_no_page(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.on("fail")(lambda _identity: abort(404))
    with connect(app, "ann") as ann:
        assert ann.call("fail")["error"] == {"code": "not_found", "message": NotFound.default_message}


def test_an_aborts_own_words_reach_the_client(make_app: MakeApp, connect: Connect) -> None:
    app = make_app()
    realtime = Realtime(app)
    realtime.on("fail")(lambda _identity: abort(404, "No such poll"))
    with connect(app, "ann") as ann:
        assert ann.call("fail")["error"] == {"code": "not_found", "message": "No such poll"}


def test_hooks_that_are_only_told_fail_alone_and_are_reported(make_app: MakeApp, connect: Connect) -> None:
    refused, broken = Forbidden("not for you"), RuntimeError("secret")
    told: list[Any] = []
    reported: list[Any] = []
    app = make_app()
    realtime = Realtime(app)

    @realtime.on_error
    def fails_too(_error: Exception, _event: str | None, _identity: Identity | None) -> None:
        raise ValueError("the mail server is down")

    realtime.on_error(lambda error, event, identity: reported.append((error, event, identity and identity.user_id)))

    for raised in (refused, broken):

        @realtime.on_disconnect
        def gone(identity: Identity, _reason: str, raised: Exception = raised) -> None:
            told.append(identity.user_id)
            raise raised

    realtime.on_disconnect(lambda identity, reason: told.append((identity.user_id, reason)))
    with connect(app, "ann") as ann:
        ann.disconnect()
        ann._wait(lambda: len(told) == 3, 5, "the hooks")
    assert told == ["ann", "ann", ("ann", "client disconnect")]
    assert reported == [(refused, None, "ann"), (broken, None, "ann")]


def test_code_that_was_called_for_no_connection_has_none() -> None:
    with pytest.raises(RuntimeError, match=r"This code was not called for a connection\."):
        _ = current_connection.id
