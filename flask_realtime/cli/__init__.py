"""The `flask realtime` commands: operations from the shell, on every server. A module has a group of them.

A feature's own commands are in a module here too, since features know no shell. Each takes `--json`, and prints with
`flask_realtime.terminal`; what goes wrong is one line on standard error, a `CommandFailed`, and the exit code 1.
"""

from __future__ import annotations

from typing import Final

from flask.cli import AppGroup

from flask_realtime.cli.admin import admin
from flask_realtime.cli.checking import check
from flask_realtime.cli.connections import connections, online, rooms
from flask_realtime.cli.describing import asyncapi, openapi, types
from flask_realtime.cli.jobs import jobs, push_key, worker
from flask_realtime.cli.kicking import kick
from flask_realtime.cli.log import log_commands
from flask_realtime.cli.metrics import metrics
from flask_realtime.cli.sending import emit
from flask_realtime.cli.stats import stats

commands: Final = AppGroup(
    "realtime", help="Send events, see who is online and where, end connections: on every server. Describe the events to others."
)
_ON_SERVERS: Final = (connections, emit, kick, metrics, online, rooms)
_STORED: Final = (jobs, log_commands, push_key, stats, worker)
_ABOUT_THE_APPLICATION: Final = (admin, asyncapi, check, openapi, types)
for _command in (*_ON_SERVERS, *_STORED, *_ABOUT_THE_APPLICATION):
    commands.add_command(_command)
