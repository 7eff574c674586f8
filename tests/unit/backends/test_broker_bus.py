"""The bus over a message broker: what it keeps, tries again and leaves out."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from flask_realtime.backends.base import BackendUnavailable
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
        self.is_deaf = False
        self.times = 1
        self.ends_of_sending = 0

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
        self.exchange.ends_of_sending += 1

    def listen(self, is_wanted: Callable[[], bool]) -> Iterator[bytes]:
        mine: queue.Queue[bytes] = queue.Queue()
        self.exchange.queues.append(mine)
        while is_wanted():
            if self.exchange.is_deaf:
                self.exchange.queues.remove(mine)
                raise ConnectionError
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


def test_a_server_does_not_receive_what_it_sent_itself(
    buses: tuple[BrokerBus, BrokerBus], received: list[Envelope], exchange: Exchange
) -> None:
    ann, ben = buses
    assert ben.publish_now(Envelope("send", {"number": 1}))
    assert ann.publish_now(Envelope("send", {"number": 2}))
    wait_until(lambda: len(received) > 0)
    assert [envelope.header["number"] for envelope in received] == [2]
    assert len(exchange.queues) == 1


def test_a_bus_that_is_started_twice_receives_once(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope]
) -> None:
    ann, ben = buses
    others: list[Envelope] = []
    ben.start(others.append)
    ann.publish_now(Envelope("send", {"number": 1}))
    ann.publish_now(Envelope("send", {"number": 2}))
    wait_until(lambda: len(received) == 2)
    assert (len(exchange.queues), others) == (1, [])


def test_a_message_that_cannot_be_read_is_passed_over(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope], caplog: pytest.LogCaptureFixture
) -> None:
    for data in (b"nothing of ours", b'{"origin":"cid","first":1,"heads":[[1,2]]}\n'):
        exchange.carrier().send(data, "cid")
    buses[0].publish_now(Envelope("send", {"number": 1}))
    wait_until(lambda: len(received) == 1)
    assert caplog.text.count("A message of the broker cannot be read") == 2


def test_an_outage_of_the_broker_is_logged_once_on_the_way_out_and_back(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ann, _ = buses
    assert ann.is_connected
    for _ in range(2):
        exchange.is_cut = True
        ann.publish(Envelope("send", {}))
        wait_until(lambda: exchange.ends_of_sending > 2)
        assert not ann.is_connected
        exchange.is_cut = False
        wait_until(lambda: ann.is_connected)
        exchange.ends_of_sending = 0
    # The bus is connected a moment before it says so.
    wait_until(lambda: len(caplog.records) >= 4)
    assert [record.getMessage() for record in caplog.records] == [
        "The message broker cannot be reached: ConnectionError",
        "The message broker is back",
    ] * 2


def test_a_server_that_cannot_receive_is_not_connected_until_it_can(
    exchange: Exchange, buses: tuple[BrokerBus, BrokerBus], received: list[Envelope], caplog: pytest.LogCaptureFixture
) -> None:
    ann, ben = buses
    exchange.is_deaf = True
    wait_until(lambda: not ben.is_connected)
    assert ann.is_connected, "who only sends need not receive"
    exchange.is_deaf = False
    wait_until(lambda: ben.is_connected)
    ann.publish_now(Envelope("send", {"number": 1}))
    wait_until(lambda: len(received) == 1)
    assert caplog.text.count("Nothing can be received from the message broker: ConnectionError") == 1


def test_a_bus_that_stops_sends_what_waits_and_takes_nothing_more(exchange: Exchange, received: list[Envelope]) -> None:
    ann, ben = (BrokerBus(exchange.carrier, name) for name in ("ann", "ben"))
    ben.start(received.append)
    wait_until(lambda: ben.is_connected)
    exchange.is_cut = True
    ann.publish(Envelope("send", {"number": 1}))
    wait_until(lambda: not ann.is_connected)
    healing = threading.Timer(0.1, setattr, [exchange, "is_cut", False])
    healing.start()
    exchange.ends_of_sending = 0
    ann.stop(20.0)
    healing.join()
    assert (ann.pending, exchange.ends_of_sending > 0) == (0, True)
    wait_until(lambda: len(received) == 1)
    assert ann.publish(Envelope("send", {"number": 2})) is False
    assert ann.publish_now(Envelope("send", {"number": 2})) is False
    assert (ann.pending, ann.dropped) == (0, 2)
    ben.stop(20.0)
    assert not ben.is_connected
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("realtime-broker")])


def test_a_bus_that_stops_ends_its_connection(exchange: Exchange) -> None:
    ann = BrokerBus(exchange.carrier, "ann")
    assert ann.publish_now(Envelope("send", {}))
    assert exchange.ends_of_sending == 0
    ann.stop(20.0)
    assert exchange.ends_of_sending == 1


def test_a_bus_that_cannot_send_stops_in_time(exchange: Exchange) -> None:
    exchange.is_cut = True
    ann = BrokerBus(exchange.carrier, "ann")
    ann.publish(Envelope("send", {}))
    began = time.monotonic()
    ann.stop(0.3)
    assert 0.3 <= time.monotonic() - began < 5.0
    assert ann.pending == 1


def test_a_process_that_is_no_server_waits_until_the_broker_has_it(exchange: Exchange) -> None:
    backend = BrokerBackend(exchange.carrier, retention=60)
    sent: list[int] = []
    exchange.queues.append(queue.Queue())
    for number in range(3):
        assert backend.publish(Envelope("send", {"number": number}))
        sent.append(exchange.queues[0].qsize())
    assert sent == [1, 2, 3]
    exchange.is_cut = True
    assert not backend.publish(Envelope("send", {"number": 3}))
    backend.stop(0.1)


def test_a_server_does_not_wait_for_the_broker(exchange: Exchange, received: list[Envelope]) -> None:
    here, there = (BrokerBackend(exchange.carrier, retention=60) for _ in range(2))
    for backend in (here, there):
        backend.start(received.append, lambda *_change: None)
    wait_until(lambda: len(exchange.queues) == 2)
    assert (here.is_local, here.publish(Envelope("send", {"number": 1}))) == (False, True)
    wait_until(lambda: len(received) == 1)
    exchange.is_cut = True
    began = time.monotonic()
    for number in range(2, 6):
        here.publish(Envelope("send", {"number": number}))
    assert time.monotonic() - began < 0.5
    for backend in (here, there):
        backend.stop(0.1)


@pytest.mark.parametrize("what", ["is_cut", "is_deaf"])
def test_a_broker_that_cannot_be_reached_fails_the_check(exchange: Exchange, what: str) -> None:
    backend = BrokerBackend(exchange.carrier, retention=60)
    backend.start(lambda _envelope: None, lambda *_change: None)
    wait_until(lambda: succeeds(backend.check))
    setattr(exchange, what, True)
    wait_until(lambda: not succeeds(backend.check))
    setattr(exchange, what, False)
    wait_until(lambda: succeeds(backend.check))
    backend.stop(5.0)


def test_a_check_sends_what_means_nothing_to_others(exchange: Exchange, received: list[Envelope]) -> None:
    here, there = (BrokerBackend(exchange.carrier, retention=60) for _ in range(2))
    there.start(received.append, lambda *_change: None)
    wait_until(lambda: len(exchange.queues) == 1)
    here.check()
    wait_until(lambda: len(received) == 1)
    assert received == [Envelope("nothing", {})]
    for backend in (here, there):
        backend.stop(0.1)


def succeeds(check: Callable[[], None]) -> bool:
    try:
        check()
    except BackendUnavailable:
        return False
    return True


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
from tests.unit.backends.test_broker_bus import BrokerBus, Envelope, Exchange

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
