"""Python programs that begin with flask_realtime imported: forks of a process that has done it, in a tenth of the time.

For what does not depend on a process's first steps, and does not apply gevent's patches, which come before such imports. Like any
other, each has its own arguments, variables and folder, and ends as Python ends.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

IMPORTED = ("flask.cli", "flask_jwt_extended", "flask_realtime.cli", "flask_sqlalchemy")
OUTPUTS = ("out", "err")


class WarmPython:
    """A process whose forks run programs.

    Args:
        options: Python's own, for all of them.
        imported: More modules that are imported before.
    """

    def __init__(self, *options: str, imported: Sequence[str] = ()) -> None:
        command = [sys.executable, *options, __file__, *IMPORTED, *imported]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a program to its end.

        Args:
            arguments: `-m` with a module's name, or `-c` with source, and what the program takes.
            folder: Where it runs.
            environment: Its variables.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory() as outputs:
            request = {"arguments": arguments, "folder": str(folder), "environment": dict(environment), "outputs": outputs}
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (Path(outputs, name).read_text(encoding="utf-8") for name in OUTPUTS)
        return subprocess.CompletedProcess(arguments, code, out, err)

    def __enter__(self) -> WarmPython:  # noqa: PYI034 - Python 3.10 has no `Self`
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.communicate()


def _serve() -> None:
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    for module in sys.argv[1:]:
        import_module(module)
    gc.freeze()  # What is there now is not looked through again when each of them ends.
    for line in sys.stdin:
        if not (pid := os.fork()):
            _become(**json.loads(line))
            return
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def _become(arguments: list[str], folder: str, environment: dict[str, str], outputs: str) -> None:
    for number, path in enumerate((os.devnull, *(f"{outputs}/{name}" for name in OUTPUTS))):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = ["", *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        main: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(what, "<string>", "exec"), main)  # noqa: S102 - the tests' own


if __name__ == "__main__":
    _serve()
