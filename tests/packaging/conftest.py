"""The package as it is built for its users."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import JSDriver
from tests.packaging.environments import ROOT, Environment, uv

EnvironmentWith = Callable[..., Environment]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a source distribution, and the wheel built from that."""
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--out-dir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def environment_with(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> EnvironmentWith:
    """Call it with extras to get an environment that holds the wheel with these alone, made at its first use."""
    made: dict[tuple[str, ...], Environment] = {}

    def get(*extras: str) -> Environment:
        if extras not in made:
            made[extras] = Environment(tmp_path_factory.mktemp("environment") / "venv", wheel, *extras)
        return made[extras]

    return get


@pytest.fixture(scope="module")
def driver() -> Iterator[JSDriver]:
    driver = JSDriver()
    yield driver
    driver.stop()
