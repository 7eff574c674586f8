"""Routes of reactions: requests that do what their events do."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from flask_realtime.feature.routes import Route
from flask_realtime.features.reactions.events import REACTION_ADD, REACTION_REMOVE

_REACTION: Final = "/conversations/<conversationId>/messages/<messageId>/reactions/<emoji>"

ROUTES: Final = (
    Route("PUT", _REACTION, REACTION_ADD, HTTPStatus.NO_CONTENT),
    Route("DELETE", _REACTION, REACTION_REMOVE, HTTPStatus.NO_CONTENT),
)
"""The requests that the events answer."""
