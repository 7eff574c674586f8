"""A client with recovery, packet by packet: its place, its loss and its return."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from flask import Flask

from flask_realtime.extension import gateway_of
from tests.integration.wire import Wire


class Place(NamedTuple):
    """What a client needs to come back."""

    sid: str
    pid: str
    offset: str

    def auth(self) -> dict[str, Any]:
        return {"recovery": True, "pid": self.pid, "offset": self.offset}


class Comeback(NamedTuple):
    """What a client is told when it comes back."""

    missed: list[list[Any]]
    connected: dict[str, Any]
    ready: dict[str, Any]
    offset: str


def event(packet: str) -> list[Any]:
    """The name and the arguments of an event."""
    assert packet.startswith("2"), packet
    listed: list[Any] = json.loads(packet[1:])
    return listed


def enter(wire: Wire, user_id: str, **auth: Any) -> Place:
    """Connect with recovery, for the first time."""
    connected = json.loads(wire.enter(user_id, recovery=True, **auth)[1:])
    name, ready, offset = event(wire.receive())
    assert (name, ready) == ("realtime:ready", {"recovered": False, "gap": False})
    return Place(connected["sid"], connected["pid"], offset)


def come_back(wire: Wire, user_id: str, place: Place, **auth: Any) -> Comeback:
    """Connect as a client does that has been there before."""
    wire.send(wire.connect_packet(user_id, **{**place.auth(), **auth}))
    missed = []
    while (packet := wire.receive()).startswith("2"):
        missed.append(event(packet))
    assert packet.startswith("0"), packet
    name, ready, offset = event(wire.receive())
    assert name == "realtime:ready"
    return Comeback(missed, json.loads(packet[1:]), ready, offset)


def is_recovered(place: Place, answer: Comeback) -> bool:
    """Whether a client is where it was; it is nowhere in between."""
    if answer.ready == {"recovered": True, "gap": False}:
        assert answer.connected == {"sid": place.sid, "pid": place.pid}
        return True
    assert answer.ready == {"recovered": False, "gap": True}
    assert answer.missed == []
    assert answer.connected["sid"] != place.sid
    assert answer.connected["pid"] != place.pid
    return False


def lose(app: Flask, wire: Wire, user_id: str = "ann") -> None:
    """End a session as the network does, and wait until the server has noticed."""
    gateway = gateway_of(app)
    (connection,) = [one for one in gateway._registry.of_user(user_id) if one.session.id in wire._url]
    gateway.on_close(connection.session.id, "transport close")


def names(events: list[list[Any]]) -> list[str]:
    return [name for name, *_ in events]
