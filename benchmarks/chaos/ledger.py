"""What was sent, what has come, and what is wrong with it."""

import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soak import Faults

GRACE: Final = 15.0
"""Seconds after which a message counts as lost, unless it comes before the end of the run: then it is late."""

UNSENT: Final = 0.05
"""Seconds before its worker's end in which a message may not have left it: nothing can be promised for it."""


@dataclass(eq=False)
class Message:
    """A message that was posted.

    Args:
        number: Its number among all messages.
        conversation: Where to.
        sender: The connection that it was posted on.
        posted_at: When.
        answered_at: When the answer came; None without an answer.
        worker: The process id of the worker that answered.
        reached: Whether it said that the other servers could be reached.
    """

    number: int
    conversation: str
    sender: int
    posted_at: float
    answered_at: float | None = None
    worker: int = 0
    reached: bool = False


@dataclass(eq=False)
class Inbox:
    """What one connection to the server received.

    Args:
        name: What faults call it.
        since: When its join was answered; None before that.
    """

    name: str
    since: float | None = None
    received: dict[int, float] = field(default_factory=dict)
    last_of: dict[int, int] = field(default_factory=dict)

    def must_have(self, message: Message) -> bool:
        """Whether it was there when a message was posted."""
        return self.since is not None and self.since < message.posted_at


class Ledger:
    """Accounts for everything.

    Args:
        conversations: The names of all conversations.
    """

    def __init__(self, conversations: list[str]) -> None:
        self.faults = Faults()
        self.totals: Counter[str] = Counter()
        self.delays: list[float] = []
        self.slowest_post = 0.0
        self.notes: list[str] = []
        """What is worth a look, and no fault."""
        self.killed: dict[int, float] = {}
        """When which worker was killed."""
        self._start = time.monotonic()
        self._messages: list[Message] = []
        self._due: deque[Message] = deque()
        self._missing: list[tuple[Message, Inbox]] = []
        self._inboxes: dict[str, set[Inbox]] = {name: set() for name in conversations}

    def note(self, text: str) -> None:
        """Keep something that is worth a look."""
        self.notes.append(f"{time.monotonic() - self._start:.1f} s  {text}")

    def join(self, conversation: str, inbox: Inbox) -> None:
        """Count on every message that is posted to a conversation from now on."""
        inbox.since = time.monotonic()
        self._inboxes[conversation].add(inbox)

    def leave(self, conversation: str, inbox: Inbox) -> None:
        """Count on nothing more."""
        self._inboxes[conversation].discard(inbox)

    def post(self, conversation: str, sender: int) -> Message:
        """Note that a message is about to be posted."""
        message = Message(len(self._messages), conversation, sender, time.monotonic())
        self._messages.append(message)
        self.totals["messages posted"] += 1
        return message

    def answered(self, message: Message, worker: int, *, reached: bool) -> None:
        """Note that a message was accepted."""
        message.answered_at = time.monotonic()
        message.worker, message.reached = worker, reached
        self._due.append(message)
        if not reached:
            self.totals["messages whose emit said that the queue was away"] += 1

    def receive(self, conversation: str, inbox: Inbox, number: int) -> None:
        """Check a message as it comes."""
        message, now = self._messages[number], time.monotonic()
        self.totals["messages received"] += 1
        if message.conversation != conversation:
            self.faults.add("messages to others", f"{number} came to {inbox.name}")
        elif number in inbox.received:
            self.faults.add("messages repeated", f"{number} came to {inbox.name} again")
        elif number < inbox.last_of.get(message.sender, -1):
            self.faults.add("messages out of order", f"{number} came to {inbox.name} after {inbox.last_of[message.sender]}")
        inbox.received.setdefault(number, now)
        inbox.last_of[message.sender] = max(number, inbox.last_of.get(message.sender, -1))
        self.delays.append(now - message.posted_at)

    def check_due(self) -> None:
        """Look who has not got what was posted some time ago, of those who were there all the time."""
        now = time.monotonic()
        while self._due and (self._due[0].answered_at or now) < now - GRACE:
            message = self._due.popleft()
            must_have = [inbox for inbox in self._inboxes[message.conversation] if inbox.must_have(message)]
            self.totals["receipts checked"] += len(must_have)
            self._missing += [(message, inbox) for inbox in must_have if message.number not in inbox.received]

    def settle(self) -> None:
        """Judge what is missing in the end."""
        unsent: dict[Message, int] = defaultdict(int)
        for message, inbox in self._missing:
            if message.number in inbox.received:
                self.totals[f"messages that took more than {GRACE:.0f} s"] += 1
            elif self._may_be_unsent(message):
                unsent[message] += 1
            elif not message.reached:
                self.totals["receipts lost of which the emit said so"] += 1
            else:
                self.faults.add("messages lost", f"{message} did not come to {inbox}")
        self.totals[f"messages unsent by a worker killed within {UNSENT * 1000:.0f} ms"] = len(unsent)
        self.totals[f"messages unsent by a worker killed within {UNSENT * 1000:.0f} ms, receipts"] = sum(unsent.values())
        close = sum(self._may_be_unsent(message) for message in self._messages)
        self.totals[f"messages posted within {UNSENT * 1000:.0f} ms of their worker's end"] = close

    def _may_be_unsent(self, message: Message) -> bool:
        end = self.killed.get(message.worker)
        return end is not None and message.answered_at is not None and end - message.answered_at < UNSENT
