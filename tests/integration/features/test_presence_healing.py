"""What users have set of their presence, without the store, after Redis has lost it: servers write again what they know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from flask_realtime.extension import gateway_of
from flask_realtime.features.presence import presence, user_settings
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.recorded_settings import part_of
from flask_realtime.features.presence.settings import PresenceSettings
from tests.integration.conftest import MakeApp
from tests.integration.example_support import sqlite_url
from tests.integration.features.test_presence import OK, Client, asked, statuses, wait_until
from tests.integration.features.test_presence_two_servers import Servers

LEASE = 2.0
BASE = "{flask_realtime}:presence:"


@pytest.fixture
def servers(make_sharing: MakeApp) -> Iterator[Servers]:
    """Those that look again by themselves after a minute, as in production: later than these tests wait."""
    with ExitStack() as stack:
        yield Servers(partial(make_sharing, REALTIME_SERVER_LEASE=LEASE), stack, None)


def part(user_id: str) -> str:
    return f"{BASE}exceptions:{part_of(user_id)}"


def settings(user_id: str) -> str:
    return f"{BASE}settings:{user_id}"


def everything(_user_id: str) -> str:
    return f"{BASE}*"


def lose(client: Redis, *keys: str) -> None:
    assert client.delete(*keys) == len(keys)


def hide(client: Client) -> None:
    assert client.call("presence:set", {"state": "invisible"}) == OK


def knows(client: Redis, user_id: str) -> bool:
    """Whether a server that starts now would learn of a user."""
    return f'"{user_id}":["invisible"' in str(client.get(part(user_id)))


def state_of(app: Flask) -> AnnouncedPresence:
    return gateway_of(app).control.state_of(presence)


def hides(app: Flask, user_id: str) -> bool:
    """Whether a server shows a user as offline, whether they are or not."""
    return state_of(app).visibility.is_hidden(user_id)


def other_in_part(user_id: str) -> str:
    """A user whose settings are in the same part."""
    return next(other for other in map(str, range(1000)) if part_of(other) == part_of(user_id))


@pytest.mark.parametrize("lost", [[part], [part, settings]], ids=["part", "both"])
def test_whoever_is_invisible_is_so_on_a_server_that_starts_after_the_loss(
    servers: Servers, client: Redis, lost: list[Callable[[str], str]]
) -> None:
    ann = servers.client(servers.first, "ann")
    hide(ann)
    lose(client, *(key("ann") for key in lost))
    wait_until(lambda: knows(client, "ann"), ann)
    assert client.exists(settings("ann"))
    ben = servers.client(servers.new(), "ben")
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    phone = servers.client(servers.first, "ann")
    assert asked(phone, "ann")["state"] == "invisible"
    assert statuses(ben, "ann") == []


def test_a_server_that_starts_before_it_is_made_good_is_told(servers: Servers, client: Redis) -> None:
    ann = servers.client(servers.first, "ann")
    hide(ann)
    lose(client, part("ann"))
    late = servers.new()
    ben = servers.client(late, "ben")
    wait_until(lambda: hides(late, "ann"), ben)
    assert ben.call("user:get-status", "ann")["status"] == "offline"


def test_a_redis_that_has_lost_everything_learns_it_again(servers: Servers, client: Redis) -> None:
    ann, cat = servers.client(servers.first, "ann"), servers.client(servers.second, "cat")
    hide(ann)
    hide(cat)
    client.flushall()
    wait_until(lambda: knows(client, "ann") and knows(client, "cat"), ann)


@pytest.mark.parametrize("is_server", [True, False], ids=["server", "another process"])
def test_a_part_that_a_change_has_begun_anew_is_made_good_too(servers: Servers, client: Redis, *, is_server: bool) -> None:
    other = other_in_part("ann")
    ann, changing = servers.client(servers.first, "ann"), servers.second if is_server else servers.new()
    servers.client(servers.second, "ben")
    hide(ann)
    wait_until(lambda: hides(servers.second, "ann"), ann)
    lose(client, part("ann"))
    with changing.app_context():
        state_of(changing).settings.change(other, lambda now: now.with_state("invisible", None, None))
    assert knows(client, other)
    wait_until(lambda: knows(client, "ann"), ann)
    assert knows(client, other)


def test_servers_that_look_again_after_a_loss_forget_nobody(
    monkeypatch: pytest.MonkeyPatch, servers: Servers, client: Redis
) -> None:
    monkeypatch.setattr(user_settings, "REFRESH", 0.1)
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    hide(ann)
    for _ in range(5):
        lose(client, part("ann"))
        wait_until(lambda: knows(client, "ann"), ben)
        assert ben.call("user:get-status", "ann")["status"] == "offline"


def test_a_user_whose_settings_are_lost_keeps_what_a_change_is_not_about(servers: Servers, client: Redis) -> None:
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    hide(ann)
    lose(client, settings("ann"))
    worker = servers.new()
    with worker.app_context():
        state_of(worker).set_privacy("ann", send_typing=False, send_receipts=None)
    wait_until(lambda: not state_of(servers.first).visibility.kept("ann").sends_typing, ann)
    assert ben.call("user:get-status", "ann")["status"] == "offline"
    assert knows(client, "ann")


def test_a_change_after_a_loss_is_news_to_servers_that_know_an_earlier_one(servers: Servers, client: Redis) -> None:
    ann, ben = servers.client(servers.first, "ann"), servers.client(servers.second, "ben")
    for _ in range(3):
        hide(ann)
        assert ann.call("presence:set", {"state": "online"}) == OK
    lose(client, settings("ann"))
    hide(ann)
    wait_until(lambda: hides(servers.second, "ann"), ben)


def test_a_redis_that_has_forgotten_the_latest_change_learns_it_again(servers: Servers, client: Redis) -> None:
    ann = servers.client(servers.first, "ann")
    assert ann.call("presence:set", {"state": "busy"}) == OK
    before = {key: str(client.get(key)) for key in (settings("ann"), part("ann"))}
    hide(ann)
    client.mset(before)  # As a replica that is promoted may have it.
    state_of(servers.first).settings.look_again()
    wait_until(lambda: knows(client, "ann"), ann)


def test_a_change_that_a_server_was_not_told_of_is_not_undone(servers: Servers, client: Redis) -> None:
    ann = servers.client(servers.first, "ann")
    hide(ann)
    state = state_of(servers.first)
    with servers.first.app_context():
        state.settings.place.change("ann", lambda now: now.with_state("online", None, None))
    lose(client, part("ann"))
    wait_until(lambda: not state.visibility.is_hidden("ann"), ann)
    assert state.settings.place.settings("ann").is_plain
    assert state.visibility.kept("ann") == PresenceSettings()


def test_where_nothing_is_lost_nothing_is_read_or_written(servers: Servers, client: Redis) -> None:
    hide(servers.client(servers.first, "ann"))
    assert set(during_renewals(client)) == {f"EXISTS {part('ann')}"}


def test_with_the_store_redis_is_not_asked(make_sharing: MakeApp, client: Redis, tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = Servers(partial(make_sharing, REALTIME_SERVER_LEASE=LEASE), stack, sqlite_url(tmp_path))
        hide(servers.client(servers.first, "ann"))
        assert during_renewals(client) == []


def during_renewals(client: Redis) -> list[str]:
    """What scripts do with users' settings while leases are renewed four times."""
    renewals, found = 0, []
    with client.monitor() as monitor:
        while renewals < 4:
            line = monitor.next_command()
            renewals += "ZADD {flask_realtime}:servers" in line["command"]
            if line["client_type"] == "lua" and (":exceptions:" in line["command"] or ":settings:" in line["command"]):
                found.append(line["command"])
    return found
