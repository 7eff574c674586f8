"""`--json` of every command: its help has it, and with it the command prints one document and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy

from flask_realtime import Realtime
from flask_realtime.chat import Chat
from flask_realtime.cli import commands
from flask_realtime.store import Store, define_models
from tests.integration.conftest import KEY
from tests.integration.example_support import sqlite_url
from tests.redis_server import RedisServer

ARGUMENTS = {
    "admin": ["--password-stdin"],
    "emit": ["news", "{}", "--user", "ann"],
    "kick": ["ann", "--yes"],
    "log prune": ["--yes"],
    "worker": ["--once"],
}
"""What commands need besides."""

PASSWORD = "a password of some length"


def each_command(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from each_command(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(each_command(commands))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application with all that commands ask for."""
    folder: Path = tmp_path_factory.mktemp("json")
    with RedisServer() as redis:
        yield from make(folder, redis.url)


def make(folder: Path, redis_url: str) -> Iterator[Flask]:
    app = Flask("json_app")
    app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=sqlite_url(folder), REALTIME_ASYNC_MODE="threading")
    app.config.update(REALTIME_METRICS_FOLDER=str(folder), REALTIME_MESSAGE_QUEUE=redis_url)
    JWTManager(app)
    database, realtime = SQLAlchemy(app), Realtime()
    store = Store(database, define_models(database, analytics=True, log=True))
    app.register_blueprint(Chat(realtime, store, users=lambda _ids: {}).blueprint)
    realtime.init_app(app)
    with app.app_context():
        database.create_all()
        yield app
        database.engine.dispose()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_lists_it(name: str) -> None:
    command = COMMANDS[name]
    assert "--json" in command.get_help(click.Context(command, info_name=name))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_prints_one_document(app: Flask, name: str) -> None:
    done = app.test_cli_runner().invoke(commands, [*name.split(), *ARGUMENTS.get(name, []), "--json"], input=PASSWORD)
    assert done.exit_code == 0, done.output
    document: Any = json.loads(done.stdout)
    assert isinstance(document, dict)
    assert document
