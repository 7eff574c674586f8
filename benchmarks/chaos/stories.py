"""Stories of messages that came twice or late: what happened to the member, which worker sent what, and when what was killed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

UNWRITTEN: Final = 0.5
"""Seconds from a worker's end within which what it sent to its own clients may not have been in Redis."""

BEFORE: Final = 3.0
"""Seconds before the message from which on its story is told."""

_SENT: Final = re.compile(r"^chaos: at ([0-9.]+) worker ([0-9]+) sent ([0-9]+) as (\S+)$", re.MULTILINE)


def sent_line(at: float, worker: int, number: object, name: str) -> str:
    """Return what a worker writes to its log when it sends a message that no other one has sent, as far as it knows."""
    return f"chaos: at {at} worker {worker} sent {number} as {name}\n"


class Story(NamedTuple):
    """A message that came to a member in a way that wants an explanation.

    Args:
        number: The message's.
        user_id: The member.
        what: How it came: twice, or late.
        first_at: When it came first.
        memory: What had happened to the member until then, and when.
    """

    number: int
    user_id: str
    what: str
    first_at: float
    memory: list[tuple[float, str]]


class Sendings:
    """What the workers have written down of what they sent.

    Args:
        logged: The log of all of them.
        killed: When which worker was killed.
    """

    def __init__(self, logged: str, killed: Mapping[int, float]) -> None:
        self._killed = killed
        self._by_number: defaultdict[int, list[tuple[float, int, str]]] = defaultdict(list)
        for at, worker, number, name in _SENT.findall(logged):
            self._by_number[int(number)].append((float(at), int(worker), name))

    def is_unwritten(self, story: Story) -> bool:
        """Return whether only a worker had sent a message first that was killed right then, so that nobody else can know of it."""
        workers = [worker for at, worker, _ in self._by_number[story.number] if at < story.first_at + UNWRITTEN]
        if not workers:  # It was killed before it had written that down.
            return any(abs(end - story.first_at) < UNWRITTEN for end in self._killed.values())
        ends = [self._killed.get(worker) for worker in workers]
        return all(end is not None and abs(end - story.first_at) < UNWRITTEN for end in ends)

    def tell(self, story: Story, outages: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
        """Return what happened, and when.

        Args:
            story: The story.
            outages: What was killed and started, and when.
        """
        sent = [(at, f"{story.number} was sent by {worker}, as {name}") for at, worker, name in self._by_number[story.number]]
        for at, what in sorted([*story.memory, *sent, *outages]):
            if story.first_at - BEFORE <= at <= story.memory[-1][0]:
                yield at, what
