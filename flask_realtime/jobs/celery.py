"""Celery tasks for jobs: Celery's workers run them, over Redis, RabbitMQ, or any other broker of Celery's.

::

    celery = Celery("chat", broker="redis://localhost:6379/1")
    add_tasks(celery, app)

The database keeps the jobs, and decides when each is due; servers, or `flask realtime worker`, then send its id to Celery. So the
broker may lose messages, and a worker may be killed with several of them: a job that nobody has done when its lease has run out is
sent again, and a message that comes twice does nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, NamedTuple

from flask import Flask

from flask_realtime.errors import ConfigError
from flask_realtime.jobs.host import job_host_of

try:
    from celery import Celery
    from celery.signals import worker_process_init
except ModuleNotFoundError as error:
    if error.name != "celery":
        raise
    msg = "Celery's workers run jobs with Celery installed: pip install 'flask-realtime[celery]'"
    raise ConfigError(msg) from None

RUN_JOB: Final = "flask_realtime.run_job"
RUN_DUE_JOBS: Final = "flask_realtime.run_due_jobs"

_OPTIONS: Final = {"acks_late": True, "reject_on_worker_lost": True, "ignore_result": True, "shared": False}
"""A message is acknowledged when its job was tried, and comes again if its worker dies before. No other application of the process
gets these tasks, whose jobs are this one's."""


class Tasks(NamedTuple):
    """The tasks of one application.

    Args:
        run_job: Runs one job, by its id; servers send it.
        run_due_jobs: Runs all jobs that are due, for Celery's beat where neither a server nor `flask realtime worker` sends them.
    """

    run_job: Any
    run_due_jobs: Any


def add_tasks(celery: Celery, app: Flask) -> Tasks:
    """Add the tasks to a Celery application, and let the servers of a Flask application send jobs there instead of running them.

    Args:
        celery: The Celery application.
        app: The Flask application, on which `Realtime.init_app` was called.

    Raises:
        NotInitialised: It was not called.
    """
    host = job_host_of(app)

    def run_job(job_id: str) -> None:
        host.run_here()
        host.runner.run_one(job_id)

    def run_due_jobs() -> None:
        host.run_here()
        host.runner.run_due()

    tasks = Tasks(celery.task(name=RUN_JOB, **_OPTIONS)(run_job), celery.task(name=RUN_DUE_JOBS, **_OPTIONS)(run_due_jobs))
    host.hand_over = lambda job_id: tasks.run_job.apply_async((job_id,), retry=False)
    worker_process_init.connect(partial(_forget_connections, app), weak=False)
    return tasks


def _forget_connections(app: Flask, **_details: object) -> None:
    """Leave the database's connections to the process that this one was forked from."""
    database = app.extensions.get("sqlalchemy")
    if database is not None:
        with app.app_context():
            for engine in database.engines.values():
                engine.dispose(close=False)
