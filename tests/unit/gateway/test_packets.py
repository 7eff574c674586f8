"""Socket.IO packets, read strictly."""

import pytest

from flask_realtime.errors import BadRequest
from flask_realtime.gateway.dispatch.packets import MalformedPacket, Packet, connect_payload, event_payload, list_payload, parse

NESTING = 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('2["a"]', (2, "/", None, '["a"]', 0)),
        ('212["a",1]', (2, "/", 12, '["a",1]', 0)),
        ("2" + "9" * 15 + '["a"]', (2, "/", 10**15 - 1, '["a"]', 0)),
        ('2\u0663["a"]', (2, "/", None, '\u0663["a"]', 0)),
        ('2/admin,3["a"]', (2, "/admin", 3, '["a"]', 0)),
        ("0", (0, "/", None, "", 0)),
        ("0/admin", (0, "/admin", None, "", 0)),
        ('0/admin?token=1,{"a":1}', (0, "/admin", None, '{"a":1}', 0)),
        ('52-["a",{"_placeholder":true,"num":0}]', (5, "/", None, '["a",{"_placeholder":true,"num":0}]', 2)),
        ('51-/x,7["a"]', (5, "/x", 7, '["a"]', 1)),
        ("1", (1, "/", None, "", 0)),
    ],
)
def test_the_header_is_read(text: str, expected: tuple[int, str, int | None, str, int]) -> None:
    packet = parse(text)
    assert (packet.type, packet.namespace, packet.id, packet.body, packet.attachments_expected) == expected


@pytest.mark.parametrize(
    "data", ["", "7", "abc", '5["a"]', '511-["a"]', '59999999999-["a"]', '21-["a"]', "2" + "1" * 16 + '["a"]', None, b"2"]
)
def test_what_is_no_packet_is_malformed(data: object) -> None:
    with pytest.raises(MalformedPacket):
        parse(data)


@pytest.mark.parametrize("body", ["", "{}", '"a"', "[", "[NaN]", "[]", '[""]', "[1]", "[null]", '[["a"]]', f'["{"x" * 129}"]'])
def test_what_is_no_event_is_a_bad_request(body: str) -> None:
    with pytest.raises(BadRequest):
        event_payload(Packet(2, "/", None, body), NESTING)


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"])
def test_the_names_of_the_life_cycle_cannot_be_forged(name: str) -> None:
    with pytest.raises(BadRequest, match="reserved"):
        event_payload(Packet(2, "/", None, f'["{name}","x"]'), NESTING)


def test_attachments_take_the_place_of_their_placeholders() -> None:
    packet = Packet(5, "/", None, '["a",{"x":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]', 2, (b"0", b"1"))
    assert list_payload(packet, NESTING) == ["a", {"x": [b"1"]}, b"0"]


@pytest.mark.parametrize("number", ["1", "-1", "true", '"0"', "null", "1.0"])
def test_a_placeholder_names_one_of_the_attachments(number: str) -> None:
    with pytest.raises(BadRequest, match="placeholder"):
        list_payload(Packet(5, "/", None, f'["a",{{"_placeholder":true,"num":{number}}}]', 1, (b"0",)), NESTING)


def test_a_connect_payload_that_is_not_json_is_malformed() -> None:
    assert connect_payload(parse("0")) is None
    with pytest.raises(MalformedPacket):
        connect_payload(parse("0abc"))


def test_a_packet_is_as_large_as_its_bytes() -> None:
    assert Packet(5, "/", None, '["ü"]', 1, (b"xyz",)).size == 6 + 3


@pytest.mark.parametrize("shape", ["[{0}]", '[1,{{"a":{0}}}]', '["x",[],{0},{{}}]'])
def test_a_payload_is_nested_so_deeply_and_no_deeper(shape: str) -> None:
    outer = 1 if shape.startswith("[1") else 0
    inner = "[" * (NESTING - outer) + "]" * (NESTING - outer)
    assert list_payload(Packet(2, "/", None, shape.format(inner)), NESTING)
    with pytest.raises(BadRequest, match="at most 4 levels"):
        list_payload(Packet(2, "/", None, shape.format(f"[{inner}]")), NESTING)


def test_brackets_in_texts_are_no_levels() -> None:
    assert list_payload(Packet(2, "/", None, '["[[[[[[[[","{{{{{{{{"]'), NESTING)
