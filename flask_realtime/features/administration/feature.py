"""Administration: Socket.IO's Admin UI."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.feature import Feature
from flask_realtime.features.administration import handlers
from flask_realtime.features.administration.state import ACT, LIST, REPORT, UNWATCH, WATCH, Administration
from flask_realtime.features.authentication import authentication
from flask_realtime.features.conversations import conversations

administration: Final = Feature("administration", state=Administration, requires=[conversations, authentication])

administration.command(WATCH)(handlers.watch)
administration.command(UNWATCH)(handlers.unwatch)
administration.command(LIST)(handlers.list_connections)
administration.command(REPORT)(handlers.report)
administration.command(ACT)(handlers.act)
