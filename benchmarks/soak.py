"""A soak test: clients join, type, message and drop for minutes, while every event is accounted for and memory is watched.

`python -m benchmarks.soak --connections 2000 --minutes 10`; it exits with 1 when something was lost, repeated, out of order or
unanswered, or when the server's memory grew. Everything runs on 127.0.0.1.
"""

import argparse
import json
import random
import selectors
import socket
import struct
import sys
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from benchmarks import wire
from benchmarks.processes import ProcessTree
from benchmarks.servers import CONTENDERS, Running, Settings, free_port, running

CONVERSATION_SIZE: Final = 10
POSTERS: Final = 8
# Per second and connection.
RATES: Final = {"message": 0.1, "typing": 0.08, "call": 0.2, "drop": 0.004}
OPENING: Final = 100  # connections that may be on their way at once
# The server ends a typing state after 7 s; whoever types again later than this starts a new one.
TYPING_PAUSE: Final = 11.0
TYPING_TIMEOUT: Final = 7.0
# What takes longer than this counts as lost: far above any delay of a server that keeps up.
GRACE: Final = 10.0
SAMPLE_SECONDS: Final = 15.0
SETTLING_SECONDS: Final = 120.0  # memory is compared with what it was after this long
OPENING_LIMIT: Final = 180.0
GROWTH_LIMIT: Final = 0.10
SPARE_DESCRIPTORS: Final = 5
OK: Final = {"ok": True}


class State(Enum):
    """How far a connection is."""

    OPENING = auto()
    JOINED = auto()
    LEAVING = auto()
    GONE = auto()


