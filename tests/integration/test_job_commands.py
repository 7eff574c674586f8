"""`flask realtime jobs`, `worker` and `push-key`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_realtime import Realtime
from flask_realtime.cli import commands
from flask_realtime.config import RealtimeConfig
from tests.integration.example_support import sqlite_url
from tests.integration.features.critical_support import CriticalApp, critical_app


def run(app: Flask, *arguments: str, code: int = 0) -> str:
    result = app.test_cli_runner().invoke(commands, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[CriticalApp]:
    with critical_app(sqlite_url(tmp_path), "email", REALTIME_CRITICAL_RETRY_TIME=0.5) as made:
        yield made


def fail(_notification: object) -> None:
    msg = "no route to host"
    raise OSError(msg)


def kill(chat: CriticalApp, count: int) -> list[str]:
    """Make dead letters, and return their ids."""
    chat.broken["email"] = fail
    for _ in range(count):
        chat.add()
    chat.run()
    chat.broken.clear()
    chat.heard.clear()
    return [job.id for job in chat.dead()]


def test_dead_letters_are_listed_with_what_failed(chat: CriticalApp) -> None:
    assert run(chat.app, "jobs") == ""
    first, second = kill(chat, 2)
    lines = run(chat.app, "jobs").splitlines()
    assert [line.split("\t")[0] for line in lines] == [first, second]
    assert lines[0].startswith(f"{first}\tcritical_notification 1 for ann\t1 attempt, given up 20")
    assert lines[0].endswith("\temail: OSError: no route to host")
    assert len(run(chat.app, "jobs", "--limit", "1").splitlines()) == 1


def test_what_failed_is_one_line_whatever_it_says(chat: CriticalApp) -> None:
    kill(chat, 1)
    with chat.app.app_context():
        assert chat.store.models.job is not None
        row = chat.db.session.get_one(chat.store.models.job, 1)
        row.last_error = "refused\n2\tforged\x1b[2J"
        chat.db.session.commit()
    (line,) = run(chat.app, "jobs").splitlines()
    assert line.endswith("\trefused\\n2\\tforged\\x1b[2J")


def test_what_is_still_tried_is_listed_too(chat: CriticalApp) -> None:
    chat.add()
    (line,) = run(chat.app, "jobs", "--pending").splitlines()
    assert line.startswith("1\tcritical_notification 1 for ann\t0 attempts, due 20")


def test_the_list_is_there_as_json(chat: CriticalApp) -> None:
    (job_id,) = kill(chat, 1)
    (job,) = json.loads(run(chat.app, "jobs", "--json"))["jobs"]
    assert (job["id"], job["user_id"], job["key"], job["attempts"]) == (job_id, "ann", "1", 1)
    assert job["last_error"] == "email: OSError: no route to host"
    assert job["dead_at"].endswith("+00:00")
    assert not {"claim", "data"} & set(job)


def test_one_of_them_or_all_are_tried_again(chat: CriticalApp) -> None:
    first, second, third = kill(chat, 3)
    assert run(chat.app, "jobs", "--requeue", second) == "1 job requeued\n"
    assert [job.id for job in chat.dead()] == [first, third]
    assert run(chat.app, "worker", "--once") == "1 job\n"
    assert json.loads(run(chat.app, "jobs", "--requeue-all", "--json")) == {"requeued": [first, third]}
    assert run(chat.app, "worker", "--once") == "2 jobs\n"
    assert len(chat.heard) == 3
    assert (chat.dead(), chat.pending()) == ([], [])


def test_what_is_no_dead_letter_is_an_error(chat: CriticalApp) -> None:
    (job_id,) = kill(chat, 1)
    output = run(chat.app, "jobs", "--requeue", "99", "--requeue", job_id, "--requeue", "x", code=1)
    assert output == "1 job requeued\nError: no dead letter: 99, x\n"


@pytest.mark.parametrize("arguments", [["jobs"], ["worker"], ["worker", "--once"]])
def test_without_a_store_the_error_says_what_to_do(make_app: Any, arguments: list[str]) -> None:
    app = make_app()
    Realtime(app)
    assert "call store.register(realtime)" in run(app, *arguments, code=1)


def test_without_the_extension_the_error_says_so() -> None:
    result = Flask("bare").test_cli_runner().invoke(commands, ["jobs"])
    assert "Did you forget to call 'init_app'?" in str(result.exception)


def test_a_new_key_of_web_push_is_one_that_the_setting_takes(chat: CriticalApp) -> None:
    keys = {run(chat.app, "push-key").strip() for _ in range(2)}
    assert len(keys) == 2
    for key in keys:
        assert RealtimeConfig.from_mapping({"REALTIME_PUSH_PRIVATE_KEY": key}).push_private_key == key
