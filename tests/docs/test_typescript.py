"""What the how-to about types says, to the command and to the compiler."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import SECONDS
from tests.docs.pages import ROOT, blocks, python
from tests.e2e.servers import process_environment
from tests.typescript import problems

PAGE = "docs/how-to/typescript.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the page's application in it, after each of the page's commands."""
    (tmp_path / "chat.py").write_text(python(PAGE), encoding="utf-8")
    (tmp_path / "src" / "realtime").mkdir(parents=True)
    for command in "".join(blocks(PAGE, "sh")).splitlines():
        done = run(tmp_path, "-m", *command.split())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in that folder."""
    environment = process_environment({"PYTHONPATH": f"{ROOT}:{folder}"})
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)


def test_the_page_s_client_compiles_with_the_page_s_types(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    types = (folder / "src" / "realtime" / "types.ts").read_text(encoding="utf-8")
    client = "\n".join(blocks(PAGE, "typescript"))
    assert problems(tmp_path_factory.mktemp("client"), {"types.ts": types, "client.ts": client}) == []


def test_the_page_s_test_notices_types_that_are_not_fresh(folder: Path) -> None:
    file = folder / "src" / "realtime" / "types.ts"
    outcomes = []
    for text in (file.read_text(encoding="utf-8"), "export {};\n"):
        file.write_text(text, encoding="utf-8")
        done = run(folder, "-c", "import chat; chat.test_the_types_are_fresh()")
        outcomes.append((done.returncode, "AssertionError" in done.stderr))
    assert outcomes == [(0, False), (1, True)]


def test_the_page_s_document_is_of_the_page_s_application(folder: Path) -> None:
    document = json.loads((folder / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["info"]["title"] == "Chat"
    assert document["operations"]["receive.pollVote"]["title"] == "poll:vote"
    assert document["components"]["schemas"]["Tally"]["required"] == ["votes"]
