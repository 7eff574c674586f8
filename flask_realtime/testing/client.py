"""A Socket.IO client for tests, in the application's own process.

It uses the real protocol, long polling, through the application's WSGI interface: a test sees what a client on the
network would, without a port or second process.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Any, Final

from flask import Flask
from socketio import packet as sio

from flask_realtime.contract.ids import WireId
from flask_realtime.errors import ConnectionRefused
from flask_realtime.extension import gateway_of
from flask_realtime.features.conversations.events import JOIN_CONVERSATION
from flask_realtime.features.presence.events import USER_GET_STATUS
from flask_realtime.testing.polling import PollingConnection

TIMEOUT: Final = 5.0
"""Default seconds that a call waits for its event or answer."""

_TICK = 0.005


@dataclass(frozen=True)
class ReceivedEvent:
    """One event that a client received.

    Args:
        event: Its name.
        args: Its arguments.
    """

    event: str
    args: tuple[Any, ...]

    @property
    def data(self) -> Any:
        """The only argument, or all of them unless there is exactly one."""
        return self.args[0] if len(self.args) == 1 else self.args


class RealtimeTestClient:
    """A client that connects on creation; use it as a context manager, or call `disconnect`.

    Args:
        app: The application.
        token: The access token, sent as `auth.token`; None sends none.
        auth: What to send with CONNECT instead.
        headers: Headers of the requests.
        timeout: Seconds to wait for the connection.

    Raises:
        ConnectionRefused: The server refused; `code` and `message` are those of `connect_error`.
        TimeoutError: The server did not answer in time.
    """

    def __init__(
        self,
        app: Flask,
        token: str | None = None,
        *,
        auth: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._sleep = gateway_of(app).concurrency.sleep
        self._answers: dict[int, list[Any]] = {}
        self._ids = itertools.count(1)
        self._untaken: deque[ReceivedEvent] = deque()
        self._refusal: ConnectionRefused | None = None
        self.received: list[ReceivedEvent] = []
        self.id: str | None = None
        self._connection = PollingConnection(app, headers or {}, self._receive)
        self._connect(auth if auth is not None or token is None else {"token": token}, timeout)

    def __enter__(self) -> RealtimeTestClient:  # noqa: PYI034 - typing has no Self in Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.disconnect()

    @property
    def is_connected(self) -> bool:
        """Return whether the connection is open."""
        return self._connection.is_open

    def emit(self, event: str, *args: Any) -> None:
        """Send an event without a callback."""
        self._connection.send(sio.Packet(sio.EVENT, [event, *args]))

    def call(self, event: str, *args: Any, timeout: float = TIMEOUT) -> Any:
        """Send an event with a callback, and return the callback's answer.

        Args:
            event: The event's name.
            args: Its arguments.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: There was no answer in time.
        """
        packet_id = next(self._ids)
        self._connection.send(sio.Packet(sio.EVENT, [event, *args], id=packet_id))
        self._wait(lambda: packet_id in self._answers, timeout, f"an answer to {event}")
        answer = self._answers.pop(packet_id)
        return answer[0] if len(answer) == 1 else tuple(answer)

    def join(self, conversation_id: WireId) -> None:
        """Join a conversation.

        Raises:
            AssertionError: The server refused.
        """
        answer = self.call(JOIN_CONVERSATION, conversation_id)
        if answer != {"ok": True}:
            raise AssertionError(f"joining conversation {conversation_id!r} failed: {answer}")

    def wait_for(self, event: str, timeout: float = TIMEOUT) -> ReceivedEvent:
        """Return the next event of a name; each event is returned once.

        Args:
            event: The event's name.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: None arrived in time.
        """
        self._wait(lambda: self._first(event) is not None, timeout, event)
        found = self._first(event)
        assert found is not None  # noqa: S101 - just waited for
        self._untaken.remove(found)
        return found

    def assert_nothing(self, event: str | None = None) -> None:
        """Check that no event of a name has arrived that `wait_for` has not returned; None stands for any name.

        Everything that the server sent this client before the call is included: events keep their order, and the call waits for
        an answer sent after them.

        Raises:
            AssertionError: One has arrived.
        """
        self.call(USER_GET_STATUS, "nobody")
        found = [item for item in self._untaken if event in {None, item.event}]
        if found:
            raise AssertionError(f"expected no events, got {found}")

    def disconnect(self) -> None:
        """Close the connection."""
        if self.is_connected:
            self._connection.close(sio.Packet(sio.DISCONNECT))

    def _connect(self, auth: Mapping[str, Any] | None, timeout: float) -> None:
        self._connection.send(sio.Packet(sio.CONNECT, auth))
        self._wait(lambda: self.id is not None or self._refusal is not None, timeout, "an answer to the connection attempt")
        if self._refusal is not None:
            self.disconnect()
            raise self._refusal

    def _receive(self, packet: sio.Packet) -> None:
        if packet.packet_type == sio.CONNECT:
            self.id = packet.data["sid"]
        elif packet.packet_type == sio.CONNECT_ERROR:
            self._refusal = ConnectionRefused(packet.data["message"], code=packet.data.get("data", {}).get("code", ""))
        elif packet.packet_type == sio.DISCONNECT:
            self._connection.is_open = False
        elif packet.packet_type in {sio.ACK, sio.BINARY_ACK}:
            self._answers[packet.id] = packet.data
        else:
            received = ReceivedEvent(packet.data[0], tuple(packet.data[1:]))
            self.received.append(received)
            self._untaken.append(received)

    def _first(self, event: str) -> ReceivedEvent | None:
        return next((item for item in list(self._untaken) if item.event == event), None)

    def _wait(self, condition: Callable[[], bool], timeout: float, awaited: str) -> None:
        deadline = monotonic() + timeout
        while not condition():
            if monotonic() > deadline:
                raise TimeoutError(f"{awaited} did not arrive within {timeout} s; received: {self.received}")
            self._sleep(_TICK)
