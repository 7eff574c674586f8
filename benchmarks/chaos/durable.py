"""Clients of the log: posters that send each message until it is acknowledged, and members who get each once."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Final

import gevent

from benchmarks import wire
from benchmarks.chaos.clients import RefusedError, Session
from benchmarks.chaos.ledger import Inbox
from benchmarks.chaos.stories import Story
from benchmarks.soak import Faults

ANSWER_SECONDS: Final = 5.0
"""Seconds after which a message is sent again, on a new connection."""

PAUSE: Final = (0.05, 0.3)
LATE: Final = 20.0
"""Seconds after which the story of a message is told."""

REMEMBERED: Final = 200
"""How many of the last things that happened to a member are kept, for the story of a message that comes twice or late."""


class Books:
    """What was acknowledged, and what is wrong."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.totals: Counter[str] = Counter()
        self.posted: dict[int, str] = {}
        """The conversation of each message."""
        self.posted_at: dict[int, float] = {}
        self.stored: dict[int, str] = {}
        """The id of each message that was acknowledged."""
        self.killed: dict[int, float] = {}
        """When which worker was killed."""
        self.delays: list[float] = []
        self.slowest_answer = 0.0
        self.repeated: list[Story] = []
        """The messages that came twice on one connection."""
        self.late: list[Story] = []

    def post(self, conversation: str) -> int:
        """Return the number of a message that is about to be posted."""
        number = len(self.posted)
        self.posted[number], self.posted_at[number] = conversation, time.monotonic()
        return number

    def acknowledge(self, number: int, message: dict[str, Any]) -> None:
        """Note that a message is stored."""
        if message["number"] != number:
            self.faults.add("wrong acknowledgements", f"{message} for {number}")
        self.stored[number] = message["id"]
        self.slowest_answer = max(self.slowest_answer, time.monotonic() - self.posted_at[number])

    def of(self, conversation: str) -> set[int]:
        """Return the messages that were posted to a conversation."""
        return {number for number, where in self.posted.items() if where == conversation}


class RecoveringSession(Session):
    """A WebSocket session of a client with recovery; who opens it reads what comes before the answer, too."""

    def begin(self, auth: dict[str, Any]) -> None:
        """Connect, and leave the answer to who reads the packets.

        Raises:
            OSError: The connection was lost.
            RefusedError: The server refused it.
        """
        self.open_engine()
        self.send(f"40{json.dumps(auth)}")


