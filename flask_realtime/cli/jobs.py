"""The commands about jobs, and about the key of web push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_realtime.cli.database import database_needed
from flask_realtime.errors import ConfigError
from flask_realtime.features.notifications import new_push_key
from flask_realtime.jobs.host import JobHost, job_host_of
from flask_realtime.jobs.job import Job, JobQueue
from flask_realtime.jobs.process import WorkerProcess
from flask_realtime.jobs.worker import PLACES
from flask_realtime.terminal import Column, CommandFailed, count, format_time, json_option, print_json, print_line, print_table

_HIDDEN: Final = {"claim", "data"}
_COLUMNS: Final = (Column("ID"), Column("JOB", may_be_cut=True), Column("STATE"), Column("ERROR", may_be_cut=True))


def _host() -> JobHost:
    return job_host_of(current_app)


@click.command("worker")
@click.option("--once", is_flag=True, help="Run what is due now, and end.")
@click.option("--places", type=click.IntRange(1), default=PLACES, show_default=True, help="Jobs that it runs at once.")
@json_option
@with_appcontext
def worker(places: int, *, once: bool, as_json: bool) -> None:
    """Run jobs, such as critical notifications, until the process is told to end. As JSON it prints then what became of them."""
    host = _host()
    with database_needed():
        runner = host.runner
        ran = runner.run_due() if once else None
    if ran is None:
        WorkerProcess(host, places).run()
    if as_json:
        print_json({"jobs": runner.outcomes})
    elif ran is not None:
        print_line(count(ran, "job"))


@click.command("jobs")
@click.option("--pending", is_flag=True, help="Jobs that are still tried, instead of dead letters.")
@click.option("--requeue", "job_ids", multiple=True, metavar="ID", help="Try this dead letter again; may be given several times.")
@click.option("--requeue-all", is_flag=True, help="Try all dead letters again.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many to list.")
@json_option
@with_appcontext
def jobs(job_ids: Sequence[str], limit: int, *, pending: bool, requeue_all: bool, as_json: bool) -> None:
    """List dead letters: jobs that have failed for too long. Or try them again.

    Exits with 1 if a job that is to be tried again is no dead letter.
    """
    with database_needed():
        queue = _host().jobs
        if job_ids or requeue_all:
            _requeue(queue, None if requeue_all else job_ids, as_json=as_json)
            return
        found = queue.pending(limit) if pending else queue.dead_letters(limit)
    if as_json:
        print_json({"jobs": [_as_json(job) for job in found]})
    else:
        print_table(_COLUMNS, map(_row, found))


@click.command("push-key")
@json_option
def push_key(*, as_json: bool) -> None:
    """Print a new private key for web push, as REALTIME_PUSH_PRIVATE_KEY takes it. Browsers subscribe anew for each key."""
    try:
        key = new_push_key()
    except ConfigError as error:
        raise CommandFailed(str(error)) from None
    if as_json:
        print_json({"private_key": key})
    else:
        print_line(key)


def _requeue(queue: JobQueue, job_ids: Sequence[str] | None, *, as_json: bool) -> None:
    retry_time = timedelta(seconds=_host().retry_time)
    requeued = queue.requeue(job_ids, datetime.now(timezone.utc) + retry_time)
    if as_json:
        print_json({"requeued": requeued})
    else:
        print_line(f"{count(len(requeued), 'job')} requeued")
    missing = sorted(set(job_ids or ()) - set(requeued))
    if missing:
        msg = f"no dead letter: {', '.join(missing)}"
        raise CommandFailed(msg)


def _row(job: Job) -> tuple[str, ...]:
    when = f"given up {format_time(job.dead_at)}" if job.dead_at else f"due {format_time(job.due_at)}"
    return job.id, f"{job.kind} {job.key} for {job.user_id}", f"{count(job.attempts, 'attempt')}, {when}", job.last_error or ""


def _as_json(job: Job) -> dict[str, Any]:
    values = {item.name: getattr(job, item.name) for item in fields(job) if item.name not in _HIDDEN}
    return {name: format_time(value) if isinstance(value, datetime) else value for name, value in values.items()}
