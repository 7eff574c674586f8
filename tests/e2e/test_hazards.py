"""Known faults of the libraries underneath, and hostile clients: what must not come through."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import requests
import websocket

from tests.e2e.api import Api
from tests.e2e.clients import JSDriver
from tests.e2e.conftest import CONTRACT_APP, ClientFactory, NewId, OpenPolling, OpenSocket, ServerWith
from tests.e2e.raw import RawSocket
from tests.e2e.servers import ServerError, gunicorn, poll

OFFLINE = {"userId": "nobody", "status": "offline"}
QUICK_PINGS = {"REALTIME_PING_INTERVAL": 0.3, "REALTIME_PING_TIMEOUT": 0.4}
RESPONSIVE_SECONDS = 3.0


def entered(open_socket: OpenSocket, api: Api, user: str) -> RawSocket:
    """A raw connection that has been let in."""
    raw = open_socket(api.url)
    assert raw.enter(api.token(user)).startswith("40{")
    return raw


def assert_answers(raw: RawSocket) -> None:
    """The connection still works."""
    assert raw.call(99, "user:get-status", "nobody") == OFFLINE


# Packets that no well-behaved client sends ------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ('["disconnect","client namespace disconnect"]', "bad_request"),
        ('["connect",{},{}]', "bad_request"),
        ('["connect_error",{}]', "bad_request"),
        ('["disconnecting"]', "bad_request"),
        ('["__disconnect_final"]', "unknown_event"),
        ('["*","user:get-status"]', "unknown_event"),
        ('["",1]', "bad_request"),
        ("[1,2]", "bad_request"),
        ("[null]", "bad_request"),
        ("[[]]", "bad_request"),
        ("[]", "bad_request"),
        ('[{"event":"app:echo"}]', "bad_request"),
    ],
)
def test_no_packet_forges_an_event_of_the_life_cycle(
    open_socket: OpenSocket, api: Api, new_id: NewId, event: str, code: str
) -> None:
    user = new_id("ann")
    raw = entered(open_socket, api, user)
    raw.send(f"421{event}")
    answer = json.loads(raw.receive_until("431[")[3:])
    assert answer[0]["error"]["code"] == code
    raw.send(f"42{event}")
    assert json.loads(raw.receive_until('42["realtime:error"')[2:])[1]["error"]["code"] == code
    assert_answers(raw)
    assert api.hooks("disconnect", user) == []
    assert len(api.hooks("connect", user)) == 1
    assert api.emit("is_user_online", user) is True


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", r'"\ud800"', "9" * 5_000])
@pytest.mark.parametrize("form", ["{}", "[{}]", '{{"a":{}}}'])
def test_a_value_that_json_has_not_or_few_can_hold_is_a_bad_request(
    open_socket: OpenSocket, api: Api, new_id: NewId, number: str, form: str
) -> None:
    raw = entered(open_socket, api, new_id("ann"))
    raw.send(f'421["app:echo",{form.format(number)}]')
    assert json.loads(raw.receive_until("431[")[3:])[0]["error"]["code"] == "bad_request"
    assert_answers(raw)


@pytest.mark.parametrize(
    "packets",
    [
        ['451-["app:echo",{"_placeholder":true,"num":5}]', b"\x00"],
        ['451-1["join:conversation",{"_placeholder":true,"num":-1}]', b"\x00"],
        ['459999999999-["app:echo",{"_placeholder":true,"num":0}]', b"\x00"],
        ['451-["app:echo"]', b"\x00"],
        ['451-["app:echo",{"_placeholder":true,"num":0}]', "42[1]"],
        [b"\x00\x01"],
        ["49"],
        ["4"],
        ["47[]"],
        ["431[]"],
        ["43"],
        ["44{}"],
        ["x"],
        ["\U0001f642"],
    ],
    ids=str,
)
def test_a_malformed_packet_is_survived_or_ends_only_its_own_connection(
    open_socket: OpenSocket, api: Api, new_id: NewId, packets: list[str | bytes]
) -> None:
    bystander, raw = entered(open_socket, api, new_id("ben")), entered(open_socket, api, new_id("ann"))
    for packet in packets:
        raw.send_any(packet)
    raw.send('4277["user:get-status","nobody"]')
    answer = raw.receive()
    while answer and not answer.startswith("4377["):
        answer = raw.receive()
    assert_answers(bystander)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_view_cannot_send_what_would_cut_its_receivers_off(
    connect_js: ClientFactory, api: Api, new_id: NewId, number: str
) -> None:
    user = new_id("ann")
    client = connect_js(user)
    body = f'{{"args": ["{user}", "note", {number}], "kwargs": {{}}}}'
    headers = {"Content-Type": "application/json"}
    answer = requests.post(f"{api.url}/emit/send_to_user?via=method", data=body, headers=headers, timeout=10)
    assert answer.status_code == 500
    client.assert_none("note")


def test_what_a_polling_request_carries_is_all_handled(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    polling = open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(new_id("ann"))}))
    polling.receive_until("40")
    assert polling.post(*(f'42{number}["app:echo",{number}]' for number in range(40))).ok
    answers = [packet for packet in polling.receive_until("4339[") if packet.startswith("43")]
    assert answers == [f'43{number}[{{"echo":{number}}}]' for number in range(40)]


def test_a_polling_request_carries_so_many_packets_and_no_more(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    polling = open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(new_id("ann"))}))
    polling.receive_until("40")
    assert polling.post(*["6"] * 10_000).ok
    assert polling.post('421["app:echo",1]').ok
    polling.receive_until("431[")
    assert polling.post(*["6"] * 10_001).status_code == 400
    assert polling.post("6").status_code == 400, "the session is over"


def test_an_event_emitted_while_a_connect_hook_runs_comes_after_the_admission(
    open_socket: OpenSocket, api: Api, new_id: NewId
) -> None:
    user = new_id("greeted")
    raw = open_socket(api.url)
    assert raw.enter(api.token(user)).startswith("40{")
    assert raw.receive_until('42["greeting"') == '42["greeting","hello"]'


def test_a_javascript_client_gets_what_its_connect_hook_sent(connect: ClientFactory, new_id: NewId) -> None:
    assert connect(new_id("greeted")).wait_for("greeting").data == "hello"


# Order ------------------------------------------------------------------------------------------------


def test_an_event_right_after_a_slow_join_finds_the_member(connect: ClientFactory, new_id: NewId) -> None:
    conversation, ann = new_id("slow"), new_id("ann")
    other, client = connect(new_id("ben")), connect(ann)
    other.call("join:conversation", conversation)
    client.emit("join:conversation", conversation)
    client.emit("typing:start", {"conversationId": conversation})
    assert other.wait_for("typing:start").data == {"conversationId": conversation, "userId": ann}
    client.assert_none("realtime:error")


def test_events_of_one_connection_are_handled_in_order(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    for number in range(199):
        client.emit("app:step", number)
    assert client.call("app:step", 199) == 199
    assert [call[1] for call in api.hooks("step", user)] == list(range(200))


def test_one_connections_slow_handler_does_not_hold_up_another(connect_js: ClientFactory, new_id: NewId) -> None:
    slow, quick = connect_js(new_id("ann")), connect_js(new_id("ben"))
    slow.emit("app:sleep", 5)
    assert quick.call("app:echo", 1, timeout=RESPONSIVE_SECONDS) == {"echo": 1}


def test_large_payloads_sent_at_once_do_not_mix(connect_js: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect_js(user)
    payloads = [letter * 300_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(len(payloads)) as pool:
        list(pool.map(lambda payload: api.emit("send_to_user", user, "large", payload), payloads))
    assert sorted(client.wait_for("large").data for _ in payloads) == payloads
    client.settle()


# Heartbeats -------------------------------------------------------------------------------------------


def test_a_slow_handler_does_not_stop_the_heartbeats(connect: ClientFactory, server_with: ServerWith, new_id: NewId) -> None:
    client = connect(new_id("ann"), api=server_with(**QUICK_PINGS))
    assert client.call("app:sleep", 2) == {"ok": True}
    client.settle()
    assert client.connected


def test_who_does_not_answer_pings_is_dropped(open_socket: OpenSocket, server_with: ServerWith, new_id: NewId) -> None:
    api, user = server_with(**QUICK_PINGS), new_id("ann")
    raw = entered(open_socket, api, user)
    while raw.receive_raw():
        pass
    api.wait_for_hook("disconnect", user)
    assert api.emit("is_user_online", user) is False


def test_who_stops_polling_is_dropped(open_polling: OpenPolling, server_with: ServerWith, new_id: NewId) -> None:
    api, user = server_with(**QUICK_PINGS), new_id("ann")
    polling = open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(user)}))
    polling.receive_until("40")
    api.wait_for_hook("disconnect", user)
    assert api.emit("is_user_online", user) is False


# One client against all -------------------------------------------------------------------------------


def test_a_frame_that_is_too_large_ends_the_connection_before_it_is_read(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    bystander, raw = entered(open_socket, api, new_id("ben")), open_socket(api.url)
    raw.send_frame_header(50_000_000)
    assert raw.receive() == ""
    assert_answers(bystander)


def test_fragments_that_are_too_large_together_end_the_connection(open_socket: OpenSocket, api: Api) -> None:
    raw = open_socket(api.url)
    raw.send_fragment("4", first=True)
    with suppress(OSError):  # the server may close before the last of them
        for _ in range(20):
            raw.send_fragment("x" * 100_000, first=False)
    assert raw.receive() == ""


def test_who_reads_nothing_is_cut_off_and_holds_nobody_up(
    open_socket: OpenSocket, api: Api, connect_js: ClientFactory, new_id: NewId
) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    sleeper, reader = entered(open_socket, api, user), connect_js(new_id("ben"))
    assert sleeper.call(1, "join:conversation", conversation) == {"ok": True}
    assert reader.call("join:conversation", conversation) == {"ok": True}
    for number in range(60):
        api.emit("emit_new_message", conversation, {"id": number, "content": "x" * 500_000})
        # One after the other, lest the reader be cut off as well where it gets no processor for long.
        reader.wait_for("message:new", lambda message: message["id"] == number)  # noqa: B023 - called at once
    api.wait_for_hook("disconnect", user)
    assert api.emit("is_user_online", user) is False


def test_who_never_connects_is_dropped(open_socket: OpenSocket, server_with: ServerWith) -> None:
    raw = open_socket(server_with(REALTIME_CONNECT_TIMEOUT=0.5).url)
    while packet := raw.receive():
        assert packet == "1"  # Engine.IO's goodbye


def test_a_message_that_is_too_large_ends_the_connection_and_no_other(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    bystander, client = connect(new_id("ben")), connect(user)
    client.emit("app:echo", "x" * 2_000_000)
    client.wait_for_disconnect()
    api.wait_for_hook("disconnect", user)
    bystander.settle()


def test_a_polling_request_that_is_too_large_is_answered(open_polling: OpenPolling, api: Api, new_id: NewId) -> None:
    polling = open_polling(api.url)
    polling.post("40" + json.dumps({"token": api.token(new_id("ann"))}))
    polling.receive_until("40")
    assert polling.post("4" + "x" * 2_000_000).status_code in {400, 413}


def test_a_flood_of_events_leaves_time_for_others(open_socket: OpenSocket, api: Api, new_id: NewId) -> None:
    flood, bystander = entered(open_socket, api, new_id("ann")), entered(open_socket, api, new_id("ben"))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood.send_many, '42["user:get-status","nobody"]', 20_000)
        while not sending.done():
            answer = requests.get(api.url + "/ready", timeout=RESPONSIVE_SECONDS)
            assert answer.elapsed.total_seconds() < RESPONSIVE_SECONDS
            assert_answers(bystander)
        sending.result()


# Origins ----------------------------------------------------------------------------------------------

ORIGIN = "http://elsewhere.example"
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.mark.parametrize("extra", [{}, {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Proto": "http"}])
def test_a_page_of_another_origin_is_refused(open_socket: OpenSocket, api: Api, extra: dict[str, str]) -> None:
    headers = {"Origin": ORIGIN, **extra}
    assert requests.get(api.url + HANDSHAKE, headers=headers, timeout=10).status_code in {400, 403}
    with pytest.raises((websocket.WebSocketBadStatusException, ConnectionRefusedError)):
        open_socket(api.url, origin=ORIGIN, headers=extra)


def test_a_page_of_the_servers_origin_is_let_in(open_socket: OpenSocket, api: Api) -> None:
    assert requests.get(api.url + HANDSHAKE, headers={"Origin": api.url}, timeout=10).status_code == 200
    assert open_socket(api.url, origin=api.url).handshake


def test_a_configured_origin_is_let_in_and_no_other(open_socket: OpenSocket, server_with: ServerWith) -> None:
    api = server_with(REALTIME_CORS_ALLOWED_ORIGINS=[ORIGIN])
    answer = requests.get(api.url + HANDSHAKE, headers={"Origin": ORIGIN}, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert open_socket(api.url, origin=ORIGIN).handshake
    other = {"Origin": "http://third.example"}
    assert requests.get(api.url + HANDSHAKE, headers=other, timeout=10).status_code in {400, 403}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (
            {"REALTIME_CORS_ALLOWED_ORIGINS": "*", "JWT_TOKEN_LOCATION": ["headers", "cookies"]},
            "REALTIME_CORS_ALLOWED_ORIGINS",
        ),
        ({"REALTIME_PING_INTERVALL": 5}, "REALTIME_PING_INTERVAL"),
        ({"REALTIME_PING_INTERVAL": -1}, "REALTIME_PING_INTERVAL"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_start(config: dict[str, Any], named: str) -> None:
    environment = {"CONTRACT_APP_CONFIG": json.dumps(config)}
    with pytest.raises(ServerError, match=named), gunicorn(CONTRACT_APP, environment):
        pass


# Many sockets of one page -----------------------------------------------------------------------------


def test_a_hundred_clients_come_and_go(driver: JSDriver, api: Api, new_id: NewId) -> None:
    before = api.emit("get_online_users_count")
    users = [new_id("crowd") for _ in range(100)]
    factory = ClientFactory("js-websocket", driver, api)
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(factory, users))
    conversation = new_id("conversation")
    for client in clients:
        client.call("join:conversation", conversation)
    api.emit("emit_new_message", conversation, {"id": "m1"})
    for client in clients:
        client.wait_for("message:new")
    factory.close()
    assert poll(lambda: api.emit("get_online_users_count") <= before, 10)
    assert api.emit("get_online_users", conversation) == []
