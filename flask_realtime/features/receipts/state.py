"""Receipts of large conversations, merged: each of a conversation's kinds is sent at most once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from flask_realtime.features.receipts.seen import MAX_MESSAGE_IDS

TURN: Final = 1.0
"""Seconds for which no other server sends receipts of a large conversation."""

INTERVAL: Final = TURN + 0.05
"""Seconds until this server sends the next ones: its own turn has ended then."""


@dataclass(frozen=True)
class Receipt:
    """Messages that were read by, or delivered to, a user.

    Args:
        event: The event that says so.
        conversation_id: The conversation.
        user_id: The user; None for several.
        message_ids: The messages.
        up_to: The last message, or None where there are no cursors.
        position: Its place in the conversation.
    """

    event: str
    conversation_id: str
    user_id: str | None
    message_ids: tuple[str, ...]
    up_to: str | None
    position: int

    def merged_with(self, later: Receipt) -> Receipt:
        """Return one receipt for both: of everybody, up to the later message, with the newest ids."""
        last = max(self, later, key=lambda receipt: receipt.position)
        ids = tuple(dict.fromkeys((*self.message_ids, *later.message_ids)))[-MAX_MESSAGE_IDS:]
        user_id = self.user_id if self.user_id == later.user_id else None
        return Receipt(self.event, self.conversation_id, user_id, ids, last.up_to, last.position)


@dataclass
class _Waiting:
    """The receipts of a conversation that are to be sent, by event, and the time at which they may be."""

    due: float
    receipts: dict[str, Receipt] = field(default_factory=dict)


class MergedReceipts:
    """Receipts of large conversations that wait to be sent.

    Args:
        clock: Returns the time in seconds; it never goes back.
        lock: Serialises access from several threads.
    """

    def __init__(self, clock: Callable[[], float], lock: AbstractContextManager[Any]) -> None:
        self._clock = clock
        self._lock = lock
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, receipt: Receipt) -> float:
        """Add a receipt to those that wait, and return when they are due: at once, or a second after the last ones."""
        with self._lock:
            waiting = self._waiting.setdefault(receipt.conversation_id, _Waiting(self._clock()))
            earlier = waiting.receipts.get(receipt.event)
            waiting.receipts[receipt.event] = receipt if earlier is None else earlier.merged_with(receipt)
            return waiting.due

    def next_deadline(self) -> float | None:
        """Return the time at which something is due, or None."""
        with self._lock:
            return min((waiting.due for waiting in self._waiting.values()), default=None)

    def take_due(self) -> list[Receipt]:
        """Return the receipts that are due, and forget conversations that have had none for a second."""
        with self._lock:
            now = self._clock()
            due: list[Receipt] = []
            for conversation_id, waiting in list(self._waiting.items()):
                if waiting.due > now:
                    continue
                if waiting.receipts:
                    due += waiting.receipts.values()
                    self._waiting[conversation_id] = _Waiting(now + INTERVAL)
                else:
                    del self._waiting[conversation_id]
            return due

    def put_back(self, receipts: Iterable[Receipt]) -> None:
        """Add receipts again that another server has to wait with: it has sent some of that conversation just now."""
        with self._lock:
            for receipt in receipts:
                waiting = self._waiting.setdefault(receipt.conversation_id, _Waiting(self._clock() + INTERVAL))
                later = waiting.receipts.get(receipt.event)
                waiting.receipts[receipt.event] = receipt if later is None else receipt.merged_with(later)
