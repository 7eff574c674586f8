"""Hooks of receipts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from flask_realtime.feature.hook import Hook, HookDecorators, hook_decorator
from flask_realtime.features.messages import ReadResult
from flask_realtime.features.receipts.seen import DeliveryResult, SeenMessages
from flask_realtime.identity import Identity

ON_MESSAGES_READ: Final = Hook("on_messages_read", ("identity", "seen"), is_single=True)
ON_MESSAGES_DELIVERED: Final = Hook("on_messages_delivered", ("identity", "seen"), is_single=True)

RECEIPT_PLACE: Final = Hook("receipts.place", (), is_single=True)
"""Its function returns a `ReceiptPlace`. `Store.register` registers it where receipts are logged."""

RECEIPT_ARCHIVE: Final = Hook("receipts.archive", (), is_single=True)
"""Its function returns a `ReceiptArchive`. `Store.register` registers it."""

OnMessagesRead = Callable[[Identity, SeenMessages], ReadResult]
OnMessagesDelivered = Callable[[Identity, SeenMessages], DeliveryResult]
OnMessagesReadT = TypeVar("OnMessagesReadT", bound=OnMessagesRead)
OnMessagesDeliveredT = TypeVar("OnMessagesDeliveredT", bound=OnMessagesDelivered)


class ReceiptHooks(HookDecorators):
    """The decorators of the hooks of receipts."""

    @hook_decorator
    def on_messages_read(self, hook: OnMessagesReadT) -> OnMessagesReadT:
        """Register the hook that stores what clients have read with `messages:read`. There can be one; `Store.register` does it.

        It gets the identity and `SeenMessages`, checks that the user takes part in the conversation, stores what was read, and
        returns a `ReadResult`: the others hear of its `newly_read_ids`, and the user's devices of its `unread_count`. It refuses by
        raising `Forbidden` or another `EventError`. Without the hook, `messages:read` is answered `unknown_event`.
        """
        return self.hook(ON_MESSAGES_READ)(hook)

    @hook_decorator
    def on_messages_delivered(self, hook: OnMessagesDeliveredT) -> OnMessagesDeliveredT:
        """Register the hook that stores what clients have got with `messages:delivered`; as `on_messages_read`.

        It returns a `DeliveryResult`: the others hear of its `newly_delivered_ids`.
        """
        return self.hook(ON_MESSAGES_DELIVERED)(hook)
