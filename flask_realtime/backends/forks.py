"""What a forked child has to begin anew: its parent's threads do not run in it, and its parent's connections are not its own."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def after_fork(method: Callable[[], None]) -> None:
    """Have a bound method called in every forked child, for as long as its object lives."""
    reference = weakref.WeakMethod(method)
    os.register_at_fork(after_in_child=lambda: (alive := reference()) and alive())
