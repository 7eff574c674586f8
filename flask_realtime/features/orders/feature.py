"""Orders: updates to their users."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature, stateless
from flask_realtime.features.orders.events import ORDER_UPDATE

orders: Final = Feature("orders", state=stateless, section="Notifications")

orders.add_outgoing(ORDER_UPDATE)
