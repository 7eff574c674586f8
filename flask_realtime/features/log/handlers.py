"""Handlers of the log: `sync`, and the first connection of a server."""

from __future__ import annotations

from flask_realtime.feature.connections import Caller
from flask_realtime.features.log.events import SyncAnswer, SyncRequest
from flask_realtime.features.log.state import Log


def sync(log: Log, caller: Caller, request: SyncRequest) -> SyncAnswer:
    """Handle `sync`."""
    return log.page(caller.user_id, request)


def connected(log: Log, _caller: Caller) -> None:
    """Start the relay, which runs while there are connections."""
    log.start_relay()
