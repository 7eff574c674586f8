"""WebSocket frames: RFC 6455, the server's side, without any I/O.

The parser takes bytes as they arrive and returns whole messages; the encoder builds complete frames. Server frames are not
masked, so one encoded frame serves every receiver.
"""

from __future__ import annotations

import codecs
import enum
import struct
from typing import Final

_FIN = 0x80
_RESERVED = 0x70
_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_CONTROL = 0x8
_SHORT = 125
_EXTENDED_16 = 126
_EXTENDED_64 = 127
_MAX_16 = 0xFFFF
_MASK_SIZE = 4

_WHOLE_TEXT = _FIN | 0x1
_SMALL_HEADER = 2 + _MASK_SIZE
_KEY_REPEATS = _SHORT // _MASK_SIZE + 1
_EXACT_CLOSE_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_FIRST_PRIVATE_CODE, _LAST_PRIVATE_CODE = 3000, 4999


class Opcode(enum.IntEnum):
    """Opcode of a frame; section 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(enum.IntEnum):
    """Close code of a connection; section 7.4.1."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    TOO_LARGE = 1009
    INTERNAL_ERROR = 1011


class FrameError(Exception):
    """The peer broke the protocol; the connection is to be closed with the code.

    Args:
        code: The close code to send.
        message: The violation.
    """

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code


_SHORT_HEADERS: Final = {int(opcode): tuple(bytes((_FIN | opcode, size)) for size in range(_SHORT + 1)) for opcode in Opcode}
"""Made once, since making one takes as long as the rest of a small frame."""

_TEXT, _BINARY, _CONTINUATION, _CLOSE = int(Opcode.TEXT), int(Opcode.BINARY), int(Opcode.CONTINUATION), int(Opcode.CLOSE)
_OPCODES: Final = frozenset(map(int, Opcode))

