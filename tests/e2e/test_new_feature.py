"""A feature that the extension does not have yet: its folder, and its place in the extension's list, are all that it takes."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest

import flask_realtime
from tests.docs.conftest import KEY, token
from tests.e2e.clients import TRANSPORTS, JSClient, JSDriver
from tests.e2e.servers import Server, gunicorn

FOLDER = {
    "__init__.py": '''
        """Applause: how a conversation was liked."""

        from flask_realtime.features.applause.feature import applause

        __all__ = ["applause"]
    ''',
    "events.py": '''
        """Names and payloads of applause."""

        from dataclasses import dataclass
        from typing import TypedDict

        from flask_realtime.contract.events import OutgoingEvent

        APPLAUSE_ADD = "applause:add"


        @dataclass(frozen=True)
        class Applause:
            conversationId: str
            emoji: str


        class Count(TypedDict):
            emoji: str
            count: int


        APPLAUSE_ADDED = OutgoingEvent("applause:added", Count, "the conversation", "Somebody applauds.")
    ''',
    "handlers.py": '''
        """What applause does."""

        from collections import Counter

        from flask_realtime.contract.effects import Outcome
        from flask_realtime.errors import NotJoined
        from flask_realtime.features.conversations import conversations
        from flask_realtime.features.applause.events import APPLAUSE_ADDED


        class Applauses:
            """The state of applause."""

            def __init__(self, context):
                self.conversations = context.state_of(conversations)
                self.counts = Counter()


        def add(state, caller, applause):
            """Applaud."""
            if not state.conversations.is_joined(caller.id, applause.conversationId):
                raise NotJoined
            state.counts[applause.emoji] += 1
            count = {"emoji": applause.emoji, "count": state.counts[applause.emoji]}
            return Outcome(count, [APPLAUSE_ADDED.to_conversation(applause.conversationId, count)])
    ''',
    "feature.py": '''
        """Applause, as a feature."""

        from flask_realtime.feature.feature import Feature
        from flask_realtime.features.conversations import conversations
        from flask_realtime.features.applause import events, handlers

        applause = Feature("applause", state=handlers.Applauses, requires=[conversations])
        applause.add_outgoing(events.APPLAUSE_ADDED)
        applause.event(events.APPLAUSE_ADD, payload=events.Applause, answer=events.Count, limit="3/minute")(handlers.add)
    ''',
}
APPLICATION = f"""
    from gevent import monkey

    monkey.patch_all()

    from flask import Flask
    from flask_jwt_extended import JWTManager

    from flask_realtime import Realtime

    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "{KEY}"
    JWTManager(app)
    realtime = Realtime()
    realtime.authorize_join(lambda identity, conversation_id: True)
    realtime.init_app(app)


    @app.get("/ready")
    def ready():
        return ""
"""


def add_to_extension(extension: Path) -> None:
    """Put the feature into the extension's list."""
    text = extension.read_text(encoding="utf-8")
    assert "    authentication,\n" in text
    text = text.replace("    authentication,\n", "    authentication,\n    applause,\n", 1)
    line = "from flask_realtime.features.presence import PresenceCalls, PresenceHooks, presence\n"
    assert line in text
    extension.write_text(text.replace(line, f"{line}from flask_realtime.features.applause import applause\n"), encoding="utf-8")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of a copy of the package that has the feature."""
    package = tmp_path / "flask_realtime"
    shutil.copytree(flask_realtime.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = package / "features" / "applause"
    folder.mkdir()
    for name, text in FOLDER.items():
        (folder / name).write_text(dedent(text), encoding="utf-8")
    add_to_extension(package / "extension.py")
    (tmp_path / "chat.py").write_text(dedent(APPLICATION), encoding="utf-8")
    with gunicorn("chat:app", folder=tmp_path) as server:
        yield server


def test_a_folder_and_a_line_make_a_feature(server: Server, driver: JSDriver) -> None:
    with ExitStack() as stack:
        ann, bob = (connect(stack, driver, server, user) for user in ("ann", "bob"))
        for client in (ann, bob):
            assert client.call("join:conversation", "7") == {"ok": True}
        assert ann.call("applause:add", {"conversationId": "7", "emoji": "+1"}) == {"emoji": "+1", "count": 1}
        assert bob.wait_for("applause:added").data == {"emoji": "+1", "count": 1}
        wrong = ann.call("applause:add", {"conversationId": "7", "emoji": 1})["error"]
        assert wrong["code"] == "bad_request"
        assert "emoji" in wrong["message"]
        assert ann.call("applause:add", {"conversationId": "8", "emoji": "+1"})["error"]["code"] == "not_joined"
        assert ann.call("applause:add", {"conversationId": "7", "emoji": "+1"})["error"]["code"] == "rate_limited"


def connect(stack: ExitStack, driver: JSDriver, server: Server, user_id: str) -> JSClient:
    client = JSClient(driver, server.url, {"auth": {"token": token(user_id)}, "transports": TRANSPORTS["websocket"]})
    stack.callback(client.release)
    return client
