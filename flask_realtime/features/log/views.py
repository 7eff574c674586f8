"""Requests about the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask_realtime.contract.fields import Fields
from flask_realtime.features.log.events import DEFAULT_LIMIT, MAX_LIMIT, SyncRequest, sync_request

MISSED_EVENTS: Final = "/sync"


def parse_sync_query(args: Sequence[Any], _settings: object) -> SyncRequest:
    """Parse a request for the missed events; in a query the limit is text."""
    fields = Fields(args, "an object")
    limit = fields.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    fields.check()
    return sync_request(fields.payload.get("cursor"), limit)
