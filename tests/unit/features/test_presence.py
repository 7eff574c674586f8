"""Presence, without Flask or sockets."""

from flask_realtime.backends.memory import MemoryConnectedUsers
from flask_realtime.features.presence import Presence


def test_a_second_tab_neither_comes_nor_goes() -> None:
    presence = Presence(MemoryConnectedUsers())
    assert presence.connected("c1", "ann")
    assert not presence.connected("c2", "ann")
    assert not presence.disconnected("c1", "ann")
    assert presence.is_online("ann")
    assert presence.disconnected("c2", "ann")
    assert not presence.disconnected("c2", "ann")
    assert presence.count() == 0


def test_presence_knows_everybody_and_each_of_their_connections() -> None:
    presence = Presence(MemoryConnectedUsers())
    presence.connected("c1", "ann", "phone")
    presence.connected("c2", "ann")
    presence.connected("c3", "ben")
    assert (sorted(presence.users()), presence.count()) == (["ann", "ben"], 2)
    assert [(entry.connection_id, entry.device) for entry in presence.connections("ann")] == [("c1", "phone"), ("c2", "")]
    assert presence.connections("zed") == []
    assert presence.status("ben") == {"userId": "ben", "status": "online"}
    assert presence.status("zed") == {"userId": "zed", "status": "offline"}
    assert [presence.exceeds_limit(number, "ann", 1.0) for number in (1, 2, 3)] == [True, False, False]


def test_the_changes_of_a_users_status_are_in_order_and_may_be_dropped() -> None:
    send = Presence.status_changed("ann", online=False, audience=None, version=7)
    assert (send.event, send.args) == ("user:status-changed", ({"userId": "ann", "status": "offline"},))
    assert (send.order, send.volatile) == (("user:ann", 7), True)


def test_statuses_come_in_the_order_asked_for() -> None:
    presence = Presence(MemoryConnectedUsers())
    presence.connected("c1", "ann")
    assert presence.statuses(["zed", "ann", "zed"]) == [
        {"userId": "zed", "status": "offline"},
        {"userId": "ann", "status": "online"},
        {"userId": "zed", "status": "offline"},
    ]


def test_a_status_is_told_to_everyone_or_to_an_audience() -> None:
    assert Presence.status_changed("ann", online=True, audience=None, version=1).rooms is None
    assert Presence.status_changed("ann", online=True, audience=["bob"], version=1).rooms == ("user:bob",)
    assert Presence.status_changed("ann", online=True, audience=[], version=1).rooms == ()
