"""The bytes on a link between two servers."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.links.frames import MAX_FRAME, FrameError, FrameReader, encode, encode_for, encode_mark
from flask_realtime.backends.links.greeting import (
    MAX_GREETING,
    Greeting,
    GreetingError,
    encode_acknowledgement,
    split_acknowledgements,
    split_greeting,
)
from flask_realtime.backends.links.interest import Interest, InterestElsewhere, places_of
from flask_realtime.backends.packing import pack


@dataclass
class Item:
    number: int
    head: bytes
    body: bytes
    places: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        return len(self.head) + len(self.body)


def item(number: int, *parts: str | bytes) -> Item:
    return Item(number, *pack(Envelope("send", {"number": number}, parts)))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.lists(st.text(max_size=20) | st.binary(max_size=20), max_size=3))),
    st.integers(1, 50),
)
def test_what_was_sent_arrives_in_whatever_pieces(sent: list[tuple[int, list[str | bytes]]], piece: int) -> None:
    number, items = 0, []
    for step, parts in sent:
        number += step
        items.append(item(number, *parts))
    data, frames, arrived = encode(items), FrameReader(), []
    for start in range(0, len(data), piece):
        for batch in frames.feed(data[start : start + piece]):
            arrived += list(enumerate(batch.envelopes(), batch.first))
    assert [number for number, _ in arrived] == [item.number for item in items]
    assert [list(envelope.parts) for _, envelope in arrived] == [parts for _, parts in sent]
    assert [envelope.header["number"] for _, envelope in arrived] == [item.number for item in items]


def test_no_frame_is_larger_than_what_is_accepted() -> None:
    data = encode([item(number, b"x" * 65_000) for number in range(1, 100)])
    assert sum(len(list(batch.envelopes())) for batch in FrameReader().feed(data)) == 99


def test_a_frame_that_claims_to_be_too_large_is_none() -> None:
    with pytest.raises(FrameError, match="a frame of"):
        FrameReader().feed((MAX_FRAME + 1).to_bytes(4, "big") + bytes(12))


def test_a_greeting_is_read_as_soon_as_it_is_complete() -> None:
    greeting = Greeting("an application", "a-server")
    data = greeting.encode()
    assert len(data) < MAX_GREETING
    assert [split_greeting(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert split_greeting(data + b"more") == (greeting, b"more")


@pytest.mark.parametrize("data", [b"[2,7]\n", b'[1,"a","b"]\n', b'[2,"a",2]\n', b"not JSON\n", b"[1]" * MAX_GREETING])
def test_what_is_no_greeting_is_refused(data: bytes) -> None:
    with pytest.raises(GreetingError, match="no greeting"):
        split_greeting(data)


@pytest.mark.parametrize("piece", [1, 7, 16, 1000])
def test_a_mark_arrives_between_the_batches_that_it_was_sent_between(piece: int) -> None:
    data = encode([item(1), item(2)]) + encode_mark(2) + encode([item(3)]) + encode_mark(2**40)
    frames, batches = FrameReader(), []
    for start in range(0, len(data), piece):
        batches += frames.feed(data[start : start + piece])
    assert [(batch.is_mark, batch.first) for batch in batches] == [(False, 1), (True, 2), (False, 3), (True, 2**40)]


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1), st.integers(1, 50))
def test_what_is_passed_over_is_told_by_its_numbers(sent: list[tuple[int, bool]], piece: int) -> None:
    mine, number, items, wanted = Interest(), 0, [], []
    mine.add(["kitchen"])
    for step, is_wanted in sent:
        number += step
        wanted += [number] if is_wanted else []
        items.append(replace(item(number), places=places_of(("kitchen" if is_wanted else "cellar",))))
    data, has_any = encode_for(items, InterestElsewhere(os.dup(mine.descriptor() or 0)))
    mine.close()
    assert has_any is bool(wanted)
    frames = FrameReader()
    arrived: list[int] = []
    passed_over: list[int] = []
    for start in range(0, len(data), piece):
        for batch in frames.feed(data[start : start + piece]):
            assert not batch.is_mark
            if batch.passed_over:
                passed_over += range(batch.first, batch.first + batch.passed_over)
            else:
                arrived += [envelope.header["number"] for envelope in batch.envelopes()]
    assert arrived == wanted
    assert passed_over == [item.number for item in items if item.number not in wanted]


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(1, 20))
def test_acknowledgements_arrive_in_whatever_pieces(numbers: list[int], piece: int) -> None:
    data = b"".join(encode_acknowledgement(number) for number in numbers)
    arrived, rest = [], b""
    for start in range(0, len(data), piece):
        complete, rest = split_acknowledgements(rest + data[start : start + piece])
        arrived += complete
    assert (arrived, rest) == (numbers, b"")
