"""Setup of recovery from an application's settings."""

from __future__ import annotations

from secrets import token_urlsafe
from time import monotonic
from typing import Final

from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.leases import Leases
from flask_realtime.gateway.recovery.offsets import Offsets
from flask_realtime.gateway.recovery.recovery import Recovery
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.gateway.timer import DeadlineTimer

_SERVER_ID_BYTES: Final = 6


def new_journal(config: RealtimeConfig) -> Journal | None:
    """Return a server's journal, or None if recovery is switched off."""
    window = config.recovery_window
    if window is None:
        return None
    leases = Leases(window, config.max_connections_per_user, monotonic)
    # A loss is noticed so much later, and the window begins with that.
    history = History(config.recovery_bytes, window + config.ping_interval + config.ping_timeout, monotonic)
    return Journal(leases, history, Offsets(token_urlsafe(_SERVER_ID_BYTES)))


def new_recovery(config: RealtimeConfig, journal: Journal, server: SocketIOServer) -> Recovery:
    """Return the recovery of connections to a server.

    Args:
        config: The settings.
        journal: Its journal.
        server: The server.
    """
    leases = journal.leases

    def expire() -> None:
        with journal.turn:
            leases.expire()
            journal.tidy()

    timer = DeadlineTimer(server, server.new_event, monotonic, leases.next_deadline, expire)
    return Recovery(config.recovery_clients, journal, config.max_backlog_bytes // 2, timer.wake)
