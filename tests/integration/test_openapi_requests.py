"""Requests that fit the OpenAPI document, and some that do not: none fails on the server, and the document has every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from flask_sqlalchemy import SQLAlchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from flask_realtime import Realtime
from flask_realtime.chat import Chat
from flask_realtime.config import LIMITS
from flask_realtime.describe.openapi import openapi
from flask_realtime.extension import BUILT_IN
from flask_realtime.store import Store, define_models
from tests.integration.conftest import KEY
from tests.integration.example_support import sqlite_url

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
REQUESTS = [(route.method, route.path) for feature in BUILT_IN for route in feature.routes]
USERS = ("ann", "ben", "eve")
_IDS = {"conversationId": ["1", "2"], "messageId": ["1", "2", "3"], "userId": list(USERS), "emoji": ["❤", "👍"]}
KNOWN = st.fixed_dictionaries({name: st.none() | st.sampled_from(ids) for name, ids in _IDS.items()})
"""Values of paths that are there, in place of some that are made up."""
EXAMPLES = 30


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """A chat of two users with messages, and of one with a third, which serves its document."""
    app = Flask(__name__)
    without_limits = dict.fromkeys(LIMITS)
    app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading", SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path))
    app.config.update(REALTIME_LIMITS=without_limits, REALTIME_USER_LIMITS=without_limits)
    JWTManager(app)
    db = SQLAlchemy(app)
    store = Store(db, define_models(db, log=True))
    realtime = Realtime()
    chat = Chat(realtime, store, users=lambda ids: {user_id: {"id": user_id} for user_id in ids if user_id in USERS})
    realtime.init_app(app)
    app.register_blueprint(chat.blueprint)
    document = openapi(chat.blueprint.routes, title="Chat", version="1.0.0", prefix="/api")
    app.add_url_rule("/openapi.json", view_func=lambda: document)
    with app.app_context():
        db.create_all()
        for number, people in enumerate((USERS[:2], USERS[1:]), 1):
            store.conversations.create(people)
            store.messages.add(str(number), people[0], "hello")
        store.messages.add("1", "ben", "good morning")
        store.notifications.add("ann", "note", "Title", "Text")
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize(("method", "path"), REQUESTS, ids=[f"{method} {path}" for method, path in REQUESTS])
def test_the_document_has_every_answer(app: Flask, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app)
    operation = schema["/api" + path.replace("<", "{").replace(">", "}")][method]
    fitting, others = (operation.as_strategy(generation_mode=GenerationMode(mode)) for mode in ("positive", "negative"))
    tokens = {user: create_access_token(user) for user in USERS}

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=fitting | others, known=KNOWN, user=st.sampled_from(USERS))
    def call(case: schemathesis.Case[Any], known: dict[str, str | None], user: str) -> None:
        case.path_parameters = {name: known[name] or value for name, value in (case.path_parameters or {}).items()}
        case.headers["Authorization"] = f"Bearer {tokens[user]}"
        case.call_and_validate(checks=CHECKS)

    call()
