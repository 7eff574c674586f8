"""Log: events that are stored with the change that they tell of, sent after the commit, and given to clients that were away."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.log import handlers, views
from flask_realtime.features.log.events import DEFAULT_LIMIT, MAX_LIMIT, SYNC, SyncAnswer, SyncPayload, parse_sync
from flask_realtime.features.log.hooks import OUTBOX
from flask_realtime.features.log.state import Log

log: Final = Feature("log", state=Log, section="Catching up")

log.add_hook(OUTBOX)

log.event(
    SYNC,
    hint="There is no hook for it. Store.register answers it from the log.",
    payload=SyncPayload,
    parse=parse_sync,
    answer=SyncAnswer,
    limit=SYNC,
    summary="Ask for the logged events that the user may see and has missed since a cursor, in the order of their commits; over "
    f"consecutive calls each is given once. `limit` is the maximum number of events, 1 to {MAX_LIMIT}, {DEFAULT_LIMIT} by default. "
    "Without a cursor the answer has no events, and the present cursor. `more` is true if the next call has events already. "
    "`reset` is the answer to a cursor whose events are no longer kept. Without a log the answer is `unknown_event`.",
)(handlers.sync)

log.request(
    "GET",
    views.MISSED_EVENTS,
    payload=SyncPayload,
    parse=views.parse_sync_query,
    answer=SyncAnswer,
    limit=SYNC,
    summary="Ask for the logged events that the user may see and has missed since a cursor, as the event `sync` does.",
)(handlers.sync)

log.on_connected(handlers.connected)
