"""Hooks that use `db.session`: every one gives its database connection back, raising ones too."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import QueuePool, text

from flask_realtime import Identity, Realtime
from flask_realtime.errors import Forbidden
from tests.integration.conftest import Connect, MakeApp


@pytest.fixture
def app(make_app: MakeApp, tmp_path: Path) -> Flask:
    """An application whose pool holds one connection: once it is kept, nobody gets another."""
    pool: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_timeout": 20}
    app = make_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/test.sqlite3", SQLALCHEMY_ENGINE_OPTIONS=pool)
    db, realtime = SQLAlchemy(app), Realtime(app)

    def query() -> int:
        return int(db.session.execute(text("SELECT 7")).scalar_one())

    @realtime.on_connect
    def connected(_identity: Identity) -> None:
        query()

    @realtime.authorize_join
    def may_join(_identity: Identity, _conversation_id: str) -> bool:
        return query() == 7

    @realtime.on_user_online
    def online(_user_id: str) -> None:
        query()

    @realtime.on("query")
    def answer(_identity: Identity) -> int:
        return query()

    @realtime.on("refuse")
    def refuse(_identity: Identity) -> None:
        query()
        raise Forbidden

    @realtime.on("crash")
    def crash(_identity: Identity) -> None:
        query()
        raise RuntimeError("after the query")

    return app


def test_no_hook_keeps_a_connection(app: Flask, connect: Connect) -> None:
    with connect(app, "ann") as ann, connect(app, "bob") as bob:
        for number in range(5):
            ann.join(number)
            bob.join(number)
            assert ann.call("query") == 7
            assert bob.call("refuse")["error"]["code"] == "forbidden"
            assert ann.call("crash")["error"]["code"] == "internal_error"
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        assert engine.pool.checkedout() == 0
        engine.dispose()
