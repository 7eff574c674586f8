"""Calls of orders, for applications."""

from __future__ import annotations

from typing import Any

from flask_realtime.contract.ids import WireId
from flask_realtime.feature.calls import Calls
from flask_realtime.features.orders.events import ORDER_UPDATE


class OrderCalls(Calls):
    """The calls about orders."""

    def emit_order_update(
        self, user_id: WireId, order: Any, *, skip_sender: bool = False, after_commit: bool | None = None
    ) -> bool:
        """Send `order:update` to all of a user's connections.

        Args:
            user_id: The order's user.
            order: The order, as sent to clients.
            skip_sender: Whether to leave out the sender's connection.
            after_commit: Whether to wait for the commit of `db.session`.
        """
        return self._emit(ORDER_UPDATE.to_user(user_id, order), skip_sender=skip_sender, after_commit=after_commit)
