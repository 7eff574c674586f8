"""The command that ends connections and memberships."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import click
from flask.cli import with_appcontext

from flask_realtime import functions
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.cli.connections import timeout_option
from flask_realtime.cli.reaching import inspect, queue_needed, reach_servers, require_answers
from flask_realtime.contract.ids import parse_id
from flask_realtime.errors import InvalidId
from flask_realtime.extension import current_gateway
from flask_realtime.features.authentication.api import SERVER_DISCONNECT
from flask_realtime.features.authentication.feature import DISCONNECT_CONNECTION, authentication
from flask_realtime.features.conversations import conversations
from flask_realtime.features.conversations.evictions import REMOVE, WAIT_SECONDS
from flask_realtime.gateway.inspection import ConnectionQuery
from flask_realtime.terminal import CommandFailed, count, is_terminal, json_option, print_json, print_line, progress


class _Kick(NamedTuple):
    """Connections or memberships that a command is about to end.

    Args:
        connections: How many connections it is about; None if nobody knows.
        question: What somebody on a terminal is asked before.
        end: Ends them, and returns how many, if that is known better then.
    """

    connections: int | None
    question: str
    end: Callable[[], int | None]


@click.command("kick")
@click.argument("user", required=False)
@click.option("--sid", help="This connection only: its id, as `connections` lists it.")
@click.option("--conversation", help="Out of this conversation only, everybody or USER; the connections stay.")
@click.option("--reason", help="The reason for the log and the on_disconnect hooks.")
@click.option("--yes", is_flag=True, help="Do not ask, on a terminal either.")
@timeout_option
@json_option
@with_appcontext
def kick(  # noqa: PLR0913 - each is an argument or an option
    user: str | None, sid: str | None, conversation: str | None, reason: str | None, timeout: float, *, yes: bool, as_json: bool
) -> None:
    """End all connections of USER, or one of them, or end memberships. Clients do not reconnect by themselves.

    Prints how many connections it was about; over a broker that is unknown.
    """
    reach_servers()
    try:
        planned = _plan(user, sid, conversation, reason, timeout)
        if planned.connections != 0 and not yes and is_terminal() and is_terminal(sys.stdin):
            click.confirm(planned.question, abort=True, err=True)
        with queue_needed():
            connections = planned.end()
    except InvalidId as error:
        raise CommandFailed(str(error)) from None
    if as_json:
        print_json({"connections": connections})
    else:
        print_line("All servers were told." if connections is None else count(connections, "connection"))


def _plan(user: str | None, sid: str | None, conversation: str | None, reason: str | None, timeout: float) -> _Kick:
    if sid is not None:
        if user is not None or conversation is not None:
            msg = "--sid names a connection: give no USER and no --conversation with it."
            raise click.UsageError(msg)
        return _one_connection(sid, reason, timeout)
    if conversation is not None:
        if reason is not None:
            msg = "--reason is for connections that end, and with --conversation they stay."
            raise click.UsageError(msg)
        return _out_of_conversation(conversation, user)
    if user is None:
        msg = "Say whom: USER, --sid or --conversation."
        raise click.UsageError(msg)
    return _all_of_user(user, reason)


def _all_of_user(user: str, reason: str | None) -> _Kick:
    known = len(functions.get_user_connections(user)) if _are_known() else None
    return _Kick(known, f"End {_number(known)} of {user}?", partial(_end_user, user, reason, is_known=known is not None))


def _end_user(user: str, reason: str | None, *, is_known: bool) -> int | None:
    ended = functions.disconnect_user(user, reason)
    return ended if is_known else None


def _one_connection(sid: str, reason: str | None, timeout: float) -> _Kick:
    found = inspect(ConnectionQuery(connection_id=sid), timeout)
    if not found.connections:
        require_answers(found)
    whose = f" of {found.connections[0].user_id}" if found.connections else ""
    return _Kick(found.total, f"End the connection {sid}{whose}?", partial(_end_one, sid, reason, found.total))


def _end_one(sid: str, reason: str | None, known: int) -> int:
    current_gateway().control.everywhere(authentication, DISCONNECT_CONNECTION, sid, reason or SERVER_DISCONNECT)
    return known


def _out_of_conversation(conversation: str, user: str | None) -> _Kick:
    if _are_known():
        members = functions.state_of(conversations).members(conversation)
        joined = [member for member in members.values() if user in {None, member}]
        users, known = sorted(set(joined)) if user is None else [user], len(joined)
    elif user is not None:
        users, known = [user], None
    else:
        msg = "Over a broker nobody knows who has joined: name the USER."
        raise CommandFailed(msg)
    whom = count(len(users), "user") if user is None else user
    return _Kick(known, f"Take {_number(known)} of {whom} out of {conversation}?", partial(_remove, conversation, users, known))


def _remove(conversation: str, users: list[str], known: int | None) -> int | None:
    control, conversation_id = current_gateway().control, parse_id(conversation, "conversation_id")
    with progress(len(users), "Taking out") as removed:
        for user in users:
            control.everywhere(conversations, REMOVE, conversation_id, parse_id(user, "user_id"))
            removed(1)
        control.wait_passed(WAIT_SECONDS)  # Once for all of them.
    return known


def _are_known() -> bool:
    """Return whether the connections on all servers are known here; not over a broker."""
    try:
        return current_gateway().backend.servers() is not None
    except BackendUnavailable:
        msg = "The message queue cannot be reached; nobody was told."
        raise CommandFailed(msg) from None


def _number(known: int | None) -> str:
    return "the connections" if known is None else count(known, "connection")
