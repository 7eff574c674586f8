"""An application that tells of its process, and a logger that tells of gunicorn's master, for ways to start them to be compared."""

if __name__ == "__main__":
    from gevent import monkey

    import example_app  # noqa: F401 - as `python -m example_app` does before the first line that it runs

    monkey.patch_all()

import gc
import json
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, cast

from gunicorn.glogging import Logger

OWN = (__name__, "__main__", "__mp_main__")


def describe() -> dict[str, Any]:
    """Return what there is to tell."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    outputs = cast("list[TextIOWrapper]", [sys.stdout, sys.stderr])
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists() or link.is_symlink()]
    return {
        "modules": {name: _contents(module) for name, module in list(sys.modules.items()) if name not in OWN},
        "signals": re.findall(r"Sig(?:Blk|Ign|Cgt):\s+\w+", status),
        "descriptors": sorted(map(_target, links)),
        "variables": dict(os.environ),
        "output": [[out.write_through, out.line_buffering, out.encoding, out.errors] for out in outputs],
        "folder": str(Path.cwd()),
        "path": sys.path,
        "arguments": sys.argv,
        "flags": list(sys.flags),
        "warnings": [str(entry) for entry in warnings.filters],
        "garbage": [gc.isenabled(), gc.get_freeze_count(), *gc.get_threshold()],
        "threads": [type(thread).__name__ for thread in threading.enumerate()],
        "session": [os.getsid(0) == os.getpgid(0), os.getpgid(0) == os.getpid(), os.getpgid(0) == os.getppid()],
    }


def _contents(module: ModuleType) -> dict[str, str]:
    contents = getattr(module, "__dict__", {})  # It may be None.
    return {name: _described(value) for name, value in contents.items() if not isinstance(value, ModuleType)}


def _described(value: Any) -> str:
    kind = type(value)
    named = value if issubclass(kind, type | FunctionType | BuiltinFunctionType) else kind
    module = named.__module__ if isinstance(named.__module__, str) else ""
    return f"{kind.__qualname__} {module}.{named.__qualname__}"


def _target(link: Path) -> str:
    try:
        return re.sub(r"\d+|-\w+", "", str(link.readlink()))
    except FileNotFoundError:  # The one with which the folder was read.
        return ""


def import_applications() -> None:
    """Import those that the variable names."""
    for name in os.environ["DESCRIBED_IMPORTS"].split():
        import_module(name)


def create_app() -> Callable[..., list[bytes]]:
    """Import other applications; then be one that answers with what there is to tell."""
    import_applications()

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [json.dumps(describe()).encode()]

    return app


class DescribingLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """A logger that logs it when the master listens."""

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log what it is told, and then that."""
        super().info(msg, *args, **kwargs)
        if msg.startswith("Listening at"):
            super().info("described: %s", json.dumps(describe()))


if __name__ == "__main__":
    import_applications()
    sys.stdout.write(json.dumps(describe()))
