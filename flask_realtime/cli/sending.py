"""The command that sends events."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import with_appcontext

from flask_realtime import functions
from flask_realtime.cli.reaching import reach_servers
from flask_realtime.errors import RealtimeError
from flask_realtime.terminal import CommandFailed, json_option, print_json


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"{text!r} is not JSON: {error}. Text needs quotes of its own: '\"text\"'."
        raise click.BadParameter(msg) from None


@click.command("emit")
@click.argument("event")
@click.argument("data", type=_json, nargs=-1)
@click.option("--user", help="To all connections of this user.")
@click.option("--conversation", help="To every connection joined to this conversation.")
@click.option("--all", "everyone", is_flag=True, help="To every connection.")
@json_option
@with_appcontext
def emit(  # noqa: PLR0913 - each is an argument or an option
    event: str, data: tuple[Any, ...], user: str | None, conversation: str | None, *, everyone: bool, as_json: bool
) -> None:
    """Send EVENT with DATA, each of it JSON, to a user, a conversation or everyone."""
    reach_servers()
    if (user is not None) + (conversation is not None) + everyone != 1:
        msg = "Choose exactly one of --user, --conversation and --all."
        raise click.UsageError(msg)
    if not _send(event, data, user, conversation):
        msg = "The message queue cannot be reached; nothing was sent."
        raise CommandFailed(msg)
    if as_json:
        print_json({"sent": True})


def _send(event: str, data: tuple[Any, ...], user: str | None, conversation: str | None) -> bool:
    try:
        if user is not None:
            return functions.send_to_user(user, event, *data)
        if conversation is not None:
            return functions.send_to_conversation(conversation, event, *data)
        return functions.broadcast_to_all(event, *data)
    except (RealtimeError, ValueError) as error:
        raise CommandFailed(str(error)) from None
