"""Listener: hears from the database that processes without connections wrote to the log, so that the relay need not find out.

Only PostgreSQL tells, only to a single server (several share a message queue, through which every process sends by itself), and not
through a pooler in transaction mode. The relay looks once a second in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.log.outbox import Outbox
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


RETRY_SECONDS: Final = 5.0
"""Seconds after a failure until the next attempt."""


class Listener:
    """The listener of one server, which runs while there are connections.

    Args:
        context: The surroundings of the feature.
        outbox: The table of the log.
        heard: Called when events may have been written elsewhere.
    """

    def __init__(self, context: FeatureContext, outbox: Outbox, heard: Callable[[], None]) -> None:
        self._context = context
        self._outbox = outbox
        self._heard = heard
        self._is_wanted = context.backend.is_local
        self._start_at = 0.0
        self._has_failed = False

    def start(self) -> None:
        """Start it, unless it runs or can never hear anything; to be called from time to time, since it may have failed."""
        if self._is_wanted and self._context.clock() >= self._start_at:
            self._is_wanted = False
            self._context.new_mailbox().post(self._run)

    def _run(self) -> None:
        context = self._context
        try:
            self._is_wanted = context.in_app_context(
                self._outbox.listen, self._heard, context.wait_readable, context.has_connections
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the relay goes on looking
            if not self._has_failed:
                logger.warning("The database does not tell of other processes' events, looked for once a second: %s", error)
            self._is_wanted = self._has_failed = True
            self._start_at = context.clock() + RETRY_SECONDS
        else:
            self._has_failed = False