class Member:
    """A participant of one conversation, who comes back after each loss and asks for what recovery did not bring.

    Args:
        port: The server's.
        user_id: Who it is.
        conversation: Where it takes part.
        books: Where everything is accounted for.
    """

    def __init__(self, port: int, user_id: str, conversation: str, books: Books) -> None:
        self.user_id = user_id
        self.conversation = conversation
        self.session: RecoveringSession | None = None
        self.is_up_to_date = False
        """Whether it is connected, and has asked for all that it may have missed."""
        self._port = port
        self._books = books
        self._token = wire.token(user_id)
        self._place: dict[str, str] = {}
        self._cursor: str | None = None
        self._live: dict[int, float] = {}
        """The messages that came live or by recovery on its connection, and when they came first."""
        self._before: set[int] = set()
        """What came live before it got a new connection, which can be sent live to that one as well."""
        self._synced: set[int] = set()
        self._memory: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)

    @property
    def received(self) -> set[int]:
        """The messages that it has, either way."""
        return self._live.keys() | self._before | self._synced

    @property
    def last_news(self) -> str:
        """What happened to it last."""
        at, what = self._memory[-1]
        return f"{what}, {time.monotonic() - at:.1f} s ago"

    def run(self) -> None:
        """Connect, and connect again, for ever."""
        while True:
            session = self.session = RecoveringSession(self._port, Inbox(self.user_id))
            try:
                self._remember(f"connects with offset {self._place.get('offset')}")
                session.begin({"token": self._token, "recovery": True, **self._place})
                for packet in session.packets():
                    self._on_packet(session, packet)
            except (OSError, RefusedError) as error:
                self._remember(f"is not let in: {error!r}")
                self._books.totals["attempts to connect that failed"] += 1
            finally:
                self._remember("is away")
                self.is_up_to_date = False
                session.close()
            gevent.sleep(random.uniform(*PAUSE))  # noqa: S311 - a load, not a secret

    def ask(self) -> None:
        """Ask for what it has missed once more."""
        if self.session is not None:
            self.is_up_to_date = False
            self._sync(self.session)

    def _on_packet(self, session: RecoveringSession, packet: str) -> None:
        if packet == "2":
            session.send("3")
        elif packet.startswith("40"):
            self._place["pid"] = json.loads(packet[2:])["pid"]
        elif packet.startswith("43"):
            session.on_answer(packet)
        elif packet.startswith("42"):
            self._on_event(session, *json.loads(packet[2:]))
        else:
            raise RefusedError(packet)

    def _on_event(self, session: RecoveringSession, event: str, body: Any, offset: str = "") -> None:
        if offset:
            self._place["offset"] = offset
        if event == "message:new":
            self._remember(f"got {body['number']} with offset {offset}")
            self._on_live(body["number"])
        elif event == "realtime:ready":
            self._remember(f"is {'recovered' if body['recovered'] else 'new'}, with offset {offset}")
            self._on_ready(session, is_recovered=body["recovered"])

    def _on_live(self, number: int) -> None:
        books, now = self._books, time.monotonic()
        books.totals["messages received live or recovered"] += 1
        if number in self._live:
            books.repeated.append(self._story(number, "twice"))
        elif number in self._before:
            books.totals["messages live again on a new connection"] += 1
        self._live.setdefault(number, now)
        delay = now - books.posted_at[number]
        books.delays.append(delay)
        if delay > LATE:
            books.late.append(self._story(number, "late"))

    def _story(self, number: int, what: str) -> Story:
        return Story(number, self.user_id, what, self._live[number], [*self._memory])

    def _on_ready(self, session: RecoveringSession, *, is_recovered: bool) -> None:
        self._books.totals[f"connections {'recovered' if is_recovered else 'new'}"] += 1
        session.call("chaos:worker", [], self._on_worker)
        if is_recovered:
            self.is_up_to_date = True
            return
        self._before |= self._live.keys()
        self._live = {}
        session.call("join:conversation", [self.conversation], lambda answer: self._joined(session, answer))

    def _on_worker(self, worker: int) -> None:
        self._remember(f"is on worker {worker}")

    def _remember(self, what: str) -> None:
        self._memory.append((time.monotonic(), what))

    def _joined(self, session: RecoveringSession, answer: Any) -> None:
        self._remember("has joined")
        if answer != {"ok": True}:
            self._books.faults.add("wrong answers", f"{answer} to {self.user_id}")
        self._sync(session)

    def _sync(self, session: RecoveringSession) -> None:
        session.call("sync", [{"cursor": self._cursor, "limit": 500}], lambda answer: self._on_page(session, answer))

    def _on_page(self, session: RecoveringSession, answer: Any) -> None:
        if "events" not in answer:
            self._books.faults.add("wrong pages", f"{answer} to {self.user_id}")
            return
        for event in answer["events"]:
            number = event["args"][0]["number"]
            if number in self._synced:
                self._books.faults.add("messages repeated by sync", f"{number} to {self.user_id}")
            self._synced.add(number)
        self._cursor = answer["cursor"]
        if answer["more"]:
            self._sync(session)
        else:
            self.is_up_to_date = True


class Poster:
    """Sends one message after the other with ids of its own, each until it is acknowledged.

    Args:
        port: The server's.
        user_id: Who it is: a participant of all conversations.
        conversations: Where to.
        books: Where everything is accounted for.
        pause: Seconds between two messages, about.
    """

    def __init__(self, port: int, user_id: str, conversations: list[str], books: Books, pause: float) -> None:
        self.is_ended = False
        self._port = port
        self._user_id = user_id
        self._conversations = conversations
        self._books = books
        self._pause = pause
        self._token = wire.token(user_id)
        self._session: Session | None = None

    def run(self) -> None:
        """Send until `is_ended`."""
        while not self.is_ended:
            gevent.sleep(random.uniform(0, 2 * self._pause))  # noqa: S311 - a load, not a secret
            conversation = random.choice(self._conversations)  # noqa: S311 - as above
            number, client_id = self._books.post(conversation), uuid.uuid4().hex
            payload = {"conversationId": conversation, "clientId": client_id, "content": str(number)}
            while (message := self._try(payload)) is None:
                self._books.totals["messages sent again"] += 1
                gevent.sleep(random.uniform(*PAUSE))  # noqa: S311 - as above
            self._books.acknowledge(number, message)

    def _try(self, payload: dict[str, str]) -> dict[str, Any] | None:
        try:
            session = self._session or self._connect()
            answers: list[Any] = []
            session.call("message:send", [payload], answers.append)
            for _ in self._packets(session):
                if answers:
                    break
        except (OSError, RefusedError):
            answers = []
        if answers and "message" in answers[0]:
            return dict(answers[0]["message"])
        self._books.totals[f"answers that were none: {answers[0]['error']['code'] if answers else 'connection lost'}"] += 1
        if not answers:
            self._close()
        return None

    def _packets(self, session: Session) -> Iterator[str]:
        for packet in session.packets():
            if packet == "2":
                session.send("3")
            elif packet.startswith("43"):
                session.on_answer(packet)
            yield packet

    def _connect(self) -> Session:
        session = self._session = Session(self._port, Inbox(self._user_id))
        session.open(self._token, polling=False)
        session.limit(ANSWER_SECONDS)
        return session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
