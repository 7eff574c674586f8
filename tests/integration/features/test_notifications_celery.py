"""Jobs that Celery's workers run: what is sent over the broker, and what its tasks do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from celery import Celery
from celery.signals import worker_process_init
from flask import Flask
from sqlalchemy import event

from flask_realtime import Realtime
from flask_realtime.errors import ConfigError, NotInitialised
from flask_realtime.jobs.celery import RUN_DUE_JOBS, RUN_JOB, Tasks, add_tasks
from flask_realtime.jobs.host import job_host_of
from flask_realtime.jobs.worker import JobWorker
from tests.integration.example_support import sqlite_url
from tests.integration.features.critical_support import CriticalApp, critical_app


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[CriticalApp]:
    with critical_app(sqlite_url(tmp_path), "email") as made:
        yield made


@pytest.fixture
def celery() -> Iterator[Celery]:
    """Celery with a broker in memory."""
    made = Celery("test", broker="memory://", set_as_current=False)
    yield made
    made.close()


@pytest.fixture
def tasks(celery: Celery, chat: CriticalApp) -> Tasks:
    return add_tasks(celery, chat.app)


def new_worker(app: Flask) -> JobWorker:
    """A server's worker."""
    return job_host_of(app).new_worker(lambda _task: pytest.fail("it runs nothing itself"), lambda _at: None, monotonic, 4)


@pytest.mark.usefixtures("tasks")
def test_a_server_sends_the_ids_of_due_jobs_and_celery_runs_them(celery: Celery, chat: CriticalApp) -> None:
    chat.add()
    new_worker(chat.app).turn()
    with celery.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
        message = queue.get(timeout=10)
        message.ack()
    (args, _options, _embedded) = message.payload
    assert (message.headers["task"], args) == (RUN_JOB, ["1"])
    assert chat.names() == []
    celery.tasks[RUN_JOB](*args)
    assert chat.names() == ["email"]
    assert chat.pending() == []


def test_a_message_that_comes_twice_does_nothing(chat: CriticalApp, tasks: Tasks) -> None:
    chat.add()
    for _ in range(2):
        tasks.run_job("1")
    assert chat.names() == ["email"]


@pytest.mark.usefixtures("tasks")
def test_two_applications_of_one_process_run_their_own_jobs(tmp_path: Path, chat: CriticalApp) -> None:
    other = Celery("other", broker="memory://", set_as_current=False)
    with critical_app(f"sqlite:///{tmp_path}/other.db", "email") as second:
        add_tasks(other, second.app)
        for made in (chat, second):
            made.add()
        other.tasks[RUN_JOB]("1")
        assert (chat.names(), second.names()) == ([], ["email"])
    other.close()


@pytest.mark.usefixtures("tasks")
def test_one_task_runs_all_that_is_due(celery: Celery, chat: CriticalApp) -> None:
    for _ in range(3):
        chat.add()
    celery.tasks[RUN_DUE_JOBS]()
    assert chat.names() == ["email"] * 3


def test_a_message_comes_again_if_its_worker_dies_and_has_no_result(tasks: Tasks) -> None:
    for task in tasks:
        assert (task.acks_late, task.reject_on_worker_lost, task.ignore_result) == (True, True, True)


@pytest.mark.usefixtures("tasks")
def test_a_forked_worker_leaves_its_parents_connections_alone(chat: CriticalApp) -> None:
    happened = []
    with chat.app.app_context():
        chat.jobs.next_due()
        chat.db.session.remove()
        with chat.db.engine.connect() as connection:
            parents = connection.connection.driver_connection
        event.listen(chat.db.engine, "connect", lambda *_: happened.append("connect"))
        event.listen(chat.db.engine, "close", lambda *_: happened.append("close"))
        assert [result for _, result in worker_process_init.send(sender=None)] == [None] * len(worker_process_init.receivers)
        chat.jobs.next_due()
    assert happened == ["connect"]
    assert parents is not None
    parents.close()


def test_an_application_without_a_database_can_have_tasks(celery: Celery) -> None:
    app = Flask("plain")
    app.config.update(JWT_SECRET_KEY="x" * 32)
    with pytest.raises(NotInitialised, match="init_app"):
        add_tasks(celery, app)
    Realtime(app)
    add_tasks(celery, app)
    receivers = worker_process_init.send(sender=None)
    assert [result for _, result in receivers] == [None] * len(receivers)


@pytest.mark.parametrize(
    ("missing", "error", "told"),
    [
        ("celery", ConfigError, r"pip install 'flask-realtime\[celery\]'"),
        ("celery.signals", ModuleNotFoundError, "celery.signals"),  # Whatever it is that Celery lacks, it is not Celery.
    ],
)
def test_without_celery_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str, error: type[Exception], told: str
) -> None:
    monkeypatch.delitem(sys.modules, add_tasks.__module__)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(error, match=told):
        importlib.import_module(add_tasks.__module__)
