"""Callbacks for forked children, in which the parent's threads do not run, and whose connections belong to the parent."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, for as long as its object lives."""
    reference = weakref.WeakMethod(method)
    os.register_at_fork(after_in_child=lambda: (alive := reference()) and alive())
