"""Every Python block of the documentation runs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import NAMES, PAGES_WITH_PYTHON, ROOT, blocks, python
from tests.e2e.servers import process_environment
from tests.redis_server import RedisServer
from tests.warm_python import WarmPython

REDIS = "redis://localhost:6379/0"
"""Where the pages say that Redis is."""


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with RedisServer() as server:
        yield server.url


@pytest.fixture(scope="module")
def warm_python() -> Iterator[WarmPython]:
    with WarmPython("-W", "error") as warm:
        yield warm


@pytest.mark.parametrize("name", PAGES_WITH_PYTHON)
def test_a_page_s_python_runs_without_warnings(warm_python: WarmPython, name: str, tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "page.py").write_text(python(name).replace(REDIS, redis_url), encoding="utf-8")
    environment = process_environment({"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    done = warm_python.run("-c", "import page", folder=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_pages_that_have_to_show_code_do() -> None:
    how_tos = {name for name in NAMES if name.startswith("docs/how-to/")}
    assert {"README.md", "docs/quickstart.md", *how_tos} <= set(PAGES_WITH_PYTHON)


def test_a_page_shows_no_python_in_a_block_of_another_name() -> None:
    odd = re.compile(r"^```(?!\n|[a-z]+\n|\{)", re.MULTILINE)
    assert [name for name in NAMES if odd.search((ROOT / name).read_text(encoding="utf-8"))] == []
    assert [name for name in NAMES if blocks(name, "py") or blocks(name, "pycon")] == []


def test_no_page_installs_the_package_from_an_index_in_which_it_is_not() -> None:
    from_index = re.compile(r"\bflask-realtime\[|pip install '?flask[-_]realtime")
    assert [name for name in NAMES if from_index.search((ROOT / name).read_text(encoding="utf-8"))] == []
