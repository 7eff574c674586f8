"""What the how-to about types says, to the command and to the compiler."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, python
from tests.e2e.servers import process_environment
from tests.typescript import problems
from tests.warm_python import WarmPython

Run = Callable[..., subprocess.CompletedProcess[str]]

PAGE = "docs/how-to/typescript.md"


@pytest.fixture(scope="module")
def warm_python() -> Iterator[WarmPython]:
    with WarmPython() as warm:
        yield warm


@pytest.fixture
def run(warm_python: WarmPython, tmp_path: Path) -> Run:
    """Runs Python in the test's folder."""
    environment = process_environment({"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    return lambda *arguments: warm_python.run(*arguments, folder=tmp_path, environment=environment)


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    """A folder with the page's application in it, after each of the page's commands."""
    (tmp_path / "chat.py").write_text(python(PAGE), encoding="utf-8")
    (tmp_path / "src" / "realtime").mkdir(parents=True)
    for command in "".join(blocks(PAGE, "sh")).splitlines():
        done = run("-m", *command.split())
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), command
    return tmp_path


def test_the_page_s_client_compiles_with_the_page_s_types(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    types = (folder / "src" / "realtime" / "types.ts").read_text(encoding="utf-8")
    client = "\n".join(blocks(PAGE, "typescript"))
    assert problems(tmp_path_factory.mktemp("client"), {"types.ts": types, "client.ts": client}) == []


def test_the_page_s_test_notices_types_that_are_not_fresh(folder: Path, run: Run) -> None:
    file = folder / "src" / "realtime" / "types.ts"
    outcomes = []
    for text in (file.read_text(encoding="utf-8"), "export {};\n"):
        file.write_text(text, encoding="utf-8")
        done = run("-c", "import chat; chat.test_the_types_are_fresh()")
        outcomes.append((done.returncode, "AssertionError" in done.stderr))
    assert outcomes == [(0, False), (1, True)]


def test_the_page_s_document_is_of_the_page_s_application(folder: Path) -> None:
    document = json.loads((folder / "asyncapi.json").read_text(encoding="utf-8"))
    assert document["info"]["title"] == "Chat"
    assert document["operations"]["receive.pollVote"]["title"] == "poll:vote"
    assert document["components"]["schemas"]["Tally"]["required"] == ["votes"]
