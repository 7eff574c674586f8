"""Recovery where two servers share a Redis: each recovers the connections that were its own, whole, and no others."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_realtime import Realtime
from flask_realtime.extension import gateway_of
from tests.integration.conftest import MakeApp
from tests.integration.recovery_client import Place, come_back, enter, event, is_recovered, lose, names
from tests.integration.wire import Wire


class Servers:
    """Two servers, and ann's connection to the first of them, which she lost.

    Args:
        make: Makes an application that shares a Redis.
    """

    def __init__(self, make: MakeApp) -> None:
        self.realtimes: list[Realtime] = []
        self.here, self.there = make(on=self._set_up), make(on=self._set_up)
        self.watcher = Wire(self.here)
        self.watcher.enter("watcher")
        wire = Wire(self.here)
        self.place: Place = enter(wire, "ann")
        wire.call("join:conversation", 7)
        lose(self.here, wire)

    def _set_up(self, realtime: Realtime) -> None:
        realtime.authorize_join(lambda _identity, _conversation_id: True)
        self.realtimes.append(realtime)

    def send(self, event: str) -> None:
        """Have the second server send something to ann's conversation, and wait until the first one has done so too."""
        with self.there.app_context():
            self.realtimes[1].send_to_conversation(7, event, {})
            self.realtimes[1].broadcast_to_all("marker", {})
        self.watcher.receive_until('2["marker"')

    def everybody_knows(self, app: Flask, *, online: bool) -> bool:
        """Whether a server knows that ann is online, or that she is not."""
        return bool(gateway_of(app).backend.connected_users.online(["ann"])) is online


@pytest.fixture
def servers(make_sharing: MakeApp) -> Servers:
    return Servers(make_sharing)


def test_what_another_server_sent_is_recovered(servers: Servers) -> None:
    servers.watcher.wait_until(lambda: servers.everybody_knows(servers.there, online=False))
    servers.send("said")
    wire = Wire(servers.here)
    answer = come_back(wire, "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert names(answer.missed).count("said") == 1
    servers.watcher.wait_until(lambda: servers.everybody_knows(servers.there, online=True))
    servers.send("heard")
    assert event(wire.receive_until('2["heard"'))[1] == {}
    wire.wait_until(lambda: servers.realtimes[0].get_online_users(7) == ["ann"])


def test_another_server_recovers_nothing_and_says_so(servers: Servers) -> None:
    servers.send("said")
    assert not is_recovered(servers.place, come_back(Wire(servers.there), "ann", servers.place))


def test_what_another_server_took_away_stays_lost(servers: Servers) -> None:
    servers.realtimes[1].remove_from_conversation(7, "ann")
    servers.send("secret")
    wire = Wire(servers.here)
    answer = come_back(wire, "ann", servers.place)
    assert is_recovered(servers.place, answer)
    assert "secret" not in names(answer.missed)
    assert wire.call("typing:start", {"conversationId": 7})["error"]["code"] == "not_joined"


def test_who_was_kicked_by_another_server_does_not_recover(servers: Servers) -> None:
    servers.realtimes[1].disconnect_user("ann")
    servers.send("marked")
    assert not is_recovered(servers.place, come_back(Wire(servers.here), "ann", servers.place))
