"""The commands that list connections: who is online, on which connections, and joined to what."""

from __future__ import annotations

from typing import Any, Final

import click
from flask.cli import with_appcontext

from flask_realtime import functions
from flask_realtime.cli.reaching import inspect, reach_shared_state, require_answers
from flask_realtime.features.conversations import conversations
from flask_realtime.gateway.inspection import ConnectionDetails, ConnectionQuery
from flask_realtime.terminal import (
    Column,
    cell,
    format_time,
    json_option,
    print_json,
    print_line,
    print_note,
    print_table,
    progress,
)

ANSWER_SECONDS: Final = 3.0

timeout_option: Final = click.option(
    "--timeout", type=click.FloatRange(0.1, 60), default=ANSWER_SECONDS, show_default=True, help="Seconds to wait for the servers."
)

_CONNECTIONS: Final = (
    Column("USER", may_be_cut=True),
    Column("CONNECTION"),
    Column("NAMESPACE", may_be_cut=True),
    Column("TRANSPORT"),
    Column("SINCE"),
    Column("SERVER"),
    Column("ADDRESS"),
    Column("ROOMS", is_number=True),
    Column("DEVICE", may_be_cut=True),
)
_ROOMS: Final = (Column("CONVERSATION"), Column("USERS", is_number=True), Column("CONNECTIONS", is_number=True))


@click.command("online")
@click.option("--conversation", help="Only users with a connection joined to this conversation.")
@click.option("--connections", is_flag=True, help="Each connection of each user: since when, on which server, on what device.")
@json_option
@with_appcontext
def online(conversation: str | None, *, connections: bool, as_json: bool) -> None:
    """List the users who are online."""
    reach_shared_state()
    users = sorted(functions.get_online_users(conversation))
    if as_json:
        print_json({"users": [_user(user_id, connections=connections) for user_id in users]})
        return
    for user_id in users:
        print_line(cell(user_id))
        for entry in functions.get_user_connections(user_id) if connections else ():
            device = f"  {entry.device}" if entry.device else ""
            print_line(f"  {entry.connection_id}  since {format_time(entry.since)}  on {entry.server_id}{device}")


def _user(user_id: str, *, connections: bool) -> dict[str, Any]:
    if not connections:
        return {"user_id": user_id}
    entries = functions.get_user_connections(user_id)
    return {"user_id": user_id, "connections": [{**entry._asdict(), "since": format_time(entry.since)} for entry in entries]}


@click.command("connections")
@click.option("--user", help="Only those of this user.")
@click.option("--conversation", help="Only those joined to this conversation.")
@click.option("--namespace", help="Only those to this namespace, such as /.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="How many to list.")
@timeout_option
@json_option
@with_appcontext
def connections(  # noqa: PLR0913 - each is an option
    user: str | None, conversation: str | None, namespace: str | None, limit: int, timeout: float, *, as_json: bool
) -> None:
    """List the open connections, as each server knows its own.

    Exits with 1 if a server does not answer in time, after it has printed what the others answered.
    """
    found = inspect(ConnectionQuery(user, conversation, namespace, limit=limit), timeout)
    if as_json:
        listed = [{**details._asdict(), "since": format_time(details.since)} for details in found.connections]
        print_json({"connections": listed, "total": found.total, "unanswered": found.unanswered})
    else:
        print_table(_CONNECTIONS, map(_row, found.connections))
        if found.total > len(found.connections):
            print_note(f"{len(found.connections)} of {found.total} connections; --limit lists more.")
    require_answers(found)


def _row(details: ConnectionDetails) -> tuple[Any, ...]:
    return (
        details.user_id,
        details.connection_id,
        details.namespace,
        details.transport,
        format_time(details.since),
        details.server_id,
        details.address,
        details.rooms,
        details.device,
    )


@click.command("rooms")
@json_option
@with_appcontext
def rooms(*, as_json: bool) -> None:
    """List the conversations that somebody has joined, with the number of users and connections in each."""
    reach_shared_state()
    sizes = _sizes()
    if as_json:
        names = ("conversation_id", "users", "connections")
        print_json({"rooms": [dict(zip(names, row, strict=True)) for row in sizes]})
    else:
        print_table(_ROOMS, sizes)


def _sizes() -> list[tuple[str, int, int]]:
    state = functions.state_of(conversations)
    joined, sizes = sorted(state.joined_anywhere()), []
    with progress(len(joined), "Counting the members") as counted:
        for conversation_id in joined:
            members = state.members(conversation_id)
            counted(1)
            if members:  # The last one may have left meanwhile.
                sizes.append((conversation_id, len(set(members.values())), len(members)))
    return sizes
