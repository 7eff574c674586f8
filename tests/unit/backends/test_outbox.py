"""What a server publishes, in order and within bounds, and what it makes of what others published."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.outgoing import MAX_BATCH_BYTES, MAX_BATCH_ITEMS
from flask_realtime.backends.packing import pack
from flask_realtime.backends.redis.envelopes import NO_ID, Item, StreamId, fields_of, origin_of, read
from flask_realtime.backends.redis.options import BusOptions
from flask_realtime.backends.redis.outbox import Outbox
from flask_realtime.backends.sequences import SequenceTracker
from tests.clock import Clock


def fill(outbox: Outbox, count: int, size: int = 10) -> None:
    for _ in range(count):
        outbox.add(b"", b"x" * size)
    outbox.tidy()


def write_all(outbox: Outbox, written: StreamId) -> list[int]:
    """Write everything that waits, and return its numbers."""
    numbers: list[int] = []
    while items := outbox.take():
        numbers += [item.number for item in items]
        outbox.confirm(written)
    return numbers


def numbers(items: Sequence[Item]) -> list[int]:
    return [item.number for item in items]


def test_items_are_numbered_in_the_order_added(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    for text in (b"a", b"b", b"c"):
        outbox.add(text, b"")
    outbox.tidy()
    assert [(item.number, item.head) for item in outbox.take()] == [(1, b"a"), (2, b"b"), (3, b"c")]


def test_what_may_be_passed_on_directly_is_in_the_order_of_all(clock: Clock) -> None:
    passed: list[Item] = []
    outbox = Outbox(BusOptions(), clock, passed.append)
    for number in range(6):
        outbox.add(b"%d" % number, b"", is_direct=number % 2 == 0)
    assert outbox.pending == 6
    assert outbox.number()
    assert [(item.number, item.head) for item in passed] == [(1, b"0"), (3, b"2"), (5, b"4")]
    assert outbox.pending == 6
    outbox.tidy()
    assert [item.head for item in outbox.take()] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert len(passed) == 3


def test_whoever_may_not_wait_leaves_numbering_to_another_thread(clock: Clock) -> None:
    passed: list[Item] = []
    outbox = Outbox(BusOptions(), clock, passed.append)
    outbox.add(b"", b"", is_direct=True)
    with outbox._numbering:
        assert not outbox.number(may_wait=False)
    assert passed == []
    assert outbox.number(may_wait=False)
    assert len(passed) == 1


def test_what_is_not_urgent_waits_for_more_and_what_is_urgent_ends_that() -> None:
    outbox = Outbox(BusOptions(long_linger=3600.0))
    waiting = threading.Thread(target=outbox.wait_for_news, args=(3600.0,))
    waiting.start()
    for _ in range(3):
        outbox.add(b"", b"", is_urgent=False)
    assert waiting.is_alive()
    outbox.add(b"", b"")
    waiting.join(20)
    assert not waiting.is_alive()


@pytest.mark.parametrize("how", ["hurry", "wake", "close"])
def test_what_waits_for_more_can_be_hurried(how: str) -> None:
    outbox = Outbox(BusOptions(long_linger=3600.0))
    outbox.add(b"", b"", is_urgent=False)
    waiting = threading.Thread(target=outbox.wait_for_news, args=(3600.0,))
    waiting.start()
    getattr(outbox, how)()
    waiting.join(20)
    assert not waiting.is_alive()


def test_what_one_entry_holds_is_bounded(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, MAX_BATCH_ITEMS + 1)
    assert len(outbox.take()) == MAX_BATCH_ITEMS
    outbox.confirm(StreamId(1))
    assert len(outbox.take()) == 1
    outbox.confirm(StreamId(2))
    fill(outbox, 3, size=MAX_BATCH_BYTES // 2)
    assert len(outbox.take()) == 2
    outbox.confirm(StreamId(3))
    write_all(outbox, StreamId(4))
    fill(outbox, 2, size=MAX_BATCH_BYTES + 1)
    assert len(outbox.take()) == 1


def test_an_entry_has_no_gap(clock: Clock) -> None:
    outbox = Outbox(BusOptions(max_items=4), clock)
    fill(outbox, 2)
    outbox.take()
    fill(outbox, 6)  # Numbers 3 and 4 go; those in hand cannot.
    outbox.give_back()
    assert (numbers(outbox.take()), outbox.dropped) == ([1, 2], 2)
    outbox.confirm(StreamId(1))
    assert numbers(outbox.take()) == [5, 6, 7, 8]


def test_what_was_given_back_comes_first_again(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, 2)
    outbox.take()
    fill(outbox, 2)
    outbox.give_back()
    assert write_all(outbox, StreamId(1)) == [1, 2, 3, 4]


def test_what_may_have_been_written_before_has_an_age_until_it_was(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, 1)
    assert [item.age for item in outbox.take()] == [0]
    clock.now += 2.5
    outbox.give_back()
    (item,) = outbox.take()
    assert item.age == 2500
    assert fields_of("a", [item])[-2:] == ["a", 2500]
    outbox.confirm(StreamId(1))
    outbox.rewind()
    assert [item.age for item in outbox.take()] == [0]


def test_what_is_given_back_at_once_has_an_age_too(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, 1)
    outbox.take()
    outbox.give_back()
    assert [item.age for item in outbox.take()] == [1]


def test_what_is_being_written_is_still_pending(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    assert (outbox.pending, outbox.is_empty) == (0, True)
    outbox.add(b"a", b"")
    assert (outbox.pending, outbox.is_empty) == (1, False)
    fill(outbox, 1)
    assert outbox.pending == 2
    outbox.take()
    assert (outbox.pending, outbox.is_empty) == (2, False), "whoever waits for the end waits for what is being written too"
    outbox.add(b"b", b"")
    assert outbox.pending == 3
    outbox.confirm(StreamId(1))
    assert (outbox.pending, outbox.is_empty) == (1, False)
    outbox.tidy()
    outbox.take()
    outbox.give_back()
    assert outbox.pending == 1
    outbox.take()
    outbox.confirm(StreamId(2))
    assert (outbox.pending, outbox.is_empty) == (0, False), "what was written is kept for a time"


def test_after_a_rewind_everything_kept_is_written_again_as_what_it_was(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, 2)
    write_all(outbox, StreamId(5))
    fill(outbox, 1)
    outbox.rewind()
    again = outbox.take()
    assert [(item.number, item.written) for item in again] == [(1, StreamId(5)), (2, StreamId(5)), (3, NO_ID)]
    outbox.confirm(StreamId(7))
    assert [item.written for item in again] == [StreamId(5), StreamId(5), StreamId(7)]


def test_what_was_written_again_is_kept_once(clock: Clock) -> None:
    outbox = Outbox(BusOptions(), clock)
    fill(outbox, 3)
    for entry in range(1, 4):
        assert write_all(outbox, StreamId(entry)) == [1, 2, 3]
        outbox.rewind()


def test_the_written_go_before_the_waiting_and_the_oldest_first(clock: Clock) -> None:
    outbox = Outbox(BusOptions(max_items=4), clock)
    fill(outbox, 3)
    write_all(outbox, StreamId(5))
    assert outbox.forgotten == NO_ID
    fill(outbox, 3)
    assert (outbox.dropped, outbox.forgotten) == (0, StreamId(5))
    fill(outbox, 3)
    assert outbox.dropped == 2
    outbox.rewind()
    assert write_all(outbox, StreamId(6)) == [6, 7, 8, 9]


def test_what_is_too_old_goes_whether_written_or_not(clock: Clock) -> None:
    outbox = Outbox(BusOptions(retention=60), clock)
    fill(outbox, 2)
    write_all(outbox, StreamId(5))
    clock.now += 30
    fill(outbox, 2)
    clock.now += 31
    outbox.tidy()
    outbox.rewind()
    assert (outbox.pending, outbox.dropped) == (2, 0)
    clock.now += 30
    outbox.tidy()
    assert (outbox.is_empty, outbox.dropped) == (True, 2)


def test_an_item_that_no_bound_allows_is_dropped(clock: Clock) -> None:
    outbox = Outbox(BusOptions(max_bytes=100), clock)
    fill(outbox, 1, size=101)
    assert (outbox.is_empty, outbox.dropped) == (True, 1)
    fill(outbox, 10)
    assert outbox.pending == 10


def test_numbers_received_before_are_known(clock: Clock) -> None:
    origins = SequenceTracker(60, clock)
    assert origins.receive("a", 5, 3) == 0
    assert origins.receive("a", 5, 3) == 3
    assert origins.receive("a", 1, 2) == 2
    assert origins.receive("a", 7, 3) == 1
    assert origins.receive("b", 1, 1) == 0
    assert origins.lost == 0


def test_gaps_are_counted_but_not_before_the_first_number(clock: Clock) -> None:
    origins = SequenceTracker(60, clock)
    origins.receive("a", 5, 1)
    origins.receive("a", 10, 1)
    origins.receive("a", 3, 1)
    origins.receive("a", 11, 1)
    assert origins.lost == 4


def test_silent_origins_are_forgotten_in_the_end(clock: Clock) -> None:
    origins = SequenceTracker(60, clock)
    origins.receive("a", 1, 1)
    origins.receive("b", 1, 1)
    for _ in range(9):
        clock.now += 60
        origins.receive("b", 1, 1)
    assert len(origins) == 2
    clock.now += 61
    origins.receive("b", 1, 1)
    assert len(origins) == 1
    assert origins.receive("b", 1, 1) == 1


def as_redis_returns(fields: list[str | bytes | int]) -> list[bytes]:
    return [field if isinstance(field, bytes) else str(field).encode() for field in fields]


def test_envelopes_written_together_come_apart_again() -> None:
    envelopes = [Envelope("send", {"a": [1, "ä", None]}, ("ü", b"", b"\xff")), Envelope("command", {}), Envelope("send", {}, ("",))]
    heads = [pack(envelope) for envelope in envelopes]
    items = [Item(0.0, head, body, 0, number) for number, (head, body) in enumerate(heads, 7)]
    entry = read(as_redis_returns(fields_of("ann", items)))
    assert (entry.origin, entry.first, list(entry.envelopes())) == ("ann", 7, envelopes)
    assert entry.first_written(2, StreamId(9)) == StreamId(9)


def test_an_entry_says_what_was_written_before() -> None:
    head, body = pack(Envelope("send", {}))
    items = [Item(0.0, head, body, 0, 1, StreamId(3, 1)), Item(0.0, head, body, 0, 2)]
    entry = read(as_redis_returns(fields_of("ann", items)))
    assert [entry.first_written(index, StreamId(9)) for index in range(2)] == [StreamId(3, 1), StreamId(9)]


def test_an_entry_that_is_written_first_tells_of_no_other() -> None:
    head, body = pack(Envelope("send", {}))
    names = fields_of("ann", [Item(0.0, head, body, 0, 1)])[::2]
    assert names == ["o", "n", "h", "p"]


@pytest.mark.parametrize(
    ("fields", "origin"), [([b"o", b"ann", b"n", b"1"], b"ann"), ([b"n", b"1", b"o", b"ann"], b""), ([b"o"], b""), ([], b"")]
)
def test_an_origin_is_read_where_it_belongs(fields: list[bytes], origin: bytes) -> None:
    assert origin_of(fields) == origin


ENTRY = [b"o", b"ann", b"n", b"1", b"h", b'[["send",{},[]],["send",{},[]]]', b"p", b""]


@pytest.mark.parametrize(
    "fields",
    [ENTRY[2:], ENTRY[:6], [*ENTRY, b"w"], [*ENTRY, b"w", b"1-0"], [*ENTRY, b"w", b"1-0 2-0 3-0"], [*ENTRY, b"w", b"x 2-0"]],
)
def test_an_entry_that_is_not_whole_is_refused(fields: list[bytes]) -> None:
    assert len(list(read(ENTRY).envelopes())) == 2
    with pytest.raises(ValueError, match=r"no field|zip|as many ids|invalid literal"):
        read(fields)


def test_ids_are_read_as_redis_writes_them() -> None:
    assert [StreamId.parse(text) for text in (b"12-3", b"0-0")] == [StreamId(12, 3), NO_ID]
    assert str(StreamId(12, 3)) == "12-3"
