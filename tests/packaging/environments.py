"""Virtual environments as users make them: the wheel with one extra, and nothing that the developer happens to have."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from sysconfig import get_path

from tests.e2e.servers import Server, stopped_at_the_end

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("server", "redis", "amqp", "kafka", "celery", "push", "validation", "postgresql", "metrics", "tracing", "example")
"""Those for users; the others are for developers, who work in a checkout."""


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; a failure shows all of it."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uv(*arguments: str | Path, folder: Path) -> str:
    """Run uv, which makes an environment in a second where pip takes ten."""
    return run([Path(sys.executable).with_name("uv"), *arguments], folder, {**_index_of_pip(), **os.environ})


@cache
def _index_of_pip() -> dict[str, str]:
    """The package index that pip is configured to use: uv does not read pip's configuration."""
    settings = dict(line.split("=", 1) for line in run([sys.executable, "-m", "pip", "config", "list"], ROOT).splitlines())
    found = [settings[name].strip("'") for name in ("global.index-url", ":env:.index-url") if name in settings]
    return {"UV_DEFAULT_INDEX": found[-1]} if found else {}


class Environment:
    """A virtual environment that holds the wheel, what it requires, and nothing else.

    Args:
        folder: Where to make it.
        wheel: The wheel.
        extras: What to install with it.
    """

    def __init__(self, folder: Path, wheel: Path, *extras: str) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        uv("venv", "--quiet", "--python", sys.executable, folder, folder=folder.parent)
        requirement = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        uv("pip", "install", "--quiet", "--python", self.python, requirement, folder=folder.parent)
        self._take_what_is_compiled()

    def run(self, script: str, *arguments: str) -> str:
        """Run a script away from all other packages, in which a warning is an error; returns what it printed."""
        return run([self.python, "-I", "-W", "error", "-c", script, *arguments], self.folder, self._variables)

    @contextmanager
    def serving(self, command: Sequence[str], folder: Path, port: int, **variables: str) -> Iterator[Server]:
        """Run a server, by a command of this environment, in a folder."""
        server = Server([str(self.folder / "bin" / command[0]), *command[1:]], {**self._variables, **variables}, folder=folder)
        with stopped_at_the_end(server):
            server.url = f"http://127.0.0.1:{port}"
            server.wait_until_ready()
            yield server

    def _take_what_is_compiled(self) -> None:
        """Take what this environment has compiled of the same files, links to uv's: each would compile all of it again."""
        here = Path(get_path("purelib"))
        packages = self.folder / here.relative_to(sys.prefix)
        for source in packages.rglob("*.py"):
            same = here / source.relative_to(packages)
            compiled, link = (Path(cache_from_source(str(file))) for file in (same, source))
            if compiled.exists() and same.samefile(source) and not link.exists():
                link.parent.mkdir(exist_ok=True)
                link.hardlink_to(compiled)

    @property
    def _variables(self) -> dict[str, str]:
        return {"PATH": f"{self.folder / 'bin'}:{os.defpath}", "HOME": str(self.folder)}
