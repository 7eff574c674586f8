"""What is said of the events to others: TypeScript that compiles, and an AsyncAPI document that is valid."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_realtime.cli import commands
from tests.described_apps import bare, declaring
from tests.e2e.clients import JS_FOLDER, node
from tests.typescript import problems

EXAMPLE = Path(__file__).resolve().parents[2] / "example_app" / "frontend" / "src" / "realtime" / "types.ts"
DOCUMENT = (JS_FOLDER / "document" / "front-end.md").read_text(encoding="utf-8")
TYPED_CLIENT = (JS_FOLDER / "typed-client.ts").read_text(encoding="utf-8")
SECONDS = 60.0

# What the document's code uses and does not declare.
SURROUNDINGS = """
import { io as connect, Socket } from 'socket.io-client';
import type { ClientToServerEvents, ServerToClientEvents } from './types';

declare global {
  const io: typeof connect;
  const socket: Socket<ServerToClientEvents, ClientToServerEvents>;
  const conversationId: string;
  const notificationId: string;
  const targetUserId: string;
  const userId1: string;
  const userId2: string;
  const userId3: string;
  function updateUI(value: unknown): void;
}
"""
TYPED_SOCKET = """
import { io as connect, type Socket as UntypedSocket } from './node_modules/socket.io-client/build/esm/index.js';
import type { ClientToServerEvents, ServerToClientEvents } from './types';

export type Socket = UntypedSocket<ServerToClientEvents, ClientToServerEvents>;
export const io: (uri: string, options: Parameters<typeof connect>[1]) => Socket = connect;
"""
PROPS = """
interface Props {
  conversationId: string;
  token: string;
}
"""


def printed(app: Flask, command: str) -> str:
    result = app.test_cli_runner().invoke(commands, [command])
    assert result.exit_code == 0, result.output
    return result.output


def document_blocks(language: str) -> list[str]:
    """The document's code blocks in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_the_example_s_types_compile(tmp_path: Path) -> None:
    assert problems(tmp_path, {"types.ts": EXAMPLE.read_text(encoding="utf-8")}) == []


def test_a_typed_client_may_send_and_receive_what_the_application_says_and_nothing_else(tmp_path: Path) -> None:
    assert problems(tmp_path, {"types.ts": printed(declaring(), "types"), "client.ts": TYPED_CLIENT}) == []


def test_the_document_s_examples_fit_the_types(tmp_path: Path) -> None:
    blocks = document_blocks("javascript")
    modules = {f"block{number}.ts": block + "export {};\n" for number, block in enumerate(blocks)}
    assert len(modules) == 22
    modules |= {"types.ts": printed(bare(), "types"), "surroundings.ts": SURROUNDINGS}
    assert problems(tmp_path, modules) == []


def test_the_document_s_react_and_typescript_example_compiles(tmp_path: Path) -> None:
    (block,) = document_blocks("typescript")
    # Its states begin as empty lists that say nothing of what comes into them, which strict rules do not take.
    modules = {"types.ts": printed(bare(), "types"), "screen.tsx": block + PROPS}
    assert problems(tmp_path, modules, strict=False) == []


def test_with_a_typed_socket_the_compiler_finds_the_one_answer_that_the_document_s_example_does_not_check(tmp_path: Path) -> None:
    (block,) = document_blocks("typescript")
    modules = {"types.ts": printed(bare(), "types"), "screen.tsx": block + PROPS, "typed.ts": TYPED_SOCKET}
    found = problems(tmp_path, modules, strict=False, paths={"socket.io-client": ["./typed.ts"]})
    assert len(found) == 1, found
    assert "screen.tsx" in found[0]
    assert "ErrorAnswer" in found[0]


def asyncapi_problems(document: Any) -> str:
    """What AsyncAPI's own schema finds wrong with a document."""
    command = [node(), str(JS_FOLDER / "check-asyncapi.mjs")]
    done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("make_app", [bare, declaring])
def test_the_asyncapi_document_is_valid(make_app: Any) -> None:
    assert asyncapi_problems(json.loads(printed(make_app(), "asyncapi"))) == ""


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["operations", "send.messageNew", "action"], "shout"),
        (["components", "schemas", "ErrorDetail", "type"], "thing"),
        (["info", "title"], 7),
    ],
)
def test_a_document_that_is_not_valid_is_found_out(place: list[str], value: Any) -> None:
    part = document = json.loads(printed(bare(), "asyncapi"))
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    assert asyncapi_problems(document) != ""
