"""What waits for the broker, within which bounds, and what one message holds."""

from __future__ import annotations

import threading

import pytest

from flask_realtime.backends.broker.batches import read, write
from flask_realtime.backends.broker.send_queue import SendQueue
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.outgoing import MAX_BATCH_BYTES
from flask_realtime.backends.packing import pack, unpack
from tests.clock import Clock


def test_a_message_holds_envelopes_as_they_were() -> None:
    envelopes = [Envelope("send", {"a": [1, "ä\n"]}, ("ü\n\n", b"\n\xff")), Envelope("command", {}), Envelope("send", {}, ("",))]
    batch = read(write("ann", 7, [pack(envelope) for envelope in envelopes]))
    assert (batch.origin, batch.first) == ("ann", 7)
    assert list(unpack(batch.heads, batch.body)) == envelopes


@pytest.mark.parametrize(
    "message", [b"", b"x\n", b"[]\n", b"3\n", b'{"origin":"a","first":1}\n', b'{"origin":"a","first":null,"heads":[]}\n']
)
def test_a_message_of_another_program_is_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"not as this version|unexpected|no data|empty|JSON|json"):
        read(message)


def test_a_message_is_bounded_by_bytes(clock: Clock) -> None:
    queue = SendQueue(10, clock=clock)
    half = (b"x" * 100, b"x" * (MAX_BATCH_BYTES // 2 - 100))
    for packed in (half, half, (b"", b"x"), half, half):
        queue.add(packed)
    taken = []
    while items := queue.wait_for_batch(0):
        taken.append([item.number for item in items])
        queue.confirm(items)
    assert taken == [[1, 2], [3, 4], [5]]


def test_a_message_holds_a_quarter_of_a_mebibyte(clock: Clock) -> None:
    queue = SendQueue(10, clock=clock)
    for _ in range(5):
        queue.add((b"", bytes(64 * 1024)))
    assert [item.number for item in queue.wait_for_batch(0)] == [1, 2, 3, 4]


def test_what_is_larger_than_a_message_goes_alone(clock: Clock) -> None:
    queue = SendQueue(10, clock=clock)
    for size in (MAX_BATCH_BYTES + 1, 1, 1):
        queue.add((b"", b"x" * size))
    first = queue.wait_for_batch(0)
    assert [item.number for item in first] == [1]
    queue.confirm(first)
    assert [item.number for item in queue.wait_for_batch(0)] == [2, 3]


def test_an_envelope_waits_as_long_as_the_retention(clock: Clock) -> None:
    queue = SendQueue(10, clock=clock)
    for _ in range(3):
        queue.add((b"", b""))
        clock.now += 5
    clock.now = 110.0
    assert [item.number for item in queue.wait_for_batch(0)] == [1, 2, 3]
    clock.now = 110.5
    assert [item.number for item in queue.wait_for_batch(0)] == [2, 3]
    assert (queue.pending, queue.dropped) == (2, 1)


def test_64_mebibytes_may_wait_where_nobody_says_how_much(clock: Clock) -> None:
    queue, mebibyte = SendQueue(10, clock=clock), bytes(1024 * 1024)
    for _ in range(64):
        queue.add((b"", mebibyte))
    assert (queue.pending, queue.dropped) == (64, 0)
    queue.add((b"", b"x"))
    assert (queue.pending, queue.dropped) == (64, 1)


def test_what_was_sent_makes_room(clock: Clock) -> None:
    queue = SendQueue(10, max_bytes=20, clock=clock)
    for _ in range(5):
        queue.add((b"12345", b"67890"))
        queue.add((b"12345", b"67890"))
        queue.confirm(queue.wait_for_batch(0))
    assert (queue.pending, queue.dropped) == (0, 0)


def test_what_was_dropped_while_it_was_sent_makes_no_room_twice(clock: Clock) -> None:
    queue = SendQueue(10, max_bytes=20, clock=clock)
    for _ in range(2):
        queue.add((b"", b"1234567890"))
    taken = queue.wait_for_batch(0)
    queue.add((b"", b"1234567890"))
    queue.confirm(taken)
    assert ([item.is_sent for item in taken], queue.pending, queue.dropped) == ([True, True], 1, 1)
    queue.add((b"", b"1234567890"))
    queue.add((b"", b"1234567890"))
    assert (queue.pending, queue.dropped) == (2, 2)


def test_drops_are_logged_once_for_each_outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    queue = SendQueue(10, max_bytes=10, clock=clock)
    for outages in (1, 2):
        for _ in range(3):
            queue.add((b"", b"1234567890"))
        assert len(caplog.records) == outages
        queue.confirm(queue.wait_for_batch(0))
    clock.now += 5
    queue.add((b"", b""))
    assert len(caplog.records) == 2


def test_drops_for_age_are_logged_too(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    queue = SendQueue(10, clock=clock)
    queue.add((b"", b""))
    clock.now += 11
    assert queue.wait_for_batch(0) == []
    assert "could not be sent in time" in caplog.text


def test_who_takes_waits_for_something_to_take() -> None:
    queue = SendQueue(10)
    adding = threading.Timer(0.1, queue.add, [(b"", b"")])
    adding.start()
    assert len(queue.wait_for_batch(30)) == 1
    adding.join()


def test_who_waits_looks_again_when_something_was_sent() -> None:
    queue = SendQueue(10)
    item = queue.add((b"", b""))
    assert item is not None
    assert not queue.wait(lambda: item.is_sent, 0)
    sending = threading.Timer(0.1, queue.confirm, [[item]])
    sending.start()
    assert queue.wait(lambda: item.is_sent, 30)
    sending.join()
    assert queue.pending == 0
