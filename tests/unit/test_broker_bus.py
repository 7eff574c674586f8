"""The bus over a message broker: what it keeps, tries again and leaves out."""

import os
import queue
from collections.abc import Callable, Iterator

import pytest

from flask_realtime.backends.broker.backend import BrokerBackend
from flask_realtime.backends.broker.batches import read, write
from flask_realtime.backends.broker.bus import BrokerBus
from flask_realtime.backends.broker.carrier import Carrier
from flask_realtime.backends.broker.send_queue import SendQueue
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.outgoing import MAX_BATCH_ITEMS
from flask_realtime.backends.packing import pack
from tests.clock import Clock
from tests.redis_server import wait_until
from tests.scripts import run_script


class Exchange:
    """A broker in this process, which can be cut off."""

    def __init__(self) -> None:
        self.queues: list[queue.Queue[bytes]] = []
        self.is_cut = False
        self.times = 1

    def carrier(self) -> Carrier:
        return ExchangeCarrier(self)


class ExchangeCarrier(Carrier):
    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def send(self, data: bytes, origin: str) -> None:
        if self.exchange.is_cut:
            raise ConnectionError(origin)
        for waiting in self.exchange.queues:
            for _ in range(self.exchange.times):
                waiting.put(data)

    def stop_sending(self) -> None:
        pass

    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        mine: queue.Queue[bytes] = queue.Queue()
        self.exchange.queues.append(mine)
        while is_wanted():
            yield b""
            try:
                yield mine.get(timeout=0.01)
            except queue.Empty:
                continue


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def received() -> list[Envelope]:
    return []


@pytest.fixture
def buses(exchange: Exchange, received: list[Envelope]) -> Iterator[tuple[BrokerBus, BrokerBus]]:
    ann, ben = (BrokerBus(exchange.carrier, name, 60.0) for name in ("ann", "ben"))
    ben.start(received.append)
    wait_until(lambda: ben.is_connected)
    yield ann, ben
    ann.stop(5.0)
    ben.stop(5.0)


def test_what_cannot_be_sent_is_kept_and_sent_later_in_order(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope]
) -> None:
    ann, _ = buses
    exchange.is_cut = True
    ann.publish(Envelope("send", {"number": 0}))
    wait_until(lambda: not ann.is_connected)
    for number in range(1, 5):
        assert ann.publish(Envelope("send", {"number": number})) is False
    assert ann.publish_now(Envelope("send", {"number": 5})) is False
    exchange.is_cut = False
    wait_until(lambda: len(received) >= 6)
    assert [envelope.header["number"] for envelope in received] == list(range(6))
    wait_until(lambda: ann.is_connected)
    assert ann.pending == ann.dropped == 0


def test_what_comes_twice_is_received_once(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope]
) -> None:
    exchange.times = 2
    for number in range(100):
        buses[0].publish(Envelope("send", {"number": number}))
    wait_until(lambda: len(received) >= 100)
    assert [envelope.header["number"] for envelope in received] == list(range(100))


def test_what_did_not_come_is_counted(exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope]) -> None:
    head = [pack(Envelope("send", {}))]
    for first in (1, 5):
        exchange.carrier().send(write("cid", first, head), "cid")
    wait_until(lambda: len(received) >= 2)
    assert buses[1].lost == 3


def test_a_receiver_that_fails_does_not_end_the_receiving(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Envelope] = []

    def receive(envelope: Envelope) -> None:
        heard.append(envelope)
        raise RuntimeError("it is broken")

    ben = BrokerBus(exchange.carrier, "ben")
    ben.start(receive)
    wait_until(lambda: ben.is_connected)
    for first in (1, 2):
        exchange.carrier().send(write("cid", first, [pack(Envelope("send", {}))]), "cid")
    wait_until(lambda: len(heard) >= 2)
    ben.stop(5.0)
    assert "could not be handled" in caplog.text


def test_a_forked_child_sends_under_a_name_of_its_own(exchange: Exchange, buses: tuple[BrokerBus, BrokerBus]) -> None:
    ann, _ = buses
    assert ann.publish_now(Envelope("send", {})) is True
    listener: queue.Queue[bytes] = queue.Queue()
    inlet, outlet = os.pipe()
    child = os.fork()
    if child == 0:
        exchange.queues[:] = [listener]
        sent = ann.publish_now(Envelope("send", {"number": 1}))
        batch = read(listener.get(timeout=5))
        os.write(outlet, f"{sent} {batch.origin != 'ann'} {batch.first}".encode())
        os._exit(0)
    os.close(outlet)
    assert os.read(inlet, 100) == b"True True 1"
    os.close(inlet)
    os.waitpid(child, 0)


MADE_BEFORE_GEVENTS_PATCHES = """
import signal, warnings
from tests.unit.test_broker_bus import BrokerBus, Envelope, Exchange

signal.alarm(60)  # Whoever waits for an old lock stops everything.
exchange = Exchange()
ann, ben = (BrokerBus(exchange.carrier, name) for name in ("ann", "ben"))
from gevent import monkey
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    monkey.patch_all()
import gevent
from tests.redis_server import wait_until

received = []
gevent.joinall([gevent.spawn(ben.start, lambda envelope: received.append(envelope.header["number"])) for _ in range(3)])
wait_until(lambda: ben.is_connected)
gevent.joinall([gevent.spawn(ann.publish, Envelope("send", {"number": number})) for number in range(3)])
wait_until(lambda: len(received) >= 3)
assert sorted(received) == [0, 1, 2]
for bus in (ann, ben):
    bus.stop(20)
"""


def test_a_bus_that_is_older_than_gevents_patches_works() -> None:
    run_script(MADE_BEFORE_GEVENTS_PATCHES)


def test_an_outbox_is_bounded_by_age_and_by_size() -> None:
    clock, packed = Clock(0.0), (b"12345", b"67890")
    outbox = SendQueue(retention=10, max_bytes=30, clock=clock)
    items = [outbox.add(packed) for _ in range(4)]
    assert (outbox.pending, outbox.dropped) == (3, 1)
    assert outbox.wait_for_batch(0) == items[1:]
    clock.now = 11
    assert outbox.wait_for_batch(0) == []
    assert (outbox.pending, outbox.dropped) == (0, 4)
    outbox.confirm([item for item in items if item is not None])
    assert outbox.add(packed) is not None
    outbox.close()
    assert outbox.add(packed) is None
    assert (outbox.pending, outbox.dropped) == (1, 5)


def test_a_message_holds_no_more_than_so_many_envelopes() -> None:
    outbox = SendQueue(retention=10)
    for _ in range(MAX_BATCH_ITEMS + 1):
        outbox.add((b"{}", b""))
    first = outbox.wait_for_batch(0)
    assert len(first) == MAX_BATCH_ITEMS
    outbox.confirm(first)
    assert [item.number for item in outbox.wait_for_batch(0)] == [MAX_BATCH_ITEMS + 1]


def test_changes_of_presence_on_two_servers_compare_by_time(exchange: Exchange) -> None:
    here, there = (BrokerBackend(exchange.carrier, retention=60) for _ in range(2))
    for _ in range(3):
        assert here.connected_users.add("ann", "1")
        earlier = here.connected_users.remove("ann", "1")
    later = there.connected_users.add("ann", "2")
    assert later.version >= earlier.version
    assert (later.status_changed, earlier.status_changed) == (True, True)
    here.stop(0.1)
    there.stop(0.1)


def test_nobody_waits_for_an_outbox_that_is_closed() -> None:
    outbox = SendQueue(60.0)
    outbox.close()
    assert outbox.wait_for_batch(3600) == []
