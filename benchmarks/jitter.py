"""Clients that lose their connection again and again while events go out: what they get of them, and how long the rest takes.

`python -m benchmarks.jitter --clients 1000 --seconds 120 --servers extension,node`; each server has its recovery switched on.
Everything runs on 127.0.0.1.
"""

import argparse
import json
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Final

from benchmarks import wire
from benchmarks.servers import CONTENDERS, Settings, free_port, running

CONVERSATION: Final = "jitter"
OPENING: Final = 100
"""Connections that may be on their way at once."""

SETTLING_SECONDS: Final = 5.0
"""Seconds after the last event in which what is still missing may come."""

OPENING_SECONDS: Final = 120.0
RESET: Final = struct.pack("ii", 1, 0)
JOIN: Final = b'420["join:conversation","jitter"]'


@dataclass(frozen=True)
class Plan:
    """What happens to the clients.

    Args:
        clients: How many there are.
        up: Seconds that a connection lasts.
        down: Seconds until its client is back.
        rate: Events a second.
        seconds: How long it takes.
    """

    clients: int
    up: float
    down: float
    rate: float
    seconds: float


@dataclass
class Tally:
    """What all clients saw."""

    received: int = 0
    repeated: int = 0
    reordered: int = 0
    returns: int = 0
    resumed: int = 0
    replays: list[float] = field(default_factory=list)


