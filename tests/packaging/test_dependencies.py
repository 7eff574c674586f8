"""Whatever the package imports is declared, where it is needed, and nothing is declared that is not used."""

import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.environments import EXTRAS, ROOT, uv
from tests.packaging.modules import OF_PYTEST, extra_for, imported, module_names

# Imported inside a function, only where the extra's feature is used.
ON_DEMAND = {"py-vapid": "push", "pydantic": "validation", "pywebpush": "push"}
# Needed though nothing here imports them by name.
USED_BY_OTHERS = {
    "gevent-websocket": "the worker class that the documentation names",
    "gunicorn": "the command",
    "kafka-python": "python-socketio's manager for Kafka",
    "kombu": "python-socketio's manager for AMQP",
    "psycopg": "SQLAlchemy's dialect for PostgreSQL",
}
# The parts of OpenTelemetry share their top-level name.
_DISTRIBUTIONS = {**packages_distributions(), "opentelemetry": ["opentelemetry-api"]}


@pytest.fixture(scope="module")
def declared(wheel: Path) -> dict[str | None, set[str]]:
    """The distributions that the wheel requires by itself (None), and with each extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    requirements = [Requirement(line) for line in lines]
    found: dict[str | None, set[str]] = {None: {_name(item) for item in requirements if item.marker is None}}
    for extra in EXTRAS:
        found[extra] = {_name(item) for item in requirements if item.marker and item.marker.evaluate({"extra": extra})}
    return found


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def distributions(names: set[str]) -> set[str]:
    """The distributions that packages come from, by the packages' names."""
    return {canonicalize_name(_DISTRIBUTIONS[name][0]) for name in names}


@pytest.mark.parametrize("module", module_names())
def test_what_a_module_imports_is_declared(module: str, declared: dict[str | None, set[str]]) -> None:
    path = module_names()[module]
    allowed = declared[None] | declared[extra_for(module)] | {OF_PYTEST.get(module, "")}
    assert distributions(imported(path, at_once=True)) <= allowed
    on_demand = {name for name, extra in ON_DEMAND.items() if name in declared[extra]}
    assert distributions(imported(path, at_once=False)) <= allowed | on_demand


def test_what_is_declared_is_used(declared: dict[str | None, set[str]]) -> None:
    files = module_names().values()
    used = distributions({name for path in files for at_once in (True, False) for name in imported(path, at_once=at_once)})
    assert set().union(*declared.values()) - set(USED_BY_OTHERS) <= used
    assert set(USED_BY_OTHERS) <= set().union(*declared.values())


def test_the_lowest_versions_that_are_declared_go_together(tmp_path: Path) -> None:
    options = ["--quiet", "--resolution", "lowest-direct", "--python-version", "3.10"]
    extras = [f"--extra={extra}" for extra in EXTRAS]
    chosen = uv("pip", "compile", *options, *extras, ROOT / "setup.py", folder=tmp_path).splitlines()
    assert {"flask==3.0.0", "gunicorn==22.0.0", "redis==5.0.0"} <= set(chosen)
