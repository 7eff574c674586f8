"""What the application calls: each function in a view, over a real server."""

import json
import time
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.conftest import WORKERS, ClientFactory, NewId, OpenSocket, ServerWith
from tests.e2e.servers import poll

VIAS = ["method", "function"]
SENDERS: dict[str, tuple[str, list[Any]]] = {
    "emit_new_message": ("message:new", [{"id": "m1"}]),
    "emit_message_read": ("messages:read", [["m1"]]),
    "emit_message_deleted": ("message:deleted", ["m1"]),
    "emit_message_delivered": ("messages:delivered", [["m1"], "another user"]),
    "send_to_conversation": ("custom:event", ["custom:event", 1]),
    "emit_notification_to_user": ("notification:new", [{"id": "n1"}]),
    "emit_order_update": ("order:update", [{"id": "o1"}]),
    "send_to_user": ("custom:event", ["custom:event", 1]),
}
TO_A_USER = {"emit_notification_to_user", "emit_order_update", "send_to_user"}


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("helper", SENDERS)
def test_what_a_view_sends_arrives(connect_js: ClientFactory, api: Api, new_id: NewId, helper: str, via: str) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    client = connect_js(user)
    client.call("join:conversation", conversation)
    event, args = SENDERS[helper]
    api.emit(helper, user if helper in TO_A_USER else conversation, *args, via=via)
    assert len(client.wait_for(event).args) == 1


@pytest.mark.parametrize("helper", SENDERS)
def test_skip_sender_leaves_out_the_connection_that_the_request_names(
    connect: ClientFactory, api: Api, new_id: NewId, helper: str
) -> None:
    user, conversation = new_id("ann"), new_id("conversation")
    sender, other_tab = connect(user), connect(user)
    for client in (sender, other_tab):
        client.call("join:conversation", conversation)
    event, args = SENDERS[helper]
    to = user if helper in TO_A_USER else conversation
    api.emit(helper, to, *args, sender=sender.sid, skip_sender=True)
    other_tab.wait_for(event)
    sender.assert_none(event)
    api.emit(helper, to, *args, sender=sender.sid)
    sender.wait_for(event)
    api.emit(helper, to, *args, skip_sender=True)
    sender.wait_for(event)


@pytest.mark.parametrize("via", VIAS)
def test_a_broadcast_reaches_everyone_but_a_skipped_sender(connect_js: ClientFactory, api: Api, new_id: NewId, via: str) -> None:
    first, second = connect_js(new_id("ann")), connect_js(new_id("ben"))
    name = new_id("announcement")
    api.emit("broadcast_to_all", name, {"text": "hi"}, 2, sender=first.sid, skip_sender=True, via=via)
    assert second.wait_for(name).args == ({"text": "hi"}, 2)
    first.assert_none(name)
    api.emit("broadcast_to_all", name, via=via)
    assert first.wait_for(name).args == ()
    assert second.wait_for(name).args == ()


