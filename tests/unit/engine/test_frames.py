"""WebSocket frames against an independent implementation, `wsproto`, on whatever hypothesis comes up with."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Event, Message, Ping, Pong, TextMessage

from flask_realtime.engine.frames import CloseCode, FrameError, FrameParser, Opcode, close_code, encode_close, encode_frame, unmask
from flask_realtime.engine.frames import Message as Parsed

LIMIT = 100_000
MASK = b"\x01\x02\x03\x04"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
sends = st.lists(
    st.one_of(
        st.builds(TextMessage, data=texts, message_finished=st.booleans()),
        st.builds(BytesMessage, data=st.binary(max_size=70_000), message_finished=st.booleans()),
        st.builds(Ping, payload=st.binary(max_size=125)),
        st.builds(Pong, payload=st.binary(max_size=125)),
    ),
    max_size=8,
)


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
    """One frame of a client, made by hand."""
    header = bytes([(0x80 if fin else 0) | rsv | opcode])
    size = len(payload)
    if size <= 125:
        header += bytes([0x80 | size])
    elif size <= 0xFFFF:
        header += bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        header += bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return header + MASK + unmask(payload, MASK)


def parse(data: bytes, limit: int = LIMIT) -> list[Parsed]:
    messages: list[Parsed] = []
    FrameParser(limit).feed(data, messages)
    return messages


def fragments_make_sense(events: list[Event]) -> list[Event]:
    """Only what an endpoint may send: the fragments of a message are all of its kind."""
    sensible: list[Event] = []
    open_kind: type | None = None
    for event in events:
        if isinstance(event, Message):
            if open_kind not in {None, type(event)}:
                continue
            open_kind = None if event.message_finished else type(event)
        sensible.append(event)
    return sensible


@given(sends, st.data())
def test_what_another_implementation_sends_arrives_however_it_is_cut(events: list[Event], data: st.DataObject) -> None:
    client = Connection(ConnectionType.CLIENT)
    expected: list[Parsed] = []
    partial: list[Any] = []
    stream = b""
    for event in fragments_make_sense(events):
        stream += client.send(event)
        if isinstance(event, Ping | Pong):
            expected.append((int(Opcode.PING if isinstance(event, Ping) else Opcode.PONG), bytes(event.payload)))
        if not isinstance(event, TextMessage | BytesMessage):
            continue
        partial.append(event.data)
        if event.message_finished:
            whole: Any = ("" if isinstance(event, TextMessage) else b"").join(partial)
            expected.append((int(Opcode.TEXT if isinstance(event, TextMessage) else Opcode.BINARY), whole))
            partial = []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    messages: list[Parsed] = []
    parser = FrameParser(1_000_000)
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parser.feed(stream[start:end], messages)
    assert messages == expected


@given(st.one_of(texts, st.binary(max_size=70_000)))
def test_another_implementation_reads_what_is_encoded(payload: str | bytes) -> None:
    client = Connection(ConnectionType.CLIENT)
    is_text = isinstance(payload, str)
    client.receive_data(
        encode_frame(Opcode.TEXT if is_text else Opcode.BINARY, payload.encode() if isinstance(payload, str) else payload)
    )
    received = [event for event in client.events() if isinstance(event, Message)]
    assert ("" if is_text else b"").join(event.data for event in received) == payload
    assert received[-1].message_finished


@given(st.binary(max_size=60))
def test_no_bytes_at_all_do_anything_but_messages_or_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        parse(data, 1000)


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_unmasking_is_xor_with_the_repeated_key(payload: bytes, mask: bytes) -> None:
    assert unmask(payload, mask) == bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(Opcode.TEXT, b"a", rsv=0x40), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"a", rsv=0x10), CloseCode.PROTOCOL_ERROR),
        (masked(0x3, b"a"), CloseCode.PROTOCOL_ERROR),
        (masked(0xB, b"a"), CloseCode.PROTOCOL_ERROR),
        (encode_frame(Opcode.TEXT, b"a"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.PING, b"a", fin=False), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.PING, b"a" * 126), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CONTINUATION, b"a"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"a", fin=False) + masked(Opcode.TEXT, b"b"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"a", fin=False) + masked(Opcode.BINARY, b"b"), CloseCode.PROTOCOL_ERROR),
        (b"\x81\xfe\x00\x7d" + MASK + b"a" * 125, CloseCode.PROTOCOL_ERROR),
        (b"\x81\xff" + (1000).to_bytes(8, "big") + MASK, CloseCode.PROTOCOL_ERROR),
        (b"\x81\xff" + (1 << 63).to_bytes(8, "big") + MASK, CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.TEXT, b"\xff"), CloseCode.INVALID_DATA),
        (masked(Opcode.TEXT, b"\xed\xa0\x80"), CloseCode.INVALID_DATA),
        (masked(Opcode.TEXT, b"\xc3", fin=False) + masked(Opcode.CONTINUATION, b"a"), CloseCode.INVALID_DATA),
        (masked(Opcode.CLOSE, b"a"), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CLOSE, (1005).to_bytes(2, "big")), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CLOSE, (999).to_bytes(2, "big")), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CLOSE, (5000).to_bytes(2, "big")), CloseCode.PROTOCOL_ERROR),
        (masked(Opcode.CLOSE, (1000).to_bytes(2, "big") + b"\xff"), CloseCode.INVALID_DATA),
    ],
)
def test_a_broken_frame_has_its_close_code(frame: bytes, code: CloseCode) -> None:
    with pytest.raises(FrameError) as error:
        parse(frame)
    assert error.value.code == code


MASKS = {
    "nothing": b"\0\0\0\0",
    "everything": b"\xff\xff\xff\xff",
    "all different": b"\x01\x23\x45\x67",
    "the first byte": b"\x80\0\0\0",
    "the last byte": b"\0\0\0\x80",
    "what makes text of no text": b"\xc3\x28\x80\x01",
}


def text_frame(text: str, mask: bytes) -> bytes:
    """One short text frame, masked byte by byte."""
    payload = text.encode()
    assert 0 < len(payload) <= 125
    return bytes([0x81, 0x80 | len(payload)]) + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("alphabet", ["abcdefghijklmnopqrstuvwxyz", "\0", "é€\U0001f642"])
def test_a_short_text_of_every_size_arrives_whole_by_either_way(mask: bytes, alphabet: str) -> None:
    sizes = set()
    for count in range(1, 126):
        text = (alphabet * count)[:count]
        sizes.add(len(text.encode()))
        if len(text.encode()) > 125:
            break
        frame = text_frame(text, mask)
        assert FrameParser(LIMIT).whole_text(frame) == text
        assert parse(frame) == [(Opcode.TEXT, text)]
    assert alphabet[0] == "é" or sizes == set(range(1, 126))


def test_only_one_whole_short_text_is_taken_at_once() -> None:
    frame = text_frame("hello", MASK)
    nothing = [
        b"",
        frame[:-1],
        frame + b"\0",
        frame + frame,
        masked(Opcode.BINARY, b"hello"),
        masked(Opcode.TEXT, b"hello", fin=False),
    ]
    for data in [*nothing, masked(Opcode.TEXT, b""), masked(Opcode.TEXT, b"x" * 126), masked(Opcode.TEXT, b"\xff")]:
        assert FrameParser(LIMIT).whole_text(data) is None
    parser = FrameParser(LIMIT)
    parser.feed(frame[:3], [])
    assert parser.whole_text(frame) is None, "bytes of another frame come first"
    parser = FrameParser(LIMIT)
    parser.feed(masked(Opcode.TEXT, b"a", fin=False), [])
    assert parser.whole_text(frame) is None, "the fragments of another message come first"


@pytest.mark.parametrize("size", [1, 100, 125, 126, 127, 65_535, 65_536, 65_537])
def test_a_message_of_exactly_the_limit_is_accepted_and_one_byte_more_refused(size: int) -> None:
    for opcode in (Opcode.TEXT, Opcode.BINARY):
        for limit, accepted in ((size, True), (size - 1, False)):
            frame = masked(opcode, b"x" * size)
            halves = masked(opcode, b"x" * (size - 1), fin=False) + masked(Opcode.CONTINUATION, b"x")
            for data in (frame, halves):
                if accepted:
                    ((_, payload),) = parse(data, limit)
                    assert len(payload) == size
                else:
                    with pytest.raises(FrameError) as refused:
                        parse(data, limit)
                    assert refused.value.code == CloseCode.TOO_LARGE
    assert FrameParser(size - 1).whole_text(masked(Opcode.TEXT, b"x" * size)) is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_a_frames_length_is_written_in_the_shortest_form(size: int) -> None:
    header = 2 if size <= 125 else 4 if size <= 65_535 else 10
    assert len(encode_frame(Opcode.BINARY, b"x" * size)) == header + size


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1013, 1014, 3000, 4999])
def test_a_close_code_that_may_be_sent_is_taken(code: int) -> None:
    assert close_code(code.to_bytes(2, "big")) == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_a_close_code_that_must_not_be_sent_is_refused(code: int) -> None:
    with pytest.raises(FrameError):
        close_code(code.to_bytes(2, "big"))


def test_a_character_may_be_cut_by_fragments() -> None:
    stream = masked(Opcode.TEXT, b"\xc3", fin=False) + masked(Opcode.PING, b"p") + masked(Opcode.CONTINUATION, b"\xbc")
    assert parse(stream) == [(Opcode.PING, b"p"), (Opcode.TEXT, "ü")]


@pytest.mark.parametrize("size", [LIMIT + 1, 1 << 40])
def test_a_frame_over_the_limit_is_refused_at_its_header(size: int) -> None:
    with pytest.raises(FrameError) as error:
        parse(b"\x82\xff" + size.to_bytes(8, "big"))
    assert error.value.code == CloseCode.TOO_LARGE


def test_fragments_over_the_limit_are_refused_at_the_header_that_passes_it() -> None:
    half = masked(Opcode.BINARY, b"a" * 60, fin=False)
    with pytest.raises(FrameError) as error:
        parse(half + b"\x80\xbd" + MASK, 100)
    assert error.value.code == CloseCode.TOO_LARGE


def test_what_came_before_an_error_is_not_lost() -> None:
    messages: list[Parsed] = []
    with pytest.raises(FrameError):
        FrameParser(LIMIT).feed(masked(Opcode.TEXT, b"first") + masked(0x3, b""), messages)
    assert messages == [(Opcode.TEXT, "first")]


def test_a_close_frame_says_why() -> None:
    assert close_code(b"") == CloseCode.NORMAL
    assert close_code(encode_close(3001)[2:]) == 3001


def test_the_missing_bytes_of_a_long_frame_are_known() -> None:
    parser = FrameParser(LIMIT)
    frame = masked(Opcode.BINARY, b"a" * 5000)
    parser.feed(frame[:10], [])
    assert parser.missing == len(frame) - 10
    parser.feed(frame[10:], [])
    assert parser.missing == 0
    assert FrameParser(LIMIT).missing == 0


def test_a_message_after_fragments_has_the_whole_limit_again() -> None:
    fragments = masked(Opcode.BINARY, b"x" * 6, fin=False) + masked(Opcode.CONTINUATION, b"x" * 4)
    assert parse(fragments + fragments + masked(Opcode.BINARY, b"x" * 10), limit=10) == [(Opcode.BINARY, b"x" * 10)] * 3


def test_the_codes_are_the_protocols() -> None:
    assert {code.name: int(code) for code in CloseCode}.items() >= {
        "NORMAL": 1000,
        "PROTOCOL_ERROR": 1002,
        "INVALID_DATA": 1007,
        "TOO_LARGE": 1009,
        "INTERNAL_ERROR": 1011,
    }.items()


PREFIX = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
BROKEN = [b"\xff", b"\xf5", b"\xc0", b"\xe0\x80", b"\xed\xa0", b"\xf0\x80", b"\xf4\x90", b"\xc3(", b"\xe2\x82("]


@pytest.mark.parametrize("broken", BROKEN, ids=bytes.hex)
@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", PREFIX])
def test_text_is_refused_inside_a_frame_as_soon_as_the_bytes_show_it(before: bytes, broken: bytes) -> None:
    frame = masked(Opcode.TEXT, before + broken + b"behind it" * 20)
    shown = len(frame) - len(broken + b"behind it" * 20) + len(broken)
    parser = FrameParser(LIMIT)
    messages: list[Parsed] = []
    for index in range(shown - 1):
        parser.feed(frame[index : index + 1], messages)
    with pytest.raises(FrameError) as refused:
        parser.feed(frame[shown - 1 : shown], messages)
    assert (refused.value.code, messages) == (CloseCode.INVALID_DATA, [])


@pytest.mark.parametrize("broken", BROKEN, ids=bytes.hex)
def test_text_is_refused_between_two_fragments_as_soon_as_the_bytes_show_it(broken: bytes) -> None:
    parser = FrameParser(LIMIT)
    messages: list[Parsed] = []
    parser.feed(masked(Opcode.TEXT, PREFIX, fin=False), messages)
    parser.feed(masked(Opcode.CONTINUATION, broken[:-1], fin=False), messages)
    with pytest.raises(FrameError) as refused:
        parser.feed(masked(Opcode.CONTINUATION, broken[-1:], fin=False), messages)
    assert (refused.value.code, messages) == (CloseCode.INVALID_DATA, [])


def test_a_character_may_be_cut_anywhere_and_must_end_with_its_message() -> None:
    parser = FrameParser(LIMIT)
    messages: list[Parsed] = []
    parser.feed(masked(Opcode.TEXT, PREFIX[:3], fin=False) + masked(Opcode.CONTINUATION, PREFIX[3:]), messages)
    assert messages == [(Opcode.TEXT, PREFIX.decode())]
    with pytest.raises(FrameError):
        parser.feed(masked(Opcode.TEXT, PREFIX, fin=False) + masked(Opcode.CONTINUATION, PREFIX[:1]), messages)


def test_binary_data_that_is_no_text_is_taken_in_pieces() -> None:
    parser = FrameParser(LIMIT)
    messages: list[Parsed] = []
    stream = masked(Opcode.BINARY, b"\xff" * 300, fin=False) + masked(Opcode.CONTINUATION, b"\xfe" * 300)
    for index in range(len(stream)):
        parser.feed(stream[index : index + 1], messages)
    assert messages == [(Opcode.BINARY, b"\xff" * 300 + b"\xfe" * 300)]


@pytest.mark.parametrize(("first", "then"), [(20, 60), (60, 20), (20, LIMIT)])
def test_the_size_of_a_message_is_bounded_as_was_said_last(first: int, then: int) -> None:
    for size, is_allowed in ((then, True), (then + 1, False)):
        parser, messages = FrameParser(first), []  # type: ignore[var-annotated]
        parser.allow(then)
        with contextlib.nullcontext() if is_allowed else pytest.raises(FrameError):
            parser.feed(masked(Opcode.TEXT, b"x" * size), messages)
        assert [len(message[1]) for message in messages] == [size] * is_allowed
    short = FrameParser(first)
    short.allow(then)
    assert (short.whole_text(masked(Opcode.TEXT, b"x" * 40)) is None) is (then < 40)
