"""Imports point one way: each part knows only what its place in the design lets it know."""

import ast
from functools import cache
from pathlib import Path

import pytest

import flask_realtime

PACKAGE = "flask_realtime"
FOLDER = Path(flask_realtime.__path__[0])

# A part is a module or folder of the package; it may import itself and the parts named here.
MAY_IMPORT = {
    "errors": set(),
    "identity": set(),
    "counts": set(),
    "contract": {"errors"},
    "rates": {"errors"},
    "jitter": set(),
    "json_logs": set(),
    "logs": set(),
    "small_sets": set(),
    "socket_folder": set(),
    "allowances": {"rates"},
    "config": {"errors", "rates"},
    "backends": {"contract", "errors", "jitter", "logs", "small_sets", "socket_folder"},
    "signatures": {"errors"},
    "feature": {"contract", "errors", "identity", "signatures"},
    "database": {"errors"},
    "jobs": {"database", "errors", "logs"},
    "features": {
        "allowances",
        "backends",
        "contract",
        "database",
        "errors",
        "feature",
        "identity",
        "jitter",
        "jobs",
        "logs",
        "rates",
        "signatures",
        "small_sets",
    },
    "engine": {"config", "contract", "counts", "errors", "jitter", "logs", "socket_folder"},
    "hooks": {"contract", "errors", "feature", "identity", "rates", "signatures"},
    "gateway": {
        "allowances",
        "backends",
        "config",
        "contract",
        "counts",
        "engine",
        "errors",
        "feature",
        "hooks",
        "identity",
        "logs",
        "rates",
        "signals",
        "signatures",
        "small_sets",
        "socket_folder",
    },
    "signals": set(),
    "checks": {"backends", "config", "errors", "features", "gateway", "logs"},
    "extension": {"backends", "checks", "config", "errors", "feature", "features", "gateway", "hooks", "signatures"},
    "emitter": {"backends", "config", "contract", "errors", "extension", "feature", "features", "gateway"},
    "functions": {"extension", "feature"},
    "store": {"contract", "database", "errors", "extension", "features", "hooks", "jobs", "signatures"},
    "rest": {"contract", "errors", "extension", "feature", "gateway", "identity", "signatures"},
    "chat": {"database", "errors", "extension", "features", "rest", "signatures", "store"},
    "health": {"contract", "extension", "logs"},
    "tracing": {"backends", "contract", "engine", "errors", "extension", "feature", "gateway"},
    "worker": {"engine"},
    "testing": {"contract", "errors", "extension", "features", "jobs", "signals"},
    "describe": {"contract", "feature", "hooks"},
    "terminal": {"logs"},
    "metrics": {"counts", "extension", "gateway"},
    "cli": {
        "backends",
        "checks",
        "contract",
        "describe",
        "errors",
        "extension",
        "feature",
        "features",
        "functions",
        "gateway",
        "hooks",
        "jobs",
        "metrics",
        "rest",
        "terminal",
    },
    "public": {"backends", "emitter", "extension", "feature", "features", "functions", "gateway", "identity"},
    "__init__": {"public"},
}
FRAMEWORKS = {
    "engineio",
    "flask",
    "flask_jwt_extended",
    "flask_socketio",
    "flask_sqlalchemy",
    "gevent",
    "geventwebsocket",
    "socketio",
    "sqlalchemy",
    "werkzeug",
}
PLAIN_PYTHON = {
    "backends",
    "contract",
    "counts",
    "errors",
    "feature",
    "features",
    "identity",
    "jitter",
    "jobs",
    "json_logs",
    "logs",
    "rates",
    "signatures",
    "small_sets",
}
# They are about python-socketio's own managers, as those of Redis are about redis-py.
ABOUT_SOCKETIO = {"flask_realtime.backends.broker.amqp", "flask_realtime.backends.broker.kafka"}
_TOKENS = "flask_realtime.features.authentication."
# What these do is to ask Flask-JWT-Extended; werkzeug hashes passwords; JSON is written by the application's provider, and
# Celery works for an application.
ABOUT_FLASK = {
    f"{_TOKENS}authenticator": {"werkzeug"},
    f"{_TOKENS}quick_tokens": {"flask", "flask_jwt_extended"},
    f"{_TOKENS}revocation": {"flask_jwt_extended", "gevent"},
    f"{_TOKENS}tokens": {"flask", "flask_jwt_extended"},
    f"{_TOKENS}verification": {"flask", "flask_jwt_extended"},
    "flask_realtime.contract.json": {"flask"},
    "flask_realtime.features.administration.login": {"werkzeug"},
    "flask_realtime.jobs.celery": {"flask"},
}
DATABASES = {"flask_sqlalchemy", "sqlalchemy"}
# The modules of a feature, and of jobs, that are about the database, and what they know of it; a store's parts are `..._store`.
ABOUT_DATABASES = {"models": {"sqlalchemy"}, "store": DATABASES}


