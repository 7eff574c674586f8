"""Compiles the C programs."""

import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent
BUILD = FOLDER / "build"
LOAD = BUILD / "load"
FLOOR = BUILD / "floor"
SOURCES = {LOAD: FOLDER / "load.c", FLOOR: FOLDER / "peers" / "floor.c"}


def build() -> None:
    """Compile what is missing or older than its source."""
    BUILD.mkdir(exist_ok=True)
    for program, source in SOURCES.items():
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            command = [shutil.which("cc") or "cc", "-O2", "-Wall", "-o", str(program), str(source)]
            subprocess.run(command, check=True)  # noqa: S603 - our own sources
