"""Typing in an application with the store."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from flask_realtime import Realtime
from flask_realtime.store import Store
from tests.integration.conftest import Connect, MakeApp
from tests.integration.example_support import create_tables, shared_models, sqlite_url


def test_a_conversation_has_the_id_that_it_has_in_messages(make_app: MakeApp, connect: Connect, tmp_path: Path) -> None:
    app, realtime = make_app(SQLALCHEMY_DATABASE_URI=sqlite_url(tmp_path)), Realtime()
    db, models = shared_models(app)
    store = Store(db, models)
    realtime.init_app(app)
    store.register(realtime)
    with ExitStack() as stack:
        stack.enter_context(app.app_context())
        create_tables(db)
        stack.callback(db.engine.dispose)
        store.conversations.create(["ann", "ben"])
        ann, ben = (stack.enter_context(connect(app, user)) for user in ("ann", "ben"))
        for client in (ann, ben):
            client.join(1)
        for conversation in (1, 1, 1, "1"):
            ann.emit("typing:start", {"conversationId": conversation})
        ann.call("typing:stop", {"conversationId": 1})
        ann.emit("typing:start", {"conversationId": 1})
        ann.call("leave:conversation", 1)
        ann.call("message:send", {"conversationId": 1, "clientId": "c", "content": "hello"})
        assert ben.wait_for("message:new").data["conversationId"] == "1"
        told = [(item.event, item.data) for item in ben.received if item.event.startswith("typing:")]
    names = ["typing:start"] * 4 + ["typing:stop", "typing:start", "typing:stop"]
    assert told == [(name, {"conversationId": "1", "userId": "ann"}) for name in names]
