"""Clients and posters, each a greenlet."""

import json
import random
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import gevent
from gevent import socket

from benchmarks import wire
from benchmarks.chaos.app import WATCHER
from benchmarks.chaos.ledger import GRACE, Inbox, Ledger

SESSION_PATH: Final = "/socket.io/?EIO=4&transport=polling"
SILENCE: Final = 60.0  # seconds; the server pings every 25
OPENING_SECONDS: Final = 10.0
PAUSE: Final = (0.2, 1.0)  # seconds before a client connects again
OK: Final = {"ok": True}


class RefusedError(Exception):
    """The server answered, but not as a client needs it."""


def open_tcp(port: int) -> socket.socket:
    """Open a connection to the server."""
    tcp = socket.create_connection(("127.0.0.1", port), timeout=OPENING_SECONDS)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


def exchange(tcp: socket.socket, request: bytes) -> tuple[bytes, bytes]:
    """Send a request, and return the head and the body of the answer; after a handshake what follows it counts as the body.

    Raises:
        ConnectionError: The server ended the connection.
    """
    tcp.sendall(request)
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) >= wire.content_length(head):
            return head, body
        part = tcp.recv(65536)
        if not part:
            raise ConnectionResetError("the server ended a connection without an answer")
        data += part


class Session:
    """One Socket.IO session, which ends with its connection.

    Args:
        port: The server's.
        inbox: Where what it receives is checked.
    """

    def __init__(self, port: int, inbox: Inbox) -> None:
        self.inbox = inbox
        self.worker = 0
        self._port = port
        self._calls: dict[int, tuple[float, Callable[[Any], object]]] = {}
        self._next_call = 0
        self._tcp: socket.socket | None = None
        self._rest = b""
        self._frames: deque[tuple[int, bytes]] = deque()
        self.is_leaving = False

    def open(self, token: str, *, polling: bool) -> None:
        """Connect.

        Raises:
            OSError: The connection was lost.
            RefusedError: The server refused it.
        """
        session = self._poll(token) if polling else ""
        self._open_websocket(session)
        if polling:
            self.send("2probe")
            self._expect("3probe")
            self.send("5")
        else:
            self._expect("0{")
            self.send(f"40{json.dumps({'token': token})}")
            self._expect("40{")
        self.limit(SILENCE)

    def open_engine(self) -> None:
        """Open a WebSocket, on which the caller connects.

        Raises:
            OSError: The connection was lost.
            RefusedError: The server refused it.
        """
        self._open_websocket("")
        self._expect("0{")
        self.limit(SILENCE)

    def limit(self, seconds: float) -> None:
        """Let a connection on which nothing comes for some seconds count as lost."""
        if self._tcp is not None:
            self._tcp.settimeout(seconds)

    def _open_websocket(self, session: str) -> None:
        self._tcp = open_tcp(self._port)
        head, self._rest = exchange(self._tcp, wire.upgrade_request(self._port, session))
        if not head.startswith(b"HTTP/1.1 101 "):
            raise RefusedError(f"{'upgrade' if session else 'WebSocket'}: {head.split(b' ')[1].decode()} {self._rest!r}")

    def _poll(self, token: str) -> str:
        """Begin a session with long polling; each request may come to another worker."""
        session = json.loads(self._ask(SESSION_PATH)[1:])["sid"]
        path = f"{SESSION_PATH}&sid={session}"
        self._ask(path, f"40{json.dumps({'token': token})}")
        answer = self._ask(path)
        if not answer.startswith("40{"):
            raise RefusedError(f"polling: {answer}")
        return str(session)

    def _ask(self, path: str, body: str | None = None) -> str:
        tcp = open_tcp(self._port)
        try:
            head, answer = exchange(tcp, wire.request(self._port, path, body))
        finally:
            tcp.close()
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RefusedError(f"polling: {head.split(b' ')[1].decode()} {answer!r}")
        return answer.decode()

    def _expect(self, start: str) -> None:
        packet = next(self.packets(), "")
        if not packet.startswith(start):
            raise RefusedError(f"{packet} in the place of {start}")

    def packets(self) -> Iterator[str]:
        """Return each packet as it comes, until the connection ends."""
        while self._frames or self._has_more():
            opcode, payload = self._frames.popleft()
            if opcode == wire.CLOSE:
                return
            if opcode == wire.TEXT:
                yield payload.decode()

    def _has_more(self) -> bool:
        while not self._frames:
            frames, self._rest = wire.frames(self._rest)
            self._frames.extend(frames)
            if not frames:
                data = self._receive()
                if not data:
                    return False
                self._rest += data
        return True

    def _receive(self) -> bytes:
        with suppress(ConnectionError):
            return b"" if self._tcp is None else bytes(self._tcp.recv(65536))
        return b""

    def send(self, packet: str) -> None:
        """Send a packet."""
        if self._tcp is not None:
            with suppress(OSError):  # The next read finds the end.
                self._tcp.sendall(wire.frame(wire.TEXT, packet.encode()))

    def call(self, event: str, arguments: list[object], answered: Callable[[Any], object]) -> None:
        """Send an event that is to be answered."""
        number, self._next_call = self._next_call, self._next_call + 1
        self._calls[number] = (time.monotonic(), answered)
        self.send(f"42{number}{json.dumps([event, *arguments])}")

    def on_answer(self, packet: str) -> None:
        """Hand an answer on to who asked."""
        number, _, answer = packet[2:].partition("[")
        _, answered = self._calls.pop(int(number))
        answered(json.loads("[" + answer)[0])

    def unanswered(self) -> int:
        """How many calls have been waiting for too long; each is told once."""
        late = [number for number, (sent_at, _) in self._calls.items() if sent_at < time.monotonic() - GRACE]
        for number in late:
            del self._calls[number]
        return len(late)

    def leave(self, manner: str) -> None:
        """Go: with a TCP reset, a close frame, or the end of the TCP stream."""
        self.is_leaving = True
        if self._tcp is None:
            return
        with suppress(OSError):
            if manner == "reset":
                self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif manner == "close frame":
                self._tcp.sendall(wire.frame(wire.CLOSE, wire.NORMAL_CLOSURE))
            self._tcp.shutdown(socket.SHUT_WR if manner != "reset" else socket.SHUT_RD)

    def close(self) -> None:
        """Give the socket back."""
        if self._tcp is not None:
            self._tcp.close()


