"""The package's modules: what each of them imports, and which extra it is for."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.packaging.environments import ROOT

PACKAGE = "flask_realtime"
NEEDS = {
    "flask_realtime.backends.redis": "redis",
    "flask_realtime.jobs.celery": "celery",
    "flask_realtime.metrics": "metrics",
    "flask_realtime.tracing": "tracing",
    "flask_realtime.worker": "server",
}
"""Parts of the package that cannot be imported without an extra; all others can be imported with none."""
OF_PYTEST = {"flask_realtime.testing.plugin": "pytest"}
"""pytest itself imports this one; without pytest nobody does."""


def module_names() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = path
    return found


def extra_for(module: str) -> str | None:
    """The extra that a module cannot be imported without, or None."""
    for part, extra in NEEDS.items():
        if module == part or module.startswith(f"{part}."):
            return extra
    return None


def modules_for(*extras: str) -> list[str]:
    """The modules that can be imported with some extras."""
    return [name for name in module_names() if name not in OF_PYTEST and extra_for(name) in {None, *extras}]


def imported(path: Path, *, at_once: bool) -> set[str]:
    """The other packages that a file imports, by their top-level names.

    Args:
        path: The file.
        at_once: Whether those count that are imported with the module, or those that only its functions import.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazily = {node for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef) for node in ast.walk(outer)}
    nodes = (node for node in ast.walk(tree) if (node in lazily) != at_once)
    names = {name.partition(".")[0] for node in nodes for name in _names(node)}
    return names - sys.stdlib_module_names - {PACKAGE}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
