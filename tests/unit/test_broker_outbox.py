"""What waits for the broker, within which bounds, and what one message holds."""

from __future__ import annotations

import threading

import pytest

from flask_realtime.backends.broker.batches import read, write
from flask_realtime.backends.broker.outbox import MAX_BATCH_BYTES, Outbox
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.packing import pack, unpack


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


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
    outbox = Outbox(10, clock=clock)
    half = (b"x" * 100, b"x" * (MAX_BATCH_BYTES // 2 - 100))
    for packed in (half, half, (b"", b"x"), half, half):
        outbox.add(packed)
    taken = []
    while items := outbox.take(0):
        taken.append([item.number for item in items])
        outbox.confirm(items)
    assert taken == [[1, 2], [3, 4], [5]]


def test_a_message_holds_a_quarter_of_a_mebibyte(clock: Clock) -> None:
    outbox = Outbox(10, clock=clock)
    for _ in range(5):
        outbox.add((b"", bytes(64 * 1024)))
    assert [item.number for item in outbox.take(0)] == [1, 2, 3, 4]


def test_what_is_larger_than_a_message_goes_alone(clock: Clock) -> None:
    outbox = Outbox(10, clock=clock)
    for size in (MAX_BATCH_BYTES + 1, 1, 1):
        outbox.add((b"", b"x" * size))
    first = outbox.take(0)
    assert [item.number for item in first] == [1]
    outbox.confirm(first)
    assert [item.number for item in outbox.take(0)] == [2, 3]


def test_an_envelope_waits_as_long_as_the_retention(clock: Clock) -> None:
    outbox = Outbox(10, clock=clock)
    for _ in range(3):
        outbox.add((b"", b""))
        clock.now += 5
    clock.now = 1010.0
    assert [item.number for item in outbox.take(0)] == [1, 2, 3]
    clock.now = 1010.5
    assert [item.number for item in outbox.take(0)] == [2, 3]
    assert (outbox.pending, outbox.dropped) == (2, 1)


def test_64_mebibytes_may_wait_where_nobody_says_how_much(clock: Clock) -> None:
    outbox, mebibyte = Outbox(10, clock=clock), bytes(1024 * 1024)
    for _ in range(64):
        outbox.add((b"", mebibyte))
    assert (outbox.pending, outbox.dropped) == (64, 0)
    outbox.add((b"", b"x"))
    assert (outbox.pending, outbox.dropped) == (64, 1)


def test_what_was_sent_makes_room(clock: Clock) -> None:
    outbox = Outbox(10, max_bytes=20, clock=clock)
    for _ in range(5):
        outbox.add((b"12345", b"67890"))
        outbox.add((b"12345", b"67890"))
        outbox.confirm(outbox.take(0))
    assert (outbox.pending, outbox.dropped) == (0, 0)


def test_what_was_dropped_while_it_was_sent_makes_no_room_twice(clock: Clock) -> None:
    outbox = Outbox(10, max_bytes=20, clock=clock)
    for _ in range(2):
        outbox.add((b"", b"1234567890"))
    taken = outbox.take(0)
    outbox.add((b"", b"1234567890"))
    outbox.confirm(taken)
    assert ([item.is_sent for item in taken], outbox.pending, outbox.dropped) == ([True, True], 1, 1)
    outbox.add((b"", b"1234567890"))
    outbox.add((b"", b"1234567890"))
    assert (outbox.pending, outbox.dropped) == (2, 2)


def test_drops_are_logged_once_for_each_outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(10, max_bytes=10, clock=clock)
    for outages in (1, 2):
        for _ in range(3):
            outbox.add((b"", b"1234567890"))
        assert len(caplog.records) == outages
        outbox.confirm(outbox.take(0))
    clock.now += 5
    outbox.add((b"", b""))
    assert len(caplog.records) == 2


def test_drops_for_age_are_logged_too(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(10, clock=clock)
    outbox.add((b"", b""))
    clock.now += 11
    assert outbox.take(0) == []
    assert "could not be sent in time" in caplog.text


def test_who_takes_waits_for_something_to_take() -> None:
    outbox = Outbox(10)
    adding = threading.Timer(0.1, outbox.add, [(b"", b"")])
    adding.start()
    assert len(outbox.take(30)) == 1
    adding.join()


def test_who_waits_looks_again_when_something_was_sent() -> None:
    outbox = Outbox(10)
    item = outbox.add((b"", b""))
    assert item is not None
    assert not outbox.wait(lambda: item.is_sent, 0)
    sending = threading.Timer(0.1, outbox.confirm, [[item]])
    sending.start()
    assert outbox.wait(lambda: item.is_sent, 30)
    sending.join()
    assert outbox.pending == 0
