"""Recovery of lost connections, with the unmodified JavaScript client over a network that loses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.api import Api
from tests.e2e.clients import Client, PyClient
from tests.e2e.conftest import NewId, Open, ServerWith
from tests.e2e.network import Network

ROUNDS = 100
"""How often a connection is lost in a row."""

QUICK = {"REALTIME_PING_INTERVAL": 0.4, "REALTIME_PING_TIMEOUT": 0.4}
"""Settings with which both sides notice soon that nothing comes any more."""


def told(client: Client, name: str) -> list[Any]:
    """The first arguments of the events of a name, in order; each has an offset behind it."""
    events = client.received(name)
    assert all(len(event.args) == 2 and isinstance(event.args[1], str) for event in events)
    return [event.args[0] for event in events]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("how", ["finish", "reset", "strand"])
def test_whatever_is_sent_around_losses_comes_once_each_in_order(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId, how: str, transport: str
) -> None:
    api = server_with()
    network, user, conversation = networks(api), new_id("ann"), new_id("conversation")
    client = open_client(network.url, api, user, transport)
    sid = client.sid
    client.call("join:conversation", conversation)
    expected = []
    for number in range(ROUNDS if transport == "websocket" else ROUNDS // 5):
        for moment in ("before", "between", "after"):
            api.emit("send_to_conversation", conversation, "said", [number, moment])
            expected.append([number, moment])
            if moment == "before":
                network.shut()
                network.lose(how)
            elif moment == "between":
                network.open()
        client.wait_for_number("said", len(expected))
    client.settle()
    assert told(client, "said") == expected
    assert client.sid == sid
    assert client.recoveries == [False] + [True] * (len(client.recoveries) - 1)
    assert len(client.recoveries) > (ROUNDS if transport == "websocket" else 1)  # Between two polls there is nothing to lose.


def test_what_is_sent_into_a_network_that_stands_still_comes_when_both_sides_have_noticed(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId
) -> None:
    api = server_with(**QUICK)
    network, user = networks(api), new_id("ann")
    client = open_client(network.url, api, user)
    client.wait_for("realtime:ready")  # On the stock engine, CONNECT and this are two writes.
    for number in range(5):
        network.lose("freeze")
        api.emit("send_to_user", user, "told", number)
        client.wait_until_back(number + 1)
    client.settle()
    assert client.recoveries == [False, *[True] * 5]
    assert told(client, "told") == list(range(5))


def test_a_page_that_was_reloaded_gets_what_it_missed(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId
) -> None:
    api = server_with()
    network, user = networks(api), new_id("ann")
    client = open_client(network.url, api, user)
    sid = client.sid
    api.emit("send_to_user", user, "told", "before")
    client.wait_for("told")
    place = client.place()
    network.shut()
    network.lose("strand")
    client.disconnect()
    api.emit("send_to_user", user, "told", "between")
    network.open()
    reloaded = open_client(network.url, api, user, **place)
    reloaded.settle()
    assert reloaded.sid == sid
    assert told(reloaded, "told") == ["between"]
    assert reloaded.received("realtime:ready")[0].args[0] == {"recovered": True, "gap": False}
    for number in range(2):
        network.lose("reset")
        api.emit("send_to_user", user, "told", number)
        reloaded.wait_until_back(number + 1)
    reloaded.settle()
    assert told(reloaded, "told") == ["between", 0, 1]


def test_what_a_hook_sends_to_who_is_back_comes_behind_connect_and_what_was_missed(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId
) -> None:
    api = server_with()
    network, user = networks(api), new_id("greeted")
    client = open_client(network.url, api, user)
    client.wait_for("greeting")
    client.wait_for("realtime:ready")
    network.shut()
    network.lose("reset")
    api.emit("send_to_user", user, "told", "between")
    network.open()
    client.wait_for_number("greeting", 1)
    client.settle()
    assert client.recoveries == [False, True]
    names = [event.name for event in client._events]
    assert [name for name in names if name in {"told", "realtime:ready", "greeting"}] == ["told", "realtime:ready", "greeting"]


def test_in_one_room_everybody_gets_what_they_can_do_with(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId
) -> None:
    api = server_with()
    network, conversation = networks(api), new_id("conversation")
    with_recovery = open_client(network.url, api, new_id("ann"))
    without = PyClient(api.url, {"auth": {"token": api.token(new_id("bob"))}, "transports": ["websocket"]})
    try:
        for client in (with_recovery, without):
            client.call("join:conversation", conversation)
        for number in range(10):
            network.lose("reset")
            api.emit("send_to_conversation", conversation, "said", number)
            with_recovery.wait_until_back(number + 1)
        without.settle()
        with_recovery.settle()
        assert [event.args for event in without.received("said")] == [(number,) for number in range(10)]
        assert told(with_recovery, "said") == list(range(10))
    finally:
        without.release()


def test_a_client_that_lost_more_than_is_kept_is_told_so(
    server_with: ServerWith, networks: Callable[[Api], Network], open_client: Open, new_id: NewId
) -> None:
    api = server_with(REALTIME_RECOVERY_BYTES=20_000)
    network, user = networks(api), new_id("ann")
    client = open_client(network.url, api, user)
    sid = client.sid
    client.wait_for("realtime:ready")
    network.shut()
    network.lose("strand")
    for _ in range(100):
        api.emit("send_to_user", user, "told", "x" * 200)
    network.open()
    client.wait_until_back(1)
    assert client.wait_for("realtime:ready").args[0] == {"recovered": False, "gap": True}
    assert client.recoveries == [False, False]
    assert client.sid != sid
    assert told(client, "told") == []
    api.emit("send_to_user", user, "told", "here")
    client.settle()
    assert told(client, "told") == ["here"]
