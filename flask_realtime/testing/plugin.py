"""pytest fixtures; installing the package makes them available.

They need a fixture named `app` that returns the Flask application, as pytest-flask does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from flask_realtime.contract.ids import WireId
from flask_realtime.testing.capture import CapturedEvent, capture_events
from flask_realtime.testing.client import RealtimeTestClient


class ConnectAs(Protocol):
    """Connects as a user."""

    def __call__(self, user_id: WireId, **claims: Any) -> RealtimeTestClient:
        """Return a client that is connected with a fresh access token.

        Args:
            user_id: The token's subject.
            claims: Further claims of the token.

        Raises:
            ConnectionRefused: The server refused.
        """


@pytest.fixture
def realtime_client(app: Flask) -> Iterator[ConnectAs]:
    """A function that connects as a user; the clients are disconnected when the test ends."""
    with ExitStack() as stack:

        def connect(user_id: WireId, **claims: Any) -> RealtimeTestClient:
            with app.app_context():
                token = create_access_token(str(user_id), additional_claims=claims)
            return stack.enter_context(RealtimeTestClient(app, token))

        yield connect


@pytest.fixture
def realtime_events(app: Flask) -> Iterator[list[CapturedEvent]]:
    """The events that the application sends during the test, in order."""
    with capture_events(app) as captured:
        yield captured
