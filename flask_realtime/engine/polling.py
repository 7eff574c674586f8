"""Long-polling requests, read without python-engineio's limit on packets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.payload import Payload

MAX_PACKETS_IN_A_POST: Final = 10_000

_BINARY_TYPE = "application/octet-stream"


class MalformedPayload(EngineIOError):  # type: ignore[misc]  # python-engineio has no types
    """The body of a POST is not a payload."""


class LongPollingPayload(Payload):  # type: ignore[misc]  # python-engineio has no types
    """A POST's packets; python-engineio takes 16 and loses the rest, Node's server limits only the size."""

    max_decode_packets = MAX_PACKETS_IN_A_POST


def _body(environ: Mapping[str, Any], max_size: int) -> str:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > max_size:
        raise ContentTooLongError
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) != length:
        msg = "only a part of a payload"
        raise OSError(msg)
    if not body or environ.get("CONTENT_TYPE") == _BINARY_TYPE:
        msg = "not a payload"
        raise ValueError(msg)
    return body.decode()


def read_post(environ: Mapping[str, Any], max_size: int) -> list[Any]:
    """Read the packets of a long-polling POST.

    Args:
        environ: The request's WSGI environment.
        max_size: Maximum number of bytes of the body.

    Raises:
        MalformedPayload: The body is not a payload: the session ends, with status 400.
        EngineIOError: It is only a part of one, or too large: the session ends in the same way.
    """
    try:
        packets: list[Any] = LongPollingPayload(encoded_payload=_body(environ, max_size)).packets
    except (KeyError, ValueError) as error:  # KeyError: the body begins like JSONP but is not.
        raise MalformedPayload(str(error)) from error
    except OSError as error:
        raise EngineIOError(str(error)) from error
    return packets


def receive_post(socket: Any, environ: Mapping[str, Any]) -> None:
    """Handle a long-polling POST for a python-engineio socket, which is closed if the POST is refused.

    Raises:
        EngineIOError: As for `read_post`, or a packet is of an unknown type.
    """
    try:
        for packet in read_post(environ, socket.server.max_http_buffer_size):
            socket.receive(packet)
    except EngineIOError:
        # python-engineio would close it too, and wait for a poll to take the last packet: for good if none comes.
        socket.close(wait=False, reason=socket.server.reason.TRANSPORT_ERROR)
        raise
