"""Real-time messaging, notifications, typing indicators and presence for Flask, for plain Socket.IO clients.

Its names are those of `flask_realtime.public`, which is imported when the first of them is asked for. gunicorn imports this package
for `flask_realtime.worker`, before gevent patches the standard library, and whatever is imported then keeps what is not patched.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flask_realtime.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        # The settings of gunicorn's log ask for `json_logs` here, before gevent patches anything, and only then import it.
        module = f"{__name__}.{name}"
        if find_spec(module) is not None:
            return import_module(module)
        return getattr(import_module("flask_realtime.public"), name)
