"""A message that is encoded once: as frames, and as packets for other transports."""

import pytest
from engineio import packet as eio

from flask_realtime.engine.messages import OutboundMessage


@pytest.mark.parametrize(
    ("parts", "frames"),
    [
        (["2[]"], b"\x81\x0442[]"),
        (["2ä"], b"\x81\x0442\xc3\xa4"),
        (["5", b"\x02"], b"\x81\x0245\x82\x01\x02"),
        (["5", b"\x00\x01", b""], b"\x81\x0245\x82\x02\x00\x01\x82\x00"),
        ([b"\x00"], b"\x82\x01\x00"),
    ],
)
def test_a_message_is_frames_and_packets(parts: list[str | bytes], frames: bytes) -> None:
    message = OutboundMessage(parts)
    assert (message.frames, message.parts, message.volatile) == (frames, tuple(parts), False)
    packets = message.packets
    assert [(packet.packet_type, packet.data) for packet in packets] == [(eio.MESSAGE, part) for part in parts]
    assert message.packets is packets


def test_a_message_may_be_volatile() -> None:
    assert OutboundMessage(["x"], volatile=True).volatile is True
