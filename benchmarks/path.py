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
from typing import Any, Final

import gevent
import websocket
from gevent import monkey
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

from benchmarks import wire

CLIENTS: Final = 100
"""Two in each conversation."""

MESSAGE: Final = {"id": 1, "senderId": "ann", "text": "x" * 100}
_CHUNK: Final = 1 << 16
WARM: Final = 20
"""Rounds that are not measured."""

_TURNS: Final = 4
"""Turns of the event loop in which everything is handled: it is read, put into mailboxes, handled there."""

_ATTEMPTS: Final = 10
_PAUSE: Final = 0.02

SENT: Final[dict[str, Callable[[int, int], str]]] = {
    "repeated": lambda room, _turn: f'42["typing:start",{{"conversationId":"{room}"}}]',
    "relayed": lambda room, turn: f'42["typing:start",{{"conversationId":"{room + turn % 2 * CLIENTS}"}}]',
    "answered": lambda room, _turn: f'4212["user:get-status","user-{room}"]',
    "application": lambda _room, _turn: '4212["benchmark:ask","now"]',
}
"""What a client sends, by kind of event."""

EMITTED: Final[dict[str, Callable[[Any, str], object]]] = {
    "message": lambda package, room: package.emit_new_message(room, MESSAGE),
    "custom": lambda package, room: package.send_to_conversation(room, "benchmark:news", MESSAGE),
}
"""What the application calls, by kind of event."""


class Path:
    """A server with clients, two in a conversation, and the same two in another one.

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

    def measure(self, kind: str) -> float:
        """Return the microseconds of CPU time of one event of a kind.

        Raises:
            RuntimeError: Not all of them came, or one failed.
        """
        for _ in range(_ATTEMPTS):
            self._turn += 1
            run = self._sending(kind) if kind in SENT else self._emitting(kind)
            began = time.process_time()
            run()
            used = time.process_time() - began
            came = sum(map(_drain, self._clients))
            if came >= CLIENTS // 2:
                return used / (CLIENTS // 2) * 1e6
            gevent.sleep(_PAUSE)  # On a busy machine some are still on their way, and no part of this round.
            sum(map(_drain, self._clients))
        message = f"{came} of {CLIENTS // 2} events came"
        raise RuntimeError(message)

    def _sending(self, kind: str) -> Callable[[], None]:
        for number, client in list(enumerate(self._clients))[::2]:
            client.sock.sendall(wire.frame(wire.TEXT, SENT[kind](number // 2, self._turn).encode()))
        return _take_turns

    def _emitting(self, kind: str) -> Callable[[], None]:
        def emit() -> None:
            with self._app.app_context():
                for room in range(CLIENTS // 2):
                    EMITTED[kind](self._package, str(room))
            _take_turns()

        return emit


def _take_turns() -> None:
    for _ in range(_TURNS):
        gevent.idle()


def _open(port: int, number: int) -> Any:
    client: Any = websocket.create_connection(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket")
    client.send(f'40{{"token":"{wire.token(f"user-{number}")}"}}')
    for room in (number // 2, number // 2 + CLIENTS):
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
    json.dump({kind: compare(paths, kind, int(rounds)) for kind in kinds or (*SENT, *EMITTED)}, sys.stdout)


if __name__ == "__main__":
    main()