class Faults:
    """What went wrong, by kind, with the first case of each."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, kind: str, case: str, count: int = 1) -> None:
        """Note ``count`` faults of a kind."""
        self.count[kind] += count
        self.first.setdefault(kind, case)


@dataclass(frozen=True, eq=False)
class Relayed:
    """A typing event that its sender knows to be relayed: who must have it, and by when."""

    deadline: float
    event: str
    user_id: str
    receivers: tuple["Client", ...]


@dataclass(eq=False)
class Conversation:
    """Clients that hear one another, and the messages posted to them, numbered from 0."""

    name: str
    clients: set["Client"] = field(default_factory=set)
    posted: int = 0
    posted_at: float = 0.0
    answered_at: list[float] = field(default_factory=list)

    @property
    def is_busy(self) -> bool:
        """Whether a post is under way: a second one beside it would have no order."""
        return self.posted > len(self.answered_at)

    def settled(self, now: float) -> int:
        """How many messages were posted so long ago that everybody must have them."""
        return bisect_right(self.answered_at, now - GRACE)


@dataclass
class Ledger:
    """What was sent, received and found wrong, of the whole run."""

    faults: Faults = field(default_factory=Faults)
    totals: Counter[str] = field(default_factory=Counter)
    relayed: dict[str, deque[Relayed]] = field(default_factory=lambda: {"typing:start": deque(), "typing:stop": deque()})
    slowest: float = 0.0

    def relay(self, event: str, user_id: str, receivers: tuple["Client", ...], deadline: float) -> None:
        """Note a typing event that must reach ``receivers`` by ``deadline``."""
        self.relayed[event].append(Relayed(deadline, event, user_id, receivers))

    def check_relayed(self, now: float) -> None:
        """Look whether the typing events whose time is up were received."""
        for queue in self.relayed.values():
            while queue and queue[0].deadline <= now:
                due = queue.popleft()
                for receiver in due.receivers:
                    receiver.inbox.check_relayed(due)

    def add_delay(self, seconds: float) -> None:
        """Note how long a message was on its way."""
        self.slowest = max(self.slowest, seconds)


class Inbox:
    """What one client received, checked as it comes.

    Args:
        owner: The client.
        ledger: Where faults go.
    """

    def __init__(self, owner: "Client", ledger: Ledger) -> None:
        self._owner = owner
        self._ledger = ledger
        self._next: int | None = None
        self._floor: int | None = None
        self._missing: set[int] = set()
        self._heard: Counter[tuple[str, str]] = Counter()
        self._due: Counter[tuple[str, str]] = Counter()
        self._last_typing: dict[str, str] = {}

    def joined(self) -> None:
        """Count on every message that is posted from now on."""
        self._floor = self._owner.conversation.posted

    def message(self, body: dict[str, Any], now: float) -> None:
        """Check that a message is the next of the right conversation."""
        number, conversation = body["number"], self._owner.conversation
        if body["conversation"] != conversation.name or number >= conversation.posted:
            self._fault("wrong events", f"got {body}")
            return
        self._ledger.totals["messages received"] += 1
        if number == conversation.posted - 1:
            self._ledger.add_delay(now - conversation.posted_at)
        self._in_order(number)

    def _in_order(self, number: int) -> None:
        expected = self._expected(number)
        if number in self._missing:
            self._missing.remove(number)
            self._ledger.faults.count["messages lost"] -= 1
            self._fault("messages out of order", f"{number} came late")
        elif self._next is not None and number < self._next:
            self._fault("messages repeated", f"{number} came again")
        else:
            self._lose(expected, number)
            self._next = number + 1

    def _expected(self, otherwise: int) -> int:
        if self._next is not None:
            return self._next
        return otherwise if self._floor is None else self._floor

    def _lose(self, start: int, end: int) -> None:
        if end > start:
            self._missing.update(range(start, end))
            self._fault("messages lost", f"{start} to {end - 1} did not come", end - start)

    def check_messages(self, settled: int) -> None:
        """Check that the first ``settled`` messages are here, as far as they came after the join."""
        self._lose(self._expected(settled), settled)
        self._ledger.totals["histories checked"] += 1

    def typing(self, event: str, body: dict[str, Any]) -> None:
        """Check whose typing event it is, and that starts and stops of one user take turns."""
        user_id = body["userId"]
        if body["conversationId"] != self._owner.conversation.name or user_id == self._owner.user_id:
            self._fault("wrong events", f"got {event} {body}")
        if self._last_typing.get(user_id) == event:
            self._fault("typing events repeated or out of order", f"{event} of {user_id} twice in a row")
        self._last_typing[user_id] = event
        self._heard[event, user_id] += 1
        self._ledger.totals["typing events received"] += 1

    def check_relayed(self, due: Relayed) -> None:
        """Check that a typing event was received, unless the client is no longer there."""
        if self._owner.state is not State.JOINED:
            return
        key = (due.event, due.user_id)
        self._due[key] += 1
        self._ledger.totals["typing events checked"] += 1
        if self._heard[key] < self._due[key]:
            self._fault("typing events lost", f"{due.event} of {due.user_id}")

    def _fault(self, kind: str, case: str, count: int = 1) -> None:
        self._ledger.faults.add(kind, f"{self._owner.user_id} in {self._owner.conversation.name}: {case}", count)


@dataclass
class Call:
    """An event that waits for its answer."""

    number: int
    sent_at: float
    answer: dict[str, Any]
    answered: Callable[[], None]


class Client:
    """One WebSocket connection of one user.

    Args:
        port: The server's.
        user_id: Who it is; no other connection has the same.
        conversation: What it joins.
        ledger: Where everything is accounted for.
    """

    def __init__(self, port: int, user_id: str, conversation: Conversation, ledger: Ledger) -> None:
        self.user_id = user_id
        self.conversation = conversation
        self.state = State.OPENING
        self.opened_at = time.monotonic()
        self.typed_at = 0.0
        self.inbox = Inbox(self, ledger)
        self._ledger = ledger
        self._calls: deque[Call] = deque()
        self._next_call = 0
        self._received = b""
        self._is_upgraded = False
        self.tcp = wire.connect(port)
        self.tcp.send(wire.upgrade_request(port))

    # Receiving ----------------------------------------------------------------------------------------

    def read(self) -> None:
        """Handle what has come."""
        try:
            data = self.tcp.recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._end()
            return
        self._received += data
        if self._is_upgraded or self._read_head():
            self._read_frames()

    def _read_head(self) -> bool:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 101 "):
            self._fault("connections refused", head.decode(errors="replace"))
            self._end()
            return False
        self._is_upgraded, self._received = True, rest
        return True

    def _read_frames(self) -> None:
        now = time.monotonic()
        frames, self._received = wire.frames(self._received)
        for opcode, payload in frames:
            if self.state is not State.GONE:
                self._on_frame(opcode, payload, now)

    def _on_frame(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == wire.TEXT:
            self._on_packet(payload.decode(), now)
        elif opcode == wire.PING:
            self._send_frame(wire.PONG, payload)
        elif opcode == wire.CLOSE and self.state is not State.LEAVING:
            self._fault("connections ended by the server", f"close frame {payload!r}")

    def _on_packet(self, packet: str, now: float) -> None:
        if packet.startswith("42"):
            self._on_event(*json.loads(packet[2:]), now=now)
        elif packet.startswith("43"):
            number, _, answer = packet[2:].partition("[")
            self._on_answer(int(number), json.loads("[" + answer))
        elif packet == "2":
            self._send("3")
            self._ledger.totals["pings answered"] += 1
        elif packet.startswith("40{"):
            self.call("join:conversation", self.conversation.name, OK, self._joined)
        elif packet.startswith("0{"):
            self._send("40" + json.dumps({"token": wire.token(self.user_id)}))
        else:
            self._fault("wrong events", f"packet {packet}")

    def _on_event(self, event: str, body: dict[str, Any], *, now: float) -> None:
        if event == "message:new":
            self.inbox.message(body, now)
        elif event in {"typing:start", "typing:stop"}:
            self.inbox.typing(event, body)
        else:
            self._fault("wrong events", f"{event} {body}")

    def _on_answer(self, number: int, answer: list[Any]) -> None:
        if not self._calls or self._calls[0].number != number:
            self._fault("answers out of order", f"answer {number}")
            return
        call = self._calls.popleft()
        self._ledger.totals["calls answered"] += 1
        if answer != [call.answer]:
            self._fault("wrong answers", f"{answer} in the place of {call.answer}")
        elif self.state is not State.LEAVING:
            call.answered()

    def _joined(self) -> None:
        self.state = State.JOINED
        self.inbox.joined()

    # Sending ------------------------------------------------------------------------------------------

    def call(self, event: str, argument: object, answer: dict[str, Any], answered: Callable[[], None] = lambda: None) -> None:
        """Send an event that must be answered with ``answer``."""
        number, self._next_call = self._next_call, self._next_call + 1
        self._calls.append(Call(number, time.monotonic(), answer, answered))
        self._send(f"42{number}{json.dumps([event, argument])}")
        self._ledger.totals["calls"] += 1

    def type(self, now: float) -> None:
        """Start typing; once it is answered, those who were in the conversation must hear of the start, and later of the end."""
        receivers = tuple(other for other in self.conversation.clients if other.state is State.JOINED and other is not self)
        self.typed_at = now

        def answered() -> None:
            deadline = time.monotonic() + GRACE
            self._ledger.relay("typing:start", self.user_id, receivers, deadline)
            self._ledger.relay("typing:stop", self.user_id, receivers, deadline + TYPING_TIMEOUT)

        self.call("typing:start", {"conversationId": self.conversation.name}, OK, answered)

    def _send(self, packet: str) -> None:
        self._send_frame(wire.TEXT, packet.encode())

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        if self.state is State.LEAVING:
            return
        frame = wire.frame(opcode, payload)
        try:
            sent = self.tcp.send(frame)
        except ConnectionError:
            return  # The next read finds the end.
        if sent < len(frame):
            self._fault("connections that took no data", f"{sent} of {len(frame)} bytes")

    # Ending -------------------------------------------------------------------------------------------

    def check(self, now: float, grace: float) -> None:
        """Check that nothing which should have come is missing."""
        self.inbox.check_messages(self.conversation.settled(now))
        if self.state is not State.JOINED:
            self._fault("connections that never joined", self.state.name)
        late = sum(call.sent_at < now - grace for call in self._calls)
        if late:
            self._fault("calls unanswered", f"{late} of them, from {self._calls[0].number} on", late)

    def drop(self, manner: str) -> None:
        """Go: with a TCP reset, a close frame, or the end of the TCP stream."""
        self.conversation.clients.discard(self)
        if manner == "reset":
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()
            return
        if manner == "close frame":
            self._send_frame(wire.CLOSE, wire.NORMAL_CLOSURE)
        self.state = State.LEAVING
        if manner == "fin":
            # Where the server is gone already, the next read finds it out.
            with suppress(OSError):
                self.tcp.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give the socket back."""
        self.state = State.GONE
        self.conversation.clients.discard(self)
        self.tcp.close()

    def _end(self) -> None:
        if self.state is not State.LEAVING:
            self._fault("connections ended by the server", self.state.name)
        self.close()

    def _fault(self, kind: str, case: str, count: int = 1) -> None:
        self._ledger.faults.add(kind, f"{self.user_id} in {self.conversation.name}: {case}", count)


