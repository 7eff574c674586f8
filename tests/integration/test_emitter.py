"""What a process without an application does through the message queue: a worker of a task queue, a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from flask import Flask

from flask_realtime import Feature, Identity, Realtime, RealtimeEmitter
from flask_realtime.errors import ConfigError, RegistrationError
from flask_realtime.features.conversations import conversations
from flask_realtime.features.presence import Presence, presence
from tests.integration.conftest import Connect, MakeApp
from tests.redis_server import RedisServer


@pytest.fixture
def server(make_sharing: MakeApp) -> Flask:
    """An application that serves clients."""

    def set_up(realtime: Realtime) -> None:
        @realtime.authorize_join
        def may_join(_identity: Identity, _conversation_id: str) -> bool:
            return True

    return make_sharing(on=set_up)


@pytest.fixture
def emitter(redis: RedisServer) -> Iterator[RealtimeEmitter]:
    with closing(RealtimeEmitter(redis.url)) as emitter:
        yield emitter


def test_events_reach_whom_they_are_for(server: Flask, emitter: RealtimeEmitter, connect: Connect) -> None:
    with connect(server, "ann") as ann, connect(server, "ben") as ben:
        ann.join("7")
        assert emitter.emit_new_message("7", {"id": 7}) is True
        assert emitter.send_to_user("ben", "news", "for ben", skip_sender=True) is True
        assert emitter.broadcast_to_all("end", [1]) is True
        assert [client.wait_for("end").data for client in (ann, ben)] == [[1], [1]]
        assert ann.wait_for("message:new").data == {"id": 7}
        assert ben.wait_for("news").data == "for ben"
        ann.assert_nothing("news")
        ben.assert_nothing("message:new")


def test_it_knows_who_is_online_and_where(server: Flask, emitter: RealtimeEmitter, connect: Connect) -> None:
    with connect(server, "ann") as ann, connect(server, "ben"):
        ann.join("7")
        assert sorted(emitter.get_online_users()) == ["ann", "ben"]
        assert emitter.get_online_users("7") == ["ann"]
        assert emitter.is_user_online("ben")
        assert not emitter.is_user_online("eve")
        assert [entry.connection_id for entry in emitter.get_user_connections("ann")] == [ann.id]
        assert emitter.state_of(conversations).joined_anywhere() == ["7"]
        assert emitter.state_of(conversations).members("7") == {ann.id: "ann"}
        assert emitter.state_of(presence).is_online("ann")


def test_it_ends_connections_and_takes_users_out_of_conversations(
    server: Flask, emitter: RealtimeEmitter, connect: Connect
) -> None:
    with connect(server, "ann") as ann, connect(server, "ben") as ben:
        ann.join("7")
        ben.join("7")
        emitter.remove_from_conversation("7", "ann")
        ann._wait(lambda: emitter.get_online_users("7") == ["ben"], 5, "the end in the conversation")
        assert emitter.disconnect_user("ben") == 1
        ben._wait(lambda: not ben.is_connected, 5, "the end")
        assert ann.is_connected


def test_it_has_the_states_alone_that_servers_share(emitter: RealtimeEmitter) -> None:
    votes = Feature("votes", state=lambda _context: object())
    with pytest.raises(RegistrationError, match="'votes' keeps its state in the servers"):
        emitter.state_of(votes)


def test_an_event_for_nobody_needs_no_queue(emitter: RealtimeEmitter, redis: RedisServer) -> None:
    redis.stop()
    assert emitter.emit(Presence.status_changed("ann", online=True, audience=[], version=1)) is True
    assert emitter.broadcast_to_all("news") is False


def test_it_has_no_transaction_to_wait_for(emitter: RealtimeEmitter) -> None:
    with pytest.raises(ConfigError, match="call it after the commit"):
        emitter.broadcast_to_all("news", after_commit=True)
    assert emitter.broadcast_to_all("news", after_commit=False) is True
