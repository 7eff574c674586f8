"""pytest fixtures; installing the package makes them available.

They need a fixture named `app` that returns the Flask application, as pytest-flask does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from flask import Flask
from flask_jwt_extended import create_access_token

from flask_realtime.contract.ids import WireId
from flask_realtime.errors import ConfigError
from flask_realtime.features.authentication import EXTENSION
from flask_realtime.testing.capture import CapturedEvent, capture_events
from flask_realtime.testing.client import RealtimeTestClient


class ConnectAs(Protocol):
    """Connects as a user."""

    def __call__(self, user_id: WireId, **claims: Any) -> RealtimeTestClient:
        """Return a client that is connected with the user's credentials, a fresh access token by default.

        Args:
            user_id: The user; the token's subject.
            claims: Further claims of the token.

        Raises:
            ConnectionRefused: The server refused.
        """


Credentials = Callable[..., Mapping[str, Any]]


@pytest.fixture
def realtime_credentials(app: Flask) -> Credentials:
    """A function that returns a user's credentials, as arguments of `RealtimeTestClient`; by default an access token.

    An application with an `authenticate` hook overrides it: it gets the user's id, and the further arguments of `realtime_client`.
    """

    def credentials(user_id: WireId, **claims: Any) -> Mapping[str, Any]:
        if EXTENSION not in app.extensions:
            msg = (
                "realtime_client connects with access tokens, and there is no JWTManager: override the fixture "
                "realtime_credentials, with a function that returns {'auth': ...} or {'headers': ...} for a user's id."
            )
            raise ConfigError(msg)
        with app.app_context():
            return {"token": create_access_token(str(user_id), additional_claims=claims)}

    return credentials


@pytest.fixture
def realtime_client(app: Flask, realtime_credentials: Credentials) -> Iterator[ConnectAs]:
    """A function that connects as a user; the clients are disconnected when the test ends."""
    with ExitStack() as stack:

        def connect(user_id: WireId, **claims: Any) -> RealtimeTestClient:
            return stack.enter_context(RealtimeTestClient(app, **realtime_credentials(user_id, **claims)))

        yield connect


@pytest.fixture
def realtime_events(app: Flask) -> Iterator[list[CapturedEvent]]:
    """The events that the application sends during the test, in order."""
    with capture_events(app) as captured:
        yield captured
