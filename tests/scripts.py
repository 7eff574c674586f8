"""Python scripts in processes of their own, for what the tests' process cannot undo: forks, gevent's patches."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start_script(script: str, *args: str) -> subprocess.Popen[str]:
    """Run a script that its caller talks with; a warning ends it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", script, *args]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run_script(script: str, *args: str) -> str:
    """Run a script, and return what it wrote."""
    with start_script(script, *args) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output
