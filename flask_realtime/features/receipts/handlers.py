"""Handlers of receipts: the application's hook stores them, then the others and the user's devices are notified.

A store with a log writes a receipt with the change. After the commit the log sends it as it is sent without a log: merged with
others where the conversation is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.contract.effects import Emit, Outcome
from flask_realtime.errors import UnknownEvent
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext
from flask_realtime.feature.hook import Hook
from flask_realtime.features.log import log
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.receipts.events import (
    MESSAGES_DELIVERED,
    MESSAGES_READ,
    UNREAD_CHANGED,
    parse_sent,
    receipt_payload,
    unread_changed_payload,
)
from flask_realtime.features.receipts.hooks import ON_MESSAGES_DELIVERED, ON_MESSAGES_READ, RECEIPT_PLACE
from flask_realtime.features.receipts.seen import DeliveryResult, ReceiptPlace, SeenMessages
from flask_realtime.features.receipts.state import TURN, MergedReceipts, Receipt

ResultT = TypeVar("ResultT", ReadResult, DeliveryResult)

TURNS: Final = "turns"
"""The record of the large conversations of which some server has sent receipts within the last second."""


class Receipts:
    """The state of receipts in one application: those of large conversations, which wait to be merged.

    Args:
        context: The surroundings of the feature.
    """

    def __init__(self, context: FeatureContext) -> None:
        self.context = context
        self._limit: int = context.config.receipts_limit
        self._merged = MergedReceipts(context.clock, context.lock())
        self._turns = context.record(TURNS, ttl=TURN)
        self._timer = context.timer(self._merged.next_deadline, self._send_due)
        self._log = context.state_of(log)
        for event in (MESSAGES_READ, MESSAGES_DELIVERED):
            self._log.relay_with(event.name, self._relay)

    def emits(
        self, conversation_id: str, user_id: str, result: ReadResult | DeliveryResult, *, after_commit: bool | None = False
    ) -> Iterator[Emit]:
        """Return the events that tell of a result now; receipts of large conversations follow later, and the log sends its own.

        Args:
            conversation_id: The conversation.
            user_id: The user who has read or got something.
            result: What it was.
            after_commit: Whether what follows later waits for the commit of `db.session`; None for the default.
        """
        receipt = _receipt(conversation_id, user_id, result)
        if receipt.message_ids and not self._log.is_logged(receipt.event):
            if result.participants <= self._limit:
                yield _emit(receipt)
            elif not (self._waits(after_commit) and self.context.after_commit(receipt.event, partial(self._merge, receipt))):
                self._merge(receipt)
        if isinstance(result, ReadResult) and result.unread_count is not None:
            payload = unread_changed_payload(conversation_id, result.unread_count, result.mention_count)
            yield UNREAD_CHANGED.to_user(user_id, payload)

    def append(self, conversation_id: str, user_id: str, result: ReadResult | DeliveryResult) -> None:
        """Write a result to the log, in the current transaction, if others are to hear of it.

        Args:
            conversation_id: The conversation.
            user_id: The user who has read or got something.
            result: What it was.
        """
        receipt = _receipt(conversation_id, user_id, result)
        if receipt.message_ids:
            self._log.append(_emit(receipt), partial(self._send, receipt, result.participants))

    def _relay(self, emit: Emit) -> None:
        """Send a logged receipt that another process left behind as that one would have done it."""
        place, sent = self._find_place(), parse_sent(emit.args)
        if place is None or sent is None:
            self.context.emit(emit)
            return
        position, participants = self.context.in_app_context(place, sent.conversation_id, sent.up_to)
        receipt = Receipt(emit.event, sent.conversation_id, sent.user_id, sent.message_ids, sent.up_to, position)
        self._send(receipt, participants, emit)

    def _find_place(self) -> ReceiptPlace | None:
        for function in self.context.functions(RECEIPT_PLACE):
            place: ReceiptPlace = function()
            return place
        return None

    def _send(self, receipt: Receipt, participants: int, logged: Emit) -> None:
        for emit in self._due_now(receipt, participants):
            self.context.emit(replace(emit, logged=logged.logged))

    def _due_now(self, receipt: Receipt, participants: int) -> list[Emit]:
        """Return what to send now: nothing for a large conversation, whose receipts wait to be merged."""
        if participants <= self._limit:
            return [_emit(receipt)]
        self._merge(receipt)
        return []

    def _merge(self, receipt: Receipt) -> None:
        self._timer.wake_by(self._merged.add(receipt))

    def _waits(self, after_commit: bool | None) -> bool:  # noqa: FBT001 - as the calls have it
        return self.context.config.after_commit if after_commit is None else after_commit

    def _send_due(self) -> Iterable[Emit]:
        due = self._merged.take_due()
        turns = {receipt.conversation_id: self._has_turn(receipt.conversation_id) for receipt in due}
        self._merged.put_back(receipt for receipt in due if not turns[receipt.conversation_id])
        return [_emit(receipt) for receipt in due if turns[receipt.conversation_id]]

    def _has_turn(self, conversation_id: str) -> bool:
        """Return whether no server has sent receipts of a conversation within the last second, and take the turn."""
        try:
            return self._turns.put(conversation_id, True, expected=0) > 0  # noqa: FBT003 - any value
        except BackendUnavailable:
            return True


def _receipt(conversation_id: str, user_id: str, result: ReadResult | DeliveryResult) -> Receipt:
    if isinstance(result, ReadResult):
        event, message_ids = MESSAGES_READ.name, result.newly_read_ids
    else:
        event, message_ids = MESSAGES_DELIVERED.name, result.newly_delivered_ids
    return Receipt(event, conversation_id, user_id, tuple(message_ids), result.up_to, result.position)


def _emit(receipt: Receipt) -> Emit:
    payload = receipt_payload(receipt.conversation_id, receipt.message_ids, receipt.user_id, receipt.up_to)
    if receipt.event == MESSAGES_READ.name:
        return MESSAGES_READ.to_conversation(receipt.conversation_id, payload)
    return MESSAGES_DELIVERED.to_conversation(receipt.conversation_id, payload, except_user=receipt.user_id)


def read(state: Receipts, caller: Caller, seen: SeenMessages) -> Outcome:
    """Handle `messages:read`."""
    result = stored(state.context, ON_MESSAGES_READ, ReadResult, caller, seen, MESSAGES_READ.name)
    return Outcome(emits=state.emits(seen.conversation_id, caller.user_id, result))


def delivered(state: Receipts, caller: Caller, seen: SeenMessages) -> Outcome:
    """Handle `messages:delivered`."""
    result = stored(state.context, ON_MESSAGES_DELIVERED, DeliveryResult, caller, seen, MESSAGES_DELIVERED.name)
    return Outcome(emits=state.emits(seen.conversation_id, caller.user_id, result))


def stored(  # noqa: PLR0913, PLR0917 - what a call of the hook takes
    context: FeatureContext, hook: Hook, kind: type[ResultT], caller: Caller, seen: SeenMessages, event: str
) -> ResultT:
    """Let the application's hook store what a client says, and return its result.

    Raises:
        UnknownEvent: There is no hook.
        TypeError: The hook returned anything else than its result.
    """
    if not context.is_registered(hook):
        msg = f"The server does not take {event}: the application has no {hook.name} hook"
        raise UnknownEvent(msg)
    result: Any = context.call(hook, caller.identity, seen, caller=caller, event=event)
    if not isinstance(result, kind):
        msg = f"An {hook.name} hook must return a {kind.__name__}, not {type(result).__name__}"
        raise TypeError(msg)
    return result
