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
        """Reactions: what users think of messages."""

        from flask_realtime.features.reactions.feature import reactions

        __all__ = ["reactions"]
    ''',
    "events.py": '''
        """Names and payloads of reactions."""

        from dataclasses import dataclass
        from typing import TypedDict

        from flask_realtime.contract.events import OutgoingEvent

        REACTION_ADD = "reaction:add"


        @dataclass(frozen=True)
        class Reaction:
            conversationId: str
            emoji: str


        class Count(TypedDict):
            emoji: str
            count: int


        REACTION_ADDED = OutgoingEvent("reaction:added", Count, "the conversation", "Somebody reacted.")
    ''',
    "handlers.py": '''
        """What reactions do."""

        from collections import Counter

        from flask_realtime.contract.effects import Outcome
        from flask_realtime.errors import NotJoined
        from flask_realtime.features.conversations import conversations
        from flask_realtime.features.reactions.events import REACTION_ADDED


        class Reactions:
            """The state of reactions."""

            def __init__(self, context):
                self.conversations = context.state_of(conversations)
                self.counts = Counter()


        def add(state, caller, reaction):
            """Add a reaction."""
            if not state.conversations.is_joined(caller.id, reaction.conversationId):
                raise NotJoined
            state.counts[reaction.emoji] += 1
            count = {"emoji": reaction.emoji, "count": state.counts[reaction.emoji]}
            return Outcome(count, [REACTION_ADDED.to_conversation(reaction.conversationId, count)])
    ''',
    "feature.py": '''
        """Reactions, as a feature."""

        from flask_realtime.feature.feature import Feature
        from flask_realtime.features.conversations import conversations
        from flask_realtime.features.reactions import events, handlers

        reactions = Feature("reactions", state=handlers.Reactions, requires=[conversations])
        reactions.add_outgoing(events.REACTION_ADDED)
        reactions.event(events.REACTION_ADD, payload=events.Reaction, answer=events.Count, limit="3/minute")(handlers.add)
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
    assert "    presence,\n    authentication,\n)" in text
    text = text.replace("    presence,\n    authentication,\n)", "    presence,\n    authentication,\n    reactions,\n)")
    line = "from flask_realtime.features.presence import PresenceCalls, PresenceHooks, presence\n"
    assert line in text
    extension.write_text(text.replace(line, f"{line}from flask_realtime.features.reactions import reactions\n"), encoding="utf-8")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of a copy of the package that has the feature."""
    package = tmp_path / "flask_realtime"
    shutil.copytree(flask_realtime.__path__[0], package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = package / "features" / "reactions"
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
        assert ann.call("reaction:add", {"conversationId": "7", "emoji": "+1"}) == {"emoji": "+1", "count": 1}
        assert bob.wait_for("reaction:added").data == {"emoji": "+1", "count": 1}
        wrong = ann.call("reaction:add", {"conversationId": "7", "emoji": 1})["error"]
        assert wrong["code"] == "bad_request"
        assert "emoji" in wrong["message"]
        assert ann.call("reaction:add", {"conversationId": "8", "emoji": "+1"})["error"]["code"] == "not_joined"
        assert ann.call("reaction:add", {"conversationId": "7", "emoji": "+1"})["error"]["code"] == "rate_limited"


def connect(stack: ExitStack, driver: JSDriver, server: Server, user_id: str) -> JSClient:
    client = JSClient(driver, server.url, {"auth": {"token": token(user_id)}, "transports": TRANSPORTS["websocket"]})
    stack.callback(client.release)
    return client
