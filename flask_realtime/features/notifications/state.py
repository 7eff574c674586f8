"""State of notifications: the worker that escalates critical ones and notifies everyone, and web push."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

from flask_realtime.errors import ConfigError
from flask_realtime.feature.context import FeatureContext, Timer
from flask_realtime.feature.tracing import Tracing
from flask_realtime.features.notifications.critical import CRITICAL, EVERYONE_MENTIONED, Channel, CriticalStore
from flask_realtime.features.notifications.escalation import Escalation
from flask_realtime.features.notifications.hooks import CRITICAL_STORE, NOTIFICATION_CHANNEL
from flask_realtime.features.notifications.push_service import PushService
from flask_realtime.features.notifications.spreading import Spreading
from flask_realtime.features.notifications.webpush import WebPush
from flask_realtime.jobs.host import JOBS_KEY
from flask_realtime.jobs.job import TRACE, Job, JobQueue
from flask_realtime.jobs.runner import Handler, JobCounts, JobRunner
from flask_realtime.jobs.worker import PLACES, JobWorker, Task


class Notifications:
    """The notifications of one application.

    Args:
        context: The feature's surroundings.

    Raises:
        ConfigError: Web push is set up in part, or pywebpush is not installed.
    """

    def __init__(self, context: FeatureContext) -> None:
        config = context.config
        self.context: Final = context
        self.push: Final = _web_push(config)
        self.critical_timeout: Final = timedelta(seconds=config.critical_timeout)
        self.hand_over: Callable[[str], None] | None = None
        """Sends the id of a job that is due to where jobs are run; None to run them in the worker itself."""
        self.retry_time: Final[float] = config.critical_retry_time
        self.on_jobs: Callable[[], None] = _nothing
        """Called when this process runs jobs outside of a server: there, and on every call of `run_here`."""
        context.app.extensions[JOBS_KEY] = self
        self._counts: Final = JobCounts()
        self._runs_jobs = False
        self._newest: JobWorker | None = None
        self._timer: Timer | None = None
        self._worker: JobWorker | None = None

    def serve(self) -> None:
        """Run jobs from now on, if the application has any and its servers are to run them."""
        context = self.context
        if context.config.jobs_in_server and context.is_registered(CRITICAL_STORE):
            worker = self.new_worker(lambda task: context.new_mailbox().post(task), self._wake, context.clock)
            self._timer = context.timer(lambda: worker.next_turn, partial(_turn, worker))
            self._worker = worker
            context.before_stop(partial(_finish, worker))
            self._timer.wake()

    def added(self, due_in: timedelta) -> None:
        """Let the worker of this process, if it has one, know of a job that was just committed."""
        if self._worker is not None:
            self._worker.due_in(due_in.total_seconds())

    def figures(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Return what the metrics say of the jobs that this process runs: name, labels and value of each."""
        if self._worker is None and not self._runs_jobs:
            return []
        outcomes = [("jobs", (outcome,), number) for outcome, number in self._counts.outcomes.items()]
        worker = self._newest
        if worker is None:  # Celery looks for none itself.
            return [*outcomes, ("jobs_running", (), self._counts.running)]
        return [*outcomes, ("jobs_running", (), worker.running), ("jobs_lag_seconds", (), worker.lateness)]

    def run_here(self) -> None:
        """Handle that this process runs jobs outside of a server, which may be said more than once."""
        self._runs_jobs = True
        self.on_jobs()

    def traced(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the data of a job that is added now, with the trace that it is added in."""
        trace = self.context.tracing.carry()
        return {**data, TRACE: trace} if trace else data

    def new_worker(
        self, start: Callable[[Task], object], wake: Callable[[float], None], clock: Callable[[], float], places: int = PLACES
    ) -> JobWorker:
        """Make a worker; see `JobWorker`.

        Raises:
            ConfigError: The application has no store of jobs.
        """
        self._newest = JobWorker(
            self.runner,
            start=start,
            wake=wake,
            clock=clock,
            interval=self.context.config.jobs_interval,
            hand_over=self.hand_over,
            places=places,
        )
        return self._newest

    @property
    def runner(self) -> JobRunner:
        """The runner of the application's jobs.

        Raises:
            ConfigError: The application has no store of jobs.
        """
        context, store = self.context, self._store
        channels: list[Channel] = context.functions(NOTIFICATION_CHANNEL)  # type: ignore[assignment]  # its decorator makes them
        handlers: dict[str, Handler] = {
            CRITICAL: Escalation(context, store, channels, self.push),
            EVERYONE_MENTIONED: Spreading(context, store),
        }
        lease = context.config.jobs_lease
        in_context, span_of = context.in_app_context, partial(_span_of, context.tracing)
        return JobRunner(store.jobs, handlers, in_context, lease=lease, clock=_now, counts=self._counts, span_of=span_of)

    @property
    def jobs(self) -> JobQueue:
        """The application's jobs, whose methods need an application context.

        Raises:
            ConfigError: The application has no store of jobs.
        """
        return self._store.jobs

    @property
    def _store(self) -> CriticalStore:
        functions = self.context.functions(CRITICAL_STORE)
        if not functions:
            msg = "There are no jobs without a store: call store.register(realtime), with a model of jobs as define_models has it."
            raise ConfigError(msg)
        store: CriticalStore = functions[0]()
        return store

    def _wake(self, at: float) -> None:
        if self._timer is not None:
            self._timer.wake_by(at)


def _span_of(tracing: Tracing, job: Job) -> AbstractContextManager[object]:
    told: dict[str, str | int] = {"job": job.id, "user": job.user_id, "attempt": job.attempts}
    return tracing.later(f"run {job.kind}", job.data.get(TRACE, {}), **told)


def _nothing() -> None:
    """Do nothing: nobody wants to know."""


def _turn(worker: JobWorker) -> tuple[()]:
    worker.turn()
    return ()


def _finish(worker: JobWorker) -> bool:
    worker.end()
    return worker.is_idle


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _web_push(config: Any) -> WebPush | None:
    if config.push_private_key is None:
        return None
    if config.push_contact is None:
        msg = "REALTIME_PUSH_PRIVATE_KEY needs REALTIME_PUSH_CONTACT, such as 'mailto:ops@example.org', for push services."
        raise ConfigError(msg)
    return WebPush(config.push_private_key, config.push_contact, PushService(config.push_services))
