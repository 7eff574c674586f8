"""Type-checks TypeScript, with the compiler that `make test` installs."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.clients import JS_FOLDER, node

SECONDS = 60.0
OPTIONS = {
    "noEmit": True,
    "strict": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "jsx": "react-jsx",
    "skipLibCheck": True,  # Those of libraries, which take two thirds of the time.
}


def problems(folder: Path, modules: Mapping[str, str], **options: Any) -> list[str]:
    """What the compiler finds wrong with some modules.

    Args:
        folder: Where to write them: an empty folder.
        modules: Their text, by their names.
        options: Options that take precedence over `OPTIONS`.
    """
    (folder / "node_modules").symlink_to(JS_FOLDER / "node_modules")
    settings = {"compilerOptions": OPTIONS | options, "files": list(modules)}
    for name, text in {**modules, "tsconfig.json": json.dumps(settings)}.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [node(), "node_modules/typescript/bin/tsc", "--pretty", "false"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    found = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert bool(done.returncode) == bool(found), done.stdout + done.stderr
    return found
