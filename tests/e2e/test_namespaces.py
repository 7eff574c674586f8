"""Namespaces of the application's own: authenticated, counted, limited and timed out like the default one."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import TRANSPORTS, JSClient, JSDriver, Refused
from tests.e2e.conftest import NewId, OpenPolling, OpenWire, Servers
from tests.e2e.raw import SEPARATOR
from tests.e2e.wire import Wire

APP = "tests.e2e.apps.namespaces_app:create_app()"
NO_LIMITS = {"REALTIME_LIMITS": {"application": None}, "REALTIME_USER_LIMITS": {"application": None}}


class Desk:
    """Connects socket.io-client to namespaces of one server, and closes what is open after the test."""

    def __init__(self, driver: JSDriver, api: Api) -> None:
        self.api = api
        self._driver = driver
        self._clients: list[JSClient] = []

    def __call__(self, user: str | None, namespace: str = "/desk", mode: str = "websocket", token: str | None = None) -> JSClient:
        token = token or (None if user is None else self.api.token(user))
        options = {"transports": TRANSPORTS[mode], "auth": {} if token is None else {"token": token}}
        client = JSClient(self._driver, self.api.url + namespace, options)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.release()


@pytest.fixture
def server(servers: Servers) -> Api:
    return servers.get({}, APP)


@pytest.fixture
def desk(driver: JSDriver, server: Api) -> Iterator[Desk]:
    desk = Desk(driver, server)
    yield desk
    desk.close()


def entered(open_wire: OpenWire, api: Api, user: str, namespace: str = "/desk") -> Wire:
    """A raw connection that has been let into a namespace."""
    wire = open_wire(api.url)
    wire.opening()
    wire.send(f"40{namespace}," + json.dumps({"token": api.token(user)}))
    assert wire.text().startswith(f'40{namespace},{{"sid":')
    return wire


# Who gets in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("kind", "code"),
    [(None, "token_missing"), ("expired", "token_expired"), ("revoked", "token_revoked"), ("other_key", "token_invalid")],
)
def test_nobody_gets_in_without_a_good_token(desk: Desk, new_id: NewId, mode: str, kind: str | None, code: str) -> None:
    user = new_id("ann")
    token = None if kind is None else desk.api.token(user, kind)
    with pytest.raises(Refused) as refused:
        desk(None, mode=mode, token=token)
    assert refused.value.code == code
    assert desk.api.hooks("desk", user) == []


def test_the_hooks_that_decide_who_connects_are_asked(desk: Desk, new_id: NewId) -> None:
    user = new_id("banned")
    with pytest.raises(Refused) as refused:
        desk(user)
    assert refused.value.code == "connection_refused"
    assert desk.api.hooks("connect", user) == [[user, "/desk"]]
    assert desk.api.hooks("desk", user) == []


@pytest.mark.parametrize(("prefix", "code"), [("refused", "connection_refused"), ("crash", "internal_error")])
def test_its_connect_handler_may_refuse_and_what_fails_refuses(
    open_wire: OpenWire, server: Api, new_id: NewId, prefix: str, code: str
) -> None:
    user = new_id(prefix)
    wire = open_wire(server.url)
    wire.opening()
    wire.send("40/desk," + json.dumps({"token": server.token(user)}))
    answer = wire.text()  # nothing that its handler sent comes before, or at all
    assert answer.startswith("44/desk,")
    assert json.loads(answer[len("44/desk,") :])["data"]["code"] == code
    server.post("/say", {"event": "news", "data": user})
    wire.send("40/nowhere,")
    assert wire.text().startswith("44/nowhere,")


@pytest.mark.parametrize("event", ['42/desk,1["who"]', '42/desk,["who"]', "41/desk,", "43/desk,1[]", '451-/desk,["who"]'])
def test_nothing_may_come_before_connect(open_wire: OpenWire, server: Api, event: str) -> None:
    wire = open_wire(server.url)
    wire.opening()
    wire.send(event)
    assert wire.packets_until_closed() <= {"1"}


def test_being_in_the_default_namespace_opens_no_other(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    wire = open_wire(server.url)
    assert wire.enter(server.token(new_id("ann"))).startswith("40{")
    wire.send('42/desk,1["who"]')
    wire.wait_until_closed()


def test_an_open_namespace_takes_everybody_and_nobody_has_a_name_there(desk: Desk) -> None:
    client = desk(None, "/status")
    assert client.call("look") == {"user": "", "up": True}
    with pytest.raises(Refused):
        desk(None, "/desk")


# Order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_connect_is_answered_before_anything_that_its_handler_sends(desk: Desk, new_id: NewId, mode: str) -> None:
    user = new_id("ann")
    client = desk(user, mode=mode)
    assert client.wait_for("welcome").data == {"user": user, "name": user.title()}


def test_on_the_wire_connect_comes_first(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    user, other = new_id("gated"), new_id("ann")
    wire, bystander = open_wire(server.url), entered(open_wire, server, other)
    wire.opening()
    wire.send("40/desk," + json.dumps({"token": server.token(user)}), '42/desk,7["who"]')
    server.wait_for_hook("desk", user)
    server.post("/say", {"event": "news", "data": user})
    assert bystander.receive_until('42/desk,["news"') == f'42/desk,["news","{user}"]'
    server.post(f"/gates/{user}", {})
    assert wire.text().startswith('40/desk,{"sid":')
    got = [wire.text() for _ in range(4)]
    assert [packet[: len("42/desk,[")] for packet in got] == ["42/desk,["] * 3 + ["43/desk,7"]
    assert [json.loads(packet[len("42/desk,") :])[0] for packet in got[:3]] == ["welcome", "came", "news"]


def test_events_are_handled_in_the_order_sent(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api, user = servers.get(NO_LIMITS, APP), new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send(*(f'42/desk,["step",{number}]' for number in range(100)), '42/desk,1["step",100]')
    wire.receive_until("43/desk,1[")
    assert [call[1] for call in api.hooks("step", user)] == list(range(101))


# Events, answers, rooms, ends -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_events_are_answered_and_handlers_know_who_it_is(desk: Desk, new_id: NewId, mode: str) -> None:
    user = new_id("ann")
    client = desk(user, mode=mode)
    assert client.call("who") == {"user": user, "namespace": "/desk", "id": client.sid}
    assert client.call("say", "nobody", b"\x00\xff") == "nobody"
    assert client.call("ask") == "acknowledged"


def test_what_fails_is_answered_without_detail(desk: Desk, new_id: NewId) -> None:
    client = desk(new_id("ann"))
    assert client.call("fail")["error"]["code"] == "internal_error"
    assert client.call("no-such-event")["error"]["code"] == "unknown_event"
    client.emit("fail")
    failed = client.wait_for("realtime:error").data
    assert (failed["event"], failed["error"]["code"]) == ("fail", "internal_error")
    assert "secret" not in failed["error"]["message"]
    assert client.call("who")["id"] == client.sid


@pytest.mark.parametrize("mode", ["polling", "websocket"])
def test_rooms_hold_those_who_joined(desk: Desk, new_id: NewId, mode: str) -> None:
    room = new_id("room")
    ann, ben, eve = (desk(new_id(name), mode=mode) for name in ("ann", "ben", "eve"))
    for client in (ann, ben):
        assert client.call("join", room) is None
    assert ann.call("say", room, {"text": "hello"}) == room
    assert ben.wait_for("said").data == {"text": "hello"}
    ann.call("say", room, b"\x00\xff")
    assert ben.wait_for("said").data == b"\x00\xff"
    ben.call("leave", room)
    ann.call("say", room, "unheard")
    desk.api.post("/say", {"event": "said", "data": "by the server", "to": room})
    assert ann.wait_for("said").data == "by the server"
    desk.api.post("/say", {"event": "done", "data": 1})
    for client in (ben, eve):
        client.wait_for("done")
        assert client.received("said") == []


def test_its_disconnect_handler_hears_of_every_end_once(desk: Desk, new_id: NewId) -> None:
    ends: list[tuple[Callable[[JSClient], None], str]] = [
        (lambda client: client.disconnect(), "client disconnect"),
        (lambda client: client.cut(), "transport close"),
        (lambda client: client.emit("kick"), "server disconnect"),
        (lambda client: desk.api.emit("disconnect_user", client.call("who")["user"], "enough"), "enough"),
    ]
    for end, reason in ends:
        user = new_id("ann")
        client = desk(user)
        client.wait_for("welcome")
        end(client)
        assert desk.api.wait_for_hook("desk-gone", user) == [[user, reason]]
        assert desk.api.wait_for_hook("disconnect", user) == [[user, "/desk", reason]]
    assert client.wait_for_disconnect() == "io server disconnect"


def test_a_disconnect_leaves_the_other_namespaces_of_a_session_alone(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    wire = entered(open_wire, server, user)
    wire.send("40" + json.dumps({"token": server.token(user)}))
    wire.receive_until("40{")
    wire.send("41/desk,")
    assert server.wait_for_hook("desk-gone", user) == [[user, "client disconnect"]]
    assert wire.call(1, "user:get-status", user) == {"userId": user, "status": "online"}
    wire.send("40/desk," + json.dumps({"token": server.token(user)}))
    wire.receive_until("40/desk,")
    wire.send("41")
    server.wait_for_hook("disconnect", user, "/")
    wire.send('42/desk,5["who"]')
    assert f'"user":"{user}"' in wire.receive_until("43/desk,5[")


def test_who_is_in_another_namespace_alone_is_not_online(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    entered(open_wire, server, user)
    assert server.emit("is_user_online", user) is False


@pytest.mark.parametrize("namespace", ["", "/desk,"])
def test_a_disconnect_after_a_refused_connect_ends_the_session(open_wire: OpenWire, server: Api, namespace: str) -> None:
    wire = open_wire(server.url)
    wire.opening()
    wire.send(f'40{namespace}{{"token":"x"}}')
    assert wire.text().startswith(f"44{namespace}")
    wire.send(f"41{namespace}")
    wire.wait_until_closed()


@pytest.mark.parametrize("namespace", ["", "/desk,"])
def test_a_disconnect_sent_with_a_connect_that_is_refused_ends_the_session(
    open_wire: OpenWire, server: Api, namespace: str
) -> None:
    wire = open_wire(server.url)
    wire.opening()
    wire.send(f'40{namespace}{{"token":"x"}}', f"41{namespace}")
    assert wire.text().startswith(f"44{namespace}")
    wire.wait_until_closed()


# Tokens -----------------------------------------------------------------------------------------------


def test_a_connection_ends_with_its_token(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api, user = servers.get({"REALTIME_EXPIRY_GRACE": 0}, APP), new_id("ann")
    wire = open_wire(api.url)
    wire.opening()
    wire.send("40/desk," + json.dumps({"token": api.token(user, seconds=2)}))
    assert wire.receive_until('42/desk,["auth:expiring"')
    assert wire.receive_until('42/desk,["auth:expired"')
    assert wire.receive_until("41/desk,")
    assert api.wait_for_hook("desk-gone", user) == [[user, "token expired"]]


@pytest.mark.parametrize("namespace", ["", "/desk,"])
def test_a_new_token_keeps_it_open(open_wire: OpenWire, servers: Servers, new_id: NewId, namespace: str) -> None:
    """Sent in the namespace itself, or in another one of the same session."""
    api, user = servers.get({"REALTIME_EXPIRY_GRACE": 0}, APP), new_id("ann")
    wire = open_wire(api.url)
    wire.opening()
    old, new = api.token(user, seconds=2), api.token(user)
    for each in ("", "/desk,"):
        wire.send(f"40{each}" + json.dumps({"token": old}))
        wire.receive_until(f'40{each}{{"sid"')
    wire.send(f"42{namespace}9" + json.dumps(["auth:refresh", new]))
    assert '"expiresAt":"' in wire.receive_until(f"43{namespace}9")
    later = open_wire(api.url)
    later.opening()
    later.send("40/desk," + json.dumps({"token": api.token(new_id("ben"), seconds=2)}))
    later.receive_until('42/desk,["auth:expired"')
    wire.send('42/desk,5["who"]')
    assert user in wire.receive_until("43/desk,5[")


def test_a_revoked_token_ends_it(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api, user = servers.get({"REALTIME_REVOCATION_INTERVAL": 0.2}, APP), new_id("ann")
    wire = open_wire(api.url)
    wire.opening()
    anonymous = open_wire(api.url)
    anonymous.opening()
    anonymous.send("40/status,")
    assert anonymous.text().startswith("40/status,")
    token = api.token(user)
    wire.send("40/desk," + json.dumps({"token": token}))
    wire.receive_until("40/desk,")
    api.post("/revoke", {"jti": api.token_id(token)})
    assert wire.receive_until("41/desk,")
    assert api.wait_for_hook("desk-gone", user) == [[user, "token revoked"]]
    anonymous.send('42/status,1["look"]')
    assert anonymous.text().startswith("43/status,1[")


def test_the_connections_of_a_token_can_be_ended(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    user = new_id("ann")
    token = server.token(user)
    wire = open_wire(server.url)
    wire.opening()
    wire.send("40/desk," + json.dumps({"token": token}))
    wire.receive_until("40/desk,")
    assert server.emit("disconnect_token", server.token_id(token)) == 1
    assert wire.receive_until("41/desk,")


# Limits -----------------------------------------------------------------------------------------------


def test_connections_count_as_in_the_default_namespace(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api, user = servers.get({"REALTIME_MAX_CONNECTIONS_PER_USER": 2}, APP), new_id("ann")
    wires = [entered(open_wire, api, user) for _ in range(2)]
    for namespace in ("", "/desk,"):
        third = open_wire(api.url)
        third.opening()
        third.send(f"40{namespace}" + json.dumps({"token": api.token(user)}))
        assert '"code":"too_many_connections"' in third.receive_until(f"44{namespace}")
    wires[0].send("40" + json.dumps({"token": api.token(user)}))  # the same session again, in another namespace
    assert wires[0].receive_until("40{")


def test_events_have_the_limits_of_the_applications_events(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    wire = entered(open_wire, server, new_id("ann"))
    wire.send(*(f'42/desk,{number}["who"]' for number in range(60)))
    answers = [wire.receive_until(f"43/desk,{number}[") for number in range(60)]
    assert "rate_limited" not in "".join(answers[:20])
    assert '"code":"rate_limited"' in "".join(answers[20:])


def test_who_keeps_on_is_disconnected(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api, user = servers.get({"REALTIME_MAX_REFUSALS": "1/minute, burst 5"}, APP), new_id("ann")
    wire = entered(open_wire, api, user)
    wire.send(*['42/desk,["who"]'] * 60)
    assert api.wait_for_hook("desk-gone", user) == [[user, "rate limit"]]
    wire.wait_until_closed()


def test_an_open_namespace_has_limits_too(open_wire: OpenWire, server: Api) -> None:
    wire = open_wire(server.url)
    wire.opening()
    wire.send("40/status,", *(f'42/status,{number}["look"]' for number in range(60)))
    answers = [wire.receive_until(f"43/status,{number}[") for number in range(60)]
    assert '"code":"rate_limited"' in "".join(answers[20:])


def test_an_event_that_is_too_large_is_answered(open_wire: OpenWire, server: Api, new_id: NewId) -> None:
    wire = entered(open_wire, server, new_id("ann"))
    wire.send("42/desk,1" + json.dumps(["say", "room", "x" * 70_000]))
    assert '"code":"payload_too_large"' in wire.receive_until("43/desk,1[")


@pytest.mark.parametrize(
    "packet", ["40/desk,", '40/desk,{"token":"x"}', "40/nowhere,", '42/desk,["who"]', "41/desk,"], ids=lambda packet: packet[:9]
)
def test_no_packet_lifts_the_connect_time_out_but_an_admission(open_wire: OpenWire, servers: Servers, packet: str) -> None:
    wire = open_wire(servers.get({"REALTIME_CONNECT_TIMEOUT": 0.5}, APP).url)
    wire.opening()
    wire.send(packet)
    wire.wait_until_closed()


def test_who_was_let_in_stays_past_the_time_out(open_wire: OpenWire, servers: Servers, new_id: NewId) -> None:
    api = servers.get({"REALTIME_CONNECT_TIMEOUT": 0.5}, APP)
    wire, later = entered(open_wire, api, new_id("ann")), open_wire(api.url)
    later.wait_until_closed()
    wire.send('42/desk,1["who"]')
    assert wire.receive_until("43/desk,1[")


@pytest.mark.parametrize("namespace", ["", "/desk,"])
def test_who_left_the_last_namespace_has_the_time_out_again(open_wire: OpenWire, servers: Servers, namespace: str) -> None:
    api = servers.get({"REALTIME_CONNECT_TIMEOUT": 0.5}, APP)
    wire = open_wire(api.url)
    wire.opening()
    wire.send(f"40{namespace}" + json.dumps({"token": api.token()}))
    wire.receive_until(f"40{namespace}")
    before = time.monotonic()
    wire.send(f"41{namespace}")
    wire.wait_until_closed()
    assert time.monotonic() - before > 0.4


def test_long_polling_connects_to_several_namespaces_in_one_request(open_polling: OpenPolling, server: Api, new_id: NewId) -> None:
    auth = json.dumps({"token": server.token(new_id("ann"))})
    polling = open_polling(server.url)
    assert polling.post(f"40{auth}", f"40/desk,{auth}", "40/status,").ok
    packets = SEPARATOR.join(polling.receive_until("40/status,"))
    assert '40{"sid"' in packets
    assert '40/desk,{"sid"' in packets