class Sender(threading.Thread):
    """Posts events, numbered from 0, at a rate.

    Args:
        port: The server's.
        rate: Events a second.
    """

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(daemon=True)
        self.begun = 0
        """How many have been posted, or are about to be."""
        self._port = port
        self._pause = 1 / rate
        self._ended = threading.Event()

    def run(self) -> None:
        """Post until `end` is called."""
        connection = HTTPConnection("127.0.0.1", self._port)
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due += self._pause
            body = json.dumps({"id": self.begun, "content": "x" * 100})
            self.begun += 1
            connection.request("POST", f"/emit/{CONVERSATION}", body, {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    def end(self) -> None:
        """Stop, and wait for the last answer."""
        self._ended.set()
        self.join()


class Client:
    """A client that comes back.

    Args:
        number: Which of them it is.
        port: The server's.
        tally: What all of them saw.
        sender: Posts the events.
    """

    def __init__(self, number: int, port: int, tally: Tally, sender: Sender) -> None:
        self.tcp: socket.socket | None = None
        self.is_here = False
        self.first: int | None = None
        """The first event that it must get."""
        self.next_change = 0.0
        """When it is cut, or is back."""
        self.seen: set[int] = set()
        self._number = number
        self._port = port
        self._tally = tally
        self._sender = sender
        self._token = wire.token(f"jitter-{number}")
        self._auth: dict[str, Any] = {"token": self._token, "recovery": True}
        self._data = b""
        self._head_is_read = False
        self._began = 0.0
        self._last = -1

    def open(self) -> socket.socket:
        """Connect."""
        self._began = time.monotonic()
        self._data, self._head_is_read = b"", False
        self.tcp = wire.connect(self._port)
        self.tcp.send(wire.upgrade_request(self._port))
        return self.tcp

    def cut(self) -> None:
        """Lose the connection, as the network does."""
        if self.tcp is not None:
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.tcp.close()
        self.tcp, self.is_here = None, False

    def read(self, tcp: socket.socket) -> bool:
        """Read what is there on its connection, and return whether that is still open."""
        try:
            data = tcp.recv(262_144)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._data += data
        if not self._head_is_read:
            _, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return bool(data)
            self._data, self._head_is_read = rest, True
        found, self._data = wire.frames(self._data)
        for opcode, payload in found:
            if opcode == wire.TEXT:
                self._handle(payload)
        return bool(data)

    def _handle(self, packet: bytes) -> None:
        if packet.startswith(b"42"):
            self._take(json.loads(packet[2:]))
        elif packet.startswith(b"0"):
            self._send(b"40" + json.dumps(self._auth).encode())
        elif packet == b"2":
            self._send(b"3")
        elif packet.startswith(b"40"):
            self._connected(json.loads(packet[2:]))
        elif packet.startswith(b"430"):
            self.is_here = True
            if self.first is None:
                self.first = self._sender.begun
        elif packet.startswith(b"44"):
            raise RuntimeError(packet.decode())

    def _connected(self, answer: dict[str, Any]) -> None:
        pid = answer.get("pid")
        is_resumed = pid is not None and pid == self._auth.get("pid")
        if self.first is not None:
            self._tally.returns += 1
            self._tally.resumed += is_resumed
            self._tally.replays.append(time.monotonic() - self._began)
        self._auth["pid"] = pid
        self.is_here = is_resumed
        if not is_resumed:
            self._send(JOIN)

    def _take(self, event: list[Any]) -> None:
        if isinstance(event[-1], str):
            self._auth["offset"] = event[-1]
        if event[0] != "message:new" or self.first is None or (number := event[1]["id"]) < self.first:
            return
        if number in self.seen:
            self._tally.repeated += 1
            return
        self.seen.add(number)
        self._tally.received += 1
        self._tally.reordered += number < self._last
        self._last = max(self._last, number)

    def _send(self, packet: bytes) -> None:
        if self.tcp is not None:
            with suppress(OSError):
                self.tcp.send(wire.frame(wire.TEXT, packet))


class Crowd:
    """All clients.

    Args:
        plan: What happens to them.
        port: The server's.
    """

    def __init__(self, plan: Plan, port: int) -> None:
        self.tally = Tally()
        self.sender = Sender(port, plan.rate)
        self._plan = plan
        self._selector = selectors.DefaultSelector()
        self._clients = [Client(number, port, self.tally, self.sender) for number in range(plan.clients)]

    def run(self) -> dict[str, float]:
        """Let the clients be cut for the time of the plan, and return the figures."""
        self.sender.start()
        began = time.monotonic()
        self.tally.returns = self.tally.resumed = 0
        self.tally.replays.clear()
        for number, client in enumerate(self._clients):
            client.next_change = began + self._plan.up * number / self._plan.clients
        self._poll_until(lambda: time.monotonic() > began + self._plan.seconds, self._change)
        for client in self._clients:
            client.next_change = min(client.next_change, time.monotonic()) if client.tcp is None else float("inf")
        self._poll_until(lambda: all(client.is_here for client in self._clients), self._change)
        self.sender.end()
        end = time.monotonic() + SETTLING_SECONDS
        self._poll_until(lambda: time.monotonic() > end, lambda: None)
        return self._figures()

    def open_all(self) -> None:
        """Open all connections, and join them."""
        waiting = list(self._clients)
        opening: list[Client] = []
        deadline = time.monotonic() + OPENING_SECONDS

        def open_some() -> None:
            opening[:] = [client for client in opening if not client.is_here]
            while waiting and len(opening) < OPENING:
                opening.append(waiting.pop())
                self._register(opening[-1])

        self._poll_until(lambda: all(client.is_here for client in self._clients) or time.monotonic() > deadline, open_some)

    def _change(self) -> None:
        """Cut the connections, and open those, whose time has come."""
        now = time.monotonic()
        for client in self._clients:
            if now < client.next_change:
                continue
            if client.tcp is None:
                self._register(client)
                client.next_change = now + self._plan.up
            else:
                self._selector.unregister(client.tcp)
                client.cut()
                client.next_change = now + self._plan.down

    def _register(self, client: Client) -> None:
        self._selector.register(client.open(), selectors.EVENT_READ, client)

    def _poll_until(self, is_over: Callable[[], bool], turn: Callable[[], None]) -> None:
        while not is_over():
            turn()
            for key, _ in self._selector.select(0.01):
                client: Client = key.data
                if client.tcp is not None and client.tcp is key.fileobj and not client.read(client.tcp):
                    # The server ended it; its client comes back as after any loss.
                    self._selector.unregister(key.fileobj)
                    client.cut()
                    client.next_change = time.monotonic() + self._plan.down

    def _figures(self) -> dict[str, float]:
        tally = self.tally
        expected = sum(self.sender.begun - (client.first or 0) for client in self._clients)
        replays = sorted(tally.replays) or [0.0]
        return {
            "expected": expected,
            "delivered_percent": 100 * tally.received / expected,
            "repeated": tally.repeated,
            "reordered": tally.reordered,
            "returns": tally.returns,
            "resumed_percent": 100 * tally.resumed / max(1, tally.returns),
            "replay_p50_ms": 1000 * replays[len(replays) // 2],
            "replay_p99_ms": 1000 * replays[len(replays) * 99 // 100],
        }


def main() -> int:
    """Read the command line, and run on each server in turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jitter", description=__doc__)
    parser.add_argument("--servers", default="extension,node", help="which, in order (default extension,node)")
    parser.add_argument("--clients", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--up", type=float, default=15.0, help="seconds that a connection lasts (default 15)")
    parser.add_argument("--down", type=float, default=2.0, help="seconds until its client is back (default 2)")
    parser.add_argument("--rate", type=float, default=10.0, help="events a second (default 10)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long (default 120)")
    options = parser.parse_args()
    plan = Plan(options.clients, options.up, options.down, options.rate, options.seconds)
    for name in options.servers.split(","):
        with running(CONTENDERS[name], Settings(free_port(), recovery=True), []) as server:
            crowd = Crowd(plan, server.port)
            crowd.open_all()
            before = server.tree.cpu_seconds()
            figures = crowd.run() | {"cpu_seconds": server.tree.cpu_seconds() - before}
        sys.stdout.write(json.dumps({"server": name, **{key: round(value, 3) for key, value in figures.items()}}) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
