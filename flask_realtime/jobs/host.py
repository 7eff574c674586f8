"""Jobs of one application, for whoever runs them: a server, a command, Celery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from flask_realtime.errors import NotInitialised
from flask_realtime.jobs.job import JobQueue
from flask_realtime.jobs.runner import JobRunner
from flask_realtime.jobs.worker import JobWorker, Task

JOBS_KEY: Final = "realtime_jobs"
"""Key of an application's `JobHost` in `app.extensions`."""


class JobHost(Protocol):
    """Jobs of one application, and what runs them."""

    hand_over: Callable[[str], None] | None
    """Sends the id of a job that is due to where jobs are run; None to run them in the worker itself."""

    def run_here(self) -> None:
        """Handle that this process runs jobs outside of a server, which may be said more than once."""

    @property
    def retry_time(self) -> float:
        """Seconds for which a job that fails is tried again."""

    @property
    def jobs(self) -> JobQueue:
        """The jobs, whose methods need an application context.

        Raises:
            ConfigError: The application has no store of jobs.
        """

    @property
    def runner(self) -> JobRunner:
        """The runner of the jobs; see `jobs`."""

    def new_worker(
        self, start: Callable[[Task], object], wake: Callable[[float], None], clock: Callable[[], float], places: int
    ) -> JobWorker:
        """Make a worker; see `JobWorker`.

        Raises:
            ConfigError: The application has no store of jobs.
        """


def job_host_of(app: Any) -> JobHost:
    """Return the jobs of a Flask application.

    Raises:
        NotInitialised: `Realtime.init_app` was not called on it.
    """
    host: JobHost | None = app.extensions.get(JOBS_KEY)
    if host is None:
        msg = f"flask_realtime is not set up on the application {app.name!r}. Did you forget to call 'init_app'?"
        raise NotInitialised(msg)
    return host