class Member:
    """A user who is always connected, with one session after the other, except while away.

    Args:
        port: The server's.
        user_id: Who it is; nobody else is the same.
        conversation: What it joins.
        ledger: Where everything is accounted for.
        polling: Whether it begins with long polling.
    """

    def __init__(self, port: int, user_id: str, conversation: str, ledger: Ledger, *, polling: bool) -> None:
        self.user_id = user_id
        self.conversation = conversation
        self.session: Session | None = None
        self.statuses: dict[str, str] = {}
        """What the session was told last of each user."""
        self.away_until = 0.0
        self._port = port
        self._ledger = ledger
        self._polling = polling
        self._token = wire.token(user_id)
        self._alone_since = time.monotonic()

    @property
    def is_joined(self) -> bool:
        """Whether it is in its conversation."""
        return self.session is not None and self.session.inbox.since is not None

    def run(self) -> None:
        """Connect, and connect again, for ever."""
        while True:
            if time.monotonic() < self.away_until:
                gevent.sleep(0.2)
                self._alone_since = time.monotonic()
                continue
            session = Session(self._port, Inbox(self.user_id))
            try:
                session.open(self._token, polling=self._polling)
                self._serve(session)
            except (OSError, RefusedError) as error:
                if not session.is_leaving:
                    self._not_connected(error)
            finally:
                self._end(session)
            gevent.sleep(random.uniform(*PAUSE))  # noqa: S311 - a load, not a secret

    def leave(self, manner: str, seconds: float) -> None:
        """Go, and come back after some time."""
        self.away_until = time.monotonic() + seconds
        if self.session is not None:
            self._ledger.totals[f"sessions left by {manner}"] += 1
            self.session.leave(manner)

    def end(self) -> None:
        """Take no end of the session for a fault any more."""
        if self.session is not None:
            self.session.is_leaving = True

    def type(self) -> None:
        """Say that it is typing."""
        if self.session is not None:
            self.session.call("typing:start", [{"conversationId": self.conversation}], self._check_ok)

    def ask(self) -> None:
        """Ask for its own status."""
        if self.session is not None:
            self.session.call("user:get-status", [self.user_id], self._check_status)

    def _serve(self, session: Session) -> None:
        self.session, self.statuses = session, {}
        self._ledger.totals[f"sessions opened, {'upgraded' if self._polling else 'WebSocket at once'}"] += 1
        session.call("chaos:worker", [], lambda worker: setattr(session, "worker", worker))
        session.call("join:conversation", [self.conversation], lambda answer: self._joined(session, answer))
        for packet in session.packets():
            self._on_packet(session, packet)
            if late := session.unanswered():
                self._ledger.faults.add("calls unanswered", self.user_id, late)

    def _on_packet(self, session: Session, packet: str) -> None:
        if packet == "2":
            session.send("3")
        elif packet.startswith("43"):
            session.on_answer(packet)
        elif packet.startswith("42"):
            self._on_event(session, *json.loads(packet[2:]))
        else:
            self._ledger.faults.add("wrong packets", f"{packet} to {self.user_id}")

    def _on_event(self, session: Session, event: str, body: dict[str, Any]) -> None:
        if event == "message:new":
            self._ledger.receive(self.conversation, session.inbox, body["number"])
        elif event == "user:status-changed" and self.user_id.startswith(WATCHER):
            self._on_status(body["userId"], body["status"])
        elif event in {"typing:start", "typing:stop"} and body["conversationId"] == self.conversation:
            self._ledger.totals["typing events received"] += 1
        else:
            self._ledger.faults.add("wrong events", f"{event} {body} to {self.user_id}")

    def _on_status(self, user_id: str, status: str) -> None:
        self._ledger.totals["announcements received"] += 1
        if self.statuses.get(user_id) == status:
            self._ledger.totals["announcements of what was known"] += 1
            self._ledger.note(f"{self.user_id} heard once more that {user_id} is {status}")
        self.statuses[user_id] = status

    def _joined(self, session: Session, answer: Any) -> None:
        self._check_ok(answer)
        self._ledger.join(self.conversation, session.inbox)

    def _check_ok(self, answer: Any) -> None:
        self._ledger.totals["calls answered"] += 1
        if answer != OK:
            self._ledger.faults.add("wrong answers", f"{answer} to {self.user_id}")

    def _check_status(self, answer: Any) -> None:
        self._ledger.totals["calls answered"] += 1
        if answer != {"userId": self.user_id, "status": "online"}:
            self._ledger.totals["statuses told wrongly"] += 1

    def _not_connected(self, error: Exception) -> None:
        self._ledger.totals["attempts to connect that failed"] += 1
        self._ledger.totals[f"attempts to connect that failed: {type(error).__name__} {error}"] += 1
        if time.monotonic() > self._alone_since + GRACE:
            self._ledger.faults.add("users who could not connect", f"{self.user_id}: {error!r}")

    def _end(self, session: Session) -> None:
        session.close()
        self._ledger.leave(self.conversation, session.inbox)
        if self.session is session:
            self.session = None
            self._alone_since = time.monotonic()
            if session.is_leaving:
                return
            self._ledger.totals["sessions ended by the server"] += 1
            if session.worker and session.worker not in self._ledger.killed:
                self._ledger.faults.add("sessions ended without cause", f"{self.user_id} on {session.worker}")


