"""Spreading of notifications to everyone in a conversation, some members after the other."""

from __future__ import annotations

from functools import partial

from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.notifications.critical import CriticalStore
from flask_realtime.jobs.runner import RunningJob


class Spreading:
    """Does the jobs of messages that mention everyone.

    Each part notifies some members in a transaction of its own, so that nobody else who writes waits for long.

    Args:
        context: The feature's surroundings.
        store: The database.
    """

    def __init__(self, context: FeatureContext, store: CriticalStore) -> None:
        self._context = context
        self._store = store

    def __call__(self, running: RunningJob) -> None:
        """Notify those who have not been yet.

        Raises:
            ClaimLost: The job is somebody else's by now.
        """
        part = partial(self._store.notify_more, running.job.key)
        while running.advance(part):
            self._context.let_others_run()
