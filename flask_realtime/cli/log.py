"""The commands about the log: what is in it, what waits, and what may go."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import click
from flask.cli import with_appcontext

from flask_realtime import functions
from flask_realtime.cli.database import database_needed
from flask_realtime.contract.ids import parse_id
from flask_realtime.contract.json import loads
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.errors import InvalidId
from flask_realtime.extension import current_gateway
from flask_realtime.features.log import TRIMMED_AT_ONCE, LogSelection, Outbox, StoredEvent, log
from flask_realtime.terminal import (
    Column,
    CommandFailed,
    count,
    is_terminal,
    json_option,
    print_json,
    print_line,
    print_table,
    progress,
)

_DAY: Final = 86_400.0
_STATUS: Final = (Column("FIGURE"), Column("VALUE"))
_EVENTS: Final = (
    Column("NUMBER", is_number=True),
    Column("WRITTEN"),
    Column("DELIVERED"),
    Column("FOR", may_be_cut=True),
    Column("EVENT"),
    Column("ARGUMENTS", may_be_cut=True),
)


@click.group("log")
def log_commands() -> None:
    """Look at the log of events that the store keeps, and delete old ones."""


def _table() -> Outbox:
    return functions.state_of(log).table()


@log_commands.command("status")
@json_option
@with_appcontext
def status(*, as_json: bool) -> None:
    """Show how many events are kept, since when, and how many wait to be delivered.

    The cursors up to which clients have read are theirs: servers do not know them.
    """
    with database_needed():
        found = _table().status()
    if as_json:
        print_json(found._asdict())
    else:
        print_table(_STATUS, [(name.replace("_", " "), value) for name, value in found._asdict().items()])


@log_commands.command("show")
@click.option("--user", help="Those for this user.")
@click.option("--conversation", help="Those for this conversation.")
@click.option("--everyone", is_flag=True, help="Those for everyone.")
@click.option("--undelivered", is_flag=True, help="Those that are not delivered yet.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many to show.")
@json_option
@with_appcontext
def show(  # noqa: PLR0913 - each is an option
    user: str | None, conversation: str | None, limit: int, *, everyone: bool, undelivered: bool, as_json: bool
) -> None:
    """Show the events that were written last, the newest at the end."""
    if (user is not None) + (conversation is not None) + everyone > 1:
        msg = "Choose one of --user, --conversation and --everyone."
        raise click.UsageError(msg)
    with database_needed():
        found = _table().tail(LogSelection(limit, _room(user, conversation), everyone, undelivered))
    if as_json:
        print_json({"events": [_as_json(event) for event in found]})
    else:
        print_table(_EVENTS, map(_row, found))


@log_commands.command("prune")
@click.option("--days", type=click.FloatRange(0), help="Keep those of so many days; REALTIME_LOG_RETENTION by default.")
@click.option("--yes", is_flag=True, help="Do not ask, on a terminal either.")
@json_option
@with_appcontext
def prune(days: float | None, *, yes: bool, as_json: bool) -> None:
    """Delete delivered events that are old, as the servers do once a minute.

    The last event stays, and so does whatever follows one that is not delivered yet. A client whose cursor is older is told to load
    everything anew.
    """
    seconds = current_gateway().config.log_retention if days is None else days * _DAY
    before = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    with database_needed():
        table = _table()
        old = table.count_before(before)
        if old and not yes and is_terminal() and is_terminal(sys.stdin):
            click.confirm(f"Delete {count(old, 'event')} that {'is' if old == 1 else 'are'} older?", abort=True, err=True)
        with progress(old, "Deleting") as deleted:
            while table.trim(before):
                deleted(TRIMMED_AT_ONCE)
        left = table.count_before(before)
    if as_json:
        print_json({"deleted": old - left, "kept": left, "before": before})
    else:
        print_line(f"{count(old - left, 'event')} deleted" + (f", {left} kept" if left else ""))


def _room(user: str | None, conversation: str | None) -> str | None:
    try:
        if user is not None:
            return user_room(parse_id(user, "user_id"))
        return None if conversation is None else conversation_room(parse_id(conversation, "conversation_id"))
    except InvalidId as error:
        raise CommandFailed(str(error)) from None


def _row(event: StoredEvent) -> tuple[Any, ...]:
    receivers = "everyone" if event.room is None else event.room
    return event.number, event.created_at, event.delivered_at, receivers, event.event, event.arguments[1:-1]


def _as_json(event: StoredEvent) -> dict[str, Any]:
    values = event._asdict()
    return {**values, "arguments": loads(values["arguments"])}