class Poster:
    """Posts one message after another.

    Args:
        port: The server's.
        conversations: Where to.
        ledger: Where everything is accounted for.
        pause: Seconds between two messages, about.
    """

    def __init__(self, port: int, conversations: list[str], ledger: Ledger, pause: float) -> None:
        self.is_ended = False
        self._port = port
        self._conversations = conversations
        self._ledger = ledger
        self._pause = pause

    def run(self) -> None:
        """Post until `is_ended`."""
        while not self.is_ended:
            try:
                self._post_on(open_tcp(self._port))
            except OSError:
                self._ledger.totals["posts without an answer"] += 1

    def _post_on(self, tcp: socket.socket) -> None:
        with tcp:
            sender = self._ledger.totals["connections to post on"] = self._ledger.totals["connections to post on"] + 1
            while not self.is_ended:
                gevent.sleep(random.uniform(0, 2 * self._pause))  # noqa: S311 - a load, not a secret
                self._post(tcp, sender)

    def _post(self, tcp: socket.socket, sender: int) -> None:
        conversation = random.choice(self._conversations)  # noqa: S311 - as above
        message = self._ledger.post(conversation, sender)
        body = json.dumps({"number": message.number, "content": "x" * 120})
        head, answer = exchange(tcp, wire.request(self._port, f"/emit/{conversation}", body))
        if not head.startswith(b"HTTP/1.1 200 "):
            self._ledger.faults.add("posts refused", head.decode(errors="replace"))
            return
        outcome = json.loads(answer)
        self._ledger.answered(message, outcome["worker"], reached=outcome["reached"])
        taken = time.monotonic() - message.posted_at
        self._ledger.slowest_post = max(self._ledger.slowest_post, taken)
