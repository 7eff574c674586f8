"""Setup of recovery from an application's settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from time import monotonic
from typing import Final

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.recovery import RecoveryOptions
from flask_realtime.backends.segments import SegmentFolder
from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.recovery.elsewhere import Elsewhere
from flask_realtime.gateway.recovery.history import History
from flask_realtime.gateway.recovery.journal import Journal
from flask_realtime.gateway.recovery.kept import KeptLeases
from flask_realtime.gateway.recovery.leases import Leases
from flask_realtime.gateway.recovery.log import EventLog
from flask_realtime.gateway.recovery.offsets import Offsets
from flask_realtime.gateway.recovery.recovery import Recovery
from flask_realtime.gateway.recovery.shared import SharedLeases
from flask_realtime.gateway.serving.server import SocketIOServer
from flask_realtime.gateway.timer import DeadlineTimer
from flask_realtime.logs import get_logger

logger = get_logger(__name__)

_SERVER_ID_BYTES: Final = 6


def new_journal(config: RealtimeConfig) -> Journal | None:
    """Return a server's journal, or None if recovery is switched off."""
    window = config.recovery_window
    if window is None:
        return None
    leases = Leases(window, config.max_connections_per_user, monotonic)
    history = History(config.recovery_bytes, _max_age(config, window), monotonic)
    return Journal(leases, history, Offsets(token_urlsafe(_SERVER_ID_BYTES)))


def _max_age(config: RealtimeConfig, window: float) -> float:
    # A loss is noticed so much later, and the window begins with that.
    return window + config.ping_interval + config.ping_timeout


def recovery_options(config: RealtimeConfig) -> RecoveryOptions | None:
    """Return the settings of recovery on any server, or None if recovery is switched off."""
    window = config.recovery_window
    if window is None:
        return None
    seconds = _max_age(config, window) + SharedLeases.longest_silence(window)
    return RecoveryOptions(seconds, config.recovery_bytes)


def new_elsewhere(
    config: RealtimeConfig, journal: Journal, backend: Backend, sleep: Callable[[float], None], sent: SentEvents
) -> Elsewhere | None:
    """Return the recovery of connections to other servers, or None if there are none.

    Args:
        config: The settings.
        journal: The server's journal.
        backend: What servers share.
        sleep: Lets other greenlets or threads run for a number of seconds.
        sent: The events of the log that were sent already.
    """
    window, store = config.recovery_window, backend.recovery
    if window is None or store is None:
        return None
    shared = SharedLeases(EventLog(store, config.recovery_bytes), journal, window, backend.publish, sleep)
    return Elsewhere(shared, journal, sent)


def new_kept(
    config: RealtimeConfig, instance_path: str, journal: Journal, server: SocketIOServer, sent: SentEvents
) -> KeptLeases | None:
    """Return the leases that the server's successor finds, or None if they are not kept for it.

    Args:
        config: The settings.
        instance_path: The application's instance folder.
        journal: The server's journal.
        server: The server, which shares nothing with others.
        sent: The events of the log that were sent already.
    """
    folder = _kept_folder(config, instance_path)
    if config.recovery_window is None or folder is None:
        return None
    new_timer = partial(DeadlineTimer, server, server.new_event, monotonic)
    journal.await_serving()
    window = config.recovery_window
    return KeptLeases(folder, journal, window, _max_age(config, window), server.sleep, new_timer, sent.note)


def discard_kept(config: RealtimeConfig, instance_path: str) -> None:
    """Delete what an earlier server has left, in a server that keeps nothing: a later one would not know what this one has sent.

    Args:
        config: The settings.
        instance_path: The application's instance folder.
    """
    folder = _kept_folder(config, instance_path)
    if folder is None or not folder.exists:
        return
    try:
        if folder.acquire():
            folder.clear()
            folder.release()
    except OSError as error:
        logger.warning("What an earlier server has left in %s cannot be deleted: %s", folder.path, error)


def _kept_folder(config: RealtimeConfig, instance_path: str) -> SegmentFolder | None:
    if config.recovery_folder is None:
        return None
    return SegmentFolder(Path(instance_path) / config.recovery_folder, config.recovery_bytes)


def new_recovery(
    config: RealtimeConfig,
    journal: Journal,
    server: SocketIOServer,
    elsewhere: Elsewhere | None,
    kept: KeptLeases | None,
) -> Recovery:
    """Return the recovery of connections to a server.

    Args:
        config: The settings.
        journal: Its journal.
        server: The server.
        elsewhere: Recovers connections to other servers; None if they share nothing.
        kept: The leases that its successor finds, or None.
    """
    leases = journal.leases

    def expire() -> None:
        with journal.turn:
            leases.expire()
            journal.tidy()

    timer = DeadlineTimer(server, server.new_event, monotonic, leases.next_deadline, expire)
    return Recovery(config.recovery_clients, journal, config.max_backlog_bytes // 2, timer.wake, elsewhere, kept)
