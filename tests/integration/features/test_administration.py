"""Socket.IO's Admin UI, packet by packet: who gets in, what is told, what may be done, and that nothing is done unwatched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from flask_realtime import Identity, Realtime
from flask_realtime.extension import gateway_of
from flask_realtime.features.administration import administration
from flask_realtime.features.conversations import conversations
from tests.integration.conftest import Connect, MakeApp
from tests.integration.wire import Wire

PASSWORD = "correct horse battery"
ADMIN = {"username": "root", "password": generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")}
LOG_IN = {"username": "root", "password": PASSWORD}
INVALID = {"message": "invalid credentials", "data": {"code": "connection_refused"}}
OPENED: list[Wire] = []
NUMBERS = {"session", "config", "server_stats"}


class Page:
    """The Admin UI's connection, and what it was sent.

    Args:
        app: The application.
        auth: The log-in.
        environ: What else the WSGI environment of its requests has.
    """

    def __init__(self, app: Flask, auth: Any = None, **environ: str) -> None:
        self.wire = Wire(app, **environ)
        OPENED.append(self.wire)
        self.wire.send("0/admin," + json.dumps(LOG_IN if auth is None else auth))
        self.answer = self.wire.receive_until("0/admin,", "4/admin,")
        self.events: list[list[Any]] = []

    @property
    def refusal(self) -> Any:
        """The refusal, which must be one."""
        return json.loads(self.answer.removeprefix("4/admin,"))

    def wait_for(self, is_it: Callable[[list[Any]], bool]) -> list[Any]:
        """Return the first event, from the beginning, that is as it should be."""
        for event in self.events:
            if is_it(event):
                return event
        while True:
            self.events.append(json.loads(self.wire.receive_until("2/admin,").removeprefix("2/admin,")))
            if is_it(self.events[-1]):
                return self.events[-1]

    def event(self, name: str, *args: Any) -> list[Any]:
        """Return the first event of a name whose first arguments are given."""
        return self.wait_for(lambda event: event[0] == name and event[1 : 1 + len(args)] == list(args))

    def total(self, kind: str) -> int:
        """Return a number of everything that the page was told in aggregated events."""
        told = [item for event in self.events if event[0] == "server_stats" for item in event[1]["aggregatedEvents"]]
        return sum(item["count"] for item in told if item["type"] == kind)

    def act(self, event: str, *args: Any) -> Any:
        """Send an action, and return the answer; events that come before it are kept."""
        self.wire.send("2/admin,5" + json.dumps([event, *args]))
        while not (packet := self.wire.receive()).startswith("3/admin,5"):
            if packet.startswith("2/admin,"):
                self.events.append(json.loads(packet.removeprefix("2/admin,")))
        return json.loads(packet.removeprefix("3/admin,5"))[0]


@pytest.fixture(autouse=True)
def _nobody_watches_any_more() -> Iterator[None]:
    """Ends all pages after a test: as long as one is there, its server works for it."""
    yield
    while OPENED:
        with suppress(KeyError):  # The test has ended it.
            OPENED.pop().end()


def chat(app: Flask) -> Realtime:
    """Set up an application whose conversations are open to all."""
    realtime = Realtime(app)
    realtime.authorize_join(lambda _identity, _conversation_id: True)

    @realtime.on("say")
    def say(identity: Identity, payload: Any) -> None:
        realtime.send_to_conversation("7", "said", {"by": identity.user_id, "text": payload["text"]})

    return realtime


def is_observed(app: Flask) -> bool:
    """Return whether anything of the server is observed; in production mode nothing is on the way of an event then either."""
    watch = gateway_of(app).control.state_of(administration).watch
    view = gateway_of(app)._view
    assert (view.observer is None) == (watch is None or not watch.is_watched)
    assert (view.receive is not view._route) == (view.observer is not None and view.observer.shows_events)
    return view.observer is not None


def test_without_the_setting_the_namespace_is_as_unknown_as_any_other(make_app: MakeApp) -> None:
    app = make_app()
    Realtime(app)
    wire = Wire(app)
    wire.send("0/admin," + json.dumps(LOG_IN), "0/nowhere," + json.dumps(LOG_IN))
    first, second = wire.receive(), wire.receive()
    assert first.replace("/admin", "/nowhere") == second == '4/nowhere,{"message":"Invalid namespace"}'


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {**LOG_IN, "password": "guess"},
        {**LOG_IN, "username": "toor"},
        {"sessionId": "guess"},
        {"username": "root"},
        {"username": "root", "password": None},
        {"username": "root", "password": ADMIN["password"]},
        {"username": ["root"], "password": {}},
        "root",
    ],
    ids=["nothing", "password", "name", "session", "no password", "null", "hash", "types", "text"],
)
def test_who_has_no_good_log_in_is_refused_in_the_words_that_the_page_knows(make_app: MakeApp, auth: Any) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    assert Page(app, auth).refusal == INVALID
    assert not is_observed(app)


def test_a_token_of_the_application_is_no_log_in(make_app: MakeApp) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    wire = Wire(app)
    assert json.loads(wire.enter("root", "/admin").removeprefix("4/admin,")) == INVALID


def test_a_log_in_is_remembered_under_an_id_that_another_password_ends(make_app: MakeApp) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    page = Page(app)
    session_id = page.event("session")[1]
    again = Page(app, {"sessionId": session_id})
    assert again.event("config")[1] == {
        "supportedFeatures": ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT", "AGGREGATED_EVENTS"]
    }
    assert [event[0] for event in again.events] == ["config"]


def test_an_address_that_guesses_has_to_wait_even_with_the_right_password(make_app: MakeApp) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    found = [Page(app, {**LOG_IN, "password": "guess"}, REMOTE_ADDR="192.0.2.7").refusal for _ in range(11)]
    assert found[:10] == [INVALID] * 10
    assert found[10]["data"]["code"] == "rate_limited"
    assert Page(app, REMOTE_ADDR="192.0.2.7").refusal["data"]["code"] == "rate_limited"
    assert Page(app, REMOTE_ADDR="192.0.2.8").answer.startswith("0/admin,")


def test_production_shows_numbers_and_nothing_that_anybody_says(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    chat(app)
    page = Page(app)
    page.event("server_stats")
    with connect(app, "ann") as ann:
        ann.join("7")
        ann.call("say", {"text": "a secret"})
        ann.wait_for("said")
        assert page.act("join", "/", "somewhere") == {"ok": True}
        ann.emit("typing:start", "7")

        def counts(event: list[Any]) -> bool:
            return event[0] == "server_stats" and any(item["type"] == "packetsIn" for item in event[1]["aggregatedEvents"])

        stats = page.wait_for(counts)[1]
        page.wait_for(lambda _event: page.total("packetsIn") == 3)
        assert is_observed(app)
    assert {event[0] for event in page.events} == NUMBERS
    assert {"a secret", "ann", "conversation:7"} & set(json.dumps(page.events).split('"')) == set()
    assert stats["namespaces"] == [{"name": "/", "socketsCount": 1}, {"name": "/admin", "socketsCount": 1}]
    bytes_in = len('["join:conversation","7"]["say",{"text":"a secret"}]["typing:start","7"]')
    assert (page.total("bytesIn"), page.total("packetsOut") > 3, page.total("bytesOut") > 100) == (bytes_in, True, True)
    assert (stats["clientsCount"], stats["pollingClientsCount"]) == (2, 2)


def test_development_shows_connections_rooms_and_events(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN={**ADMIN, "mode": "development"})
    chat(app)
    with connect(app, "ann") as ann:
        ann.join("7")
        page = Page(app)
        sockets = {socket["nsp"]: socket for socket in page.event("all_sockets")[1]}
        assert sockets["/"]["id"] == ann.id
        assert sockets["/"]["data"]["userId"] == "ann"
        assert set(sockets["/"]["rooms"]) == {ann.id, "user:ann", "conversation:7"}
        assert sockets["/"]["handshake"]["headers"] == sockets["/"]["handshake"]["query"] == {}
        assert "/admin" in sockets
        with connect(app, "ben") as ben:
            ben.join("8")
            ann.call("say", {"text": "hello", "accessToken": "abc"})
            ann.wait_for("said")
            assert page.wait_for(lambda event: event[0] == "socket_connected" and event[1]["id"] == ben.id)
            page.event("room_joined", "/", "conversation:8", ben.id)
            page.event("event_received", "/", ann.id, ["say", {"text": "hello", "accessToken": "(hidden)"}])
            page.wait_for(lambda event: event[:3] == ["event_sent", "/", ann.id] and event[3][0] == "said")
        page.event("room_left", "/", "conversation:8", ben.id)
        page.event("socket_disconnected", "/", ben.id)


def test_development_shows_no_token(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN={**ADMIN, "mode": "development"})
    chat(app)
    page = Page(app)
    page.event("all_sockets")
    with connect(app, "ann") as ann:
        ann.call("auth:refresh", "a token that is none")
        page.event("event_received", "/", ann.id, ["auth:refresh", "(hidden)"])
    assert "a token that is none" not in json.dumps(page.events)


def test_an_administrator_emits_to_a_room_or_to_all(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    chat(app)
    page = Page(app)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        ann.join("7")
        page.act("emit", "/", "conversation:7", "hi", {"n": 1})
        page.act("emit", "/", None, "end", 2)
        assert (ann.wait_for("hi").data, ann.wait_for("end").data, ben.wait_for("end").data) == ({"n": 1}, 2, 2)
        assert [item for item in ben.received if item.event == "hi"] == []


def test_an_administrator_has_connections_join_and_leave(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    realtime = chat(app)
    left: list[str] = []
    realtime.on_leave(lambda identity, conversation_id: left.append(f"{identity.user_id} {conversation_id}"))
    page = Page(app)
    state = gateway_of(app).control.state_of(conversations)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        ann.join("7")
        page.act("join", "/", "desk", "user:ann")
        page.act("emit", "/", "desk", "hi")
        ann.wait_for("hi")
        page.act("leave", "/", "desk", ann.id)
        page.act("leave", "/", "conversation:7")
        assert not state.is_joined(str(ann.id), "7")
        assert left == ["ann 7"]
        page.act("emit", "/", "desk", "hi")
        page.act("emit", "/", None, "end")
        ann.wait_for("end")
        ben.wait_for("end")
        assert [[item.event for item in client.received].count("hi") for client in (ann, ben)] == [1, 0]


def test_an_administrator_gives_nobody_the_events_of_another_user(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    realtime = chat(app)
    page = Page(app)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        for action in ("join", "leave"):
            assert page.act(action, "/", "user:ann", ben.id)["error"]["code"] == "bad_request"
        page.act("join", "/", ann.id, ben.id)
        for event in ("news", "end"):
            realtime.send_to_user("ann", event)
        realtime.broadcast_to_all("end")
        ann.wait_for("news")
        ben.wait_for("end")
        page.act("emit", "/", ann.id, "private")
        ann.wait_for("private")
        assert {item.event for item in ben.received} & {"news", "private"} == set()


@pytest.mark.parametrize("is_whole_session", [0, 1])
def test_an_administrator_ends_connections(make_app: MakeApp, connect: Connect, is_whole_session: int) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    realtime = chat(app)
    reasons: list[str] = []
    realtime.on_disconnect(lambda _identity, reason: reasons.append(reason))
    page = Page(app)
    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        page.act("_disconnect", "/", bool(is_whole_session), "user:ann")
        page.wire.wait_until(lambda: reasons == ["administrator"])
        assert not ann.is_connected
        assert ben.call("user:get-status", "ann")["status"] == "offline"


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("emit", ["/"]),
        ("emit", ["/", None, "connect"]),
        ("emit", ["/", None, 7]),
        ("join", ["/", ""]),
        ("join", [None, "room"]),
        ("leave", ["/"]),
        ("_disconnect", []),
        ("_disconnect", ["/", True, {}]),
    ],
    ids=str,
)
def test_a_malformed_action_is_refused(make_app: MakeApp, event: str, args: list[Any]) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    assert Page(app).act(event, *args)["error"]["code"] == "bad_request"


def test_an_unknown_event_is_refused(make_app: MakeApp) -> None:
    app = make_app(REALTIME_ADMIN=ADMIN)
    Realtime(app)
    assert Page(app).act("shutdown")["error"]["code"] == "unknown_event"


def test_a_read_only_log_in_does_nothing(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN={**ADMIN, "read_only": True})
    chat(app)
    page = Page(app)
    assert page.event("config")[1] == {"supportedFeatures": ["AGGREGATED_EVENTS"]}
    with connect(app, "ann") as ann:
        for action in (("emit", "/", None, "hi"), ("join", "/", "room"), ("leave", "/", "room"), ("_disconnect", "/", True)):
            assert page.act(*action)["error"]["code"] == "forbidden"
        ann.call("user:get-status", "ann")
        assert "hi" not in {item.event for item in ann.received}


def test_the_server_is_observed_only_while_somebody_watches(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(REALTIME_ADMIN={**ADMIN, "mode": "development"})
    chat(app)
    with connect(app, "ann") as ann:
        ann.join("7")
        assert not is_observed(app)
        first, second = Page(app), Page(app)
        assert is_observed(app)
        first.wire.send("1/admin,")
        second.event("server_stats")
        assert is_observed(app)
        second.wire.end()
        second.wire.wait_until(lambda: not is_observed(app))
        ann.call("say", {"text": "hello"})
        ann.wait_for("said")


class TwoServers:
    """Two servers that share a Redis; the page is at the first.

    Args:
        make: Makes an application that shares a Redis.
        config: More of their settings.
    """

    def __init__(self, make: MakeApp, **config: Any) -> None:
        def set_up(realtime: Realtime) -> None:
            realtime.authorize_join(lambda _identity, _conversation_id: True)

        settings = {**ADMIN, **config}
        self.first, self.second = (make(on=set_up, REALTIME_ADMIN=settings) for _ in range(2))


def test_the_page_sees_the_connections_of_every_server(make_sharing: MakeApp, connect: Connect) -> None:
    two = TwoServers(make_sharing, mode="development")
    with connect(two.first, "ann") as ann, connect(two.second, "ben") as ben:
        page = Page(two.first)
        listed = {socket["id"] for socket in page.event("all_sockets")[1]}
        assert {ann.id, ben.id} <= listed
        ben.join("7")
        page.event("room_joined", "/", "conversation:7", ben.id)


def test_the_page_acts_on_every_server(make_sharing: MakeApp, connect: Connect) -> None:
    two = TwoServers(make_sharing)
    with connect(two.first, "ann") as ann, connect(two.second, "ben") as ben:
        page = Page(two.first)
        page.act("join", "/", "desk", ben.id)
        page.act("emit", "/", "desk", "hi", 1)
        page.act("emit", "/", None, "end")
        ann.wait_for("end")
        assert ben.wait_for("hi").data == 1
        page.act("_disconnect", "/", None, ben.id)
        page.wire.wait_until(lambda: not ben.is_connected)


def test_a_log_in_at_one_server_holds_at_the_other(make_sharing: MakeApp) -> None:
    two = TwoServers(make_sharing)
    session_id = Page(two.first).event("session")[1]
    assert Page(two.second, {"sessionId": session_id}).answer.startswith("0/admin,")


def test_no_server_reports_once_nobody_watches(make_sharing: MakeApp, connect: Connect, client: Any) -> None:
    two = TwoServers(make_sharing, mode="development")

    def written() -> int:
        """How many envelopes of the administration are in the stream."""
        streams = [key for key in client.scan_iter("*") if client.type(key) == "stream"]
        return sum("administration" in str(entry) for key in streams for entry in client.xrange(key))

    with connect(two.first, "ann") as ann, connect(two.second, "ben") as ben:
        for user in (ann, ben):
            user.join("7")
        assert written() == 0
        page = Page(two.first)
        page.wait_for(lambda event: event[0] == "all_sockets" and {ann.id, ben.id} <= {socket["id"] for socket in event[1]})
        assert written() > 0
        page.wire.end()
        page.wire.wait_until(lambda: not is_observed(two.first) and not is_observed(two.second))
        before = written()
        for user in (ann, ben):
            user.call("leave:conversation", "7")
            user.call("user:get-status", "ann")
        assert written() == before