def test_any_number_of_arguments_arrives(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    lists: list[list[Any]] = [[], [None], [1, "two", [3], {"four": 4}], [[]], [{}]]
    for args in lists:
        api.emit("send_to_user", user, "custom:event", *args)
        assert client.wait_for("custom:event").args == tuple(args)


def test_values_of_python_arrive_as_flasks_json_has_them(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    api.post("/emit-python-values", {"user": user})
    assert client.wait_for("values").data == {
        "datetime": "Fri, 02 Jan 2026 03:04:05 GMT",
        "date": "Fri, 02 Jan 2026 00:00:00 GMT",
        "uuid": "12345678-1234-5678-1234-567812345678",
        "decimal": "12.50",
        "dataclass": {"poll": "lunch", "choice": 2},
    }


@pytest.mark.parametrize("via", VIAS)
def test_each_connection_of_a_user_can_be_asked_for(open_socket: OpenSocket, api: Api, new_id: NewId, via: str) -> None:
    user = new_id("ann")
    devices = {"Ann's phone \u260e": "Ann's phone \u260e", "x" * 65: "x" * 64, "": "", "two\nlines": "", 7: "", None: ""}
    ids = {}
    for device in devices:
        answer = open_socket(api.url).enter(api.token(user), device=device)
        ids[json.loads(answer[2:])["sid"]] = device
    connections = api.emit("get_user_connections", user, via=via)
    assert {connection_id: device for connection_id, _, _, device in connections} == {
        connection_id: devices[device] for connection_id, device in ids.items()
    }
    assert all(0 <= time.time() - since < 60 for _, _, since, _ in connections)
    assert api.emit("get_user_connections", new_id("ben"), via=via) == []


@pytest.mark.parametrize("via", VIAS)
def test_presence_can_be_asked_for(connect_js: ClientFactory, server_with: ServerWith, new_id: NewId, via: str) -> None:
    api = server_with(REALTIME_MAX_STATUS_IDS=50)  # A server without other tests' clients.
    user, conversation = new_id("ann"), new_id("conversation")
    # This test's own, of the other round, are closed; the server may still be busy with their leaving.
    assert poll(lambda: api.emit("get_online_users", via=via) == [], 30)
    clients = [connect_js(user, api=api), connect_js(user, api=api)]
    clients[0].call("join:conversation", conversation)
    assert api.emit("get_online_users_count", via=via) == 1
    assert api.emit("is_user_online", user, via=via) is True
    assert api.emit("get_user_status", user, via=via) == {"userId": user, "status": "online"}
    assert api.emit("get_online_users", via=via) == [user]
    assert api.emit("get_online_users", conversation, via=via) == [user]
    for client in clients:
        client.disconnect()
    api.wait_for_hook("disconnect", user, count=2)
    assert api.emit("is_user_online", user, via=via) is False
    assert api.emit("get_user_status", user, via=via) == {"userId": user, "status": "offline"}
    assert api.emit("get_online_users", conversation, via=via) == []


@pytest.mark.parametrize("via", VIAS)
def test_a_user_can_be_disconnected(connect_js: ClientFactory, api: Api, new_id: NewId, via: str) -> None:
    user = new_id("ann")
    clients, other = [connect_js(user), connect_js(user)], connect_js(new_id("ben"))
    assert api.emit("disconnect_user", user, "enough", via=via) == 2
    for client in clients:
        assert client.wait_for_disconnect() == "io server disconnect"
    other.settle()
    assert len(api.wait_for_hook("disconnect", user, count=2)) == 2
    assert api.emit("is_user_online", user) is False
    assert api.emit("disconnect_user", user, via=via) == 0


def test_a_user_can_be_disconnected_on_every_transport(connect: ClientFactory, api: Api, new_id: NewId) -> None:
    user = new_id("ann")
    client = connect(user)
    assert api.emit("disconnect_user", user) == 1
    assert client.wait_for_disconnect()


@pytest.mark.parametrize("via", VIAS)
def test_the_connections_of_a_token_can_be_ended(connect_js: ClientFactory, api: Api, new_id: NewId, via: str) -> None:
    user = new_id("ann")
    token = api.token(user)
    ended, kept = connect_js(token=token), connect_js(user)
    count = api.emit("disconnect_token", api.token_id(token), via=via)
    assert count == 1 or (WORKERS > 1 and count == 0), "it counts those of its own worker"
    ended.wait_for_disconnect()
    kept.settle()


@pytest.mark.parametrize("bad", ["", None, True, {}, []])
def test_no_wrong_target_ever_means_everyone(connect_js: ClientFactory, api: Api, new_id: NewId, bad: Any) -> None:
    client = connect_js(new_id("ann"))
    for helper, event in (("send_to_user", "note"), ("send_to_conversation", "note")):
        with pytest.raises(AssertionError, match="500"):
            api.emit(helper, bad, event, 1)
    client.assert_none("note")
