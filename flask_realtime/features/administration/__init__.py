"""Administration: the server's part of Socket.IO's Admin UI."""

from flask_realtime.features.administration.events import NAMESPACE
from flask_realtime.features.administration.feature import administration

__all__ = ["NAMESPACE", "administration"]
