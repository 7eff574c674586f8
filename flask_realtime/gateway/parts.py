"""Parts of a gateway that can be replaced when it is made, by those that also record what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from flask_realtime.feature.tracing import NoTracing, Tracing
from flask_realtime.gateway.application import Application
from flask_realtime.gateway.delivery.after_commit import AfterCommit
from flask_realtime.gateway.delivery.delivery import Delivery
from flask_realtime.gateway.dispatch.dispatcher import Dispatcher
from flask_realtime.gateway.dispatch.mailbox import Mailbox, Task
from flask_realtime.gateway.dispatch.namespaces import NamespaceEvents
from flask_realtime.gateway.serving.server import SocketIOServer

_MAX_DEFERRED: Final = 10_000
"""Maximum number of deferred tasks that wait; further ones are dropped."""


class Parts(NamedTuple):
    """Makes the parts of a gateway. They are chosen once, so that those that record nothing cost no event anything.

    Args:
        application: Makes what calls the application's code.
        after_commit: Makes what lets events wait for a commit.
        delivery: Makes what sends events.
        dispatcher: Makes what handles events of the default namespace.
        namespaces: Makes what handles those of the application's own.
        tracing: Records what features do later.
    """

    application: Callable[..., Application] = Application
    after_commit: Callable[..., AfterCommit] = AfterCommit
    delivery: Callable[..., Delivery] = Delivery
    dispatcher: Callable[..., Dispatcher] = Dispatcher
    namespaces: Callable[..., NamespaceEvents] = NamespaceEvents
    tracing: Tracing = NoTracing()


Defer: TypeAlias = Callable[[Task], None]
"""Runs a task that may wait, where nothing is held up by that."""

ChooseParts: TypeAlias = Callable[[Defer], Parts]
"""Returns the parts of one application's gateway."""


class Deferred:
    """Runs tasks that may wait on behalf of code that must not: in the event loop, or while it holds a lock.

    Args:
        server: The Socket.IO server, in whose greenlets or threads they run.
    """

    def __init__(self, server: SocketIOServer) -> None:
        self._server = server
        self._mailbox: Mailbox | None = None

    def begin(self) -> None:
        """Defer tasks from now on, since this process serves; in one that does not, nobody would run them."""
        self._mailbox = Mailbox(self._server, self._server.new_event, _MAX_DEFERRED)

    def run(self, task: Task) -> None:
        """Run a task, later if this process serves."""
        if self._mailbox is None:
            task()
        elif not self._mailbox.is_full:
            self._mailbox.post(task)
