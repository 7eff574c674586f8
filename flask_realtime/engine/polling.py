"""Long-polling requests: read without python-engineio's limit on packets, and on its own sessions one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from engineio.exceptions import ContentTooLongError, EngineIOError
from engineio.payload import Payload

from flask_realtime.engine.handshake import asks_for_websocket

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


class OneAtATime:
    """Long-polling requests of a session of python-engineio's: one poll and one POST at a time.

    A second one closes the session, as it does one of the engine's own, and so does a malformed POST. Each poll waits in a thread,
    of which the server may have few.

    Args:
        socket: The session.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._handle_get_request: Callable[[Mapping[str, Any], Any], Any] = socket.handle_get_request
        self._poll = Lock()
        self._post = Lock()
        socket.handle_get_request = self._get
        socket.handle_post_request = self._read_post

    def _get(self, environ: Mapping[str, Any], start_response: Any) -> Any:
        if is_upgrade(environ):
            return self._handle_get_request(environ, start_response)
        with self._only(self._poll):
            return self._handle_get_request(environ, start_response)

    def _read_post(self, environ: Mapping[str, Any]) -> None:
        socket = self._socket
        with self._only(self._post):
            for packet in read_post(environ, socket.server.max_http_buffer_size):
                if not socket.closed:
                    socket.receive(packet)

    @contextmanager
    def _only(self, lock: Lock) -> Iterator[None]:
        if not lock.acquire(blocking=False):
            self._close()
            msg = "overlapping requests"
            raise EngineIOError(msg)
        try:
            yield
        except EngineIOError:
            self._close()
            raise
        finally:
            lock.release()

    def _close(self) -> None:
        # python-engineio would wait for a poll to take the last packet: for good if none comes.
        self._socket.close(wait=False, reason=self._socket.server.reason.TRANSPORT_ERROR)


def is_upgrade(environ: Mapping[str, Any]) -> bool:
    """Return whether python-engineio opens a WebSocket for a request of a session."""
    connection = environ.get("HTTP_CONNECTION", "").lower().split(",")
    return asks_for_websocket(environ) and "upgrade" in (part.strip() for part in connection)
