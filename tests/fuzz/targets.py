"""What has to hold for any bytes that come from outside, parser by parser.

Each function takes bytes and raises if something does not hold: an assertion, or an exception that the parser does not announce.
"""

from __future__ import annotations

import io
import json as standard_json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from http.client import parse_headers as parse_headers_slowly
from types import SimpleNamespace
from typing import Any, Final

import flask
from engineio.exceptions import EngineIOError

from flask_realtime.backends.redis.envelopes import read as read_entry
from flask_realtime.contract import json
from flask_realtime.contract.ids import MAX_ID_LENGTH
from flask_realtime.engine.frames import FrameError, FrameParser, Message, Opcode
from flask_realtime.engine.handshake import answer_to, fault_of
from flask_realtime.engine.headers import BadHead, read_fields, read_upgrade
from flask_realtime.engine.polling import read_post
from flask_realtime.errors import BadRequest
from flask_realtime.extension import BUILT_IN
from flask_realtime.features.authentication.events import NewToken
from flask_realtime.gateway.dispatch.packets import MalformedPacket, connect_payload, event_payload, parse

_MAX_MESSAGE = 4096
_MAX_NESTING = 32
_MAX_IDS = 10
_PARSERS = [event.parse for feature in BUILT_IN for event in feature.incoming.values()]
_SETTINGS = SimpleNamespace(max_status_ids=_MAX_IDS)
_WRITER = json.ApplicationJSON(flask.Flask(__name__).json)


def frames(data: bytes) -> None:
    """Frames come to the same messages and the same error however the bytes are cut, and to no message that is too large."""
    whole = _parsed([data])
    assert whole == _parsed([data[at : at + 1] for at in range(len(data))])
    cut = data[0] if data else 0
    assert whole == _parsed([data[:cut], data[cut:]])
    messages, _ = whole
    assert all(len(payload.encode() if isinstance(payload, str) else payload) <= _MAX_MESSAGE for _, payload in messages)
    text = FrameParser(_MAX_MESSAGE).whole_text(data)
    assert text is None or whole == ([(Opcode.TEXT, text)], None)


def _parsed(pieces: list[bytes]) -> tuple[list[Message], int | None]:
    parser, messages = FrameParser(_MAX_MESSAGE), list[Message]()
    try:
        for piece in pieces:
            parser.feed(piece, messages)
    except FrameError as error:
        return messages, int(error.code)
    return messages, None


def packets(data: bytes) -> None:
    """A packet is malformed or read; an event's arguments are refused in words, or become requests with ids of bounded length."""
    text = data.decode(errors="replace")
    try:
        packet = parse(text)
        connect_payload(packet)
    except MalformedPacket:
        return
    for _ in range(packet.attachments_expected):
        packet.attach(data, 10 * len(data))
    assert packet.is_complete
    try:
        name, args = event_payload(packet, _MAX_NESTING)
    except BadRequest:
        return
    assert name
    for parse_arguments in _PARSERS:
        with suppress(BadRequest):
            request = parse_arguments(args, _SETTINGS)
            ids = [value for field in request for value in (field if isinstance(field, tuple) else [field])]
            assert len(ids) <= _MAX_IDS
            assert all(len(str(value)) <= MAX_ID_LENGTH for value in ids) or isinstance(request, NewToken)


def json_documents(data: bytes) -> None:
    """What is read is what Python's own parser reads, holds nothing that JSON has not, and can be written and read again."""
    text = data.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        return
    assert _same(value, standard_json.loads(text))
    for number in _numbers(value):
        assert math.isfinite(number)
    assert _same(json.loads(_WRITER.dumps(value)), value)


def _same(left: Any, right: Any) -> bool:
    return bool(left == right) and standard_json.dumps(left, sort_keys=True) == standard_json.dumps(right, sort_keys=True)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)


def posts(data: bytes) -> None:
    """The body of a long-polling POST is packets, or an error that ends the session."""
    environ = {"CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data)}
    try:
        read_post(environ, _MAX_MESSAGE)
    except EngineIOError:
        return
    assert 0 < len(data) <= _MAX_MESSAGE


def headers(data: bytes) -> None:
    """Headers are refused, or read as Python's own parser reads them, and not a byte further."""
    reader = io.BufferedReader(io.BytesIO(data), 1 << 16)
    try:
        found = read_fields(reader, "HTTP/1.0", 1 << 16)
    except BadHead:
        return
    rest = reader.read()
    assert not found.is_all or rest == b""
    try:
        expected = parse_headers_slowly(io.BytesIO(data))
    except HTTPException:
        return
    assert found.headers.items() == expected.items()
    lengths = [value for name, value in expected.items() if name.lower() == "content-length"]
    assert (found.length is None) == (lengths == [])
    upgrade = read_upgrade(b"GET / HTTP/1.1\r\n" + data, 1 << 16)
    assert upgrade is None or (upgrade[1].headers.items() == expected.items() and rest == b"" and found.length is None)


def handshakes(data: bytes) -> None:
    """A handshake has a fault, or an answer that adds no line of the client's own to the response."""
    key, version, protocol, *_ = [*data.decode("latin-1").split("\n", 2), "", "", ""]
    environ = {"REQUEST_METHOD": "GET", "HTTP_SEC_WEBSOCKET_KEY": key, "HTTP_SEC_WEBSOCKET_VERSION": version}
    if protocol:
        environ["HTTP_SEC_WEBSOCKET_PROTOCOL"] = protocol
    if fault_of(environ) is None:
        lines = answer_to(environ).split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 101 Switching Protocols"
        assert len(lines) == (7 if protocol else 6)
        assert not any(b"\n" in line or b"\r" in line for line in lines)


def entries(data: bytes) -> None:
    """An entry of the message queue is read, or refused with a `ValueError` or a `TypeError`."""
    fields = data.split(b"\xff")
    try:
        entry = read_entry(fields)
        list(entry.envelopes())
    except (TypeError, ValueError):
        return


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target for target in (frames, packets, json_documents, posts, headers, handshakes, entries)
}
