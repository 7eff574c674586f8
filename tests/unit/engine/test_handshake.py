"""The opening handshake of a WebSocket: what is wrong with one, and the answer to one that is right."""

from http import HTTPStatus
from typing import Any

import pytest

from flask_realtime.engine.handshake import BAD_REQUEST, answer_to, asks_for_websocket, fault_of

RIGHT = {
    "REQUEST_METHOD": "GET",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)


@pytest.mark.parametrize(
    ("upgrade", "connection", "asks"),
    [
        ("websocket", "Upgrade", True),
        ("WebSocket", "keep-alive, upgrade", True),
        ("h2c", "Upgrade", False),
        ("websocket", "keep-alive", False),
        (None, "Upgrade", False),
        ("websocket", None, False),
    ],
)
def test_who_asks_for_a_websocket(upgrade: Any, connection: Any, asks: bool) -> None:  # noqa: FBT001 - a case
    environ = {"HTTP_UPGRADE": upgrade, "HTTP_CONNECTION": connection}
    assert asks_for_websocket({key: value for key, value in environ.items() if value is not None}) is asks


@pytest.mark.parametrize(
    ("changed", "status", "message"),
    [
        ({"REQUEST_METHOD": "POST"}, 405, "Invalid HTTP method"),
        ({"HTTP_SEC_WEBSOCKET_KEY": "short=="}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"HTTP_SEC_WEBSOCKET_KEY": ""}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"HTTP_SEC_WEBSOCKET_VERSION": "12"}, 400, "Missing or invalid Sec-WebSocket-Version header"),
        ({"HTTP_SEC_WEBSOCKET_PROTOCOL": ""}, 400, "Invalid Sec-WebSocket-Protocol header"),
        ({"HTTP_SEC_WEBSOCKET_PROTOCOL": "a,,b"}, 400, "Invalid Sec-WebSocket-Protocol header"),
    ],
)
def test_a_handshake_may_be_wrong(changed: dict[str, str], status: int, message: str) -> None:
    fault = fault_of({**RIGHT, **changed})
    assert fault is not None
    assert (fault.status, fault.message) == (status, message)
    versions = [("Sec-WebSocket-Version", "13, 8")] if "Version" in message else []
    line = f"{status} {HTTPStatus(status).phrase}"
    headers = [("Content-Type", "text/html"), ("Content-Length", str(len(message))), ("Connection", "close"), *versions]
    assert fault.start() == (line, headers)
    assert BAD_REQUEST.start()[0] == "400 Bad Request"


@pytest.mark.parametrize("key", ["HTTP_SEC_WEBSOCKET_KEY", "HTTP_SEC_WEBSOCKET_VERSION"])
def test_what_is_missing_is_wrong(key: str) -> None:
    assert fault_of({name: value for name, value in RIGHT.items() if name != key}) is not None


@pytest.mark.parametrize("changed", [{}, {"HTTP_SEC_WEBSOCKET_VERSION": "8"}, {"HTTP_SEC_WEBSOCKET_PROTOCOL": "a , b"}])
def test_a_handshake_may_be_right(changed: dict[str, str]) -> None:
    assert fault_of({**RIGHT, **changed}) is None


@pytest.mark.parametrize(
    ("protocols", "line"), [(None, b""), ("a", b"Sec-WebSocket-Protocol: a\r\n"), ("b-c , d", b"Sec-WebSocket-Protocol: b-c\r\n")]
)
def test_the_answer_takes_the_key_and_the_first_protocol(protocols: str | None, line: bytes) -> None:
    assert answer_to(RIGHT if protocols is None else {**RIGHT, "HTTP_SEC_WEBSOCKET_PROTOCOL": protocols}) == ANSWER + line + b"\r\n"
