"""The `flask realtime` commands about jobs, and about the key of web push."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from flask_realtime.errors import ConfigError
from flask_realtime.features.notifications import new_push_key
from flask_realtime.jobs.host import JobHost, job_host_of
from flask_realtime.jobs.job import Job, JobQueue
from flask_realtime.jobs.process import WorkerProcess
from flask_realtime.jobs.worker import PLACES
from flask_realtime.logs import escape

ResultT = TypeVar("ResultT")

_HIDDEN: Final = {"claim", "data"}


def _host() -> JobHost:
    return job_host_of(current_app)


def _require(get: Callable[[], ResultT]) -> ResultT:
    try:
        return get()
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


@click.command("worker")
@click.option("--once", is_flag=True, help="Run what is due now, and end.")
@click.option("--places", type=click.IntRange(1), default=PLACES, show_default=True, help="Jobs that it runs at once.")
@with_appcontext
def worker(places: int, *, once: bool) -> None:
    """Run jobs, such as critical notifications, until the process is told to end."""
    host = _host()
    runner = _require(lambda: host.runner)
    if once:
        click.echo(_count(runner.run_due()))
    else:
        WorkerProcess(host, places).run()


@click.command("jobs")
@click.option("--pending", is_flag=True, help="Jobs that are still tried, instead of dead letters.")
@click.option("--requeue", "job_ids", multiple=True, metavar="ID", help="Try this dead letter again; may be given several times.")
@click.option("--requeue-all", is_flag=True, help="Try all dead letters again.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_appcontext
def jobs(job_ids: Sequence[str], limit: int, *, pending: bool, requeue_all: bool, as_json: bool) -> None:
    """List dead letters: jobs that have failed for too long. Or try them again.

    Exits with 1 if a job that is to be tried again is no dead letter.
    """
    queue = _require(lambda: _host().jobs)
    if job_ids or requeue_all:
        _requeue(queue, None if requeue_all else job_ids, as_json=as_json)
        return
    found = queue.pending(limit) if pending else queue.dead_letters(limit)
    if as_json:
        click.echo(json.dumps({"jobs": [_as_json(job) for job in found]}, indent=2))
    else:
        _print(found)


@click.command("push-key")
def push_key() -> None:
    """Print a new private key for web push, as REALTIME_PUSH_PRIVATE_KEY takes it. Browsers subscribe anew for each key."""
    click.echo(_require(new_push_key))


def _requeue(queue: JobQueue, job_ids: Sequence[str] | None, *, as_json: bool) -> None:
    retry_time = timedelta(seconds=_host().retry_time)
    requeued = queue.requeue(job_ids, datetime.now(timezone.utc) + retry_time)
    click.echo(json.dumps({"requeued": requeued}) if as_json else f"{_count(len(requeued))} requeued")
    missing = sorted(set(job_ids or ()) - set(requeued))
    if missing:
        msg = f"no dead letter: {', '.join(missing)}"
        raise click.ClickException(msg)


def _print(found: Iterable[Job]) -> None:
    for job in found:
        when = f"given up {_time(job.dead_at)}" if job.dead_at else f"due {_time(job.due_at)}"
        attempts = f"{job.attempts} attempt{'' if job.attempts == 1 else 's'}"
        what = escape(f"{job.kind} {job.key} for {job.user_id}")
        click.echo(f"{job.id}\t{what}\t{attempts}, {when}\t{escape(job.last_error or '')}".rstrip())


def _as_json(job: Job) -> dict[str, Any]:
    values = {item.name: getattr(job, item.name) for item in fields(job) if item.name not in _HIDDEN}
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _count(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
