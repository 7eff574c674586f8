"""Runs tests on a copy of the tree, each time in a process forked from one that has the libraries loaded."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutation.mutants import Mutant
from tests.mutation.plan import ROOT

_LIBRARIES: Final = (
    "pytest", "hypothesis", "flask", "gevent", "socketio", "engineio", "flask_socketio", "flask_jwt_extended", "flask_sqlalchemy",
    "sqlalchemy", "redis", "requests", "websocket", "jwt", "werkzeug.test",
)  # fmt: skip
_BESIDE: Final = ("tests/e2e/js/node_modules", "example_app/frontend/node_modules", "example_app/static", ".venv")
"""What tests need that the repository does not hold."""

_OPTIONS: Final = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
    "--hypothesis-seed=0",
    "--no-header",
    "--tb=line",
)
_PATIENCE: Final = 4
"""How many times as long as without a fault tests may take before it counts as seen."""

_AT_LEAST: Final = 15.0
"""Seconds that they have in any case."""

_NO_TESTS: Final = 5


Patience = dict[tuple[str, ...], float]
"""Seconds after which tests count as failed, by their paths."""


@dataclass(frozen=True)
class Outcome:
    """How a run of tests ended.

    Args:
        failed: Whether a test failed, or took too long.
        seconds: How long it took.
        output: What pytest wrote.
    """

    failed: bool
    seconds: float
    output: str


@contextmanager
def copied_tree(root: Path = ROOT) -> Iterator[Path]:
    """Make a copy of what the repository holds, for as long as the context lasts.

    Args:
        root: The repository.
    """
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, check=True, capture_output=True
    )
    with TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (root / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name)
        for name in _BESIDE:
            if (root / name).exists():
                (copy / name).symlink_to(root / name)
        yield copy


class Runner:
    """Runs the tests of one module without a fault, then with each.

    Args:
        copy: The copy of the tree.
        module: The module's path in it.
        patience: How long tests may take; those that are not in it are timed first.
    """

    def __init__(self, copy: Path, module: str, patience: Patience) -> None:
        self._copy = copy
        self._path = copy / module
        self._patience = patience

    def check(self, tests: Sequence[str]) -> None:
        """Run tests without a fault, and remember how long they take.

        Args:
            tests: Paths under `tests/`.

        Raises:
            RuntimeError: They fail without any fault.
        """
        outcome = run_tests(self._copy, tests, limit=1800.0)
        if outcome.failed:
            raise RuntimeError(f"{' '.join(tests)} fail without a fault:\n{outcome.output}")
        self._patience[tuple(tests)] = max(_AT_LEAST, _PATIENCE * outcome.seconds)

    def sees(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Return whether tests fail with a fault.

        Args:
            mutant: The module with the fault.
            tests: Paths under `tests/`.
        """
        if tuple(tests) not in self._patience:
            self.check(tests)
        self._path.write_text(mutant.source)
        try:
            return run_tests(self._copy, tests, self._patience[tuple(tests)]).failed
        finally:
            self._path.write_text(mutant.original)


def run_tests(copy: Path, tests: Sequence[str], limit: float) -> Outcome:
    """Run tests in a process of their own.

    Args:
        copy: The copy of the tree.
        tests: Paths under `tests/`; those that there are not are left out.
        limit: Seconds after which they are ended.
    """
    paths = [f"tests/{test}" for test in tests if (copy / "tests" / test).exists()]
    output = copy / "pytest.log"
    shutil.rmtree(copy / ".hypothesis", ignore_errors=True)
    begun = time.monotonic()
    child = os.fork()
    if not child:
        _be_pytest(copy, paths, output)
    code = _wait(child, begun + limit)
    return Outcome(code not in {0, _NO_TESTS}, time.monotonic() - begun, output.read_text(errors="replace"))


def load_libraries() -> None:
    """Import what the tests import, so that each run of them need not; nothing of the repository's own."""
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)


def _be_pytest(copy: Path, paths: Sequence[str], output: Path) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(copy)
        os.environ.update(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        _forget_the_tree(copy)
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = int(importlib.import_module("pytest").main([*_OPTIONS, *paths]))
        sys.stdout.flush()
    except Exception:  # noqa: BLE001 - whatever it is belongs into the output
        os.write(1, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _forget_the_tree(copy: Path) -> None:
    """Import the repository's packages from the copy from now on."""
    sys.path[:] = [str(copy), *(path for path in sys.path if path and Path(path) != ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "flask_realtime", "example_app"}]:
        del sys.modules[name]


def _wait(child: int, until: float) -> int:
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _end_group(child)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    _end_group(child)
    os.waitpid(child, 0)
    return -1


def _end_group(child: int) -> None:
    """End what a run of tests left behind: servers, above all."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