Message = tuple[int, "str | bytes"]
"""An opcode, and its payload: text for TEXT, bytes for the others."""


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Return the unmasked payload; one operation on big integers is faster than any loop in Python."""
    size = len(payload)
    key = mask * (size >> 2) + mask[: size & 3]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """Return a complete, unmasked, unfragmented frame."""
    size = len(payload)
    if size <= _SHORT:
        return _SHORT_HEADERS[opcode][size] + payload
    if size <= _MAX_16:
        return struct.pack("!BBH", _FIN | opcode, _EXTENDED_16, size) + payload
    return struct.pack("!BBQ", _FIN | opcode, _EXTENDED_64, size) + payload


def encode_close(code: int) -> bytes:
    """Return a close frame."""
    return encode_frame(_CLOSE, struct.pack("!H", code))


def close_code(payload: bytes) -> int:
    """Return the code of a close frame's payload, or `NORMAL` if it is empty.

    Raises:
        FrameError: The payload is invalid.
    """
    if not payload:
        return int(CloseCode.NORMAL)
    if len(payload) == 1:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "half a close code")
    code = int(struct.unpack("!H", payload[:2])[0])
    if code not in _EXACT_CLOSE_CODES and not _FIRST_PRIVATE_CODE <= code <= _LAST_PRIVATE_CODE:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "a close code that must not be sent")
    _decode(payload[2:])
    return code


def _decode(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _not_text() from None


def _not_text() -> FrameError:
    return FrameError(CloseCode.INVALID_DATA, "text that is not UTF-8")


_FIRST_SURROGATE: Final = b"\xed\xa0"
_AFTER_SURROGATES: Final = b"\xee"
_new_decoder = codecs.getincrementaldecoder("utf-8")


class FrameParser:
    """Parses bytes into messages.

    Args:
        max_size: Maximum number of bytes of one message, all fragments together. A longer frame is refused at its header.
    """

    __slots__ = ("_buffer", "_decoder", "_fragmented", "_fragments", "_max_size", "_seen", "_short", "_size", "missing")

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._short = min(max_size, _SHORT)
        self._buffer = b""
        self._fragmented = 0
        self._fragments: list[bytes] | None = None
        self._size = 0
        # Validates text that arrives in pieces; created for the first piece that is not ASCII.
        self._decoder: codecs.IncrementalDecoder | None = None
        self._seen = 0  # Bytes of the current frame that were validated already.
        self.missing = 0
        """Number of bytes missing from the current frame, as far as known; 0 between frames."""

    def allow(self, max_size: int) -> None:
        """Set the maximum size of messages from now on."""
        self._max_size = max_size
        self._short = min(max_size, _SHORT)

    def whole_text(self, data: bytes) -> str | None:
        """Return the text if the bytes are exactly one small text frame, which is the usual case.

        Args:
            data: The received bytes.

        Returns:
            The text; None for anything else, which the caller passes to `feed`.
        """
        size = len(data) - _SMALL_HEADER
        if not 0 < size <= self._short or data[0] != _WHOLE_TEXT or data[1] != _MASKED + size:
            return None
        if self._buffer or self._fragments is not None:
            return None
        key = (data[2:_SMALL_HEADER] * _KEY_REPEATS)[:size]
        plain = int.from_bytes(data[_SMALL_HEADER:], "little") ^ int.from_bytes(key, "little")
        try:
            return plain.to_bytes(size, "little").decode()
        except UnicodeDecodeError:
            return None

    def feed(self, data: bytes, messages: list[Message]) -> None:
        """Parse bytes.

        Args:
            data: The received bytes.
            messages: The list that complete messages are added to, those before an error too.

        Raises:
            FrameError: The peer broke the protocol.
        """
        if self._buffer:
            data = self._buffer + data
        position, available, self.missing = 0, len(data), 0
        while available - position >= 2:  # noqa: PLR2004 - a header's first part
            header = self._header(data, position)
            if header is None:
                break
            start, size = header
            end = start + size
            if end > available:
                self.missing = end - available
                self._check_partial(data, position, start)
                break
            payload = unmask(data[start:end], data[start - _MASK_SIZE : start]) if size else b""
            self._frame(data[position], payload, messages)
            position = end
        self._buffer = data[position:] if position else data

    def _header(self, data: bytes, position: int) -> tuple[int, int] | None:
        """Return the start and the size of the payload of the frame at a position, or None if the header is incomplete."""
        first, second = data[position], data[position + 1]
        size = second & _LENGTH
        start = position + 2
        if first & (_RESERVED | _CONTROL) or not second & _MASKED or first & _OPCODE > _BINARY:
            self._check_unusual(first, second)
        if size > _SHORT:
            width = 2 if size == _EXTENDED_16 else 8
            if len(data) < start + width:
                return None
            size = int.from_bytes(data[start : start + width], "big")
            start += width
            if size <= (_SHORT if width == 2 else _MAX_16) or size >> 63:  # noqa: PLR2004
                raise FrameError(CloseCode.PROTOCOL_ERROR, "a length that is not written in the shortest form")
        if size + (self._size if not first & _CONTROL else 0) > self._max_size:
            raise FrameError(CloseCode.TOO_LARGE, f"more than {self._max_size} bytes")
        return (start + _MASK_SIZE, size) if len(data) >= start + _MASK_SIZE else None

    @staticmethod
    def _check_unusual(first: int, second: int) -> None:
        if first & _RESERVED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if first & _OPCODE not in _OPCODES:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "an unknown opcode")
        if not second & _MASKED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a frame that is not masked")
        if first & _CONTROL and (not first & _FIN or second & _LENGTH > _SHORT):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a control frame that is fragmented or too long")

    def _check_partial(self, data: bytes, position: int, start: int) -> None:
        """Validate the received part of a text frame; control and binary frames need no check."""
        expected = _TEXT if self._fragments is None else _CONTINUATION
        if data[position] & _OPCODE != expected or (self._fragments is not None and self._fragmented != _TEXT):
            return
        mask, turn = data[start - _MASK_SIZE : start], self._seen % _MASK_SIZE
        self._check_text(unmask(data[start + self._seen :], mask[turn:] + mask[:turn]))
        self._seen = len(data) - start

    def _check_text(self, payload: bytes, *, final: bool = False) -> None:
        if self._decoder is None:
            if payload.isascii():
                return
            self._decoder = _new_decoder()
        try:
            self._decoder.decode(payload, final)
        except UnicodeDecodeError:
            raise _not_text() from None
        # Python's decoder waits for a surrogate's third byte, in case an error handler accepts it.
        if _FIRST_SURROGATE <= self._decoder.getstate()[0] < _AFTER_SURROGATES:
            raise _not_text()

    def _frame(self, first: int, payload: bytes, messages: list[Message]) -> None:
        opcode = first & _OPCODE
        if first & _FIN and opcode == _TEXT and self._fragments is None:
            self._decoder, self._seen = None, 0
            messages.append((_TEXT, _decode(payload)))
        elif opcode & _CONTROL:
            if opcode == _CLOSE:
                close_code(payload)
            messages.append((opcode, payload))
        else:
            self._fragment(first, opcode, payload, messages)

    def _fragment(self, first: int, opcode: int, payload: bytes, messages: list[Message]) -> None:
        if (opcode == _CONTINUATION) != (self._fragments is not None):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "a fragment out of place")
        if self._fragments is None:
            self._fragments, self._fragmented = [], opcode
        if payload:
            self._fragments.append(payload)
            self._size += len(payload)
        if self._fragmented == _TEXT:
            self._check_text(payload[self._seen :], final=bool(first & _FIN))
            self._seen = 0
        if first & _FIN:
            whole, opcode = b"".join(self._fragments), self._fragmented
            self._fragments, self._size, self._decoder = None, 0, None
            messages.append((opcode, _decode(whole) if opcode == _TEXT else whole))
