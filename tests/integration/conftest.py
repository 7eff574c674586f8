"""Applications made for one test each."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token

from flask_realtime.testing import RealtimeTestClient

KEY = "0123456789abcdef" * 2

MakeApp = Callable[..., Flask]
Connect = Callable[..., RealtimeTestClient]


@pytest.fixture(params=["gevent", "threading"])
def make_app(request: pytest.FixtureRequest) -> MakeApp:
    """Makes an application with JWTs, for each of the async modes."""

    def make(**config: Any) -> Flask:
        app = Flask(__name__)
        app.config.update({"JWT_SECRET_KEY": KEY, "REALTIME_ASYNC_MODE": request.param, **config})
        JWTManager(app)
        return app

    return make


@pytest.fixture
def connect() -> Connect:
    """Connects to an application as a user."""

    def connect(app: Flask, user_id: str, **claims: Any) -> RealtimeTestClient:
        with app.app_context():
            token = create_access_token(user_id, additional_claims=claims)
        return RealtimeTestClient(app, token)

    return connect
