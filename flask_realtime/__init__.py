"""Real-time messaging, notifications, typing indicators and presence for Flask, for plain Socket.IO clients.

Its names are those of `flask_realtime.public`, which is imported when the first of them is asked for. gunicorn imports this package
for `flask_realtime.worker`, before gevent patches the standard library, and whatever is imported then keeps what is not patched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flask_realtime.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> Any:
        return getattr(import_module("flask_realtime.public"), name)