def module_names() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    names = {}
    for path in FOLDER.rglob("*.py"):
        parts = [PACKAGE, *path.relative_to(FOLDER).with_suffix("").parts]
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


MODULES = module_names()


@cache
def imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """The import statements of a file, wherever in it: under ``TYPE_CHECKING`` and inside functions too."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_names(path: Path) -> list[str]:
    """Every name that a file imports."""
    return [
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in imports(path)
        for alias in node.names
    ]


def imported_modules(path: Path) -> set[str]:
    """The package's own modules that a file imports."""
    names = {name for name in imported_names(path) if name.split(".")[0] == PACKAGE}
    return {name if name in MODULES else name.rpartition(".")[0] for name in names}


def part(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def about_database(module: str) -> set[str]:
    """What a module of a feature or of jobs that is about the database knows of it; nothing for any other module."""
    root, _, name = module.rpartition(".")
    kind = "store" if name.endswith("_store") else name
    return ABOUT_DATABASES.get(kind, set()) if (part(module), root.count(".")) in {("features", 2), ("jobs", 1)} else set()


def above(module: str) -> set[str]:
    """The packages that a module is in."""
    names = module.split(".")
    return {".".join(names[:length]) for length in range(1, len(names))}


def run_first(module: str) -> set[str]:
    """The modules that run when a module is imported, the packages of those that it imports among them."""
    return {name for imported in IMPORTS[module] for name in {imported, *above(imported)}} - above(module) - {module}


IMPORTS = {module: imported_modules(path) for module, path in MODULES.items()}
STORES = {module for module in MODULES if part(module) in {"chat", "database", "store"} or about_database(module)}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_part_may_know(module: str) -> None:
    own = part(module)
    assert own in MAY_IMPORT, f"{own} has no place in the order of imports yet"
    known = {part(imported) for imported in IMPORTS[module]} - {own}
    assert known <= MAY_IMPORT[own], f"{module} must not import {sorted(known - MAY_IMPORT[own])}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if part(name) == "features"))
def test_a_feature_knows_the_interfaces_of_back_ends_alone(module: str) -> None:
    interfaces = {"flask_realtime.backends", "flask_realtime.backends.base"}
    assert {name for name in IMPORTS[module] if part(name) == "backends"} <= interfaces


@pytest.mark.parametrize("module", sorted(name for name in MODULES if part(name) in PLAIN_PYTHON))
def test_the_inner_parts_know_no_framework(module: str) -> None:
    roots = {name.split(".")[0] for name in imported_names(MODULES[module])}
    known = ABOUT_FLASK.get(module, set()) | about_database(module)
    assert roots & FRAMEWORKS == ({"socketio"} if module in ABOUT_SOCKETIO else known)


@pytest.mark.parametrize("module", sorted(name for name in MODULES if part(name) == "features" and name.count(".") > 1))
def test_a_feature_knows_the_face_alone_of_others(module: str) -> None:
    own = ".".join(module.split(".")[:3])
    others = {name for name in IMPORTS[module] if part(name) == "features"} - {name for name in MODULES if name.startswith(own)}
    # A store works on the models of other features too; their package, which serves without a database, cannot have them.
    models = {name for name in others if name.endswith(".models")} if module in STORES else set()
    assert {name for name in others - models if name.count(".") > 2} == set()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - STORES))
def test_what_serves_knows_no_store(module: str) -> None:
    assert run_first(module) & STORES == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_gateway_and_its_wiring_know_flask_socketio(module: str) -> None:
    roots = {name.split(".")[0] for name in imported_names(MODULES[module])}
    assert "flask_socketio" not in roots or part(module) in {"extension", "gateway"}


def test_no_imports_are_relative() -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in imports(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_imports_form_a_circle() -> None:
    assert find_circle({module: run_first(module) for module in MODULES}) == []


def test_a_circle_would_be_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """A way through the graph that comes back to where it began, or nothing."""
    finished: set[str] = set()

    def follow(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in finished:
            return []
        for following in sorted(graph.get(node, ())):
            if circle := follow(following, [*way, node]):
                return circle
        finished.add(node)
        return []

    return next((circle for node in sorted(graph) if (circle := follow(node, []))), [])
