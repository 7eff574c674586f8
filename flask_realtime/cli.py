"""The `flask realtime` commands: operations from the shell, on every server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import IO, Any, Final

import click
from flask import Flask, current_app
from flask.cli import AppGroup, ScriptInfo

from flask_realtime import functions
from flask_realtime.checks import Finding, find_all
from flask_realtime.errors import RealtimeError
from flask_realtime.extension import current_gateway, gateway_of
from flask_realtime.feature.feature import Feature
from flask_realtime.features.conversations import conversations
from flask_realtime.hooks import ApplicationEvent
from flask_realtime.job_commands import jobs, push_key, worker

commands: Final = AppGroup(
    "realtime", help="Send events, see who is online and where, end connections: on every server. Describe the events to others."
)
for _command in (worker, jobs, push_key):
    commands.add_command(_command)

_output: Final = click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    default="-",
    help="The file to write; without it, the output is printed.",
)


class _Failure(click.ClickException):
    """A failure of a command, in one line."""


def _servers() -> None:
    """Check that servers can be reached: a command runs in a process of its own, which serves nobody."""
    if current_gateway().config.message_queue is None:
        msg = (
            "REALTIME_MESSAGE_QUEUE is not set, so the running server cannot be reached from here. "
            "Set it to the URL of a Redis server, for this command and for the server."
        )
        raise _Failure(msg)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"{text!r} is not JSON: {error}. Text needs quotes of its own: '\"text\"'."
        raise click.BadParameter(msg) from None


@commands.command("emit")
@click.argument("event")
@click.argument("data", type=_json, nargs=-1)
@click.option("--user", help="To all connections of this user.")
@click.option("--conversation", help="To every connection joined to this conversation.")
@click.option("--all", "everyone", is_flag=True, help="To every connection.")
def emit(event: str, data: tuple[Any, ...], user: str | None, conversation: str | None, *, everyone: bool) -> None:
    """Send EVENT with DATA, each of it JSON, to a user, a conversation or everyone."""
    _servers()
    if (user is not None) + (conversation is not None) + everyone != 1:
        msg = "Choose exactly one of --user, --conversation and --all."
        raise click.UsageError(msg)
    try:
        if user is not None:
            sent = functions.send_to_user(user, event, *data)
        elif conversation is not None:
            sent = functions.send_to_conversation(conversation, event, *data)
        else:
            sent = functions.broadcast_to_all(event, *data)
    except (RealtimeError, ValueError) as error:
        raise _Failure(str(error)) from None
    if not sent:
        msg = "The message queue cannot be reached; nothing was sent."
        raise _Failure(msg)


@commands.command("online")
@click.option("--conversation", help="Only users with a connection joined to this conversation.")
@click.option("--connections", is_flag=True, help="Each connection of each user: since when, on which server, on what device.")
def online(conversation: str | None, *, connections: bool) -> None:
    """List the users who are online."""
    _servers()
    for user_id in sorted(functions.get_online_users(conversation)):
        click.echo(user_id)
        for entry in functions.get_user_connections(user_id) if connections else ():
            click.echo(f"  {entry.connection_id}  since {_time(entry.since)}  on {entry.server_id}  {entry.device}".rstrip())


@commands.command("kick")
@click.argument("user")
@click.option("--conversation", help="Out of this conversation only; the connections stay.")
@click.option("--reason", help="The reason for the log and the on_disconnect hooks.")
def kick(user: str, conversation: str | None, reason: str | None) -> None:
    """End all connections of USER. Clients do not reconnect by themselves."""
    _servers()
    if conversation is not None:
        functions.remove_from_conversation(conversation, user)
        return
    count = functions.disconnect_user(user, reason)
    click.echo(f"{count} connection{'' if count == 1 else 's'}")


@commands.command("rooms")
def rooms() -> None:
    """List the conversations that somebody has joined, with the number of users in each."""
    _servers()
    for conversation_id, users in sorted(functions.state_of(conversations).sizes().items()):
        click.echo(f"{conversation_id}\t{users}")


@commands.command("check", with_appcontext=False)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def check(context: click.Context, *, as_json: bool) -> None:
    """Check the application's setup, and print the remedy for each problem.

    Exits with 1 if something is definitely wrong; hints do not affect the exit status.
    """
    findings = _findings(context.ensure_object(ScriptInfo).load_app)
    problems = sum(finding.level == "problem" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not problems, "findings": [finding._asdict() for finding in findings]}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.level} {finding.code}: {finding}")
        click.echo(f"{problems} problem{'' if problems == 1 else 's'}" if problems else "OK: no problem was found.")
    sys.exit(1 if problems else 0)


def _findings(load: Callable[[], Flask]) -> list[Finding]:
    try:
        app = load()
        return find_all(app, gateway_of(app))
    except RealtimeError as error:  # Its message names the remedy already.
        return [Finding("setup_failed", str(error), "")]


@commands.command("types")
@_output
def types(output: IO[str]) -> None:
    """Print the events and their payloads as TypeScript, for Socket.IO's typed client."""
    from flask_realtime.describe.events import describe  # noqa: PLC0415 - servers import this module, and describe nothing
    from flask_realtime.describe.typescript import typescript  # noqa: PLC0415 - as above

    output.write(typescript(describe(_features(), _declared())))


@commands.command("asyncapi")
@click.option("--title", help="The name of the application; by default its own.")
@click.option("--api-version", default="1.0.0", show_default=True, help="The version of the application's events.")
@_output
def asyncapi(title: str | None, api_version: str, output: IO[str]) -> None:
    """Print the events and their payloads as an AsyncAPI document, in JSON."""
    from flask_realtime.describe.asyncapi import asyncapi as document_of  # noqa: PLC0415 - see `types`
    from flask_realtime.describe.events import describe  # noqa: PLC0415 - see `types`

    path = current_gateway().path.strip("/")
    document = document_of(
        describe(_features(), _declared()), title=title or current_app.name, version=api_version, path=f"/{path}/"
    )
    output.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _features() -> Iterable[Feature[Any]]:
    return current_gateway().features


def _declared() -> Iterable[ApplicationEvent]:
    return current_gateway().application_events


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
