"""Greenlets at their cheapest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import spawn_raw


class Greenlets:
    """Starts greenlets without what nobody here asks of one: its result, its links, its place in gevent's tree of greenlets.

    That makes up most of what starting one costs. A function started this way must handle its exceptions itself.
    """

    @staticmethod
    def start_background_task(target: Callable[..., None], *args: Any) -> None:
        """Run a function in a greenlet of its own."""
        spawn_raw(target, *args)

    @staticmethod
    def sleep(seconds: float = 0) -> None:
        """Let others run."""
        gevent.sleep(seconds)