class Poster:
    """An HTTP connection that posts one message after another.

    Args:
        port: The server's.
        ledger: Where everything is accounted for.
    """

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.tcp = wire.connect(port)
        self.conversation: Conversation | None = None
        self._port = port
        self._ledger = ledger
        self._received = b""

    def post(self, conversation: Conversation, now: float) -> None:
        """Post the next message of a conversation."""
        body = json.dumps({"number": conversation.posted, "conversation": conversation.name, "content": "x" * 120})
        self.conversation = conversation
        conversation.posted += 1
        conversation.posted_at = now
        self.tcp.send(wire.request(self._port, f"/emit/{conversation.name}", body))
        self._ledger.totals["messages posted"] += 1

    def read(self) -> None:
        """Handle what has come of the answer.

        Raises:
            ConnectionError: The server ended the connection; the run cannot go on.
        """
        data = self.tcp.recv(65536)
        if not data:
            raise ConnectionError("the server ended a connection that messages are posted on")
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= wire.content_length(head):
            self._on_answer(head)

    def _on_answer(self, head: bytes) -> None:
        self._received = b""
        if not head.startswith(b"HTTP/1.1 200 "):
            self._ledger.faults.add("posts refused", head.decode(errors="replace"))
        if self.conversation is not None:
            self.conversation.answered_at.append(time.monotonic())
            self.conversation = None


