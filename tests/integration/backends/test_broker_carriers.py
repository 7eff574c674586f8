"""Events over the brokers that python-socketio's managers know: what arrives, in which order, and what is never done with it."""

import os
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.broker.amqp import AmqpCarrier
from flask_realtime.backends.broker.backend import BrokerBackend
from flask_realtime.backends.broker.bus import BrokerBus
from flask_realtime.backends.broker.carrier import Carrier
from flask_realtime.backends.broker.kafka import KafkaCarrier
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.queue import connect
from flask_realtime.errors import ConfigError
from tests.kafka_cluster import kafka_cluster
from tests.redis_server import free_port, wait_until

kombu: Any = import_module("kombu")  # Its annotations leave out much of what it exports.

Make = Callable[[], Carrier]

UNPICKLED: list[str] = []


def spring(text: str) -> None:
    """Note that a trap was unpickled; a method of the list would be pickled with a copy of it."""
    UNPICKLED.append(text)


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return spring, ("unpickled",)


def test_a_trap_says_so_when_it_is_unpickled() -> None:
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301 - our own
    assert UNPICKLED == ["unpickled"]
    UNPICKLED.clear()


def over_amqp(url: str, channel: str, **options: object) -> Make:
    return partial(AmqpCarrier, url, channel, options)


def memory(channel: str) -> Iterator[Make]:
    yield over_amqp("memory://", channel, transport_options={"polling_interval": 0.01})


def rabbitmq(channel: str) -> Iterator[Make]:
    yield over_amqp(os.environ["TEST_AMQP_URL"], channel)


def kafka(channel: str) -> Iterator[Make]:
    with kafka_cluster() as url:
        yield partial(KafkaCarrier, url, channel)


CARRIERS = [memory, kafka, *([rabbitmq] if "TEST_AMQP_URL" in os.environ else [])]


@pytest.fixture(params=CARRIERS, ids=lambda carrier: str(carrier.__name__))
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    yield from request.param(f"test-{uuid.uuid4().hex}")


class Server:
    """One server's bus, and what it received."""

    def __init__(self, make: Make, name: str) -> None:
        self.bus = BrokerBus(make, name)
        self.received: list[Envelope] = []
        self.bus.start(self.received.append)
        wait_until(lambda: self.bus.is_connected)


@pytest.fixture
def servers(make: Make) -> Iterator[list[Server]]:
    servers = [Server(make, name) for name in ("ann", "ben", "cid")]
    yield servers
    for server in servers:
        server.bus.stop(5.0)


def test_each_other_server_receives_everything_once_in_order_as_it_was(servers: list[Server]) -> None:
    ann, *others = servers
    envelopes = [Envelope("send", {"number": number, "to": ["ü", None]}, ('2["x"]', b"\xff\n\0")) for number in range(300)]
    for envelope in envelopes:
        assert ann.bus.publish(envelope) is True
    for other in others:
        wait_until(lambda other=other: len(other.received) >= len(envelopes))  # type: ignore[misc]
        assert other.received == envelopes
        assert other.bus.lost == 0
    assert ann.received == []
    assert ann.bus.pending == ann.bus.dropped == 0


def test_a_process_that_serves_nobody_waits_until_the_broker_has_it(make: Make, servers: list[Server]) -> None:
    script = BrokerBus(make, "script")
    wait_until(lambda: script.publish_now(Envelope("command", {"name": "first"})))
    assert script.publish_now(Envelope("command", {"name": "second"})) is True
    wait_until(lambda: len(servers[0].received) >= 2)
    assert servers[0].received[-1].header == {"name": "second"}
    script.stop(5.0)


def test_nothing_is_unpickled_and_what_is_strange_is_passed_over(make: Make, servers: list[Server]) -> None:
    kombu.enable_insecure_serializers()  # As an application has it that uses pickles in a task queue.
    try:
        stranger = make()
        for body in (pickle.dumps(Trap()), pickle.dumps({"method": "emit"}), b"", b"{}", b'{"origin":1}\n', b"\xff"):
            stranger.send(body, "stranger")
        assert servers[1].bus.publish_now(Envelope("send", {}, ("2[]",))) is True
        wait_until(lambda: len(servers[0].received) >= 1)
        stranger.stop_sending()
    finally:
        kombu.disable_insecure_serializers()
    assert servers[0].received == [Envelope("send", {}, ("2[]",))]
    assert UNPICKLED == []


def test_a_message_that_says_that_it_is_a_pickle_is_not_unpickled() -> None:
    make = over_amqp("memory://", "pickles", transport_options={"polling_interval": 0.01})
    server = Server(make, "ann")
    kombu.enable_insecure_serializers()
    try:
        with kombu.Connection("memory://") as connection:
            producer = connection.Producer(exchange=kombu.Exchange("pickles", "fanout", durable=False))
            producer.publish(Trap(), serializer="pickle")
        script = BrokerBus(make, "script")
        assert script.publish_now(Envelope("send", {})) is True
        wait_until(lambda: len(server.received) >= 1)
        script.stop(5.0)
    finally:
        kombu.disable_insecure_serializers()
        server.bus.stop(5.0)
    assert UNPICKLED == []


def test_the_broker_keeps_nothing_until_it_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr("kombu.transport.virtual.base.QoS.append", lambda _qos, message, _tag: kept.append(message))
    make = over_amqp("memory://", "kept", transport_options={"polling_interval": 0.01})
    sender, bodies = make(), make().listen(lambda: True)
    assert next(bodies) == b"", "it listens"
    sender.send(b"data", "ann")
    assert next(filter(None, bodies)) == b"data"
    bodies.close()  # type: ignore[attr-defined]  # It is a generator.
    sender.stop_sending()
    assert kept == []


@pytest.mark.parametrize("scheme", ["amqp", "kafka"])
def test_a_broker_that_is_not_there_is_said_within_a_second_or_two(scheme: str) -> None:
    shared = connect(f"{scheme}://127.0.0.1:{free_port()}/", channel="test", retention=60)
    assert isinstance(shared, BrokerBackend)
    assert shared.publish(Envelope("send", {})) is False
    with pytest.raises(BackendUnavailable):
        shared.check()
    shared.stop(0.1)


@pytest.mark.parametrize(
    ("scheme", "holder", "package"),
    [("amqp", "kombu_manager", "kombu"), ("kafka", "kafka_manager", "kafka")],
    ids=["amqp", "kafka"],
)
def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str, holder: str, package: str) -> None:
    monkeypatch.setattr(f"socketio.{holder}.{package}", None)
    with pytest.raises(ConfigError, match=rf"pip install 'flask-realtime\[{scheme}\]'"):
        connect(f"{scheme}://127.0.0.1/", channel="test", retention=60)


def test_a_module_that_is_missing_for_another_reason_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flask_realtime.backends.redis.backend", None)
    with pytest.raises(ModuleNotFoundError, match=r"redis\.backend"):
        connect("redis://127.0.0.1/", channel="test", retention=60)
