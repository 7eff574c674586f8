"""Handlers of the commands that servers send each other for administrators."""

from __future__ import annotations

from collections.abc import Sequence

from flask_realtime.features.administration.events import Action, Item
from flask_realtime.features.administration.state import Administration


def watch(state: Administration, server: str) -> None:
    """Report to a server on which somebody watches."""
    if state.watch is not None:
        state.watch.watched_by(server)


def unwatch(state: Administration, server: str) -> None:
    """Report to a server no more."""
    if state.watch is not None:
        state.watch.unwatched_by(server)


def list_connections(state: Administration, admin_id: str) -> None:
    """List this server's connections to an administrator."""
    if state.watch is not None:
        state.watch.list_for(admin_id)


def report(state: Administration, server: str, admin_id: str | None, items: Sequence[Item]) -> None:
    """Tell the administrators here what a server reports."""
    if state.watch is not None:
        state.watch.take(server, admin_id, items)


def act(state: Administration, kind: str, namespace: str, room: str | None, args: Sequence[object]) -> None:
    """Perform an action on this server's connections."""
    if state.watch is not None:
        state.watch.act(Action(kind, namespace, room, tuple(args)))
