"""Events of orders."""

from __future__ import annotations

from typing import Any, Final

from flask_realtime.contract.events import Document, OutgoingEvent

ORDER_UPDATE: Final[OutgoingEvent[Any]] = OutgoingEvent(
    "order:update", Document, "all of the user's connections", "An order of the user changed.", "order"
)