class Pace:
    """Says how often something is due.

    Args:
        rate: How often a second.
        now: The time, in seconds.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._at, self._due = rate, now, 0.0

    def due(self, now: float) -> int:
        """How often since the last time; never more than a second's worth, so that a pause makes no burst."""
        self._due = min(self._due + (now - self._at) * self._rate, max(self._rate, 1.0))
        self._at = now
        times = int(self._due)
        self._due -= times
        return times


class Crowd:
    """All the clients and posters, and the loop that drives them.

    Args:
        port: The server's.
        size: How many connections there are at a time.
    """

    def __init__(self, port: int, size: int) -> None:
        self.ledger = Ledger()
        self.clients: list[Client] = []
        self.conversations = [Conversation(f"room-{number}") for number in range(-(-size // CONVERSATION_SIZE))]
        self._port, self._size, self._users = port, size, 0
        self._random = random.Random(1)  # noqa: S311 - a load, not a secret
        self._selector = selectors.DefaultSelector()
        self._leaving: deque[tuple[float, Client]] = deque()
        self._posters = [Poster(port, self.ledger) for _ in range(POSTERS)]
        for poster in self._posters:
            self._selector.register(poster.tcp, selectors.EVENT_READ, poster)

    @property
    def joined(self) -> int:
        """How many clients are in their conversation."""
        return sum(client.state is State.JOINED for client in self.clients)

    @property
    def sockets(self) -> int:
        """How many connections the server must hold."""
        return len(self.clients) + len(self._posters) + len(self._leaving)

    def open_all(self) -> None:
        """Connect and join everybody.

        Raises:
            TimeoutError: It takes too long.
        """
        deadline = time.monotonic() + OPENING_LIMIT
        while (joined := self.joined) < self._size:
            for _ in range(min(self._size - len(self.clients), OPENING - (len(self.clients) - joined))):
                self.clients.append(self._open(self.conversations[len(self.clients) // CONVERSATION_SIZE]))
            self.turn()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{joined} of {self._size} connections joined; {self.ledger.faults.first}")

    def _open(self, conversation: Conversation) -> Client:
        client = Client(self._port, f"user-{self._users}", conversation, self.ledger)
        self._users += 1
        conversation.clients.add(client)
        self._selector.register(client.tcp, selectors.EVENT_READ, client)
        self.ledger.totals["connections opened"] += 1
        return client

    def turn(self) -> None:
        """Handle what comes within some milliseconds."""
        for key, _ in self._selector.select(0.01):
            reader: Client | Poster = key.data
            reader.read()
            if isinstance(reader, Client) and reader.state is State.GONE:
                self._selector.unregister(key.fd)
        self.ledger.check_relayed(time.monotonic())
        self._end_leaving()

    def _end_leaving(self) -> None:
        now = time.monotonic()
        self._leaving = deque(entry for entry in self._leaving if entry[1].state is State.LEAVING)
        while self._leaving and self._leaving[0][0] < now:
            client = self._leaving.popleft()[1]
            self.ledger.faults.add("connections not ended by the server", client.user_id)
            self._selector.unregister(client.tcp)
            client.close()

    def run(self, seconds: float, each_turn: Callable[[], None]) -> None:
        """Put the load on the server."""
        start = time.monotonic()
        actions = {"message": self._post, "typing": self._type, "call": self._call, "drop": self._drop}
        paces = {name: Pace(rate * self._size, start) for name, rate in RATES.items()}
        while (now := time.monotonic()) < start + seconds:
            for name, action in actions.items():
                for _ in range(paces[name].due(now)):
                    action(now)
            self.turn()
            self._replace_ended()
            each_turn()

    def settle(self) -> None:
        """Wait until everything that is under way must have come, and check it all."""
        end = time.monotonic() + TYPING_TIMEOUT + 2 * GRACE
        while time.monotonic() < end:
            self.turn()
        for client in self.clients:
            client.check(time.monotonic(), 0)

    def close(self) -> None:
        """End all connections."""
        for client in (*self.clients, *(client for _, client in self._leaving)):
            client.close()
        for poster in self._posters:
            poster.tcp.close()
        self._selector.close()

    def _post(self, now: float) -> None:
        conversation = self._random.choice(self.conversations)
        poster = next((poster for poster in self._posters if poster.conversation is None), None)
        if poster is None or conversation.is_busy:
            self.ledger.totals["posts put off"] += 1
        else:
            poster.post(conversation, now)

    def _type(self, now: float) -> None:
        client = self._random.choice(self.clients)
        if client.state is State.JOINED and now - client.typed_at > TYPING_PAUSE:
            client.type(now)

    def _call(self, _now: float) -> None:
        client = self._random.choice(self.clients)
        if client.state is State.JOINED:
            client.call("user:get-status", client.user_id, {"userId": client.user_id, "status": "online"})

    def _drop(self, now: float) -> None:
        place = self._random.randrange(len(self.clients))
        client, manner = self.clients[place], self._random.choice(("reset", "close frame", "fin"))
        if client.state is not State.JOINED:
            return
        client.check(now, GRACE)
        if manner == "reset":
            self._selector.unregister(client.tcp)
        client.drop(manner)
        self._leaving.append((now + GRACE, client))
        self.ledger.totals[f"dropped by {manner}"] += 1
        self.clients[place] = self._open(client.conversation)

    def _replace_ended(self) -> None:
        if not self.ledger.faults.count["connections ended by the server"]:
            return
        for place, client in enumerate(self.clients):
            if client.state is State.GONE:
                self.clients[place] = self._open(client.conversation)


@dataclass(frozen=True)
class Sample:
    """What the server used at one time."""

    seconds: float
    private_kib: int
    cpu_seconds: float
    descriptors: int
    connections: int
    dropped: int


class Monitor:
    """Watches the server's processes.

    Args:
        tree: The processes.
        crowd: The load on them.
    """

    def __init__(self, tree: ProcessTree, crowd: Crowd) -> None:
        self.samples: list[Sample] = []
        self._tree, self._crowd = tree, crowd
        self._start = time.monotonic()

    def every_turn(self) -> None:
        """Take a sample when one is due."""
        if time.monotonic() >= self._start + len(self.samples) * SAMPLE_SECONDS:
            self.sample()

    def sample(self) -> None:
        """Take a sample, and show it."""
        crowd, before = self._crowd, self.samples[-1] if self.samples else None
        taken = Sample(
            time.monotonic() - self._start,
            private_kib(self._tree),
            self._tree.cpu_seconds(),
            self._tree.sockets(),
            crowd.sockets,
            dropped(crowd.ledger),
        )
        self.samples.append(taken)
        _say(_sample_line(taken, before or taken, crowd.ledger))

    def settled(self) -> Sample:
        """The sample that memory is compared with: after two minutes, or a fifth of a shorter run."""
        after = min(SETTLING_SECONDS, self.samples[-1].seconds / 5)
        return next(sample for sample in self.samples if sample.seconds >= after)

    @property
    def growth(self) -> int:
        """KiB of memory that came since the comparison."""
        return self.samples[-1].private_kib - self.settled().private_kib

    @property
    def cpu_percent(self) -> float:
        """The share of one core that the server used."""
        first, last = self.samples[0], self.samples[-1]
        return 100 * (last.cpu_seconds - first.cpu_seconds) / (last.seconds - first.seconds)

    @property
    def spare_descriptors(self) -> tuple[int, int]:
        """File descriptors beyond the connections, at the start and at the end."""
        first, last = self.samples[0], self.samples[-1]
        return first.descriptors - first.connections, last.descriptors - last.connections

    def faults(self) -> list[str]:
        """What is wrong with the server's use of memory and descriptors, in words."""
        start, end = self.spare_descriptors
        found = []
        if self.growth > GROWTH_LIMIT * self.settled().private_kib:
            found.append(f"memory grew by more than {GROWTH_LIMIT:.0%}")
        if end > start + SPARE_DESCRIPTORS:
            found.append(f"{end - start} file descriptors were left open")
        return found


def dropped(ledger: Ledger) -> int:
    """How many connections the clients ended."""
    return sum(count for name, count in ledger.totals.items() if name.startswith("dropped by "))


def private_kib(tree: ProcessTree) -> int:
    """Memory that nobody else has a share in, of all the server's processes."""
    lines = [line for pid in tree.pids() for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def _sample_line(taken: Sample, before: Sample, ledger: Ledger) -> str:
    cpu = 100 * (taken.cpu_seconds - before.cpu_seconds) / max(taken.seconds - before.seconds, 0.001)
    totals = ledger.totals
    return (
        f"{taken.seconds:6.1f} s  private {taken.private_kib:7,} KiB  CPU {cpu:5.1f} %  descriptors {taken.descriptors:5}  "
        f"connections {taken.connections:5}  dropped {taken.dropped:5}  messages {totals['messages received']:7}  "
        f"typing {totals['typing events received']:7}  answers {totals['calls answered']:6}  faults {ledger.faults.count.total()}"
    )


def _summary(monitor: Monitor, ledger: Ledger, logged: int) -> list[tuple[str, str]]:
    first, last = monitor.settled(), monitor.samples[-1]
    drops = max(last.dropped - first.dropped, 1)
    start, end = monitor.spare_descriptors
    growth = f"{monitor.growth:+,} KiB ({monitor.growth / first.private_kib:+.2%})"
    return [
        *((name, f"{count:,}") for name, count in sorted(ledger.totals.items())),
        ("slowest message", f"{ledger.slowest * 1000:,.0f} ms"),
        ("server's CPU", f"{monitor.cpu_percent:.1f} % of a core"),
        (f"private memory after {first.seconds:.0f} s", f"{first.private_kib:,} KiB"),
        ("private memory at the end", f"{last.private_kib:,} KiB"),
        ("growth", growth),
        ("growth per dropped connection", f"{monitor.growth / drops:+.3f} KiB over {drops:,}"),
        ("descriptors, connections at the end", f"{last.descriptors:,}, {last.connections:,}"),
        ("descriptors beyond connections, start, end", f"{start}, {end}"),
        ("tracebacks in the server's log", f"{logged}"),
        *((f"FAULT: {kind}", f"{count:,} ({ledger.faults.first[kind]})") for kind, count in ledger.faults.count.items() if count),
        *(("FAULT", text) for text in monitor.faults()),
    ]


def soak(server: Running, connections: int, minutes: float) -> bool:
    """Run the load on a server and print what came of it; return whether all is well."""
    crowd = Crowd(server.port, connections)
    try:
        crowd.open_all()
        monitor = Monitor(server.tree, crowd)
        crowd.run(minutes * 60, monitor.every_turn)
        crowd.settle()
        monitor.sample()
    finally:
        crowd.close()
    logged = server.log.read_text(encoding="utf-8", errors="replace").count("Traceback (most recent call last)")
    for name, value in _summary(monitor, crowd.ledger, logged):
        _say(f"{name:45} {value}")
    return not monitor.faults() and not any(crowd.ledger.faults.count.values())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Read the command line, start the server, and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--connections", type=int, default=2000, help="how many at a time (default 2000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    options = parser.parse_args()
    with running(CONTENDERS["extension"], Settings(free_port()), []) as server:
        passed = soak(server, options.connections, options.minutes)
    _say("passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
