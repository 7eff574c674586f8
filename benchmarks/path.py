"""The path of an event in one process, with two versions of the package in it: `python -m benchmarks.path FOLDER FOLDER ROUNDS`.

It prints as JSON, for each kind of event, the microseconds of CPU time that one takes with the first version, and how many more
with the second: the lowest decile of each, of rounds that take turns. The time is that from the read of an event's bytes, or the
application's call, to its last write. Each event comes from a connection of its own, so that it is read alone, as most are.
"""

from __future__ import annotations

import gc
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import gevent
import websocket
from flask import Flask
from gevent import monkey
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from benchmarks import wire

CLIENTS: Final = 100
MESSAGE: Final = {"id": 1, "senderId": "ann", "text": "x" * 100}
_CHUNK: Final = 1 << 16
WARM: Final = 20
"""Rounds that are not measured."""

_TURNS: Final = 4
"""Turns of the event loop in which everything is handled: it is read, put into mailboxes, handled there."""

_ATTEMPTS: Final = 10
_PAUSE: Final = 0.02
_PAIR: Final = 2
_ROOM: Final = 10


class Sent(NamedTuple):
    """A kind of event that a client sends.

    Attributes:
        members: How many clients have joined its conversation.
        frames: How many frames each event leads to.
        text: What is sent, by the client's number, its conversation, and one of that and another, in turns.
    """

    members: int
    frames: int
    text: Callable[[int, int, int], str]


class Called(NamedTuple):
    """A kind of event that the application emits.

    Attributes:
        members: How many clients have joined its conversation, all of which get it.
        call: What the application does, by package, application and conversation.
    """

    members: int
    call: Callable[[Any, Flask, str], object]


def _typing(room: int) -> str:
    return f'42["typing:start",{{"conversationId":"{room}"}}]'


def _emit(package: Any, _app: Flask, room: str) -> None:
    package.emit_new_message(room, MESSAGE)


def _post(_package: Any, app: Flask, room: str) -> None:
    """Have a view emit, with Flask's part of its request."""
    with app.test_request_context(f"/emit/{room}", method="POST", json=MESSAGE):
        app.full_dispatch_request()


KINDS: Final[dict[str, Sent | Called]] = {
    "repeated": Sent(_PAIR, 1, lambda _client, room, _turned: _typing(room)),
    "relayed": Sent(_PAIR, 1, lambda _client, _room, turned: _typing(turned)),
    "relayed_room": Sent(_ROOM, _ROOM - 1, lambda _client, _room, turned: _typing(turned)),
    "answered": Sent(_PAIR, 1, lambda client, _room, _turned: f'4212["user:get-status","user-{client}"]'),
    "application": Sent(_PAIR, 1, lambda _client, _room, _turned: '4212["benchmark:ask","now"]'),
    "message": Called(_PAIR, _emit),
    "message_room": Called(_ROOM, _emit),
    "custom": Called(_PAIR, lambda package, _app, room: package.send_to_conversation(room, "benchmark:news", MESSAGE)),
    "view": Called(_PAIR, _post),
}
"""What is measured, by name."""


class Path:
    """A server with clients, which have joined two conversations of each size.

    Args:
        folder: Where its version of the package is.
    """

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, folder)
        self._package: Any = importlib.import_module("flask_realtime.public")
        self._app = importlib.import_module("benchmarks.app").app
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "flask_realtime" or name == "benchmarks.app"]:
            del sys.modules[name]
        server = WSGIServer(("127.0.0.1", 0), self._app, handler_class=WebSocketHandler, log=None)
        server.start()
        port: Any = server.server_port
        self._clients = [_open(port, number) for number in range(CLIENTS)]
        self._turn = 0

    def measure(self, name: str) -> float:
        """Return the microseconds of CPU time of one event of a kind.

        Raises:
            RuntimeError: Not all of them came, or one failed.
        """
        kind = KINDS[name]
        events = CLIENTS // kind.members
        expected = events * (kind.frames if isinstance(kind, Sent) else kind.members)
        for _ in range(_ATTEMPTS):
            self._turn += 1
            run = self._sending(kind) if isinstance(kind, Sent) else self._calling(kind)
            began = time.process_time()
            run()
            used = time.process_time() - began
            came = sum(map(_drain, self._clients))
            if came >= expected:
                return used / events * 1e6
            gevent.sleep(_PAUSE)  # On a busy machine some are still on their way, and no part of this round.
            sum(map(_drain, self._clients))
        message = f"{came} of {expected} frames came"
        raise RuntimeError(message)

    def _sending(self, kind: Sent) -> Callable[[], None]:
        for number in range(0, CLIENTS, kind.members):
            room, turned = (_conversation(kind.members, number, turn) for turn in (0, self._turn))
            self._clients[number].sock.sendall(wire.frame(wire.TEXT, kind.text(number, room, turned).encode()))
        return _take_turns

    def _calling(self, kind: Called) -> Callable[[], None]:
        def call() -> None:
            with self._app.app_context():
                for number in range(0, CLIENTS, kind.members):
                    kind.call(self._package, self._app, str(_conversation(kind.members, number, 0)))
            _take_turns()

        return call


def _conversation(members: int, client: int, turn: int) -> int:
    """Return the conversation of so many clients that one of them is in, one of two in turns."""
    return (members * 2 + turn % 2) * CLIENTS + client // members


def _take_turns() -> None:
    for _ in range(_TURNS):
        gevent.idle()


def _open(port: int, number: int) -> Any:
    client: Any = websocket.create_connection(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")
    client.send(f'40{{"token":"{wire.token(f"user-{number}")}"}}')
    for room in [_conversation(members, number, turn) for members in (_PAIR, _ROOM) for turn in range(2)]:
        client.send(f'4299["join:conversation","{room}"]')
        while "4399" not in client.recv():
            pass
    client.sock.settimeout(0)
    return client


def _drain(client: Any) -> int:
    """Return how many frames came, none of which may tell of an error."""
    try:
        found, _ = wire.frames(client.sock.recv(_CHUNK))
    except BlockingIOError:
        return 0
    for _, data in found:
        if b'"error"' in data:
            raise RuntimeError(data.decode())
    return len(found)


def compare(paths: tuple[Path, Path], kind: str, rounds: int) -> tuple[float, float]:
    """Return the time with the first version, and how much more it is with the second."""
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARM + rounds):
        for side in (turn % 2, 1 - turn % 2):
            found[side].append(paths[side].measure(kind))
        gc.collect()
    first, second = (statistics.quantiles(times[WARM:], n=10)[0] for times in found)
    return first, second - first


def main() -> None:
    """Measure every kind of event."""
    before, after, rounds, *kinds = sys.argv[1:]
    monkey.patch_all(ssl=False)
    paths = Path(before), Path(after)
    gc.collect()
    gc.freeze()
    gc.disable()
    json.dump({kind: compare(paths, kind, int(rounds)) for kind in kinds or KINDS}, sys.stdout)


if __name__ == "__main__":
    main()
