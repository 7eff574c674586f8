"""The servers that a command reaches: it runs in a process of its own, which serves nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.extension import current_gateway
from flask_realtime.gateway.gateway import Gateway
from flask_realtime.gateway.inspection import ConnectionQuery, Inspected
from flask_realtime.terminal import CommandFailed, count, progress


def reach_servers() -> Gateway:
    """Return the gateway of this process, through which the servers can be reached.

    Raises:
        CommandFailed: They cannot, because no message queue is set.
    """
    gateway = current_gateway()
    if gateway.config.message_queue is None:
        msg = (
            "REALTIME_MESSAGE_QUEUE is not set, so the running server cannot be reached from here. "
            "Set it to the URL of a Redis server, for this command and for the server."
        )
        raise CommandFailed(msg)
    return gateway


def reach_shared_state() -> Gateway:
    """Return the gateway of this process, which knows what all servers know.

    Raises:
        CommandFailed: There is no Redis that they share, or it cannot be reached.
    """
    gateway = reach_servers()
    with queue_needed():
        servers = gateway.backend.servers()
    if servers is None:
        msg = (
            "Over a broker each server knows its own connections only, and cannot be asked for them from here. "
            "Set REALTIME_MESSAGE_QUEUE to the URL of a Redis server, for this command and for the servers."
        )
        raise CommandFailed(msg)
    return gateway


@contextmanager
def queue_needed() -> Iterator[None]:
    """Turn an outage of the message queue into the failure of a command."""
    try:
        yield
    except BackendUnavailable:
        msg = "The message queue cannot be reached. Check that it runs, and REALTIME_MESSAGE_QUEUE."
        raise CommandFailed(msg) from None


def inspect(query: ConnectionQuery, timeout: float) -> Inspected:
    """Ask all servers for connections.

    Args:
        query: The question.
        timeout: Seconds to wait for the answers.

    Raises:
        CommandFailed: The servers cannot be asked.
    """
    gateway = reach_shared_state()
    with queue_needed(), progress(len(gateway.backend.servers() or ()), "Asking the servers") as answered:
        found = gateway.inspection.connections(query, timeout, answered)
    return found or Inspected([], 0, [])


def require_answers(found: Inspected) -> None:
    """Check that all servers have answered; call it when what did come is printed.

    Raises:
        CommandFailed: Some did not.
    """
    if found.unanswered:
        msg = (
            f"No answer from {count(len(found.unanswered), 'server')}: {', '.join(found.unanswered)}. "
            "What is printed is without their connections. Try again, or wait longer with --timeout."
        )
        raise CommandFailed(msg)
