"""Escalation of critical notifications that no device has confirmed: to one channel after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from flask_realtime.feature.context import FeatureContext
from flask_realtime.features.notifications.critical import WEBPUSH, Channel, CriticalNotification, CriticalStore
from flask_realtime.features.notifications.events import push_payload
from flask_realtime.features.notifications.subscriptions import StoredSubscription
from flask_realtime.features.notifications.webpush import SubscriptionGone, WebPush
from flask_realtime.jobs.runner import JobFailed, RunningJob
from flask_realtime.logs import get_logger

logger = get_logger(__name__)


class Step(NamedTuple):
    """A channel, or one browser of web push.

    Args:
        name: Its name in the record of what is done.
        deliver: Hands the notification over.
    """

    name: str
    deliver: Callable[[], None]


class Escalation:
    """Does the jobs of critical notifications.

    Before each step the claim is renewed: a confirmation removes the job, and with it what is left to do. What a step has done is
    recorded, so that another attempt begins with what failed.

    Args:
        context: The feature's surroundings.
        store: The database.
        channels: The application's channels.
        push: Web push, where it is set up.
    """

    def __init__(self, context: FeatureContext, store: CriticalStore, channels: list[Channel], push: WebPush | None) -> None:
        self._context = context
        self._store = store
        self._channels = channels
        self._push = push

    def __call__(self, running: RunningJob) -> None:
        """Hand a notification to the channels that have not got it yet.

        Raises:
            JobFailed: A channel failed.
            ClaimLost: It was confirmed meanwhile, or is somebody else's.
        """
        job = running.job
        notification = self._context.in_app_context(self._store.unread, job.user_id, job.key, job.id, job.attempts)
        if notification is None:
            return
        done: list[str] = list(job.data.get("done", ()))
        failures: list[str] = []
        for step in self._steps(notification):
            if step.name in done:
                continue
            running.keep(done=done)
            try:
                step.deliver()
            except Exception as error:  # noqa: BLE001 - it is kept with the job, and the other channels are to get it nevertheless
                failures.append(f"{step.name}: {type(error).__name__}: {error}")
            else:
                done.append(step.name)
        if failures:
            running.keep(done=done)
            raise JobFailed("; ".join(failures))
        if not done:
            logger.warning("No device has confirmed the critical notification %s, and no channel takes it", job.key)

    def _steps(self, notification: CriticalNotification) -> Iterator[Step]:
        for channel in self._channels:
            yield Step(channel.name, partial(self._call, channel, notification))
        if self._push is not None:
            for stored in self._context.in_app_context(self._store.subscriptions, notification.user_id):
                yield Step(f"{WEBPUSH} {stored.id}", partial(self._send, self._push, stored, notification))

    def _call(self, channel: Channel, notification: CriticalNotification) -> None:
        try:
            self._context.in_app_context(channel, notification)
        except Exception as error:
            self._context.report(error)
            raise

    def _send(self, push: WebPush, stored: StoredSubscription, notification: CriticalNotification) -> None:
        try:
            push.send(stored.subscription, push_payload(notification), f"notification-{notification.id}")
        except SubscriptionGone:
            self._context.in_app_context(self._store.forget_subscription, stored.id)
