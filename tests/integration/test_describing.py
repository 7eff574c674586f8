"""`flask realtime types` and `flask realtime asyncapi`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_socketio import SocketIO

from example_app import create_app
from flask_realtime import Realtime
from flask_realtime.cli import commands
from tests.described_apps import bare, declaring

ROOT = Path(__file__).resolve().parents[2]
TYPES = "example_app/frontend/src/realtime/types.ts"
DOCUMENT = "docs/reference/asyncapi.json"


def printed(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(commands, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def types() -> str:
    return printed(declaring(), "types")


def test_the_example_s_types_are_those_that_the_command_prints(tmp_path: Path) -> None:
    app = create_app({"SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/chat.sqlite3"}, instance_path=str(tmp_path))
    made = printed(app, "types")
    again = f"Make it again: flask --app example_app realtime types --output {TYPES}"
    assert (ROOT / TYPES).read_text(encoding="utf-8") == made, again


def test_the_documentation_s_asyncapi_document_is_the_one_that_the_command_prints() -> None:
    made = printed(bare(), "asyncapi")
    again = f"Make it again: flask --app tests.described_apps:bare realtime asyncapi --output {DOCUMENT}"
    assert (ROOT / DOCUMENT).read_text(encoding="utf-8") == made, again


def test_payloads_and_answers_of_declared_events_are_in_the_types(types: str) -> None:
    assert "  /** Vote in a poll. */\n" in types
    assert "  'poll:vote': (data: Vote, callback?: (answer: Tally | ErrorAnswer) => void) => void;\n" in types
    assert "/**\n * A comment.\n *\n * Those on it are in it.\n */\nexport interface Comment {" in types
    assert "  comment?: string | null;\n" in types
    assert "  votes?: Record<string, number>;\n" in types
    assert "export type Colour = 'red' | 'dark \\'green\\'';" in types


def test_a_type_that_refers_to_itself_is_in_the_types(types: str) -> None:
    assert "  /** What it says *\\/ and no more. */\n  text: string;\n  answers?: Comment[];\n" in types
    assert "  place?: [number, number];\n" in types


def test_what_is_a_word_of_typescript_is_written_otherwise(types: str) -> None:
    assert (
        "  'poll:comment': (delete_: Comment, callback?: (answer: Comment | Acknowledgement | ErrorAnswer) => void) => void"
        in types
    )
    assert "  'poll-mark': (callback_: unknown, callback?: (answer: UserStatus2 | ErrorAnswer) => void) => void;" in types
    assert "  'don\\'t': (first: unknown, second: unknown, callback?: (answer: unknown) => void) => void;" in types


def test_a_payload_that_is_none_of_the_contract_s_leaves_the_contract_s_alone(types: str) -> None:
    assert "export interface UserStatus {\n  userId: string;\n" in types
    assert "export interface UserStatus2 {\n  mood: string;\n" in types


def references(part: Any) -> Iterator[str]:
    """Everything that a document refers to."""
    if isinstance(part, list):
        for item in part:
            yield from references(item)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for item in part.values():
            yield from references(item)


def test_what_the_document_refers_to_is_in_it() -> None:
    document = json.loads(printed(declaring(), "asyncapi"))
    for reference in set(references(document)):
        place = document
        for key in reference.removeprefix("#/").split("/"):
            place = place[key]
        assert place


def test_the_document_has_the_application_s_name_unless_it_is_given_another() -> None:
    assert json.loads(printed(declaring(), "asyncapi"))["info"]["title"] == "polls"
    named = json.loads(printed(declaring(), "asyncapi", "--title", "Polls", "--api-version", "3.1.0"))
    assert (named["info"]["title"], named["info"]["version"]) == ("Polls", "3.1.0")


def test_the_document_says_where_the_sockets_are() -> None:
    own, adopting = Flask("own"), Flask("adopting")
    for app in (own, adopting):
        app.config["JWT_SECRET_KEY"] = "a secret of at least 32 characters"
        JWTManager(app)
    own.config["REALTIME_PATH"] = "/realtime/io"
    Realtime(own)
    Realtime(adopting, socketio=SocketIO(adopting, path="elsewhere", async_mode="threading"))
    servers = [json.loads(printed(app, "asyncapi"))["servers"]["server"] for app in (own, adopting)]
    assert [server["pathname"] for server in servers] == ["/realtime/io/", "/elsewhere/"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_file_is_written_instead_when_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "types.ts"
    done = run("-m", "flask", "--app", "tests.described_apps:declaring", "realtime", "types", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.read_text(encoding="utf-8") == printed(declaring(), "types")


def test_nothing_of_it_is_imported_by_a_process_that_does_not_describe() -> None:
    source = "import sys, flask_realtime.cli; print([name for name in sys.modules if name.startswith('flask_realtime.describe')])"
    assert run("-c", source).stdout == "[]\n"
